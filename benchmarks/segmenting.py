"""One segmenter on one core: run with a job as json, prints its scores and its speed as json."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

PASSES = 3  # timed passes over the texts; the median counts


def measure(folder: Path, plain: dict[str, Any]) -> dict[str, Any]:
    """Learn where that is needed, then segment the test text and score it."""
    from danlu.data.reading.format import open_records
    from danlu.evaluate.scoring.segmentation import score_words
    from danlu.text.segmenting.segmented import read_words
    from danlu.text.segmenting.segmenter import Learner, Segmenter, open_segmenter, save

    train, test = (
        [read_words(record, number) for number, record in enumerate(open_records(str(folder / f"{name}.jsonl")))]
        for name in ("train", "test")
    )
    segmenter = Segmenter.model_validate(plain)
    learn_seconds = None
    if isinstance(segmenter, Learner):
        begun = time.perf_counter()
        save(folder / "segmenter", segmenter, train)
        learn_seconds = time.perf_counter() - begun
        segmenter = open_segmenter(folder / "segmenter")
    texts = ["".join(words) for words in test]
    segmenter.segment(texts[:50])  # loads what it needs
    seconds = []
    for _ in range(PASSES):
        begun = time.perf_counter()
        found = segmenter.segment(texts)
        seconds.append(time.perf_counter() - begun)
    known = {word for words in train for word in words}
    return {
        "scores": score_words(test, found, known).to_plain(),
        "characters_per_second": sum(map(len, texts)) / sorted(seconds)[PASSES // 2],
        "learn_seconds": learn_seconds,
    }


def main() -> None:
    """Measure the job of the command line on one core."""
    job = json.loads(sys.argv[1])
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    os.environ["OMP_NUM_THREADS"] = "1"
    print(json.dumps(measure(Path(job["folder"]), job["segmenter"])))


if __name__ == "__main__":
    main()
