"""Pieces of a tokenizer that often follow each other in a text, joined to new tokens: byte-pair encoding gone on with.

What a tokenizer has learnt stays as it is. Merges are appended behind those that a model of byte pairs has, so a text
is cut as before and then some of its pieces are joined; a unigram model gets the joined piece with the score of its
parts and a little more, so that it stands where they stood (Gage, 1994; Sennrich et al., 2016; Kudo, 2018).
"""

import heapq
import json
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding

from danlu.text.segmenting.segmenter import Segmenter
from danlu.text.tokenizing.tokenized import tokenized
from danlu.text.tokenizing.tokenizer import Tokenizer

LEARNT_FROM = 10_000_000  # characters that are counted: frequent words are the same in more of them
LONGEST = 64  # letters of a token's name; bytes are letters of such a name
BLOCK = 1024  # texts that are counted at a time
SPACES = ("▁", "Ġ")  # by which sentencepiece and GPT-2 write the space before a word

_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
_MARGIN = 1e-3  # by which a joined piece is likelier than its parts: more than rounding, less than any choice

Chunk = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Joined:
    """A new token, and those that it is made of, which may be new ones as well.

    - `uses`: how often it stands in the text when all are joined; `pieces`: how many old tokens it is made of.
    """

    name: str
    parts: tuple[str, ...]
    uses: int
    pieces: int


def model_of(tokenizer: Tokenizer) -> str:
    """BPE, Unigram, WordPiece or WordLevel."""
    return str(json.loads(tokenizer.backend_tokenizer.to_str())["model"].get("type"))


def chunks_of(texts: Iterable[str], tokenizer: Tokenizer, segmenter: Segmenter | None) -> Counter[Chunk]:
    """Runs of tokens within a word, or within a run of letters, with how often each stands in the texts.

    A run ends before a space, at what is no letter, where the tokenizer itself cuts a text, and where the segmenter
    says that a word begins. WordPiece cuts Chinese at every character: there it ends at spaces alone.
    """
    whole = model_of(tokenizer) in ("WordPiece", "WordLevel")
    letters_V, spaced_V = _kinds(tokenizer)
    found: Counter[Chunk] = Counter()
    beginning = _beginning(texts)
    while block := list(islice(beginning, BLOCK)):
        words = None if segmenter is None else segmenter.segment(block)
        for number, encoding in enumerate(tokenized(block, tokenizer, special=False)):
            ids_T = np.array(encoding.ids, np.int64)
            if not len(ids_T):
                continue
            begins_T = spaced_V[ids_T] | ~letters_V[ids_T] | _apart(encoding, whole=whole)
            begins_T[1:] |= ~letters_V[ids_T[:-1]]
            if words is not None:
                begins_T |= _word_begins(words[number], [start for start, _ in encoding.offsets])
            borders = [*np.flatnonzero(begins_T).tolist(), len(ids_T)]
            for start, end in pairwise(borders):
                if end - start > 1:
                    found[tuple(encoding.ids[start:end])] += 1
    return found


def _apart(encoding: Encoding, *, whole: bool) -> NDArray[np.bool_]:
    """Which tokens do not go on with what is before them, (T,)."""
    if whole:
        starts, ends = np.array(encoding.offsets, np.int64).T
        return np.concatenate([[True], starts[1:] != ends[:-1]])
    parts_T = np.array([-1 if part is None else part for part in encoding.word_ids], np.int64)
    apart_T: NDArray[np.bool_] = np.diff(parts_T, prepend=-2) != 0
    return apart_T


def _word_begins(words: Sequence[str], starts: Sequence[int]) -> NDArray[np.bool_]:
    """Which of some tokens, by the character that each starts with, is the first of a word, (T,)."""
    firsts = np.concatenate([[0], np.cumsum([len(word) for word in words], dtype=np.int64)])
    word_T = np.searchsorted(firsts, np.array(starts, np.int64), "right")
    first_T: NDArray[np.bool_] = np.diff(word_T, prepend=-1) != 0
    return first_T


def _beginning(texts: Iterable[str]) -> Iterator[str]:
    seen = 0
    for text in texts:
        if seen >= LEARNT_FROM:
            return
        yield text[: LEARNT_FROM - seen]
        seen += len(text)


