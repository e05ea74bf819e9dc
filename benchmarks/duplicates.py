"""Near-duplicates of the same texts by danlu and by two other libraries; each gives the first row of every cluster."""

from pathlib import Path
from typing import Any

import numpy as np


def shingles(text: str) -> set[str]:
    """The shingles of one text as danlu cuts them: see `danlu.data.duplicates.minhash.hashed_shingles`."""
    from danlu.data.duplicates.folded import folded
    from danlu.data.duplicates.minhash import FIRST_WIDE, LETTERS, SHINGLE

    text = folded([text]).bytes_of(0).decode("utf-32-le", "surrogatepass")
    found = set()
    for start, character in enumerate(text):
        wide = ord(character) >= FIRST_WIDE
        width = SHINGLE if wide else LETTERS
        if start == 0 or start + width <= len(text) or (not wide and ord(text[start - 1]) >= FIRST_WIDE):
            found.add(text[start : start + width])
    return found or {""}


def danlu(texts: list[str], similarity: float, _folder: Path) -> np.ndarray:
    """Danlu's clusters, in memory."""
    from danlu.data.duplicates.dedup import find_clusters

    return find_clusters(texts, similarity).near


def datasketch(texts: list[str], similarity: float, _folder: Path) -> np.ndarray:
    """The index of datasketch with danlu's bands and rows, over danlu's shingles, its estimate deciding."""
    from datasketch import MinHash, MinHashLSH

    from danlu.data.duplicates.minhash import bands_for

    bands, rows = bands_for(similarity)
    index = MinHashLSH(num_perm=bands * rows, params=(bands, rows))
    sketches: list[Any] = []
    clusters = np.arange(len(texts))
    for row, text in enumerate(texts):
        sketch = MinHash(num_perm=bands * rows)
        sketch.update_batch([shingle.encode() for shingle in shingles(text)])
        found = [other for other in index.query(sketch) if sketches[other].jaccard(sketch) >= similarity]
        if found:
            clusters[row] = clusters[min(found)]
        index.insert(row, sketch)
        sketches.append(sketch)
    return clusters


def datatrove(texts: list[str], similarity: float, folder: Path) -> np.ndarray:
    """The four stages of datatrove with danlu's bands and rows, over danlu's shingles.

    Its own are runs of words, for which a tokenizer has to find the Chinese ones first; without, it is faster.
    """
    from datatrove.data import Document
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupBuckets
    from datatrove.utils.hashing import HashConfig

    from danlu.data.duplicates.minhash import bands_for

    class Signature(MinhashDedupSignature):  # type: ignore[misc]
        def get_shingles(self, text: str) -> np.ndarray:
            found = [self._hash_func(shingle.encode()) for shingle in shingles(text)]
            return np.fromiter(found, np.uint64, len(found)).reshape(-1, 1)

    bands, rows = bands_for(similarity)
    config = MinhashConfig(num_buckets=bands, hashes_per_bucket=rows, hash_config=HashConfig(precision=64))
    documents = [Document(text=text, id=str(row)) for row, text in enumerate(texts)]
    paths = {name: str(folder / name) for name in ("signatures", "buckets", "removed", "logs")}

    def run(*steps: Any) -> None:
        for number, step in enumerate(steps):
            tasks = bands if isinstance(step[0], MinhashDedupBuckets) else 1
            logs = f"{paths['logs']}/{number}"
            LocalPipelineExecutor(pipeline=step, tasks=tasks, workers=1, logging_dir=logs, skip_completed=False).run()

    kept: set[int] = set()

    def keep(data: Any, _rank: int, _world_size: int) -> Any:
        for document in data:
            kept.add(int(document.id))
            yield document

    run(
        [documents, Signature(output_folder=paths["signatures"], config=config, language="zho_Latn")],
        [MinhashDedupBuckets(input_folder=paths["signatures"], output_folder=paths["buckets"], config=config)],
        [MinhashDedupCluster(input_folder=paths["buckets"], output_folder=paths["removed"], config=config)],
        [documents, MinhashDedupFilter(input_folder=paths["removed"]), keep],
    )
    return np.array([row if row in kept else -1 for row in range(len(texts))])
