"""All that an evaluation has found, in the words of people."""

from typing import Any

from danlu.evaluate.reporting.judged import judged_in_words
from danlu.evaluate.reporting.otherwise_in_words import otherwise_in_words
from danlu.evaluate.reporting.wording import scores_in_words
from danlu.language import translator


def told(scores: dict[str, Any], language: str) -> list[str]:
    """The lines of `scores.json` as a terminal shows them: scores, how far they can be trusted, and under changes."""
    judged = judged_in_words(scores, translator(language))
    return [*scores_in_words(scores, language), *judged, *otherwise_in_words(scores, language)]
