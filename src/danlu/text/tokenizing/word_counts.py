"""How often each word of a text occurs, in bounded memory however long the text and its runs without spaces are.

Learners of vocabularies keep every distinct word, and in Chinese what stands between two punctuation marks is one
word to them, so that nearly each is distinct. Here runs are cut: at the borders of scripts, and after so many
characters. When the distinct words outgrow the budget, the rarest are let go (after the lossy counting of Manku
and Motwani, 2002), chance deciding among equals.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from danlu.data.characters.scripts import (
    DIGIT,
    HAN,
    HANGUL,
    JOINER,
    KANA,
    KINDS,
    LATIN,
    LETTER,
    MARK,
    OTHER,
    PUNCTUATION,
    SPACE,
    SYMBOL,
    UNSPACED,
    kinds_of,
)
from danlu.data.characters.side_by_side import code_points
from danlu.machine.seed import generator

BUDGET = 8_000_000  # bytes of distinct words; a trainer of BPE needs some 120 times as much memory
RUN = 6  # characters of a script without spaces that are learnt from together
BLOCK = 1 << 21  # characters that are cut at a time
MEAL = 1 << 16  # characters of a text that a trainer is fed
FED = 256_000_000  # characters that a trainer is fed in all; beyond, the counts are made smaller in proportion

_LETTERS = (LATIN, HANGUL, MARK, OTHER, JOINER)  # with LETTER itself
_WITHOUT_SPACES = (HAN, KANA, UNSPACED)

CHINESE_AND_JAPANESE = r"\p{Han}\p{Hiragana}\p{Katakana}"
_WITH_MARKS = r"\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"  # whose characters are often marks above another
UNSPACED_SCRIPTS = CHINESE_AND_JAPANESE + _WITH_MARKS
SUBWORDS = (
    rf"[{UNSPACED_SCRIPTS}]+| ?[^\s\p{{N}}\p{{P}}\p{{S}}{UNSPACED_SCRIPTS}]+|\p{{N}}{{1,3}}"
    r"| ?[\p{P}\p{S}]+|\s+(?!\S)|\s"
)
"""The regular expression by which a tokenizer splits texts as `Cut.subwords` does, long runs left whole."""

CHARACTERS = f"[{CHINESE_AND_JAPANESE}]|" + SUBWORDS.replace(f"[{UNSPACED_SCRIPTS}]", f"[{_WITH_MARKS}]", 1)
"""And as it does where Chinese and Japanese are cut into characters."""

Runs = Literal["runs", "characters"]
"""Whether a piece may hold several characters of Chinese or Japanese."""

EXPRESSIONS: dict[Runs, str] = {"runs": SUBWORDS, "characters": CHARACTERS}

WHOLE_WORDS = r"[^\s\p{P}\p{S}\p{C}]+|[\p{P}\p{S}\p{C}]+"
"""And as `Cut.whole_words` does."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a text is cut: between kinds of characters, and after so many of one kind.

    - `together`: for each kind of `danlu.data.characters.scripts`, the one whose words it stands in.
    - `longest`: for each kind, the longest word in characters.
    - `lead`: whether a space before a word of letters or signs belongs to it, as in GPT-2.
    """

    together: Mapping[int, int]
    longest: Mapping[int, int]
    lead: bool

    @classmethod
    def subwords(cls, runs: Runs = "runs", run: int = RUN) -> "Cut":
        """As byte-pair encoding and unigram models take texts, at most three digits together (as GPT-4)."""
        longest = {SPACE: 16, HAN: run, UNSPACED: run, LETTER: 32, DIGIT: 3, SYMBOL: 16}
        kinds = dict.fromkeys(_LETTERS, LETTER) | dict.fromkeys(_WITHOUT_SPACES, HAN) | {PUNCTUATION: SYMBOL}
        if runs == "characters":
            longest[HAN] = 1
            kinds[UNSPACED] = UNSPACED
        return cls(kinds, longest, lead=True)

    @classmethod
    def whole_words(cls) -> "Cut":
        """At white space, and between letters with digits and signs."""
        kinds = dict.fromkeys((*_LETTERS, *_WITHOUT_SPACES, DIGIT), LETTER)
        kinds |= dict.fromkeys((PUNCTUATION, OTHER, JOINER), SYMBOL)
        return cls(kinds, {SPACE: 16, LETTER: 64, SYMBOL: 64}, lead=False)

    @classmethod
    def bert(cls) -> "Cut":
        """Chinese characters one by one, words and signs otherwise."""
        kinds = dict.fromkeys((*_LETTERS, KANA, UNSPACED, DIGIT), LETTER) | {PUNCTUATION: SYMBOL}
        return cls(kinds, {SPACE: 16, HAN: 1, LETTER: 32, SYMBOL: 1}, lead=False)


@dataclass(frozen=True, slots=True)
class WordCounts:
    """Distinct words with how often each occurs, the most frequent first; and the same of single characters.

    - `kept`: share of all characters that stand in these words; less than 1 where the budget did not suffice.
    """

    words: list[str]
    counts: NDArray[np.int64]
    characters: dict[str, int]
    kept: float


def count_words(texts: Iterable[str], cut: Cut, *, budget: int = BUDGET) -> WordCounts:
    """Count the words of texts that are read once, one after the other.

    `budget` bounds the bytes of the distinct words that are kept.
    """
    characters = _Characters()

    def words() -> Iterator[pa.Array]:
        for block in _blocks(texts):
            codes = code_points(block)
            characters.add(codes)
            yield _words(block, codes, cut)

    return _named(_counted(words(), budget), characters)


def count_segmented(segmented: Iterable[Sequence[Sequence[str]]], *, budget: int = BUDGET) -> WordCounts:
    """Count words that a segmenter has told apart, a batch of texts at a time; white space is no word."""
    characters = _Characters()

    def words() -> Iterator[pa.Array]:
        for batch in segmented:
            inked = [word for text in batch for word in text if word.strip()]
            block = _encodable("\0".join(inked))
            characters.add(code_points(block))
            yield pa.array(block.split("\0") if block else [], pa.string())

    return _named(_counted(words(), budget), characters)


def reduced(words: Sequence[str], counts: NDArray[np.int64], fed: int) -> NDArray[np.int64]:
    """Counts in proportion, 1 at least, with which all words together have about `fed` characters at most."""
    lengths = np.fromiter(map(len, words), np.int64, len(words))
    share = min(1.0, fed / max(1, int((lengths * counts).sum())))
    times: NDArray[np.int64] = np.maximum(1, np.rint(counts * share)).astype(np.int64)
    return times


def meals(words: Sequence[str], counts: NDArray[np.int64], separator: str = "\0") -> Iterator[str]:
    """Texts in which each word occurs as often as it is counted, each followed by the separator."""
    lengths = np.fromiter((len(word) + 1 for word in words), np.int64, len(words))
    times = reduced(words, counts, FED)
    waiting: list[str] = []
    size = 0
    for word, length, number in zip(words, lengths.tolist(), times.tolist(), strict=True):
        left = number
        while left:
            part = min(left, max(1, (MEAL - size) // length))
            waiting.append((word + separator) * part)
            size += length * part
            left -= part
            if size >= MEAL:
                yield "".join(waiting)
                waiting, size = [], 0
    if waiting:
        yield "".join(waiting)


class _Characters:
    """How often each character occurs, the zero that stands between texts aside."""

    def __init__(self) -> None:
        self._tally = np.zeros(0, np.int64)

    def add(self, codes_N: NDArray[np.uint32]) -> None:
        found = np.bincount(codes_N)
        if len(found) > len(self._tally):
            found, self._tally = self._tally, found
        self._tally[: len(found)] += found

    def counts(self) -> dict[str, int]:
        return {chr(code): int(self._tally[code]) for code in np.flatnonzero(self._tally).tolist() if code}


def _blocks(texts: Iterable[str]) -> Iterator[str]:
    """The texts with a zero character around each, in blocks; a text that is longer than a block is cut."""
    waiting: list[str] = []
    size = 0
    for text in texts:
        for start in range(0, max(1, len(text)), BLOCK):
            waiting += ["\0", text[start : start + BLOCK]]
            size += len(waiting[-1]) + 1
            if size >= BLOCK:
                yield _encodable("".join(waiting))
                waiting, size = [], 0
    yield _encodable("".join([*waiting, "\0"]))


def _encodable(text: str) -> str:
    """A text in which lone surrogates, which UTF-8 has no bytes for, are question marks."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode("utf-8")
    return text


