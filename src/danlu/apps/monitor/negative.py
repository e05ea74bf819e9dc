"""Whether a text is negative, as a label, a number, or yes and no say it."""

import math
import re
from typing import Any

NEGATIVE = frozenset(
    (
        "negative",
        "neg",
        "bad",
        "bearish",
        "unhappy",
        "负面",
        "负",
        "负向",
        "负面情感",
        "消极",
        "贬义",
        "差评",
        "不满",
    )
)
OTHER = frozenset(
    (
        "positive",
        "pos",
        "neutral",
        "neu",
        "good",
        "bullish",
        "正面",
        "正",
        "正向",
        "积极",
        "中性",
        "褒义",
        "好评",
    )
)
"""What labels of sentiment are called, in lower case."""

_DEGREE = re.compile(
    "^(?:(?:very|extremely|highly|strongly|quite|rather|mostly|moderately|somewhat|mildly|slightly|weakly)[ _-]+"
    "|非常|十分|极其|极度|极|很|强烈|比较|较|偏|轻微|轻度|中度|重度|略)"
)
"""What may stand before such a label and leaves its direction as it is."""

_YES = frozenset(("yes", "true", "是", "y", "t"))
_NO = frozenset(("no", "false", "否", "n", "f"))


def named(value: Any) -> bool | None:
    """What a label of sentiment means, or a number, which does so below nought; None for what is not known."""
    if (number := _number(value)) is not None:
        return number < 0
    name = value.strip().lower() if isinstance(value, str) else ""
    names = {name, _DEGREE.sub("", name)}
    return True if names & NEGATIVE else False if names & OTHER else None


def yes_or_no(value: Any) -> bool | None:
    """What is said to the question whether a text is negative; None for what is no answer."""
    if isinstance(value, bool):
        return value
    if (number := _number(value)) is not None:
        return {1.0: True, 0.0: False}.get(number)
    name = value.strip().lower() if isinstance(value, str) else ""
    return True if name in _YES else False if name in _NO else None


def _number(value: Any) -> float | None:
    """What a number says, also one that is written; none that is without end."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
