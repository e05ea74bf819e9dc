"""Which split the name of a file or a folder tells, and what else it says."""

import re
from pathlib import Path

SPLITS = {
    "train": re.compile(r"(?<![a-z])train(ing)?(set|data)?(?![a-z])", re.IGNORECASE),
    "validation": re.compile(r"(?<![a-z])(dev(el)?|valid|validation|val|eval)(set|data)?(?![a-z])", re.IGNORECASE),
    "test": re.compile(r"(?<![a-z])test(set|data)?(?![a-z])", re.IGNORECASE),
}


def split_of(name: str) -> str | None:
    """The split that a name tells: of `emerging.dev.conll` validation."""
    return next((split for split, pattern in SPLITS.items() if pattern.search(name)), None)


def bare(path: Path) -> str:
    """The name of a file without its split, its suffix and the numbers of its parts."""
    name = path.name.partition(".")[0] if path.name.count(".") == 1 else path.name.rpartition(".")[0]
    for pattern in SPLITS.values():
        name = pattern.sub("", name)
    return re.sub(r"[\W\d_]+", "", name).lower()


def is_part(name: str) -> bool:
    """Whether the name of a folder is that of a split or of a numbered part of one: `train`, `train_part2`."""
    for pattern in SPLITS.values():
        name = pattern.sub("", name)
    return re.fullmatch(r"(part|shard|chunk|v)?\d+|", re.sub(r"[\W_]+", "", name).lower()) is not None