def _words(block: str, codes_N: NDArray[np.uint32], cut: Cut) -> pa.Array:
    """The words of a block, zero characters aside, as an Arrow array over the bytes of the block."""
    together = np.array([cut.together.get(kind, kind) for kind in range(KINDS)], np.uint8)
    longest = np.array([cut.longest.get(kind, 1) for kind in range(KINDS)], np.int32)
    kinds_N = together[kinds_of(codes_N)]
    zero_N = codes_N == 0
    first_N = np.ones(len(codes_N), bool)
    first_N[1:] = (kinds_N[1:] != kinds_N[:-1]) | zero_N[1:] | zero_N[:-1]
    place_N = np.arange(len(codes_N), dtype=np.int32)
    run_N = np.maximum.accumulate(np.where(first_N, place_N, 0))
    begin_N = (place_N - run_N) % longest[kinds_N] == 0
    if cut.lead:
        led_N = first_N[1:] & (codes_N[:-1] == 32) & ~zero_N[1:] & ((kinds_N[1:] == LETTER) | (kinds_N[1:] == SYMBOL))
        begin_N[:-1] |= led_N
        begin_N[1:] &= ~led_N
    starts = np.flatnonzero(begin_N)
    bytes_N = 1 + (codes_N >= 0x80).astype(np.int32) + (codes_N >= 0x800) + (codes_N >= 0x10000)
    ends_N = np.cumsum(bytes_N, dtype=np.int32)
    offsets = np.append(ends_N[starts] - bytes_N[starts], ends_N[-1]).astype(np.int32)
    found = pa.StringArray.from_buffers(len(starts), pa.py_buffer(offsets), pa.py_buffer(block.encode("utf-8")))
    return found.filter(pa.array(~zero_N[starts]))


