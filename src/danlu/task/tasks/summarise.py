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
        {"text": "今天上午市里下了大雨，几条路被淹，公交车改道，学校下午停课。", "summary": "大雨淹路，学校停课"},
        {
            "text": "The museum opened on Monday after two years of repairs. Entry is free this week.",
            "summary": "Museum opens again after repairs.",
        },
        {
            "text": "球队昨晚以三比一取胜，这是他们本赛季的第十场胜利，排名升到第二。",
            "summary": "球队三比一取胜，升至第二",
        },
    )
