"""The grammar of BIO tags (Ramshaw and Marcus, 1995): reading them, and the best path that obeys it.

Classes as in `text/batching/align.py`: 0 is outside, 1 + 2k begins and 2 + 2k goes on with type k. T tokens, C classes.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

PREFIXES = {"B": 1, "S": 1, "I": 2, "M": 2, "E": 2}  # BIOES and BMES say the same with more letters


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


def best_path(log_TC: NDArray[np.floating]) -> NDArray[np.int32]:
    """The likeliest classes (T,) in which nothing goes on that has not begun (Viterbi, 1967).

    `log_TC` are log-probabilities of each token; all allowed steps are equally likely.
    """
    greedy_T: NDArray[np.int32] = log_TC.argmax(1).astype(np.int32)
    if _allowed(greedy_T):  # unconstrained best and legal: nothing is better
        return greedy_T
    tokens, classes = log_TC.shape
    going_on = np.arange(2, classes, 2)
    back_TC = np.zeros((tokens, classes), np.int32)
    score_C = log_TC[0].astype(np.float64)
    score_C[going_on] = -np.inf
    for token in range(1, tokens):
        best = int(score_C.argmax())
        back_C = back_TC[token]
        back_C[:] = best
        back_C[going_on] = np.where(score_C[going_on] >= score_C[going_on - 1], going_on, going_on - 1)
        score_C = score_C[back_C] + log_TC[token]
    path = [int(score_C.argmax())]
    for token in range(tokens - 1, 0, -1):
        path.append(int(back_TC[token, path[-1]]))
    return np.array(path[::-1], np.int32)


def _allowed(classes_T: NDArray[np.int32]) -> bool:
    previous_T = np.r_[np.int32(0), classes_T[:-1]]
    goes_on = (classes_T > 0) & (classes_T % 2 == 0)
    return bool(np.all(~goes_on | (previous_T == classes_T) | (previous_T == classes_T - 1)))
