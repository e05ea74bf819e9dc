"""The words of texts by our segmenters, as they are counted: Chinese characters alone and in pairs."""

from collections import Counter
from collections.abc import Sequence
from weakref import WeakValueDictionary

from danlu.text.segmenting.segmenter import Segmenter

Terms = Counter[str]
LONGEST_READ = 20_000
"""Characters of a text that are read."""
LONGEST_TERM = 40
"""Characters; what is longer is an address or noise, and is cut."""


def terms_of(texts: Sequence[str], segmenter: Segmenter) -> list[Terms]:
    """How often each word stands in each text, in small letters; neighbouring Chinese characters also as pairs."""
    found = []
    for words in segmenter.segment([text.lower() for text in texts]):
        terms, before = Terms(), ""
        for word in words:
            if not any(character.isalnum() for character in word):
                before = ""
                continue
            terms[word[:LONGEST_TERM]] += 1
            alone = len(word) == 1 and "\u2e80" <= word <= "\ud7ff"
            if alone and before:
                terms[before + word] += 1
            before = word if alone else ""
        found.append(terms)
    return found


class Counted:
    """The words of texts, counted once for all spaces that are made of the same items, as long as one has them."""

    def __init__(self, segmenter: Segmenter) -> None:
        """Nothing is counted yet."""
        self._segmenter = segmenter
        self.kind = segmenter.kind
        self._known: WeakValueDictionary[str, Terms] = WeakValueDictionary()

    def __len__(self) -> int:
        """Texts that are known: those whose words somebody holds."""
        return len(self._known)

    def of(self, texts: Sequence[str], *, keep: bool) -> list[Terms]:
        """The words of each text, cut at `LONGEST_READ` characters; `keep`: for others, while the caller holds them."""
        cut = [text[:LONGEST_READ] for text in texts]
        found = {text: terms for text in cut if (terms := self._known.get(text)) is not None}
        fresh = [text for text in dict.fromkeys(cut) if text not in found]
        found |= zip(fresh, terms_of(fresh, self._segmenter), strict=True)
        if keep:
            self._known.update(found)
        return [found[text] for text in cut]
