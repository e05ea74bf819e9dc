"""A piece of a given text, the best of several: `{"text": "in 1998", "start": 5, "end": 12, "score", "answers": []}`.

`answers` are the best ones, each with its place and probability; where there is no answer, the text is empty and has
no place.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from danlu.answer.worded import Worded, nothing


class Excerpt(Worded):
    """A piece of a given text; the value is a tuple of texts, and that of no answer is empty."""

    of_characters: ClassVar[bool] = True

    def short(self, prediction: Mapping[str, Any]) -> list[str]:
        """The text, `-` for none, and its probability."""
        return [str(prediction["text"]) or "-", f"{float(prediction.get('score') or 0.0):.3f}"]

    def as_given(
        self, prediction: Mapping[str, Any], text: str, back: Callable[[int, int], tuple[int, int] | None]
    ) -> dict[str, Any]:
        """The answers as they stand in `text`; one that covers nothing but what was put in goes."""
        answers = [moved for answer in prediction["answers"] if (moved := _moved(answer, text, back))]
        best = _moved(prediction, text, back) or (answers[0] if answers else nothing(0.0))
        return {**prediction, **best, "answers": answers}


def _moved(
    answer: Mapping[str, Any], text: str, back: Callable[[int, int], tuple[int, int] | None]
) -> dict[str, Any] | None:
    """An answer where it stands in `text`; None where it does not."""
    if answer["start"] is None:
        return nothing(answer["score"])
    span = back(answer["start"], answer["end"])
    if span is None:
        return None
    return {"text": text[span[0] : span[1]], "start": span[0], "end": span[1], "score": answer["score"]}
