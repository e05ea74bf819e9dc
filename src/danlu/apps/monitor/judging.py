"""What is found out of a text: which earlier one it repeats, its topics, and whether it is negative."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from danlu.apps.monitor.folding import Folding
from danlu.apps.monitor.topics import ALL

Answered = TypeVar("Answered")

PLAIN = "This is a text. 这是一段文字。"
"""What every model reads: where it fails as well, the model does, and no text is to blame."""


class Unjudged(Exception):
    """Whatever tells topics or sentiment fails, for now; nothing is kept, and the same texts may be asked again."""


class FindsTopics(Protocol):
    """Whatever tells topics."""

    def topics(self, texts: Sequence[str]) -> list[tuple[str, ...]]:
        """The topics of each text."""


class FindsNegative(Protocol):
    """Whatever tells sentiment."""

    def negative(self, texts: Sequence[str]) -> list[bool]:
        """Whether each text is negative."""


@dataclass(frozen=True)
class Given:
    """A text to be judged, with what its source knows of it; None: to be found out."""

    number: int
    text: str
    date: float
    topics: tuple[str, ...] | None = None
    negative: bool | None = None


@dataclass(frozen=True)
class Judged:
    """What was found: the text that it repeats, the keys of that, its topics with `ALL`, and whether it is negative."""

    like: int | None
    bands: bytes
    topics: tuple[str, ...]
    negative: bool


@dataclass
class Judge:
    """Judges texts in order, by what tells topics and sentiment; `say` hears of texts that these cannot read."""

    finds_topics: FindsTopics
    finds_negative: FindsNegative
    say: Callable[[str], object] = print

    def judge(self, folding: Folding, texts: Sequence[Given], watch: Callable[[str], object] = str) -> list[Judged]:
        """What is found of each text; `watch` is called with the name of a part when it is done.

        Raises:
            Unjudged: it is not the texts that cannot be read.
        """
        folds = folding.fold([text.number for text in texts], [text.text for text in texts], [t.date for t in texts])
        watch("fold")
        asked = [text.text for text in texts if text.topics is None]
        none: tuple[str, ...] = ()
        topics = iter(self._answers(self.finds_topics.topics, asked, otherwise=none, what="topics"))
        watch("topics")
        asked = [text.text for text in texts if text.negative is None]
        negatives = iter(self._answers(self.finds_negative.negative, asked, otherwise=False, what="sentiment"))
        watch("sentiment")
        return [
            Judged(
                fold.like,
                fold.bands,
                (ALL, *(name for name in (next(topics) if text.topics is None else text.topics) if name != ALL)),
                next(negatives) if text.negative is None else text.negative,
            )
            for text, fold in zip(texts, folds, strict=True)
        ]

    def _answers(
        self, ask: Callable[[Sequence[str]], list[Answered]], texts: Sequence[str], *, otherwise: Answered, what: str
    ) -> list[Answered]:
        """What is said of texts; one that cannot be read is asked by itself, and holds up no other."""
        if not texts:
            return []
        unread: list[tuple[str, Exception]] = []
        found = _asked(ask, texts, otherwise, unread)
        if len(unread) == len(texts) > 1:  # so many odd texts are not found side by side
            error = unread[-1][1]
            raise Unjudged(f"none of {len(texts):,} texts can be read for {what} ({type(error).__name__})") from error
        for text, error in unread:
            self.say(f"a text of {len(text):,} characters cannot be read for {what} ({type(error).__name__})")
        return found


def _asked(
    ask: Callable[[Sequence[str]], list[Answered]],
    texts: Sequence[str],
    otherwise: Answered,
    unread: list[tuple[str, Exception]],
) -> list[Answered]:
    """What is said of texts, in halves where that fails; one that fails twice, and a plain text does not, is unread."""
    try:
        return ask(texts)
    except Exception as error:
        if len(texts) == 1:
            try:
                ask([PLAIN])
            except Exception as failed:
                raise Unjudged(f"not even a plain text can be read ({type(failed).__name__})") from failed
            try:
                return ask(texts)
            except Exception:
                unread.append((texts[0], error))
                return [otherwise]
    half = len(texts) // 2
    return [*_asked(ask, texts[:half], otherwise, unread), *_asked(ask, texts[half:], otherwise, unread)]
