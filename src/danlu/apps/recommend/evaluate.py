"""How well it is foretold what users will take up, beside simpler ways: a global split in time, every item ranked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from danlu.apps.recommend.candidates import by_rule, candidates
from danlu.apps.recommend.deed import Deed, Weights
from danlu.apps.recommend.item import Item
from danlu.apps.recommend.learn import Learnt, learnt
from danlu.apps.recommend.measures import ndcg, recall
from danlu.apps.recommend.ranker import Ranker
from danlu.apps.recommend.replay import Asked, MakeSpace, Replay, moments
from danlu.apps.recommend.vectors import Words
from danlu.refusal import Refusal

LONGEST = 50
"""Places of a list that are looked at."""
RESAMPLES = 1_000
SERVED = "as served"
"""The way that is used: the ranker where one was learnt, else the rule."""
EASE = "EASE"
"""The way that is left out where there were too many items for it, if only in the end."""
Numbers = NDArray[np.float64]
Way = Callable[[Asked], Numbers]


@dataclass
class Row:
    """A way: its numbers of each list, and of each list in which something cold was taken up."""

    name: str
    ndcg: list[float] = field(default_factory=list)
    recall: list[float] = field(default_factory=list)
    cold_ndcg: list[float] = field(default_factory=list)
    cold_recall: list[float] = field(default_factory=list)

    def means(self) -> tuple[float, float, float, float]:
        """NDCG@10, recall@50, and of the cold items alone the same."""
        lists = (self.ndcg, self.recall, self.cold_ndcg, self.cold_recall)
        found = [float(np.mean(values)) if values else float("nan") for values in lists]
        return found[0], found[1], found[2], found[3]


@dataclass(frozen=True)
class Evaluation:
    """All ways over the same lists.

    - `split`: the moment up to which was learnt; `spans`: so many times lists were made after it.
    - `users`: whose each list is; `items`: that were there in the end.
    - `learnt`: what the ranker learnt, from before the split.
    """

    rows: dict[str, Row]
    split: float
    spans: int
    users: list[str]
    items: int
    learnt: Learnt

    def gain(self, name: str, over: str, seed: int = 0) -> tuple[float, float, float]:
        """How much more NDCG@10 a way has than another, with an interval of 95 %: users drawn again and again."""
        differences = np.array(self.rows[name].ndcg) - np.array(self.rows[over].ndcg)
        _, own = np.unique(self.users, return_inverse=True)
        sums, counts = np.bincount(own, differences), np.bincount(own)
        drawn = np.random.default_rng(seed).integers(len(sums), size=(RESAMPLES, len(sums)))
        means = sums[drawn].sum(1) / counts[drawn].sum(1)
        low, high = np.quantile(means, [0.025, 0.975])
        return float(differences.mean()), float(low), float(high)


def evaluate(
    items: Sequence[Item],
    deeds: Sequence[Deed],
    weights: Weights,
    space: MakeSpace,
    words: Callable[[], Words],
    *,
    split: float | None = None,
    until: float | None = None,
    share: float = 0.8,
    spans: int = 7,
    seed: int = 0,
    allowed: Callable[[float], None] | None = None,
) -> Evaluation:
    """Make lists at the beginning of each of `spans` after the split, and see what each user took up in it.

    At each such moment every way knows all that was done before it, and the items that were there; the ranker alone
    has learnt, from before the split. Nothing that a user has seen counts, nor is it in a list. `split` is a moment;
    None: that before which `share` of the deeds lie; `allowed` may refuse it. `until` is the end; None: the last deed.
    `words` makes the words for BM25, `space` is what the app uses.

    Raises:
        Refusal: there is too little behaviour to judge by.
    """
    times = sorted(deed.time for deed in deeds)
    if len(times) < 10:
        raise Refusal(f"there are {len(times)} deeds; an evaluation needs 10 or more")
    if times[0] == times[-1]:
        raise Refusal(
            f"all {len(times):,} deeds are of the same time, and an evaluation splits in time; read the behaviour into "
            "a new --place, from a file whose column 'time' says when each was"
        )
    split = times[int(share * len(times))] if split is None else split
    if not times[0] < split <= times[-1]:
        raise Refusal(f"the split {split:g} lies outside of the behaviour, which is from {times[0]:g} to {times[-1]:g}")
    if allowed is not None:
        allowed(split)
    found = learnt(items, deeds, weights, space, split, seed)
    replay, lexical = Replay(items, deeds, weights, space), Lexical(words())
    ways = _ways(found.ranker, replay, lexical)
    rows = {name: Row(name) for name in ways}
    users: list[str] = []
    for start, stop in moments(split, until or float(np.nextafter(times[-1], np.inf)), spans):
        for asked in replay.asked(start, stop):
            users.append(asked.user)
            for name, way in ways.items():
                _judge(rows[name], _ranked(way(asked), asked), asked)
    if not users:
        raise Refusal("nobody took up anything after the split that was there and not seen before; split earlier")
    if replay.behaviour.ease is None:
        del rows[EASE]
    return Evaluation(rows, split, spans, users, len(replay.catalogue), found)


@dataclass
class Lexical:
    """BM25 over the texts of all items that are there: what a user has read is the query, the last items count more."""

    words: Words
    known: int = 0

    def scores(self, replay: Replay, asked: Asked) -> Numbers:
        """The score of each item."""
        if self.known < len(replay.catalogue):
            self.words.put(list(enumerate(replay.catalogue.items))[self.known :])
            self.known = len(replay.catalogue)
        return self.words.bm25_of([place for place, _ in asked.view.history], asked.view.weights)


def _ways(ranker: Ranker | None, replay: Replay, lexical: Lexical) -> dict[str, Way]:
    def of(name: str) -> Way:
        return lambda asked: asked.view.of(name)

    ways: dict[str, Way] = {
        "popularity": of("users"),
        "popularity of days": of("popular_now"),
        "co-occurrence": of("together"),
        EASE: of("linear"),
        "BM25": lambda asked: lexical.scores(replay, asked),
        "vectors": of("text"),
        "rule": lambda asked: _with_rest(asked, None),
    }
    if ranker is not None:
        ways["ranker"] = lambda asked: _with_rest(asked, ranker)
    ways[SERVED] = ways.get("ranker", ways["rule"])
    return ways


def _with_rest(asked: Asked, ranker: Ranker | None) -> Numbers:
    """Scores of candidates; all others lie below them."""
    offered = candidates(asked.view)
    features = asked.view.features[offered]
    found = np.full(len(asked.view.features), -1e9)
    highest = asked.view.features.max(0, initial=0.0)
    found[offered] = by_rule(features, highest) if ranker is None else ranker.scores(features)
    return found


def _ranked(scores: Numbers, asked: Asked) -> list[int]:
    """The best of all that is allowed; of equal ones the more popular, whichever way is judged."""
    allowed = np.flatnonzero(asked.view.allowed)
    order = np.lexsort((allowed, -asked.view.of("users")[allowed], -scores[allowed]))[:LONGEST]
    found: list[int] = allowed[order].tolist()
    return found


def _judge(row: Row, ranked: list[int], asked: Asked) -> None:
    row.ndcg.append(ndcg(ranked, asked.taken))
    row.recall.append(recall(ranked, asked.taken))
    if asked.cold:
        row.cold_ndcg.append(ndcg(ranked, asked.cold))
        row.cold_recall.append(recall(ranked, asked.cold))
