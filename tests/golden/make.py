"""Makes a golden folder of what danlu writes today: `python tests/golden/make.py tests/golden/3`.

It is run where a format changes, and makes a new folder; the folders of earlier formats stay as they were written, so
that `tests/test_formats.py` sees what happens to people who come from there.
"""

import contextlib
import gzip
import json
import shutil
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import torch
from transformers import BertConfig, BertForSequenceClassification, LlamaConfig, LlamaForCausalLM

TEXTS = ["很好用", "太慢了", "good", "bad"]
SIZES = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
SIZES |= {"max_position_embeddings": 32, "initializer_range": 0.5}
FINGERPRINT = "0" * 64
ENTRY = SimpleNamespace(id="e1", answer="早上九点。", intent="", times=1, questions=["几点开门？"])


def make(folder: Path) -> None:
    """Bundles, a lock, a checkpoint, shards, an index and the databases of applications."""
    folder.mkdir(parents=True)
    make_bundles(folder)
    make_adapted(folder / "adapted")
    make_training(folder / "training")
    make_shards(folder / "rows", folder / "tokens")
    for card in folder.rglob("README.md"):
        card.unlink()  # people may write in it, so nothing reads it
    with tempfile.TemporaryDirectory() as scratch:
        make_databases(Path(scratch))
        for file in sorted(Path(scratch).rglob("*.db")):
            with gzip.GzipFile(folder / f"{file.stem}.db.gz", "wb", mtime=0) as packed:
                packed.write(file.read_bytes())


