"""An answer without any model: the sentence in which most of the question's words stand (Luhn, 1958)."""

from collections.abc import Sequence

from danlu.apps.grounded.asked import Asked, words
from danlu.apps.grounded.cited import Cited, cited
from danlu.data.characters.sentences import sentences
from danlu.data.characters.word_cutting import Borders
from danlu.index.document import Found

def best_sentence(asked: Asked, passages: Sequence[Found]) -> tuple[Cited | None, float]:
    """The sentence, and which share of the question's words it holds; None where there is none.

    Where that is a question itself, or a heading, the answer is what follows it.
    """
    best: tuple[float, int, int] | None = None
    borders = [sentences(passage.text) for passage in passages]
    for number, passage in enumerate(passages):
        for place, (start, end) in enumerate(borders[number]):
            share = asked.covered(passage.text[start:end])
            if best is None or share > best[0] + 1e-9:
                best = share, number, place
    if best is None:
        return None, 0.0
    share, number, place = best
    start, end = _said(asked, passages[number].text, borders[number], place)
    return cited(passages[number], number + 1, start, end), share


def _said(asked: Asked, text: str, borders: Borders, place: int) -> tuple[int, int]:
    """The sentence of a place, or the first behind it that says more than was asked."""
    for start, end in borders[place:]:
        sentence = text[start:end]
        if sentence[-1] not in "?？" and not asked.weights.keys() >= set(words(sentence)):
            return start, end
    return borders[place]
