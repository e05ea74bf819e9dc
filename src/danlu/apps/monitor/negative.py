"""Whether a text is negative, as a label, a number, or yes and no say it."""

from typing import Any

NEGATIVE = frozenset(
    (
        "negative",
        "neg",
        "-1",
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
        "1",
        "0",
        "+1",
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

_YES = frozenset(("yes", "true", "1", "是", "y", "t"))
_NO = frozenset(("no", "false", "0", "否", "n", "f"))


def named(value: Any) -> bool | None:
    """What a label of sentiment means, or a number, which does so below nought; None for what is not known."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value < 0
    name = value.strip().lower() if isinstance(value, str) else ""
    return True if name in NEGATIVE else False if name in OTHER else None


def yes_or_no(value: Any) -> bool | None:
    """What is said to the question whether a text is negative; None for what is no answer."""
    if isinstance(value, bool):
        return value
    name = str(value).strip().lower() if isinstance(value, str | int) else ""
    return True if name in _YES else False if name in _NO else None
