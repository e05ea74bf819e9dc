"""What a ranker sees of a user and an item at a moment: numbers from what was known by then, and of nothing later."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from danlu.apps.recommend.behaviour import Behaviour, Touch
from danlu.apps.recommend.catalogue import Catalogue
from danlu.apps.recommend.deed import UNIT
from danlu.apps.recommend.vectors import Space

Numbers = NDArray[np.float64]
REMEMBERED = 30
"""Items of a user that say what he likes, the last ones."""
FADES = 8.0
"""Items after which what a user has done counts half: interests drift."""
FRESH = 3.0
"""Days in which what is new becomes half as new."""
SHORT, LONG = 2 * 86_400.0, 20 * 86_400.0
"""Seconds in which popularity fades by half."""
NAMES = (
    "together",  # item neighbours of what was touched, the last ones more
    "together_last",  # of the last item alone
    "together_strong",  # of what was touched by more than the lightest action
    "linear",  # EASE
    "text",  # mean cosine with what was touched
    "text_best",  # the best of these
    "text_strong",  # with what was touched by more than the lightest action
    "popular",  # over weeks
    "popular_now",  # over days
    "rising",  # the one by the other
    "users",  # who have had to do with it
    "untouched",  # whether nobody has
    "text_untouched",  # and then the text, which is all that tells such items apart
    "age",  # days
    "no_age",  # whether it is not known
    "fresh",  # 1 for what is new, half of it every three days; 0 where the age is not known
    "history",  # items of the user
)


@dataclass(frozen=True)
class View:
    """All that is known of a user and all items at a moment.

    - `features`: (N, F) by `NAMES`.
    - `history`: what the user has touched, the last first; `weights`: how much each counts.
    - `alike`, `texts`: likeness (H, N) of what he has touched with all items, by behaviour and by text.
    - `allowed`: what may be recommended, (N,); `wish`: how each item fits a text of interests, (N,), or None.
    - `order`: the places in the order of the items' names, (N,), in which equal ones stand, whenever they came.
    """

    features: Numbers
    history: Sequence[tuple[int, Touch]]
    weights: Numbers
    alike: Numbers
    texts: Numbers
    allowed: NDArray[np.bool_]
    order: NDArray[np.int64]
    wish: Numbers | None = None

    def of(self, name: str) -> Numbers:
        """A feature of all items."""
        found: Numbers = self.features[:, NAMES.index(name)]
        return found


def view_of(
    user: str, moment: float, catalogue: Catalogue, behaviour: Behaviour, space: Space, interests: str = ""
) -> View:
    """Look at a user at a moment; `interests` is a text that counts as an item that was just read with delight."""
    size = len(catalogue)
    history = behaviour.history(user, REMEMBERED)
    places = [place for place, _ in history]
    weights = np.array([touch.units / UNIT for _, touch in history]) * 0.5 ** (np.arange(len(history)) / FADES)
    alike = np.array([behaviour.together.likeness(place) for place in places]).reshape(len(places), size)
    texts = space.alike(places) if places else np.zeros((0, size))
    lightest = min(behaviour.weights.units.values())
    strong = weights * np.array([touch.units > lightest for _, touch in history], float)
    wish = space.fits(interests) if interests.strip() else None
    popular, now = (behaviour.popularity(moment, half, size) for half in (LONG, SHORT))
    ages = catalogue.ages(moment)
    ease = behaviour.ease
    liked = _with_wish(_mean(weights, texts, size), weights, wish)
    touched = behaviour.touched_by(size)
    untouched = (touched == 0).astype(float)
    columns = [
        _mean(weights, alike, size),
        alike[0] if places else np.zeros(size),
        _mean(strong, alike, size),
        ease.scores(behaviour.row(user)) if ease is not None else np.zeros(size),
        liked,
        _best(texts, wish, size),
        _mean(strong, texts, size),
        np.log1p(popular),
        np.log1p(now),
        now / (popular + 1.0),
        np.log1p(touched),
        untouched,
        untouched * liked,
        np.log1p(np.nan_to_num(ages, nan=0.0)),
        np.isnan(ages).astype(float),
        np.nan_to_num(np.exp2(-ages / FRESH), nan=0.0),
        np.full(size, np.log1p(len(behaviour.users.get(user, ())))),
    ]
    allowed = catalogue.open_at(moment)
    allowed[list(behaviour.seen(user))] = False
    return View(np.stack(columns, 1), history, weights, alike, texts, allowed, catalogue.order(), wish)


def _mean(weights: Numbers, rows_HN: Numbers, size: int) -> Numbers:
    total = weights.sum()
    return weights @ rows_HN / total if total else np.zeros(size)


def _with_wish(text: Numbers, weights: Numbers, wish: Numbers | None) -> Numbers:
    """The wish counts as much as all that was done, and alone where nothing was."""
    if wish is None:
        return text
    return (text + wish) / 2 if weights.sum() else wish


def _best(text_HN: Numbers, wish: Numbers | None, size: int) -> Numbers:
    best = text_HN.max(0) if len(text_HN) else np.zeros(size)
    return best if wish is None else np.maximum(best, wish)
