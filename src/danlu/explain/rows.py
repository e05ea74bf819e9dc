"""The row of a record that is explained, and what stands in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from danlu.data.record import Record
from danlu.explain.aim import Aim
from danlu.explain.inside import Inside
from danlu.explain.tokens import Token, tokens_of
from danlu.recipe.part import nearest
from danlu.refusal import Refusal
from danlu.task.task import Prediction, Task
from danlu.text.batching.encoded import Encoded
from danlu.text.tokenizing.tokenizer import Tokenizer


@dataclass(frozen=True)
class Wanted:
    """What a user wants explained of a record; what is None is as the model answers.

    - `target`: a label, or a word that might stand in a blank, or 'start' or 'end' of an answer.
    - `at`: a piece of the text, where answers are said of pieces.
    - `written`: how many tokens that the model writes are explained.
    """

    target: str | None = None
    at: str | None = None
    written: int = 8

    def refuse_at(self, task: Task) -> None:
        """Refuse a piece of the text where answers are said of whole texts."""
        if self.at is not None:
            raise Refusal(f"the task {task.kind} answers for a whole text; leave --at out")

    def refuse_target(self, task: Task, why: str) -> None:
        """Refuse a target where there is no choice of one."""
        if self.target is not None:
            raise Refusal(f"the task {task.kind} {why}; leave --target out")


def windows_of(inside: Inside, record: Record) -> list[Encoded]:
    """The rows of a record; one that is longer than the model allows is cut where the task would stop.

    Raises `Refusal` for what the task cannot read.
    """
    task = inside.task
    if getattr(task, "too_long", None) in ("stop", "drop"):
        task = task.model_copy(update={"too_long": "truncate"})
    encoded = task.encode([record], inside.tokenizer, inside.network.limit, labelled=False)
    if any(len(item.rows) > 1 for item in encoded):
        raise Refusal(
            f"the task {task.kind} answers from several rows of tokens together, which is not explained; explain a "
            "task that reads one, such as classify"
        )
    return encoded


def answer_of(inside: Inside, encoded: Sequence[Encoded], record: Record) -> Prediction:
    """The prediction for the rows of a record."""
    outputs = []
    for item in encoded:
        batch = inside.batch(item, item.row.input_ids[None])
        outputs += inside.task.outputs(inside.said(batch), batch)
    return inside.task.decode(outputs, encoded, record)


def found_in(
    item: Encoded, texts: Mapping[str, str], tokenizer: Tokenizer, *, characters: bool = False
) -> tuple[Token, ...]:
    """The tokens of a row; see `tokens_of`."""
    return tuple(tokens_of(item, texts, tokenizer, characters=characters))


def covering(
    windows: Sequence[tuple[Encoded, tuple[Token, ...]]], column: str, start: int, end: int
) -> tuple[int, list[int]]:
    """The window in whose middle characters stand, and the tokens of it that touch them.

    Raises `Refusal` where no window reads them.
    """
    best: tuple[int, int, list[int]] | None = None
    for number, (_, tokens) in enumerate(windows):
        places = [
            place
            for place, token in enumerate(tokens)
            if token.column == column and token.start < end and token.end > start
        ]
        if not places:
            continue
        edge = min(places[0], len(tokens) - 1 - places[-1])
        if best is None or (len(places), edge) > (len(best[2]), best[0]):
            best = (edge, number, places)
    if best is None:
        raise Refusal("the model reads no token of that piece of the text; name another with --at")
    return best[1], best[2]


def nearest_of(word: str, words: Sequence[str], what: str) -> Refusal:
    """The refusal of a word that is none of some, with the nearest of them."""
    known = ", ".join(words[:20]) + (" ..." if len(words) > 20 else "")
    return Refusal(f"there is no {what} '{word:.80}'{nearest(word, list(words))}; there are: {known}")


def without_places(aim: Aim, places: Sequence[int]) -> Aim:
    """The aim with some tokens kept apart, which stay as they are."""
    tokens = [Token(token.name) if place in places else token for place, token in enumerate(aim.tokens)]
    return replace(aim, tokens=tuple(tokens))
