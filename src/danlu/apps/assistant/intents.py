"""What tickets are about: by their own column, by a `classify` bundle, or by clusters of what is said in them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from math import log, sqrt
from typing import TYPE_CHECKING

from danlu.apps.assistant.folding import Entry
from danlu.apps.assistant.tickets import LONGEST_INTENT
from danlu.index.tokens import tokens

if TYPE_CHECKING:
    from danlu.bundle.answering import Answering

FEWEST = 30
"""Answers without an intent, from which on clusters are made of them."""
MOST = 12
"""Clusters."""
_WORDS = 3
"""By which a cluster is named."""


def with_intents(entries: Sequence[Entry], classifier: "Answering | None" = None) -> tuple[list[Entry], str]:
    """The entries, those without an intent named, and how: 'column', 'bundle', 'clusters' or 'none'.

    Ids stay as they were, so the same tickets stay the same entries. Raises `Refusal` for a bundle that says no label.
    """
    bare = [place for place, entry in enumerate(entries) if not entry.intent]
    found = list(entries)
    if not bare:
        return found, "column"
    texts = [entries[place].questions[0] for place in bare]
    if classifier is not None:
        names, how = [str(told["label"]) for told in classifier.predict(texts)], "bundle"
    elif len(bare) >= FEWEST:
        names, how = _clusters(texts), "clusters"
    else:
        return found, "none" if len(bare) == len(entries) else "column"
    for place, name in zip(bare, names, strict=True):
        found[place] = replace(entries[place], intent=name[:LONGEST_INTENT])
    return found, how


def _clusters(texts: Sequence[str]) -> list[str]:
    """The name of each text's cluster: k-means of tf-idf (Lloyd, 1982), named by words that tell it from the rest."""
    from sklearn.cluster import KMeans
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = TfidfVectorizer(analyzer=_longer_tokens, min_df=2, max_df=0.5, sublinear_tf=True)
    try:
        rows = words.fit_transform(texts)
    except ValueError:  # no word stands in two of them
        return [""] * len(texts)
    count = min(MOST, max(2, round(sqrt(len(texts) / 2))))
    labels = KMeans(count, n_init=3, random_state=0).fit_predict(rows).tolist()
    names = {
        label: _named([text for text, own in zip(texts, labels, strict=True) if own == label], texts)
        for label in set(labels)
    }
    return [names[label] for label in labels]


def _named(inside: Sequence[str], every: Sequence[str]) -> str:
    here, there = (Counter(word for text in some for word in {*_longer_tokens(text)}) for some in (inside, every))
    told = {word: count * log(count / len(inside) / (there[word] / len(every)) + 1e-9) for word, count in here.items()}
    chosen: list[str] = []
    for word in sorted(told, key=lambda each: (-told[each], each)):
        if not any(word in other or other in word for other in chosen):
            chosen.append(word)
        if len(chosen) == _WORDS:
            break
    return " · ".join(chosen)


def _longer_tokens(text: str) -> list[str]:
    """Tokens of two characters or more: single ones of Chinese name nothing."""
    return [token for token in tokens(text) if len(token) > 1]
