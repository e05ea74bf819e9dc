"""What tells whether some passages answer a question, in numbers that a threshold can be fitted on."""

from collections.abc import Sequence

from danlu.apps.grounded.asked import Asked
from danlu.index.document import Found
from danlu.index.tokens import query_tokens

Signals = dict[str, float]


def signals(asked: Asked, passages: Sequence[Found], share: float) -> Signals:
    """Of the passages that were found, the best first; `share` of the question's words stand in the best sentence.

    - `passage`, `sentence`: the share of the question's words, rare ones weighing more, that stand together.
    - `lead`: how far the best document is ahead of the next by BM25, as a share of its own, times `passage`: among
      passages that hold next to nothing of a question one is always ahead.
    - `words`: BM25 of the best passage a word of the question; `vector`, `rank`: what these ways of looking say of
      it, where they were asked.

    Where a bundle of `answer` has read them, `piece` (the logarithm of the odds of its best piece) and `found` (1: it
    finds an answer in one of them) are put beside these.
    """
    texts = [f"{passage.title}\n{passage.text}" for passage in passages[:3]]
    held = max(map(asked.covered, texts))
    lexical = max(passages, key=lambda each: each.ways.get("lexical", 0.0))
    most = lexical.ways.get("lexical", 0.0)
    other = max((each.ways.get("lexical", 0.0) for each in passages if each.document != lexical.document), default=0.0)
    found = {
        "passage": held,
        "sentence": share,
        "lead": held * min(1.0, max(0.0, (most - other) / most)) if most > 0 else 0.0,
        "words": most / max(1, len(query_tokens(asked.question))),
    }
    for way in ("vector", "rank"):
        told = [each.ways[way] for each in passages if way in each.ways]
        if told:
            found[way] = max(told)
    return found