def make_bundles(folder: Path) -> None:
    from danlu.bundle.bundle import save
    from danlu.export.export import export
    from danlu.export.target import Target
    from danlu.recipe.part import find
    from danlu.task.tasks.causal_lm import CausalLm
    from danlu.task.tasks.classify import Classify
    from danlu.text.tokenizing.tokenizers.bpe import Bpe
    from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece

    records = [{"text": text, "label": label} for text, label in zip(TEXTS, ("+", "-", "+", "-"), strict=True)]
    task = Classify().fitted(records)
    words = WordPiece(size=40, min_frequency=1).build(lambda: iter(TEXTS))
    torch.manual_seed(3)
    network = BertForSequenceClassification(BertConfig(vocab_size=len(words), **SIZES, **task.config()))
    told = {"precision": "float32", "provenance": {"recipe": "golden"}}
    save(folder / "classify", network, words, task, examples=records[:2], **told)
    pairs = Bpe(size=270).build(lambda: iter(TEXTS))
    ends = {"pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 0}
    writer = LlamaForCausalLM(LlamaConfig(vocab_size=len(pairs), **SIZES, **ends))
    save(folder / "causal_lm", writer, pairs, CausalLm(), examples=[{"text": TEXTS[0]}], **told)
    export(folder / "classify", folder / "classify_onnx", find(Target, "onnx")())


def make_adapted(folder: Path) -> None:
    """A base with an adapter by lora and one by its head."""
    import danlu
    from danlu.bundle.adapt import adapt

    target = folder.absolute()
    with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(scratch):
        rows = Path("rows.jsonl")
        records = [{"text": text, "label": label} for text, label in zip(TEXTS, ("+", "-", "+", "-"), strict=True)]
        rows.write_text("\n".join(json.dumps(record) for record in records * 3), encoding="utf-8")
        train = {"rate": 2e-2, "batch_tokens": 64, "threads": 1, "precision": "float32", "steps": 2}
        clean = {
            "kind": "prepare",
            "data": {"kind": "jsonl", "path": str(rows)},
            "dedup": "none",
            "split": {"validation": 0.3, "test": 0.0},
        }
        model = {"kind": "scratch", "layers": 1, "width": 8, "heads": 2, "positions": 32}
        base = {"kind": "pretrained", "path": "@base"}
        tuned = {"kind": "train", "data": "@clean", "train": train, "model": base, "task": "classify"}
        stages = {
            "clean": clean,
            "vocab": {"kind": "tokenizer", "data": "@clean", "tokenizer": "char"},
            "base": tuned | {"model": model, "task": "masked_lm", "tokenizer": "@vocab"},
            "updated": tuned | {"tuning": {"kind": "lora", "rank": 1}},
            "headed": tuned | {"tuning": "head"},
        }
        run = danlu.run({"name": "golden", "stages": stages}, root=".", say=lambda line: None)
        adapt(run["base"], run["updated"], "updated", target)
        adapt(target, run["headed"], "headed")


def make_shards(rows: Path, tokens: Path) -> None:
    """Encoded examples with a target, and documents of tokens."""
    import numpy as np

    from danlu.text.batching import shards
    from danlu.text.batching.encoded import Encoded, Row
    from danlu.text.batching.flat import write_tokens
    from danlu.text.batching.rows import write_rows

    ids = [np.arange(1, size, dtype=np.int32) for size in (3, 5, 4)]
    examples = [Encoded(number, (Row(row),), {"label": number}) for number, row in enumerate(ids)]
    for folder, form in ((rows, "rows"), (tokens, "tokens")):
        folder.mkdir()
        written = write_rows(folder, [examples]) if form == "rows" else write_tokens(folder, [ids], 9)
        shards.write(folder, shards.Manifest(form, FINGERPRINT, tuple(written), {"task": "golden", "vocabulary": 9}))


def make_training(folder: Path) -> None:
    from danlu.recipe import lock
    from danlu.train.average import Average
    from danlu.train.checkpoint import State, save
    from danlu.train.layouts.flat import FlatParameters
    from danlu.train.optimizer import build_optimizer

    torch.manual_seed(3)
    parameters = FlatParameters(torch.nn.Linear(3, 2))
    optimizer = build_optimizer("adamw", parameters, rate=1e-3, weight_decay=0.0, betas=(0.9, 0.98))
    parameters.begin(0)
    for gradient in parameters.gradients():
        gradient.fill_(1.0)
    parameters.step(optimizer, 1e-3)
    state = State(FINGERPRINT, 2, 2, "float32", step=7, best=0.5, best_step=4)
    save(folder / "checkpoints", state, parameters, optimizer, Average(parameters, 0.0), {})
    section = {"kind": "train", "train": {"rate": 1e-3}}
    versions = {"danlu": "0.1.0", "python": "3.11.7"}
    lock.save(folder, lock.Lock("model", "running", FINGERPRINT, 1, section, {}, {"clean": FINGERPRINT}, versions))


def make_databases(folder: Path) -> None:
    from danlu.apps.assistant.store import Store as Desk
    from danlu.apps.monitor.item import Item as Text
    from danlu.apps.monitor.store import Store as Watch
    from danlu.apps.recommend.item import Item
    from danlu.apps.recommend.ledger import Ledger
    from danlu.index.document import Document
    from danlu.index.index import Index
    from danlu.serve.feedback import Feedback

    with Index.open(folder / "index") as index:
        index.put([Document("a.txt", "几点开门？早上九点开门。"), Document("b.txt", "The shop closes at ten.")])
    with Desk(f"sqlite:///{folder / 'assistant.db'}") as desk:
        desk.add([ENTRY])  # type: ignore[list-item]
    watch = Watch(f"sqlite:///{folder / 'monitor.db'}")
    watch.put([Text("手机很好用", id="t1", source="golden", topics=("phones",), negative=False)], 1.7e9)
    watch.close()
    with Ledger(f"sqlite:///{folder / 'recommend.db'}") as ledger:
        ledger.put([Item("i1", "手机", "很好用", None)])
    feedback = Feedback(f"sqlite:///{folder / 'feedback.db'}")
    feedback.add(model="m", fingerprint=FINGERPRINT, correct=True, record={"text": TEXTS[0]}, prediction={"label": "+"})
    feedback.close()


if __name__ == "__main__":
    target = Path(sys.argv[1])
    assert not target.exists(), f"{target} is there already, and stays as it is"
    try:
        make(target)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    print(
        json.dumps(
            {path.as_posix(): path.stat().st_size for path in sorted(target.rglob("*")) if path.is_file()}, indent=1
        )
    )
