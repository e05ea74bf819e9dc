"""Translation of a text (Brown et al., 1993; Sutskever et al., 2014)."""

from typing import ClassVar

from pydantic import Field

from danlu.data.record import Record
from danlu.model.policy import Policy
from danlu.task.text_to_text import TextToText


class Translate(TextToText):
    """Say a text in another language.

    Models of many languages (mBART, NLLB, M2M-100) read and write the token of a language first: name the two.
    """

    columns: ClassVar[dict[str, str]] = {"text": "text", "translation": "text, or a list of texts that are all right"}
    target: ClassVar[str] = "translation"
    metrics: ClassVar[tuple[str, ...]] = ("chrf", "bleu", "exact_match", "length_ratio", "repetition", "target_script")
    baseline: ClassVar[str | None] = "word_by_word"
    sample: ClassVar[tuple[Record, ...]] = (
        {"text": "我喜欢喝茶。", "translation": "I like tea."},
        {"text": "Where is the station?", "translation": "车站在哪里？"},
        {"text": "他每天走路上班。", "translation": "He walks to work every day."},
    )

    policy: Policy = Field(
        default_factory=lambda: Policy.model_validate({"kind": "beam", "beams": 4}),
        description="how the text is written",
    )
    source_language: str | None = Field(default=None, min_length=1, description="its token, such as zh_CN")
    target_language: str | None = Field(default=None, min_length=1, description="its token, such as en_XX")
