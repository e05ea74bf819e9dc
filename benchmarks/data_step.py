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
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from corpus import sources_of

SIMILARITY = 0.8


def main() -> None:
    job = json.loads(sys.argv[1])
    corpus, folder = Path(job["corpus"]), Path(job["folder"]) / "work"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    steps = {"clean": clean, "near": near, "tokens": tokens}
    with contextlib.redirect_stdout(io.StringIO()):
        result = steps[job["step"]](corpus, folder) if job["step"] in steps else rival(job["step"], corpus, folder)
    print(json.dumps(result | {"cpu": result.get("cpu", _processor_seconds())}))


def clean(corpus: Path, _folder: Path) -> dict[str, Any]:
    """Reading alone, then through the default cleaners on all cores."""
    from danlu.data.engines.local import Local
    from danlu.data.ingest import pieces

    begin = time.perf_counter()
    for _ in pieces([("train", "corpus", _records(corpus))], "text"):
        pass
    seconds = {"read": time.perf_counter() - begin}
    if find_spec("danlu.data.cleaning") is not None:
        from danlu.data.cleaning import clean_records

        work = partial(_cleaned, partial(clean_records, cleaners=_cleaners(), column="text"))
        begin = time.perf_counter()
        left = sum(Local().map(work, pieces([("train", "corpus", _records(corpus))], "text")))
        seconds["clean"] = time.perf_counter() - begin
        return {"seconds": seconds, "rows": left}
    return {"seconds": seconds}


def near(corpus: Path, folder: Path) -> dict[str, Any]:
    """What a stage of kind prepare does, step by step, and what it finds of the planted duplicates."""
    from danlu.data.deal import deal
    from danlu.data.engines.local import Local
    from danlu.data.ingest import Ingest, pieces
    from danlu.data.prepared import SPLITS
    from danlu.data.split import split_coded
    from danlu.data.spool import Spool, spooled_clusters
    from danlu.machine.seed import generator

    engine, begin = Local(), time.perf_counter()
    ingest = Ingest(folder, "text", SIMILARITY)
    spool = Spool(folder, list(engine.map(ingest, pieces([("train", "corpus", _records(corpus))], "text"))), "text")
    keyed = time.perf_counter()
    _, clusters = spooled_clusters(spool, SIMILARITY, engine)
    clustered = time.perf_counter()
    rows = np.flatnonzero(clusters == np.arange(spool.rows))
    split_of = np.full(spool.rows, -1, np.int8)
    dealt = split_coded(clusters[rows], {"train": 0.98, "validation": 0.01, "test": 0.01}, generator(0, "split"))
    for number, name in enumerate(SPLITS):
        split_of[rows[dealt[name]]] = number
    target = folder.with_name("prepared")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    deal(spool, SPLITS, split_of, np.ones(spool.rows, np.uint16), engine, target).close()
    end = time.perf_counter()
    seconds = {"keys": keyed - begin, "clusters": clustered - keyed, "deal": end - clustered, "near": end - begin}
    return {"seconds": seconds, "rows": spool.rows} | _judged(clusters, corpus)


def tokens(_corpus: Path, folder: Path) -> dict[str, Any]:
    """The training split that the step before has left, through a tokenizer into files of token ids."""
    from danlu.data.prepared import stream
    from danlu.text.tokenizer import TokenizerSource

    prepared = folder.with_name("prepared")
    first = [
        str(record["text"]) for _, part in zip(range(4), stream(prepared, "train"), strict=False) for record in part
    ]
    source = TokenizerSource.model_validate({"kind": "wordpiece", "size": 8000})
    tokenizer = source.build(lambda: iter(first))
    backend = tokenizer.backend_tokenizer  # the Rust one, on all cores
    begin, count = time.perf_counter(), 0
    with (folder / "tokens.bin").open("wb") as file:
        for part in stream(prepared, "train"):
            texts = [str(record["text"]) for record in part]
            rows = [encoding.ids for encoding in backend.encode_batch_fast(texts, add_special_tokens=False)]
            ids = np.fromiter(chain.from_iterable(rows), np.uint16)
            ids.tofile(file)
            count += len(ids)
    return {"seconds": {"tokens": time.perf_counter() - begin}, "tokens": count}


def rival(name: str, corpus: Path, folder: Path) -> dict[str, Any]:
    """Clusters of like texts by one library, in one process, with the same shingles' length, bands and rows."""
    import duplicates

    if name != "danlu" and find_spec(name) is None:
        return {"absent": f"is not installed; run: pip install {name}"}
    texts = [str(record["text"]) for record in _records(corpus)]
    begin, cpu = time.perf_counter(), time.process_time()
    clusters = getattr(duplicates, name)(texts, SIMILARITY, folder)
    return {"wall": time.perf_counter() - begin, "cpu": time.process_time() - cpu} | _judged(clusters, corpus)


def _judged(clusters: np.ndarray, corpus: Path) -> dict[str, float]:
    """Precision and recall of the rows that would be dropped, against those that were planted."""
    planted = np.load(sources_of(corpus)) >= 0
    dropped = clusters != np.arange(len(clusters))
    found = int((planted & dropped).sum())
    return {"precision": found / max(1, int(dropped.sum())), "recall": found / int(planted.sum())}


def _processor_seconds() -> float:
    """Of this process and all that it has started and waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(side.ru_utime + side.ru_stime for side in used)


def _records(corpus: Path) -> Any:
    from danlu.data.format import Format

    return Format.model_validate({"kind": "jsonl", "path": str(corpus)}).read(["text"])


def _cleaned(work: Any, piece: Any) -> int:
    return len(work(piece.records).records)


def _cleaners() -> list[Any]:
    from danlu.data.cleaner import Cleaner

    names = ("control", "normalise", "whitespace")
    return [Cleaner.model_validate({"kind": name}) for name in names]


if __name__ == "__main__":
    main()
