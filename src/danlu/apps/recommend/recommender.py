"""Recommendations from a place: what is kept there, looked at in memory, learnt from, and said."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from danlu.apps.recommend.behaviour import Behaviour
from danlu.apps.recommend.candidates import best, by_rule, candidates
from danlu.apps.recommend.catalogue import Catalogue
from danlu.apps.recommend.deed import USUAL, Deed, Weights, refuse_unweighed, weights_of
from danlu.apps.recommend.diversity import diverse
from danlu.apps.recommend.features import View, view_of
from danlu.apps.recommend.item import LONGEST_TEXT, Item, refuse_name
from danlu.apps.recommend.ledger import Ledger
from danlu.apps.recommend.listed import Near, Recommended
from danlu.apps.recommend.ranker import Ranker
from danlu.apps.recommend.reasons import reason_of
from danlu.apps.recommend.reranking import READ, Rerank, reranked
from danlu.apps.recommend.taken import Put, Taken
from danlu.apps.recommend.terms import Counted
from danlu.apps.recommend.vectors import Space, Words
from danlu.refusal import Refusal
from danlu.text.segmenting.segmenters.rules import Rules

MOST = 200
"""Items of a list."""
POOL = 5
"""So many times the list's length are looked at for what makes it diverse, 50 at least."""
RANKER = "ranker"


