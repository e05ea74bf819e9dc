"""One step of the data benchmark in a process of its own: a job as json in, seconds and counts out."""

import contextlib
import io
import json
import resource
import shutil
import sys
import time
from functools import partial
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from corpus import sources_of

SIMILARITY = 0.8
CLEANERS = ("control", "normalise", "whitespace")
SAMPLE = 15_000  # documents, some 20 MB


def main() -> None:
    job = json.loads(sys.argv[1])
    corpus, folder = Path(job["corpus"]), Path(job["folder"]) / "work"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    steps = {"clean": clean, "near": near, "whole": whole}
    with contextlib.redirect_stdout(io.StringIO()):
        result = steps[job["step"]](corpus, folder) if job["step"] in steps else rival(job["step"], corpus, folder)
    print(json.dumps(result | {"cpu": result.get("cpu", _processor_seconds())}))


def clean(corpus: Path, _folder: Path) -> dict[str, Any]:
    """Reading alone, then through the default cleaners on all cores."""
    from danlu.data.cleaning.clean import clean_records
    from danlu.data.corpus.executors.local import Local
    from danlu.data.corpus.ingest import raw_chunks

    begin = time.perf_counter()
    for _ in raw_chunks([("train", "corpus", _records(corpus))], "text"):
        pass
    seconds = {"read": time.perf_counter() - begin}
    import data_step  # other processes find this script by its name

    work = partial(data_step.rows_left, partial(clean_records, cleaners=_cleaners(), column="text"))
    begin = time.perf_counter()
    left = sum(Local().map(work, raw_chunks([("train", "corpus", _records(corpus))], "text")))
    seconds["clean"] = time.perf_counter() - begin
    return {"seconds": seconds, "rows": left}


def near(corpus: Path, folder: Path) -> dict[str, Any]:
    """What a stage of kind prepare does, step by step, and what it finds of the planted duplicates."""
    from danlu.data.corpus.deal import deal
    from danlu.data.corpus.executors.local import Local
    from danlu.data.corpus.ingest import Ingest, raw_chunks
    from danlu.data.corpus.prepared import SPLITS
    from danlu.data.corpus.spool import Spool, spooled_clusters
    from danlu.data.splitting.split import split
    from danlu.machine.seed import generator

    engine, begin = Local(), time.perf_counter()
    ingest = Ingest(folder, "text", SIMILARITY)
    spool = Spool(folder, list(engine.map(ingest, raw_chunks([("train", "corpus", _records(corpus))], "text"))), "text")
    keyed = time.perf_counter()
    clusters = spooled_clusters(spool, SIMILARITY, engine).near
    clustered = time.perf_counter()
    rows = np.flatnonzero(clusters == np.arange(spool.rows))
    split_of = np.full(spool.rows, -1, np.int8)
    dealt = split(clusters[rows], {"train": 0.98, "validation": 0.01, "test": 0.01}, generator(0, "split"))
    for number, name in enumerate(SPLITS):
        split_of[rows[dealt[name]]] = number
    target = folder.with_name("prepared")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    deal(spool, SPLITS, split_of, np.ones(spool.rows, np.uint16), engine, target).close()
    end = time.perf_counter()
    seconds = {"keys": keyed - begin, "clusters": clustered - keyed, "deal": end - clustered, "near": end - begin}
    return {"seconds": seconds, "rows": spool.rows} | _judged(clusters != np.arange(spool.rows), corpus)


def whole(corpus: Path, folder: Path) -> dict[str, Any]:
    """A recipe of three stages as a user would run it, and what it leaves out of the planted duplicates."""
    import danlu
    from danlu.data.corpus.prepared import SPLITS, stream

    sample = folder / "sample.jsonl"
    with corpus.open("rb") as source, sample.open("wb") as file:
        file.writelines(islice(source, SAMPLE))
    prepare: dict[str, Any] = {"kind": "prepare", "data": {"kind": "jsonl", "path": str(corpus)}, "cleaners": CLEANERS}
    prepare |= {"dedup": "near", "similarity": SIMILARITY, "split": {"validation": 0.01, "test": 0.01}}
    vocab = {"kind": "tokenizer", "data": {"kind": "jsonl", "path": str(sample)}}
    stages = {
        "prepare": prepare,
        "vocab": vocab | {"tokenizer": {"kind": "wordpiece", "size": 8000}},
        "shards": {"kind": "shards", "data": "@prepare", "tokenizer": "@vocab"},
    }
    ran = danlu.run({"name": "data", "stages": stages}, root=folder)
    seconds = {stage.name: stage.seconds for stage in ran.stages}
    used = _processor_seconds()
    dropped = np.ones(len(np.load(sources_of(corpus), mmap_mode="r")), np.bool_)
    for name in SPLITS:
        for part in stream(ran["prepare"], name):
            dropped[[record["row"] for record in part]] = False
    manifest = json.loads((ran["shards"] / "shards" / "manifest.json").read_text(encoding="utf-8"))
    counts = {"tokens": manifest["tokens"], "cpu": used}
    return {"seconds": seconds | {"whole": sum(seconds.values())}} | counts | _judged(dropped, corpus)


def rival(name: str, corpus: Path, folder: Path) -> dict[str, Any]:
    """Clusters of like texts by one library, in one process, with the same shingles' length, bands and rows."""
    import duplicates

    if name != "danlu" and find_spec(name) is None:
        return {"absent": f"is not installed; run: pip install {name}"}
    texts = [str(record["text"]) for record in _records(corpus)]
    begin, cpu = time.perf_counter(), time.process_time()
    clusters = getattr(duplicates, name)(texts, SIMILARITY, folder)
    return {"wall": time.perf_counter() - begin, "cpu": time.process_time() - cpu} | _judged(
        clusters != np.arange(len(clusters)), corpus
    )


def _judged(dropped: np.ndarray, corpus: Path) -> dict[str, float]:
    """Precision and recall of the rows that are dropped, against those that were planted."""
    planted = np.load(sources_of(corpus)) >= 0
    found = int((planted & dropped).sum())
    return {"precision": found / max(1, int(dropped.sum())), "recall": found / int(planted.sum())}


def _processor_seconds() -> float:
    """Of this process and all that it has started and waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(side.ru_utime + side.ru_stime for side in used)


def _records(corpus: Path) -> Any:
    from danlu.data.reading.format import Format

    return Format.model_validate({"kind": "jsonl", "path": str(corpus)}).read(["text"])


def rows_left(work: Any, piece: Any) -> int:
    """How many rows of a piece the cleaners leave."""
    return len(work(piece.records).records)


def _cleaners() -> list[Any]:
    from danlu.data.cleaning.cleaner import Cleaner

    return [Cleaner.model_validate(name) for name in CLEANERS]


if __name__ == "__main__":
    main()
