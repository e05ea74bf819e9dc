"""Summaries and headlines of a text (Rush et al., 2015)."""

from typing import ClassVar

from danlu.data.record import Record
from danlu.task.text_to_text import TextToText


class Summarise(TextToText):
    """Say a text in few words."""

    columns: ClassVar[dict[str, str]] = {"text": "text", "summary": "text, or a list of texts that are all right"}
    target: ClassVar[str] = "summary"
    after: ClassVar[str] = "\nTL;DR:"
    metrics: ClassVar[tuple[str, ...]] = ("rougel", "rouge1", "rouge2", "length_ratio", "repetition", "target_script")
    baseline: ClassVar[str | None] = "lead"
    sample: ClassVar[tuple[Record, ...]] = (
        {"text": "今早大雨，几条路被淹，学校停课。", "summary": "大雨淹路，学校停课"},
        {"text": "The museum opened on Monday after repairs. Entry is free.", "summary": "Museum opens again."},
        {
            "text": "球队昨晚三比一取胜，排名升到第二。",
            "summary": "球队三比一取胜，升至第二",
        },
    )
