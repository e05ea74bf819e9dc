"""Doors of folders: bundles, golden records, models, tokenizers, segmenters, data sets; each with its damage.

`originals(place)` makes sound folders once; `attempt(door, seed, made, place)` opens a damaged copy of one, which gives
a result or raises `Refusal`, whatever the seed. `DOORS` names them all.
"""

import json
import random
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mutations import dumped, mutated, mutated_bytes, mutated_value

TEXTS = ["这本书写得很好，值得再读一遍。", "物流太慢", "The screen broke after two days.", "江泽民在北京"]
WORDS = [
    ["今天", "天气", "很", "好", "。"],
    ["江", "泽民", "在", "北京", "说", "话"],
    ["天气", "不", "好", "，", "it", "rains"],
]

Folders = dict[str, Path]


def originals(place: Path) -> Folders:
    """Sound folders by the name of their door."""
    made = {name: place / name for name in DOORS}
    _bundles(made["bundle"], made["tagger"])
    shutil.copytree(made["bundle"], made["golden"])
    _models(made["model"], made["network"])
    _tokenizers(made["tokenizer"], made["wordpiece"])
    _segmenters(made["hmm"], made["ngram"])
    _data_sets(made["saved"], made["files"])
    return made


def attempt(door: str, seed: int, made: Folders, place: Path) -> Any:
    """Open a copy of a sound folder in `place`, damaged as the seed says."""
    rng = random.Random(f"{door} {seed}")
    folder = place / "given"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(made[door], folder)
    try:
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            _damage(folder, rng, "golden.json" if door == "golden" else "*")
        if rng.random() < 0.8:
            _rehash(folder)
        return DOORS[door](folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _bundle(folder: Path) -> Any:
    from danlu.bundle.verify import verify

    return verify(folder)


def _model(folder: Path) -> Any:
    from danlu.model.sources.pretrained import Pretrained
    from danlu.text.tokenizing.tokenizers.pretrained import Pretrained as Tokens

    tokenizer = Tokens(path=str(folder)).build(lambda: iter(()))
    return Pretrained(path=str(folder)).build("AutoModelForTokenClassification", tokenizer, {})


def _network(folder: Path) -> Any:
    from danlu.bundle.network import open_network

    return open_network(str(folder), "AutoModelForCausalLM")


def _tokenizer(folder: Path) -> Any:
    from danlu.text.tokenizing.tokenizers.pretrained import Pretrained

    tokenizer = Pretrained(path=str(folder)).build(lambda: iter(()))
    return tokenizer(TEXTS, add_special_tokens=True)


def _segmenter(folder: Path) -> Any:
    from danlu.text.segmenting.segmenter import open_segmenter

    return open_segmenter(folder).segment([*TEXTS, "", "3.14 好好好"])


def _data_set(folder: Path) -> Any:
    from danlu.data.reading.format import Format

    return list(Format.model_validate({"kind": "hub", "path": str(folder)}).read())


DOORS: dict[str, Callable[[Path], Any]] = {
    "bundle": _bundle, "tagger": _bundle, "golden": _bundle, "model": _model, "network": _network,
    "tokenizer": _tokenizer, "wordpiece": _tokenizer, "hmm": _segmenter, "ngram": _segmenter,
    "saved": _data_set, "files": _data_set,
}  # fmt: skip
"""What opens a folder, by name."""


def _damage(folder: Path, rng: random.Random, pattern: str) -> None:
    """One damage of one file, or of what files there are."""
    files = sorted(path for path in folder.rglob(pattern) if path.is_file())
    if not files:
        return
    path = rng.choice(files)
    way = rng.random()
    if way < 0.06:
        path.unlink()
    elif way < 0.10:
        other = rng.choice(files)
        first, second = path.read_bytes(), other.read_bytes()
        path.write_bytes(second)
        other.write_bytes(first)
    elif way < 0.16:
        _add(folder, rng)
    elif way < 0.20:
        path.unlink()
        rng.choice((path.mkdir, lambda: path.symlink_to("/dev/zero"), lambda: path.symlink_to(path), path.touch))()
    else:
        path.write_bytes(_damaged(path, rng))


def _damaged(path: Path, rng: random.Random) -> bytes:
    data = path.read_bytes()
    if path.suffix == ".safetensors" and rng.random() < 0.8:
        return _tensors(data, rng)
    forms = {".json": "json", ".txt": "text", ".csv": "csv", ".md": "yaml"}
    try:
        if path.suffix == ".json" and rng.random() < 0.7:  # such as is json still
            return dumped(mutated_value(json.loads(data), rng))
        return mutated(data, forms.get(path.suffix, "bytes"), rng)
    except (ValueError, RecursionError):
        return mutated_bytes(data, rng)


def _tensors(data: bytes, rng: random.Random) -> bytes:
    """Safetensors with another header: a tensor missing, renamed, of another shape, type or place."""
    try:
        (size,) = struct.unpack("<Q", data[:8])
        header = json.loads(data[8 : 8 + size])
        names = [name for name in header if name != "__metadata__"]
        name = rng.choice(names)
        entry = header[name]
        way = rng.randrange(8)
        if way == 0:
            del header[name]
        elif way == 1:
            header[f"{name}x"] = header.pop(name)
        elif way == 2:
            entry["shape"] = rng.choice(
                (entry["shape"][::-1], [1, *entry["shape"]], [*entry["shape"], 1], [], [2**40, 2**40], [0], [-1])
            )
        elif way == 3:
            entry["dtype"] = rng.choice(("F16", "F64", "I32", "U32", "I64", "BOOL", "F8_E4M3", "BF16", "X", "U64"))
        elif way == 4:
            other = header[rng.choice(names)]
            entry["data_offsets"], entry["shape"] = other["data_offsets"], other["shape"]
        elif way == 5:
            header = mutated_value(header, rng)
        elif way == 6:  # the numbers alone: ends of lists, not-a-number, what points elsewhere
            start, stop = (8 + size + at for at in entry["data_offsets"])
            at = rng.randrange(start, max(stop, start + 1))
            wild = rng.choice((b"\xff" * 8, b"\x00" * 8, b"\x00\x00\xc0\x7f" * 2, b"\x00\x00\x80\x7f" * 2, b"\x7f" * 8))
            return data[:at] + wild + data[at + 8 :]
        else:
            header[name], header[rng.choice(names)] = header[rng.choice(names)], header[name]
        new = dumped(header)
        return struct.pack("<Q", len(new)) + new + data[8 + size :]
    except (ValueError, KeyError, TypeError, struct.error, IndexError, AttributeError):
        return mutated_bytes(data, rng)


def _add(folder: Path, rng: random.Random) -> None:
    added = {
        "chat_template.jinja": b"{% for x in range(10**9) %}{% endfor %}",
        "adapter_config.json": b'{"base_model_name_or_path": "/nowhere", "peft_type": "LORA"}',
        "pytorch_model.bin": b"\x80\x04c__builtin__\nexit\n.",
        "model.safetensors.index.json": b'{"weight_map": {"a": "../x.safetensors", "b": "pytorch_model.bin"}}',
        "vocab.txt": b"a\nb\n", "spiece.model": b"\x0a\x00", "merges.txt": b"a b\n", "added_tokens.json": b'{"x": -5}',
        "special_tokens_map.json": b'{"pad_token": {"content": 5}}', "generation_config.json": b'{"eos_token_id": "x"}',
        "notes.md": b"mine", "README.md": b"---\nconfigs: [{data_files: ../x}]\n---\n", "data.csv": b"text\nx\n",
    }  # fmt: skip
    name = rng.choice(sorted(added))
    (folder / name).unlink(missing_ok=True)
    (folder / name).write_bytes(added[name])


def _rehash(folder: Path) -> None:
    """Let the hashes agree with what there is, as a forger would."""
    from danlu.machine.door import content_digest
    from danlu.machine.files import sha256

    try:
        path = folder / "danlu.json"
        if path.is_file():
            facts = json.loads(path.read_text("utf-8"))
            for name, written in facts["files"].items():
                if (folder / name).is_file() and not (folder / name).is_symlink():
                    written |= {"bytes": (folder / name).stat().st_size, "sha256": sha256(folder / name)}
            path.write_text(json.dumps(facts | {"digest": content_digest(facts)}), "utf-8")
        path = folder / "segmenter.json"
        if path.is_file() and (folder / "model.safetensors").is_file():
            facts = json.loads(path.read_text("utf-8")) | {"sha256": sha256(folder / "model.safetensors")}
            path.write_text(json.dumps(facts | {"digest": content_digest(facts)}), "utf-8")
    except (ValueError, KeyError, TypeError, AttributeError, OSError, RecursionError):
        return  # no longer of that form


def _trained(kind: str, tokens: str) -> tuple[Any, Any]:
    """A tiny network that is not trained at all, and its tokenizer."""
    import torch
    from transformers import BertConfig, BertForMaskedLM, LlamaConfig, LlamaForCausalLM

    from danlu.text.tokenizing.tokenizer import TokenizerSource

    source = TokenizerSource.model_validate({"kind": tokens, "size": 300, "min_frequency": 1})
    tokenizer = source.build(lambda: iter(TEXTS))
    words: dict[str, Any] = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    torch.manual_seed(3)
    if kind == "bert":
        return BertForMaskedLM(BertConfig(**words, **sizes, max_position_embeddings=48)), tokenizer
    return LlamaForCausalLM(LlamaConfig(**words, **sizes, max_position_embeddings=48)), tokenizer


def _bundles(classifier: Path, tagger: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification

    from danlu.bundle.bundle import save
    from danlu.data.cleaning.cleaner import Cleaner
    from danlu.task.task import Task

    model, tokenizer = _trained("bert", "wordpiece")
    examples = [{"text": text} for text in TEXTS]
    cleaners: Any = [Cleaner.model_validate({"kind": "whitespace"})]
    for folder, section, auto in (
        (classifier, {"kind": "classify", "labels": ["bad", "good"]}, AutoModelForSequenceClassification),
        (tagger, {"kind": "tag", "labels": ["PER", "LOC"]}, AutoModelForTokenClassification),
    ):
        task = Task.model_validate(section)
        model.config.update(task.config())
        network = auto.from_config(model.config)
        save(
            folder, network, tokenizer, task, precision="float32", provenance={}, examples=examples, rewriters=cleaners
        )


def _models(bert: Path, llama: Path) -> None:
    for folder, kind, tokens in ((bert, "bert", "wordpiece"), (llama, "llama", "bpe")):
        model, tokenizer = _trained(kind, tokens)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def _tokenizers(bpe: Path, wordpiece: Path) -> None:
    for folder, kind in ((bpe, "bpe"), (wordpiece, "wordpiece")):
        _trained("bert", kind)[1].save_pretrained(folder)


def _segmenters(hmm: Path, ngram: Path) -> None:
    from danlu.text.segmenting.segmenter import Segmenter, save

    for folder in (hmm, ngram):
        save(folder, Segmenter.model_validate({"kind": folder.name}), WORDS * 3)


def _data_sets(saved: Path, files: Path) -> None:
    import datasets

    datasets.disable_progress_bars()
    rows = [{"text": text, "label": len(text)} for text in TEXTS]
    datasets.DatasetDict({"train": datasets.Dataset.from_list(rows)}).save_to_disk(str(saved))
    files.mkdir()
    datasets.Dataset.from_list(rows).to_parquet(str(files / "train-1.parquet"))
    (files / "README.md").write_text("---\nconfigs:\n- config_name: x\n  data_files: train-*\n---\n")
