"""What a label is: here alone it is decided which text a value stands for, and which texts are one label.

A label is a text without white space around it; whole numbers and true or false are labels by their text. Texts that
differ by case, by the width of characters, by white space inside or by a `.0` behind a number are spellings of one.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import isfinite, isnan
from numbers import Integral
from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from danlu.language import translator

_UNSEEN = "\u200b\u200c\u200d\u2060\ufeff"
"""Characters without width, as pages and spreadsheets leave them around words."""

_BLANK = "".join(chr(code) for code in range(0x3001) if chr(code).isspace()) + _UNSEEN

_WHOLE = re.compile(r"([+-]?\d+)\.0+")

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")

_SHORT = 2
"""Characters up to which labels may differ in case on purpose, as `m` and `M` do."""

_RARE = 0.25
"""Share of the commonest spelling up to which another one of a short label is taken for a slip."""


def trimmed(text: str) -> str:
    """A text without what cannot be seen around it."""
    return text.strip(_BLANK)


def label_of(value: Any) -> str | None:
    """The label that a value stands for, as text; None for an empty one, for fractions and for what is no label."""
    if isinstance(value, str):
        return trimmed(value) or None
    if isinstance(value, bool | Integral):
        return str(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return None


def is_empty(value: Any) -> bool:
    """Whether nothing stands where a label should: null, no number (NaN), or white space."""
    if isinstance(value, float):
        return isnan(value)
    return value is None or (isinstance(value, str) and not trimmed(value))


def is_fraction(value: Any) -> bool:
    """Whether a value is a number that is no whole one: where such stand among labels, they are to be measured."""
    return isinstance(value, float) and isfinite(value) and not value.is_integer()


@lru_cache(2**16)
def key_of(label: str) -> str:
    """What is the same for all spellings of a label."""
    narrow = "".join(map(_narrow, label)) if not label.isascii() else label
    key = " ".join(trimmed(narrow).casefold().split())
    whole = _WHOLE.fullmatch(key)
    return whole[1] if whole else key


def in_order(labels: Iterable[str]) -> list[str]:
    """Different labels in order: numbers by size where all are numbers, else texts."""
    found = sorted(set(labels))
    return sorted(found, key=float) if all(map(_NUMBER.fullmatch, found)) else found


def known_label(label: str, labels: Sequence[str]) -> str | None:
    """The one of some labels that is meant: this very text, or the only other spelling of it."""
    if label in labels:
        return label
    meant = [known for known in labels if key_of(known) == key_of(label)]
    return meant[0] if len(meant) == 1 else None


def name_of(value: Any, names: Mapping[str, str]) -> str | None:
    """The name of a label by its number or code, however that is spelled; None where it has none."""
    label = label_of(value)
    code = None if label is None else label if label in names else _known(label, tuple(names))
    return None if code is None else names[code]


@lru_cache(2**12)
def _known(label: str, labels: tuple[str, ...]) -> str | None:
    return known_label(label, labels)


@dataclass(frozen=True)
class Spellings:
    """Which of the labels of a data set are one.

    - `merged`: label: the commonest spelling of the same; `apart`: short labels that differ in case and stay apart.
    - `rows`: how many have one of the rarer spellings.
    """

    merged: dict[str, str] = field(default_factory=dict)
    apart: list[tuple[str, ...]] = field(default_factory=list)
    rows: int = 0

    def of(self, label: str) -> str:
        """The label by which this one goes."""
        return self.merged.get(label, label)

    def counted(self, counts: Mapping[str, int]) -> Counter[str]:
        """Counts by label, those of all spellings together."""
        found: Counter[str] = Counter()
        for label, count in counts.items():
            found[self.of(label)] += count
        return found

    def in_words(self, language: str = "en") -> list[str]:
        """What was merged, and what was not, in English or Chinese; nothing where each label has one spelling."""
        _ = translator(language)
        told = []
        if self.merged:
            pairs = ", ".join(f"{old!r} → {new!r}" for old, new in list(self.merged.items())[:12])
            told.append(
                _("labels that differ by case, width or white space are one, in {rows:,} rows: {pairs}").format(
                    rows=self.rows, pairs=pairs + (", …" if len(self.merged) > 12 else "")
                )
            )
        if self.apart:
            groups = ", ".join(" / ".join(map(repr, group)) for group in self.apart[:12])
            told.append(
                _("! short labels that differ in case alone stay apart, mend them if they are one: {groups}").format(
                    groups=groups
                )
            )
        return told


def spellings(counts: Mapping[str, int]) -> Spellings:
    """Find the labels that are spellings of one, from how many rows have each.

    The commonest spelling stays, of equals the first in order. Short labels whose cases are both common stay apart,
    for they may be meant so.
    """
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for label in sorted(counts, key=lambda label: (-counts[label], label)):
        alike[key_of(label)].append(label)
    merged: dict[str, str] = {}
    apart = []
    for key, labels in alike.items():
        first, *others = labels
        common = [label for label in others if counts[label] > _RARE * counts[first]]
        if len(key) <= _SHORT and any(_case_alone(label, first) for label in common):
            apart.append(tuple(labels))
        else:
            merged |= dict.fromkeys(others, first)
    return Spellings(merged, apart, sum(counts[label] for label in merged))


def merged_labels(record: dict[str, Any], found: Spellings) -> dict[str, Any]:
    """The record with its label as a text, spelled as the others of its kind."""
    label = label_of(record.get("label"))
    return record if label is None else record | {"label": found.of(label)}


def _given(value: Any) -> Any:
    """Labels as a recipe may write them, numbers too, as texts; each once."""
    if not isinstance(value, list | tuple):
        return value
    labels = [label_of(item) for item in value]
    for item, label in zip(value, labels, strict=True):
        if label is None:
            raise PydanticCustomError("label", "{item} is no label; write a text, or a number", {"item": repr(item)})
    twice = next((label for label, count in Counter(labels).items() if count > 1), None)
    if twice is not None:
        raise PydanticCustomError("label", "the label '{label}' stands there twice; write it once", {"label": twice})
    return tuple(labels)


LabelNames = Annotated[
    tuple[str, ...], BeforeValidator(_given, json_schema_input_type=tuple[str | int | float | bool, ...])
]
"""Labels as a field of a task."""


def _narrow(character: str) -> str:
    form = unicodedata.decomposition(character)
    return chr(int(form.split()[1], 16)) if form.startswith(("<wide>", "<narrow>")) else character


def _case_alone(one: str, other: str) -> bool:
    return one != other and one.casefold() == other.casefold()
