"""The grammar of BIO tags (Ramshaw and Marcus, 1995): reading them, and the best path that obeys it.

Classes as in `text/batching/align.py`: 0 is outside, 1 + 2k begins and 2 + 2k goes on with type k. T tokens, C classes.
"""

from collections.abc import Sequence
from contextlib import suppress
from functools import cache

import numpy as np
from numpy.typing import NDArray

from danlu.refusal import Refusal
from danlu.text.viterbi import best_states

PREFIXES = {"B": 1, "S": 1, "U": 1, "I": 2, "M": 2, "E": 2, "L": 2}
"""BIOES, BMES and BILOU say the same with more letters."""


OUTSIDE = ("O", "X", "PAD", "[PAD]", "<pad>", "[CLS]", "[SEP]", "<s>", "</s>", "<START>", "<STOP>", "[START]", "[END]")
"""Tags of heads that say of a token that it belongs to nothing: some have one for padding as well."""


def class_names(types: Sequence[str]) -> list[str]:
    """`O`, then `B-` and `I-` of each type, by class."""
    return ["O", *(f"{letter}-{kind}" for kind in types for letter in "BI")]


def split_tag(tag: str) -> tuple[int, str]:
    """0, 1 (begins) or 2 (goes on), and the type; `ValueError` for what is no tag."""
    if tag == "O":
        return 0, ""
    letter, dash, kind = tag.partition("-")
    if letter not in PREFIXES or not dash or not kind:
        raise ValueError(tag)
    return PREFIXES[letter], kind


def rows_of_classes(tags: Sequence[str], types: Sequence[str]) -> list[list[int]]:
    """Of each class the places of the tags, in whichever of these letters, that say it. `ValueError` for no tag."""
    found: list[list[int]] = [[] for _ in class_names(types)]
    for place, tag in enumerate(tags):
        part, kind = (0, "") if tag in OUTSIDE else split_tag(tag)
        found[0 if part == 0 else 2 * types.index(kind) + part].append(place)
    return found


def are_tags(tags: Sequence[str], types: Sequence[str]) -> bool:
    """Whether these are what is outside, and tags of some types, each once."""
    with suppress(ValueError):
        return bool(rows_of_classes(tags, types)[0]) and len(set(tags)) == len(tags)
    return False


def refuse_unsayable(tags: Sequence[str], types: Sequence[str]) -> None:
    """Raises `Refusal` where the tags of a head cannot say that some type begins, or goes on: it could not learn it."""
    if not tags:
        return
    if lacking := [name for name, row in zip(class_names(types), rows_of_classes(tags, types), strict=True) if not row]:
        raise Refusal(f"task.head_tags: has no tag for '{lacking[0]}', which cannot be learnt so; leave it out")


def allowed_steps(classes: int) -> NDArray[np.bool_]:
    """Which class may come after which, (C + 1, C); the last row tells which may come first."""
    own_C = np.arange(classes)
    goes_on_C = (own_C > 0) & (own_C % 2 == 0)
    before = np.r_[own_C, -1][:, None]
    allowed: NDArray[np.bool_] = ~goes_on_C | (before == own_C) | (before == own_C - 1)
    return allowed


def best_path(log_TC: NDArray[np.floating], transitions: NDArray[np.float64] | None = None) -> NDArray[np.int32]:
    """The likeliest classes (T,) in which nothing goes on that has not begun.

    `log_TC` are log-probabilities of each token, or scores where there are `transitions` (C + 1, C), what one class
    says of the next, the last row of the first; without them all allowed steps are equally likely.
    """
    greedy_T: NDArray[np.int32] = log_TC.argmax(1).astype(np.int32)
    if not len(log_TC) or (transitions is None and _allowed(greedy_T)):  # best and legal: nothing is better
        return greedy_T
    start_C1 = log_TC[0].astype(np.float64)[:, None]
    gains_TC1 = log_TC[1:, :, None].astype(np.float64)
    going = [1] * len(gains_TC1)
    if transitions is None:
        start_C1[2::2] = -np.inf
        after_C2C = _origins(log_TC.shape[1])
        final_C1, taken = best_states(start_C1, going, lambda before_C1: after_C2C[before_C1.argmax()], gains=gains_TC1)
    else:
        every_C1 = np.arange(log_TC.shape[1])[:, None]
        steps_CC1 = transitions[:-1, :, None]
        final_C1, taken = best_states(
            start_C1 + transitions[-1][:, None], going, every_C1, lambda _: steps_CC1, gains_TC1
        )
    path = [int(final_C1.argmax())]
    for origins_KC, ranks_C1 in reversed(taken):  # one path alone: numbers take less time than arrays of one
        path.append(int(origins_KC[ranks_C1[path[-1], 0], path[-1] % origins_KC.shape[1]]))
    return np.array(path[::-1], np.int32)


@cache
def _origins(classes: int) -> NDArray[np.int64]:
    """The classes that each class comes after by its two ways, where one class is the best before: (C of these, 2, C).

    A span goes on after itself, or where it has begun; anything else comes after whatever is the best.
    """
    best_C, own_C = np.arange(classes)[:, None], np.arange(classes)
    goes_on_C = (own_C > 0) & (own_C % 2 == 0)
    return np.stack([np.where(goes_on_C, own_C - back, best_C) for back in (0, 1)], axis=1)


def _allowed(classes_T: NDArray[np.int32]) -> bool:
    previous_T = np.r_[np.int32(0), classes_T[:-1]]
    goes_on = (classes_T > 0) & (classes_T % 2 == 0)
    return bool(np.all(~goes_on | (previous_T == classes_T) | (previous_T == classes_T - 1)))