class Recommender:
    """What is in a place, open; may be asked from any thread, and beside other processes at the same place."""

    def __init__(
        self,
        ledger: Ledger,
        weights: Weights | None = None,
        space: Callable[[Ledger], Space] | None = None,
        rerank: Rerank | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Read all that is kept; `danlu.apps.recommend.opening` opens a place with bundles and weights."""
        self.ledger = ledger
        self.catalogue = Catalogue()
        self.behaviour = Behaviour(weights or weights_of(USUAL))
        self._make_space = space if space is not None else _words
        self.space: Space = self._make_space(ledger)
        self.ranker: Ranker | None = None
        self.trouble = ""
        self._rerank = rerank
        self._clock = clock
        self._read = (0, 0)
        self._learnt: str | None = None
        self._lock = threading.RLock()
        self.catch_up()

    def close(self) -> None:
        """Let go of the database."""
        self.ledger.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def now(self) -> float:
        """The time, or that of the last deed where the clock has gone back behind it."""
        return max(self._clock(), self.behaviour.latest)

    def put(self, items: Sequence[Item]) -> tuple[int, int]:
        """Offer items; gives how many are new, and how many have changed. What waited for them takes effect."""
        found = self.ledger.put(items)
        self.catch_up()
        return found

    def put_rows(self, items: Sequence[Item]) -> Put:
        """Offer the items of a file; one that was put by the same row before stays as it is now, or removed."""
        found = self.ledger.put_rows(items)
        self.catch_up()
        return found

    def remove(self, names: Sequence[str]) -> int:
        """No longer offer items; gives how many were offered."""
        found = self.ledger.remove(names)
        self.catch_up()
        return found

    def take(self, deeds: Sequence[Deed]) -> Taken:
        """Keep behaviour, which has an effect when this is over; tells what became of it.

        Raises `Refusal` for an action without a weight; then nothing of it is kept.
        """
        return self.take_parts([deeds])

    def take_parts(self, parts: Iterable[Sequence[Deed]]) -> Taken:
        """Keep much behaviour as `take` does, a transaction a part; all of it has an effect when this is over."""
        told, newcomers = Taken(), set[str]()
        with self._lock:
            self.catch_up()
            for deeds in parts:
                refuse_unweighed(deeds, self.behaviour.weights)
                received = self._clock()
                users = {deed.user for deed in deeds}
                newcomers |= users - self.behaviour.known
                latest = {
                    user: max((touch.time for _, touch in self.behaviour.history(user, 1)), default=0.0)
                    for user in users
                }
                new = self.ledger.add(deeds, received)
                told += Taken(
                    new,
                    len(deeds) - new,
                    sum(deed.item not in self.catalogue.places for deed in deeds),
                    late=sum(deed.time < latest[deed.user] for deed in deeds),
                    ahead=sum(deed.time > received + 1 for deed in deeds),
                )
            self.catch_up()
        return replace(told, newcomers=len(newcomers))

    def catch_up(self) -> None:
        """Read what has come to the place since, by whichever process."""
        with self._lock:
            news = self.ledger.since(*self._read)
            changed = self.catalogue.changed(news.items)
            if changed:
                self.space.put(changed)
            for item in news.items:
                self.behaviour.know(item.id, self.catalogue.put(item))
            for name in news.removed:
                self.catalogue.remove(name)
            self.behaviour.add(news.deeds)
            self._read = (news.revision, news.number)
            if news.learnt != self._learnt:
                self._take_ranker(self.ledger.setting(RANKER))
                self._learnt = news.learnt

    def _take_ranker(self, text: str | None) -> None:
        """Rank by what was learnt; what cannot be used, as of another version, is told of, and the rule stays."""
        self.ranker, self.trouble = None, ""
        try:
            self.ranker = Ranker.from_json(text, self.space.mark, self.behaviour.weights.plain()) if text else None
        except Refusal as refusal:
            self.trouble = str(refusal)

    def anew(self) -> Space:
        """An empty space of the same sort, for what was known in the past."""
        return self._make_space(self.ledger)

    def use(self, ranker: Ranker | None) -> None:
        """Rank with this from now on, and keep it."""
        told = ranker.to_json(self.space.mark, self.behaviour.weights.plain()) if ranker else ""
        self.ledger.learnt(RANKER, told)
        self.catch_up()

    def view(self, user: str, interests: str = "") -> View:
        """All that is known of a user and all items now."""
        with self._lock:
            return view_of(user, self.now(), self.catalogue, self.behaviour, self.space, interests)

    def recommend(
        self,
        user: str,
        limit: int = 10,
        *,
        diversity: float = 0.0,
        interests: str = "",
        without: Iterable[str] = (),
    ) -> list[Recommended]:
        """The items that a user may want, the best first; never one that he has had to do with.

        `diversity` (0 to 1) is how much the list avoids what is alike; `interests` a text of what he likes, which may
        be all that is known of him; `without` are items that he is not to see this time.

        Raises:
            Refusal: a value cannot be used.
        """
        _refuse(user, limit, diversity, interests)
        with self._lock:
            self.catch_up()
            view = self.view(user, interests)
            for name in without:
                if name in self.catalogue.places:
                    view.allowed[self.catalogue.places[name]] = False
            places, scores = self.ranked(view, _looked_at(limit, diversity, self._rerank))
            if self._rerank is not None:
                places, scores = reranked(self._rerank, places, scores, view, interests, self.catalogue)
            chosen = diverse(scores, self.space.between(places.tolist()), limit, diversity) if len(places) else []
            return [self._told(int(places[each]), float(scores[each]), view, interests) for each in chosen]

    def ranked(self, view: View, limit: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Places and scores, the best first: candidates by the ranker or the rule, then the rest by popularity."""
        found = candidates(view)
        features = view.features[found]
        if self.ranker is None:
            scores = by_rule(features, view.features.max(0, initial=0.0))
        else:
            scores = self.ranker.scores(features)
        order = np.argsort(-scores, kind="stable")[:limit]
        places, scores = found[order], scores[order]
        if len(places) < limit:
            rest = view.allowed.copy()
            rest[found] = False
            others = view.order[rest[view.order]]
            popular = view.of("popular")[others]
            more = others[np.argsort(-popular, kind="stable")][: limit - len(places)]
            lowest = scores.min(initial=0.0)
            places = np.concatenate([places, more])
            scores = np.concatenate([scores, lowest - 1 - np.arange(len(more)) / max(1, len(more))])
        return places, scores

    def near(self, item: str = "", text: str = "", limit: int = 10) -> list[Near]:
        """The items that are most like one, or a text; by behaviour and text together, each at most 1.

        Raises `Refusal` for an item that is not known, and where neither is given, or both.
        """
        if bool(item) == bool(text.strip()):
            raise Refusal("give an item, or a text: one of them")
        if not 1 <= limit <= MOST:
            raise Refusal(f"limit: is {limit}; expected 1 to {MOST}")
        with self._lock:
            self.catch_up()
            open_ = self.catalogue.open_at(self.now())
            if item:
                place = self.place(item)
                together, alike = self.behaviour.together.likeness(place), self.space.alike([place])[0]
                open_[place] = False
            else:
                together, alike = np.zeros(len(self.catalogue)), self.space.fits(text)
            scores = np.where(open_, together + alike, 0.0)
            return [
                Near(self.catalogue.items[each], float(scores[each]), float(together[each]), float(alike[each]))
                for each in best(scores, limit)
            ]

    def history(self, user: str, most: int = 50) -> list[dict[str, object]]:
        """What a user has had to do with, the last first."""
        with self._lock:
            self.catch_up()
            return [
                {"item": self.catalogue.items[place].id, "title": self.catalogue.items[place].shown}
                | {"action": touch.action, "time": touch.time}
                for place, touch in self.behaviour.history(user, most)
            ]

    def busiest(self, most: int) -> list[dict[str, object]]:
        """The users who have had to do with most items."""
        with self._lock:
            self.catch_up()
            users = self.behaviour.users
            order = sorted(users, key=lambda user: (-len(users[user]), user))[:most]
            return [{"user": user, "items": len(users[user])} for user in order]

    def state(self) -> dict[str, object]:
        """How much there is, and what ranks it."""
        with self._lock:
            self.catch_up()
            return {
                "items": self.catalogue.offered,
                "users": len(self.behaviour.users),
                "touches": sum(map(len, self.behaviour.users.values())),
                "waiting": sum(map(len, self.behaviour.waiting.values())),
                "weights": self.behaviour.weights.plain(),
                "vectors": "words" if isinstance(self.space, Words) else "embedder",
                "ranked_by": "rule" if self.ranker is None else "ranker",
                "linear": self.behaviour.ease is not None,
            }

    def offered(self, name: str) -> Item | None:
        """The item of a name, if there was one when `catch_up` was called last and it may be recommended."""
        with self._lock:
            return self.catalogue.offered_as(name)

    def time_of(self, name: str) -> float | None:
        """Since when an item is there, also one that was removed; None where that is not known. As `offered`."""
        with self._lock:
            place = self.catalogue.places.get(name)
            return None if place is None else self.catalogue.items[place].time

    def place(self, item: str) -> int:
        """Where an item stands; raises `Refusal` where it is not known."""
        if item not in self.catalogue.places:
            raise Refusal(f"there is no item '{item[:40]}' here; put it first")
        return self.catalogue.places[item]

    def _told(self, place: int, score: float, view: View, interests: str) -> Recommended:
        words: tuple[str, ...] = ()
        if interests and isinstance(self.space, Words):
            words = tuple(self.space.shared(place, interests)[:3])
        parts = {name: float(view.of(name)[place]) for name in ("together", "linear", "text", "popular", "age")}
        return Recommended(self.catalogue.items[place], score, reason_of(place, view, self.catalogue, words), parts)


def _words(_ledger: Ledger) -> Space:
    return Words(Counted(Rules()))


def _looked_at(limit: int, diversity: float, rerank: Rerank | None) -> int:
    """How many items of the ranking are looked at for a list."""
    return max(limit, READ if rerank else 0, max(50, POOL * limit) if diversity else 0)


def _refuse(user: str, limit: int, diversity: float, interests: str) -> None:
    refuse_name(user, "user")
    if not 1 <= limit <= MOST:
        raise Refusal(f"limit: is {limit}; expected 1 to {MOST}")
    if not 0 <= diversity <= 1:
        raise Refusal(f"diversity: is {diversity:g}; expected 0 (the plain ranking) to 1")
    if len(interests) > LONGEST_TEXT:
        raise Refusal(f"interests: has {len(interests):,} characters; at most {LONGEST_TEXT:,} are read")