def _counted(words: Iterable[pa.Array], budget: int) -> pa.Table:
    """A table of distinct words and their counts, of at most `budget` bytes, in alphabetical order among equals."""
    rng = generator("rare words")
    table = pa.table({"word": pa.array([], pa.string()), "count": pa.array([], pa.int64())})
    total = 0
    for array in words:
        found = pc.value_counts(array)
        total += int(pc.sum(pc.utf8_length(array)).as_py() or 0)
        table = pa.concat_tables([table, pa.table({"word": found.field(0), "count": found.field(1)})])
        if table["word"].nbytes > 3 * budget:
            table = _pruned(table, budget, rng)
    table = _pruned(table, budget, rng).sort_by([("count", "descending"), ("word", "ascending")])
    return table.replace_schema_metadata({"characters": str(total)})


def _named(counted: pa.Table, characters: _Characters) -> WordCounts:
    covered = int(pc.sum(pc.multiply(pc.utf8_length(counted["word"]), counted["count"])).as_py() or 0)
    total = int(counted.schema.metadata[b"characters"])
    words, counts = counted["word"].to_pylist(), counted["count"].to_numpy()
    return WordCounts(words, counts, characters.counts(), covered / max(1, total))


def _pruned(counted: pa.Table, budget: int, rng: np.random.Generator) -> pa.Table:
    """Each word once, and of these the most frequent that the budget has room for."""
    summed = counted.group_by("word", use_threads=False).aggregate([("count", "sum")]).rename_columns(["word", "count"])
    sizes = pc.binary_length(summed["word"]).to_numpy()
    if int(sizes.sum()) <= budget:
        return summed
    order = np.lexsort((rng.random(len(sizes)), -summed["count"].to_numpy()))
    kept = order[: int(np.searchsorted(np.cumsum(sizes[order], dtype=np.int64), budget, "right"))]
    return summed.take(pa.array(np.sort(kept))).combine_chunks()
