"""The best path by the search, and by looking at all paths; scores are small whole numbers, so that many are equal."""

from itertools import pairwise, product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from danlu.text.viterbi import backwards, best_states, best_ways, best_words

seeds = st.integers(0, 10_000)


@given(seeds, st.integers(1, 4), st.integers(1, 4))
def test_the_best_states_are_those_of_the_best_of_all_paths_and_of_equals_the_first(seed, states, longest):
    rng = np.random.default_rng(seed)
    lengths = sorted(rng.integers(1, longest + 1, 3).tolist(), reverse=True)
    start = rng.integers(-1, 2, (states, 3)).astype(np.float32)
    going = [sum(length > step for length in lengths) for step in range(1, lengths[0])]
    origins = np.stack([rng.permutation(states)[: max(1, states - 1)] for _ in range(states)], axis=1)
    pairs = rng.integers(-1, 2, (len(going), *origins.shape, 3)).astype(np.float32)
    gains = rng.integers(-1, 2, (len(going), states, 3)).astype(np.float32)
    final, taken = best_states(start, going, origins, lambda step: pairs[step][..., : going[step]], gains)
    found = [[] for _ in lengths]
    for here in backwards(final.argmax(0), taken):
        for path, state in zip(found, here.tolist(), strict=False):
            path.insert(0, state)
    for number, length in enumerate(lengths):
        best = None
        for end in range(states):
            for ranks in product(range(len(origins)), repeat=length - 1):
                path = [end]
                for rank in ranks:
                    path.insert(0, int(origins[rank, path[0]]))
                score = start[path[0], number]
                for step, rank in enumerate(reversed(ranks)):
                    score += pairs[step, rank, path[step + 1], number] + gains[step, path[step + 1], number]
                best = max(best or (-np.inf, (), []), (float(score), tuple(-each for each in (end, *ranks)), path))
        assert best is not None
        assert final[:, number].max() == best[0]
        assert found[number] == best[2]


@given(seeds, st.integers(2, 7))
def test_the_best_words_are_those_of_the_best_of_all_ways_to_cut_and_of_equals_the_last(seed, size):
    rng = np.random.default_rng(seed)
    spans = [(start, end) for start in range(size) for end in range(start + 1, size + 1)]
    spans = [span for span in spans if span[1] - span[0] == 1 or rng.random() < 0.6]
    ways = {span: [place for place, other in enumerate(spans) if other[1] == span[0]] for span in spans}
    own = rng.integers(-1, 2, len(spans)).astype(np.float32)
    cost = rng.integers(-1, 2, (len(spans), len(spans))).astype(np.float32)
    most = max(map(len, ways.values()))
    by_rank = [[(place, ways[span][-1 - rank]) for place, span in enumerate(spans) if len(ways[span]) > rank]
               for rank in range(most)]  # fmt: skip
    after, before = np.array([pair for rank in by_rank for pair in rank]).T
    steps = np.searchsorted([start for start, _ in spans], np.arange(size + 1)).tolist()
    score = own.copy()
    ranks = np.cumsum([0, *map(len, by_rank)]).tolist()
    found = best_words(score, steps, ranks, after, before, cost[before, after])

    def all_ways(place):
        yield from ([[place]] if spans[place][0] == 0 else [])
        for other in ways[spans[place]]:
            for way in all_ways(other):
                yield [*way, place]

    for last in (place for place, span in enumerate(spans) if span[1] == size):
        totals = {
            tuple(way): sum(own[place] for place in way) + sum(cost[one, two] for one, two in pairwise(way))
            for way in all_ways(last)
        }
        best = max(totals, key=lambda way: (totals[way], way[::-1]))
        path = [last]
        while found[path[0]] >= 0:
            path.insert(0, int(found[path[0]]))
        assert tuple(path) == best
        assert score[last] == totals[best]


def test_ranks_beyond_a_byte_are_told_apart():
    scores = np.zeros((300, 1, 2))
    scores[299, 0, 1] = 1
    best, ranks = best_ways(scores)
    assert best.tolist() == [[0, 1]]
    assert ranks.tolist() == [[0, 299]]
