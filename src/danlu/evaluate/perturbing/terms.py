"""Groups of terms that may stand for each other, read from a file, and where they stand in a text.

A term is found as whole words alone: a Chinese one begins and ends where words do, one in letters between other
characters than letters and digits, in any case. The longest term wins.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from danlu.data.augmenting.thesaurus import in_case_of
from danlu.data.characters.word_cutting import Cut, is_wide, word_borders
from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.lines import lines
from danlu.data.reading.source_file import find_source
from danlu.data.reading.table import quoted_rows
from danlu.recipe.read import written_file
from danlu.refusal import Refusal

Groups = dict[str, tuple[str, ...]]
"""Terms by the name of their group."""

SAMPLES = {language: Path(__file__).with_name(f"terms_{language}.yaml") for language in ("en", "zh")}
"""Short lists to begin with; they are to be copied and edited."""

MOST = 1000
"""Terms of a file; each record with one of them is asked once for each other one of its group."""


@dataclass(frozen=True)
class Found:
    """A term in a text, from `start` to before `end`."""

    start: int
    end: int
    group: str
    term: str


def read_groups(path: str) -> Groups:
    """Read a YAML file (`pronouns: [he, she]`) or a csv whose rows are a name and its terms; `en`, `zh`: our samples.

    Raises:
        Refusal: there is no such file, a group has less than two terms, or a term stands twice.
    """
    name = str(SAMPLES.get(path, path))
    if name.lower().endswith(".csv"):
        found = dict(_rows(name))
    else:
        if not Path(name).is_file():
            raise Refusal(f"{name}: there is no such file; give a YAML file or csv of groups of terms, or en or zh")
        found = _mapping(name)
    owners: dict[str, str] = {}
    for group, terms in found.items():
        for term in terms:
            other = owners.setdefault(term.casefold(), group)
            if other != group or [each.casefold() for each in terms].count(term.casefold()) > 1:
                where = f"in '{group}' twice" if other == group else f"in '{other}' and in '{group}'"
                raise Refusal(f"{name}: the term '{term}' stands {where}; leave one of them out")
        if len(terms) < 2:
            raise Refusal(f"{name}: the group '{group}' has {len(terms)} of the two terms or more that can be swapped")
    if not found:
        raise Refusal(f"{name}: there is no group of terms; write one as NAME: [TERM, TERM]")
    if len(owners) > MOST:
        raise Refusal(f"{name}: has {len(owners):,} terms, and {MOST:,} are the most; give fewer")
    return found


class Terms:
    """Where the terms of some groups stand in texts."""

    def __init__(self, groups: Groups, cut: Cut = "jieba") -> None:
        self.groups = groups
        self._cut = cut
        self._owners = {term.casefold(): (group, term) for group, terms in groups.items() for term in terms}
        longest = sorted(self._owners, key=lambda term: (-len(term), term))
        self._any = re.compile("|".join(map(_whole, longest)), re.IGNORECASE)

    def found(self, texts: Sequence[str]) -> list[list[Found]]:
        """The terms in each text, from left to right.

        Raises:
            Refusal: a text has Chinese, and jieba, which cuts it into words, is not installed.
        """
        hits = [list(self._any.finditer(text)) for text in texts]
        wide = [row for row, found in enumerate(hits) if any(is_wide(hit[0][0]) for hit in found)]
        borders = dict(zip(wide, word_borders([texts[row] for row in wide], self._cut), strict=True))
        return [list(self._kept(row, found, borders)) for row, found in enumerate(hits)]

    def _kept(
        self, row: int, hits: Sequence[re.Match[str]], borders: dict[int, list[tuple[int, int]]]
    ) -> Iterator[Found]:
        words = borders.get(row, [])
        starts, ends = {start for start, _ in words}, {end for _, end in words}
        for hit in hits:
            owner = self._owners.get(hit[0].casefold())
            if owner and (not is_wide(hit[0][0]) or (hit.start() in starts and hit.end() in ends)):
                yield Found(hit.start(), hit.end(), *owner)

    @staticmethod
    def in_place_of(written: str, other: str) -> str:
        """Another term as this one is written: in capitals, or with a capital first."""
        return in_case_of(written, other)


def _whole(term: str) -> str:
    letters = r"[^\W\u3040-\u30ff\u3400-\u9fff]"
    before = f"(?<!{letters})" if not is_wide(term[0]) else ""
    after = f"(?!{letters})" if not is_wide(term[-1]) else ""
    return before + re.escape(term) + after


def _mapping(name: str) -> Groups:
    plain = written_file(Path(name), "a file of terms is a mapping, each group as NAME: [TERM, TERM]")
    found: Groups = {}
    for group, terms in plain.data.items():
        if not isinstance(terms, list) or not all(isinstance(term, str) and term.strip() for term in terms):
            raise Refusal(f"{plain.place((group,))}: expected a list of terms, each a text that is not empty")
        found[str(group)] = tuple(term.strip() for term in terms)
    return found


def _rows(name: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    source, stop, seen = find_source(name), BadRows(stop=True), dict[str, int]()
    for number, (group, *terms) in quoted_rows(lines(source, bad_rows=stop), ",", source.name, stop):
        other = seen.setdefault(group.strip(), number)
        if other != number:
            raise Refusal(f"{source.name}, line {number}: the group '{group.strip()}' stands in line {other} already")
        yield group.strip(), tuple(term.strip() for term in terms if term.strip())
