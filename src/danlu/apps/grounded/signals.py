"""What tells whether some passages answer a question, in numbers that a threshold can be fitted on."""

from collections.abc import Sequence

from danlu.apps.grounded.asked import Asked
from danlu.index.document import Found
from danlu.index.tokens import query_tokens

Signals = dict[str, float]


def signals(asked: Asked, passages: Sequence[Found], share: float) -> Signals:
    """Of the passages that were found, the best first; `share` of the question's words stand in the best sentence.

    - `passage`, `sentence`: the share of the question's words, rare ones weighing more, that stand together.
    - `lead`: how far the best document is ahead of the next, as a share of its score.
    - `words`: BM25 of the best passage a word of the question; `vector`, `rank`: what these ways of looking say of
      it, where they were asked.
    """
    best = passages[0]
    texts = [f"{passage.title}\n{passage.text}" for passage in passages[:3]]
    other = next((each.score for each in passages if each.document != best.document), 0.0)
    found = {
        "passage": max(map(asked.covered, texts)),
        "sentence": share,
        "lead": min(1.0, max(0.0, (best.score - other) / best.score)) if best.score > 0 else 0.0,
    }
    lexical = max((each.ways["lexical"] for each in passages if "lexical" in each.ways), default=0.0)
    found["words"] = lexical / max(1, len(query_tokens(asked.question)))
    for way in ("vector", "rank"):
        told = [each.ways[way] for each in passages if way in each.ways]
        if told:
            found[way] = max(told)
    return found
