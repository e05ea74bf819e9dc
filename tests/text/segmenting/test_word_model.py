from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from danlu.data.characters.side_by_side import characters
from danlu.text.segmenting.lattice import best_begins, lattice
from danlu.text.segmenting.lexicon import Lexicon, lexicon
from danlu.text.segmenting.pieces import cut_pieces
from danlu.text.segmenting.word_model import BORDER, UNKNOWN, WordModel, learn_words

SENTENCES = [[2, 3, 4], [2, 3, 5], [6, 3, 4, 2], [2, 7], [3, 3, 3]] * 3 + [[8, 2], [2, 9]]


def test_probabilities_after_any_word_sum_to_one() -> None:
    model = learn_words(SENTENCES, 10)
    for before in range(10):
        everything = model.scores(np.full(10, before), np.arange(10)).astype(np.float64)
        assert np.isclose(np.exp(everything).sum(), 1, atol=1e-3)


def test_a_pair_that_was_seen_is_likelier_than_one_that_was_not() -> None:
    model = learn_words(SENTENCES, 10)
    after_two = model.scores(np.array([2, 2, 2]), np.array([3, 6, UNKNOWN]))
    assert after_two[0] > after_two[1]
    # 9 came once, after a 2: unknown words are likelier there than after a 6, and never likelier than a frequent pair
    assert after_two[2] > model.scores(np.array([6]), np.array([UNKNOWN]))[0]
    assert after_two[2] < after_two[0]


def test_words_of_many_contexts_are_likelier_anywhere() -> None:
    # 3 came after four different words, 5 after one, though both may end a sentence
    model = learn_words([[2, 3], [4, 3], [6, 3], [7, 3], [2, 5], [2, 5], [2, 5], [2, 5]], 8)
    new = model.scores(np.array([5, 5]), np.array([3, 5]))
    assert new[0] > new[1]


@given(
    words=st.sets(st.text("ab天", min_size=1, max_size=4), min_size=1, max_size=10),
    texts=st.lists(st.text("ab天", max_size=12), max_size=3),
)
def test_words_are_found_wherever_they_stand(words: set[str], texts: list[str]) -> None:
    known = sorted(words)
    tree = Lexicon.from_arrays(lexicon(known).to_arrays())
    laid = characters(texts)
    found = tree.matches(laid.codes, np.repeat(laid.first[1:], np.diff(laid.first)), np.arange(len(laid.codes)))
    expected = {
        (first + place, len(word), number)
        for first, text in zip(laid.first.tolist(), texts, strict=False)
        for number, word in enumerate(known)
        for place in range(len(text))
        if text.startswith(word, place)
    }
    columns = (found.start.tolist(), found.length.tolist(), found.word.tolist())
    assert set(zip(*columns, strict=True)) == expected
    assert len(found.start) == len(expected)


@given(seed=st.integers(0, 10**6), sizes=st.lists(st.integers(1, 6), min_size=1, max_size=3))
def test_the_way_through_the_lattice_is_the_best_of_all(seed: int, sizes: list[int]) -> None:
    rng = np.random.default_rng(seed)
    laid = characters(["天" * size for size in sizes])
    pieces = cut_pieces(laid, np.zeros(0x110000, np.bool_))
    total = sum(sizes)
    spans = [
        (first + place, length)
        for first, size in zip(laid.first.tolist(), sizes, strict=False)
        for place in range(size)
        for length in range(1, min(3, size - place) + 1)
        if length == 1 or rng.random() < 0.7
    ]
    starts, lengths = np.array([start for start, _ in spans]), np.array([length for _, length in spans])
    model = learn_words([rng.integers(2, 8, 12).tolist() for _ in range(6)], 8)
    words = rng.integers(2, 8, len(spans))
    edge_of = dict(zip(spans, words.tolist(), strict=True))
    ways = lattice(starts, lengths, words, pieces, total)
    zeros = np.zeros(len(ways.start), np.float32)
    border = np.zeros(len(ways.start), np.int64)
    first = np.where(ways.place == 0, model.scores(border + BORDER, ways.word), -np.inf).astype(np.float32)
    last = np.where(np.isin(ways.end, pieces.end), model.scores(ways.word, border + BORDER), -np.inf)
    begins = pieces.begins.copy()
    pairs = model.scores(ways.word[ways.before], ways.word[ways.after])
    best_begins(ways, zeros, first, pairs, last.astype(np.float32), begins)
    for start, size in zip(laid.first.tolist(), sizes, strict=False):
        cuts = [start, *(place for place in range(start + 1, start + size) if begins[place]), start + size]
        chosen = _score(model, [edge_of[a, b - a] for a, b in pairwise(cuts)])
        every = [_score(model, path) for path in _paths(edge_of, start, start + size)]
        assert chosen >= max(every) - 1e-4


def _paths(edge_of: dict[tuple[int, int], int], start: int, end: int) -> list[list[int]]:
    if start == end:
        return [[]]
    return [
        [edge_of[start, length], *rest]
        for length in (1, 2, 3)
        if (start, length) in edge_of
        for rest in _paths(edge_of, start + length, end)
    ]


def _score(model: WordModel, path: list[int]) -> float:
    whole = np.array([BORDER, *path, BORDER])
    return float(model.scores(whole[:-1], whole[1:]).sum())
