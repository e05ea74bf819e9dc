"""Relations counted as the makers of relation data do: without those that are none, and with or without direction."""

import re
from collections.abc import Callable

import numpy as np
from scipy.sparse import csr_array

from danlu.evaluate.scoring.counting import numbers
from danlu.evaluate.scoring.side import Side

NO_RELATION = frozenset(
    {"other", "no_relation", "no relation", "norelation", "none", "na", "n/a", "unknown"}
    | {"无", "无关系", "没有关系", "未知", "其他", "其它"}
)
"""Labels, in small letters, that say that two entities are not related."""

_DIRECTED = re.compile(r"(?P<kind>.+)\((?P<first>e[12]),\s*(?!(?P=first))e[12]\)")


def is_relation(label: str) -> bool:
    """Whether a label says that two entities are related."""
    return label.lower() not in NO_RELATION


def turned(label: str) -> bool | None:
    """Whether a relation goes from the tail to the head; None for a label that tells no direction."""
    found = _DIRECTED.fullmatch(label)
    return found["first"] == "e2" if found else None


def kind_of(label: str) -> str:
    """A relation without its direction: `Cause-Effect(e1,e2)` is a `Cause-Effect`."""
    found = _DIRECTED.fullmatch(label)
    return found["kind"] if found else label


def of_relations(side: Side, named: Callable[[str], str] = str) -> csr_array:
    """Counts (N, 3L) as in `danlu.evaluate.scoring.counting`, of the relations under the names that they are given.

    An answer is right if the label is, direction included; labels that say that there is none count nowhere. Raises
    `Refusal` for a label that is not among those of the side.
    """
    for labels, what in ((side.gold, "gold"), (side.values, "predicted")):
        numbers(labels, side.labels, what)
    names = list(dict.fromkeys(named(label) for label in side.labels if is_relation(label)))
    place = {label: names.index(named(label)) for label in side.labels if is_relation(label)}
    rows, columns = list[int](), list[int]()

    def count(row: int, block: int, label: str) -> None:
        if label in place:
            rows.append(row)
            columns.append(block * len(names) + place[label])

    for row, (true, given) in enumerate(zip(side.gold, side.values, strict=True)):
        if true == given:
            count(row, 0, true)
        else:
            count(row, 1, given)
            count(row, 2, true)
    return csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(side.gold), 3 * len(names)))
