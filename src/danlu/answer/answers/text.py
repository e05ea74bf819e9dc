"""A text that was written: `{"text": "in 1998", "score": 0.7}`."""

from danlu.answer.worded import Worded


class Text(Worded):
    """A text; the value is a tuple of texts, one in an answer, and in a truth as many as are right."""
