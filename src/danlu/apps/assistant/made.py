"""Questions made of tickets, where nobody has asked yet: what order and threshold are first fitted on.

Each question of a ticket is asked with words left out and a few polite ones around it; and where another question had
the same answer, as it stands, left out of what is searched. Each is asked once more with its answer left out: then no
answer here is right. Real customers ask otherwise than that; `retrain` learns from them as soon as somebody has said
which answers were right.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from danlu.apps.assistant.folding import hashed
from danlu.apps.assistant.matching import Known
from danlu.data.characters.languages import language_of
from danlu.machine.seed import generator
from danlu.text.tagging.units import units

MOST = 400
"""Questions of tickets that are asked."""
LEFT_OUT = 0.25
"""Share of the words, or characters, that are left out."""
_AROUND = {
    "en": ("{}", "{}", "Hi, {}", "Hello, {} Thanks!", "I would like to know: {}", "{} Please help."),
    "zh": ("{}", "{}", "请问{}", "你好，{}", "想问一下，{}", "{}谢谢"),
}


@dataclass(frozen=True)
class Case:
    """A question whose answer is known; `right` is an entry, None where no answer here is right.

    - `phrases_aside`, `entries_aside`: what is left out of the search, or the question would find itself.
    - `judged`: whether a person has told so; else it was made, of the phrase `made_of`.
    """

    question: str
    right: str | None
    phrases_aside: frozenset[str] = frozenset()
    entries_aside: frozenset[str] = frozenset()
    judged: bool = False
    made_of: str | None = None

    def held_out(self, share: float) -> bool:
        """Whether it is only compared on: told by its words, so that it stays so from version to version."""
        return int(hashed([self.question.casefold()])[:8], 16) < share * 16**8


def made_cases(known: Known, seed: int, most: int = MOST) -> list[Case]:
    """Cases of the questions of tickets, drawn by `seed`."""
    rng = generator(seed, "assistant", "made")
    names = sorted(known.phrases)
    chosen = [names[place] for place in rng.permutation(len(names))[:most].tolist()]
    found = []
    for name in chosen:
        phrase = known.phrases[name]
        ways = [(reworded(phrase.text, rng), frozenset[str]())]
        same = known.alike(name)
        if len(known.of_entry[phrase.entry]) > len(same):
            ways.append((phrase.text, same))
        for text, aside in ways:
            found.append(Case(text, phrase.entry, aside, made_of=name))
            found.append(Case(text, None, aside, frozenset([phrase.entry]), made_of=name))
    return found


def reworded(text: str, rng: np.random.Generator) -> str:
    """A question with some words left out, and now and then words around it."""
    around = _AROUND[language_of(text)]
    return around[int(rng.integers(len(around)))].format(without_some(text, rng))


def without_some(text: str, rng: np.random.Generator, share: float = LEFT_OUT) -> str:
    """A text without about a share of its words, or characters of Chinese; at least one stays."""
    borders = units(text)
    if len(borders) < 3:
        return text
    kept = rng.random(len(borders)) >= share
    kept[int(rng.integers(len(borders)))] = True
    return _joined(text, [border for border, stays in zip(borders, kept, strict=True) if stays])


def _joined(text: str, borders: Sequence[tuple[int, int]]) -> str:
    """What is left, with the white space that stood before each."""
    found = ""
    for start, end in borders:
        space = " " if found and start and text[start - 1].isspace() else ""
        found += space + text[start:end]
    return found