def _kinds(tokenizer: Tokenizer) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which tokens are letters, or bytes of some, and which begin with a space, (V,) each."""
    letters_V, spaced_V = np.zeros(len(tokenizer), bool), np.zeros(len(tokenizer), bool)
    special = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
    names = tokenizer.backend_tokenizer.get_vocab(with_added_tokens=False)
    known = [(name, number) for name, number in names.items() if number not in special and number < len(letters_V)]
    read = tokenizer.backend_tokenizer.decode_batch([[number] for _, number in known], skip_special_tokens=False)
    for (name, number), text in zip(known, read, strict=True):
        spaced_V[number] = name.startswith(SPACES)
        bare = text.strip().strip("▁Ġ") if "\ufffd" not in text else "a"
        letters_V[number] = not _BYTE.fullmatch(name) and all(each.isalpha() or _is_mark(each) for each in bare)
    return letters_V, spaced_V


def _is_mark(character: str) -> bool:
    return unicodedata.category(character).startswith("M")


def joined(
    chunks: Mapping[Chunk, int], tokenizer: Tokenizer, count: int, least: int, longest: int = LONGEST
) -> list[Joined]:
    """The pairs of tokens that are joined one after the other, always those that stand together most often.

    Each saves as many tokens as it is found then, `least` at least; there are `count` of them at most, fewer where
    no more pairs are frequent enough. No name gets longer than `longest`.
    """
    known = tokenizer.get_vocab()
    names = {number: name for name, number in known.items()}
    prefix = "##" if model_of(tokenizer) == "WordPiece" else ""
    runs, counts = [list(chunk) for chunk in chunks], [*chunks.values()]
    pairs: Counter[tuple[int, int]] = Counter()
    places: dict[tuple[int, int], set[int]] = defaultdict(set)
    for place, run in enumerate(runs):
        for pair in pairwise(run):
            pairs[pair] += counts[place]
            places[pair].add(place)
    heap = [(-found, names[left], names[right], (left, right)) for (left, right), found in pairs.items()]
    heapq.heapify(heap)
    made: list[tuple[int, int, int]] = []
    size = dict[int, int]()
    while heap and len(made) < count:
        less, _, _, pair = heapq.heappop(heap)
        if -less != pairs[pair]:
            continue  # an older count; the newer one is further down
        if -less < least:
            break
        name = names[pair[0]] + names[pair[1]].removeprefix(prefix)
        if name in known or len(name) > longest:
            continue
        number = len(names)
        while number in names:
            number += 1
        known[name] = number
        names[number] = name
        size[number] = size.get(pair[0], 1) + size.get(pair[1], 1)
        made.append((number, *pair))
        for changed in _join(pair, number, runs, counts, pairs, places):
            if pairs[changed] > 0:
                heapq.heappush(heap, (-pairs[changed], names[changed[0]], names[changed[1]], changed))
    uses = Counter[int]()
    for run, times in zip(runs, counts, strict=True):
        for token in run:
            uses[token] += times
    return [Joined(names[new], (names[left], names[right]), uses[new], size[new]) for new, left, right in made]


def _join(
    pair: tuple[int, int],
    number: int,
    runs: list[list[int]],
    counts: Sequence[int],
    pairs: Counter[tuple[int, int]],
    places: dict[tuple[int, int], set[int]],
) -> set[tuple[int, int]]:
    """Put a new token for a pair wherever that stands; the pairs whose counts have changed."""
    changed: set[tuple[int, int]] = set()
    for place in places.pop(pair):
        old, new = runs[place], list[int]()
        step = 0
        while step < len(old):
            both = tuple(old[step : step + 2]) == pair
            new.append(number if both else old[step])
            step += 2 if both else 1
        more = Counter(pairwise(new))
        more.subtract(pairwise(old))
        for each, times in more.items():
            if times:
                pairs[each] += times * counts[place]
                changed.add(each)
            if times > 0:
                places[each].add(place)
        runs[place] = new
    del pairs[pair]
    changed.discard(pair)
    return changed


def with_joined(tokenizer: Tokenizer, plain: dict[str, Any], new: Sequence[Joined]) -> None:
    """Give a tokenizer of byte pairs or of a unigram model, whose backend is `plain`, the new tokens.

    They get the numbers behind all that there are. Tokens that stood behind the model's own vocabulary are written
    into it, since the library counts those on from its end when it reads a file.
    """
    from tokenizers import Tokenizer as Backend

    model = plain["model"]
    known = tokenizer.get_vocab()
    first = len(model["vocab"])
    beyond = sorted((number, name) for name, number in known.items() if number >= first)
    assert [number for number, _ in beyond] == [*range(first, len(known))], "the numbers of the tokens have gaps"
    if model["type"] == "Unigram":
        least = min(score for _, score in model["vocab"])
        scores = dict(model["vocab"])
        model["vocab"] += [[name, least] for _, name in beyond]
        for each in new:
            scores[each.name] = sum(scores.get(part, least) for part in each.parts) + _MARGIN  # least: not spelt
            model["vocab"].append([each.name, scores[each.name]])
    else:
        model["vocab"] |= {name: number for number, name in beyond}
        model["vocab"] |= {each.name: len(known) + place for place, each in enumerate(new)}
        model["merges"] += [[*each.parts] for each in new]
    tokenizer._tokenizer = Backend.from_str(json.dumps(plain))
