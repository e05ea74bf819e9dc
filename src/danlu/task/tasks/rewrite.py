"""Any text for any text: corrections, styles, questions, verses (Raffel et al., 2020, have all tasks so)."""

from typing import ClassVar

from danlu.data.record import Record
from danlu.task.text_to_text import TextToText


class Rewrite(TextToText):
    """Write another text for a text."""

    columns: ClassVar[dict[str, str]] = {"text": "text", "target": "text, or a list of texts that are all right"}
    target: ClassVar[str] = "target"
    metrics: ClassVar[tuple[str, ...]] = (
        "exact_match",
        "chrf",
        "rougel",
        "length_ratio",
        "repetition",
        "target_script",
    )
    baseline: ClassVar[str | None] = "copy"
    sample: ClassVar[tuple[Record, ...]] = (
        {"text": "我门明天去公圆玩。", "target": "我们明天去公园玩。"},
        {"text": "he go to school by bus", "target": "He goes to school by bus."},
        {"text": "这件事情我已经知道的了。", "target": "这件事情我已经知道了。"},
    )
