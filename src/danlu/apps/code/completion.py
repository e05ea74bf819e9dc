"""What is asked of a model for a place in a file: as the editor has it, with the nearest lines and those of others."""

from dataclasses import dataclass

from danlu.apps.bundles import Role
from danlu.apps.code.context import Part, Parts, with_part
from danlu.apps.code.fit import fitted, last_lines
from danlu.bundle.answering import Answering
from danlu.data.record import Record
from danlu.refusal import Refusal
from danlu.text.batching.middles import sentinels
from danlu.text.tokenizing.tokenized import tokenized
from danlu.text.tokenizing.tokenizer import Tokenizer

MODEL = "code"
"""The name of the model."""
TOKENS = 64
"""That are written where nobody says how many."""
PART = 0.25
"""Of the room, that lines of another file may take."""


@dataclass(frozen=True)
class Place:
    """A place in a file: what stands before and behind it (None: nothing is to be filled), and the path, if known."""

    before: str
    behind: str | None = None
    path: str = ""


def refuse_others(bundle: Answering) -> None:
    """Raises `Refusal` for a bundle that does not go on with texts."""
    if bundle.task.kind != "causal_lm":
        raise Refusal(
            f"{bundle.folder}: is of the task {bundle.task.kind}; code is written by one of the task causal_lm, such "
            "as 'danlu app code train REPOSITORY' makes"
        )


ROLES = {MODEL: Role(refuse_others), "base": Role(refuse_others)}
"""What serves, and what it is compared with."""


def fills(tokenizer: Tokenizer) -> bool:
    """Whether a model reads what stands behind a place."""
    try:
        sentinels(tokenizer)
    except Refusal:
        return False
    return True


def asked(place: Place, parts: Parts | None, tokenizer: Tokenizer, limit: int, writes: int = TOKENS) -> Record:
    """The record of a place, cut so that a model of `limit` tokens has room to write `writes` of them.

    What stands behind is read where it says anything; where nothing does, the text goes on as one that ends there.

    Raises:
        Refusal: something stands behind, and the tokenizer has no tokens that name the middle.
    """
    behind = place.behind if place.behind is not None and place.behind.strip() else ""
    if behind:
        sentinels(tokenizer)
    room = max(2, limit - min(writes, limit // 2))
    part = parts.like(place.path, place.before, behind) if parts is not None else None
    if part is not None:
        part = Part(part.path, last_lines(part.text, tokenizer, int(room * PART)), part.names)
    above = with_part(part, place.path, "")
    (read,) = tokenized([above], tokenizer, offsets=False, special=False)
    room -= len(read.ids)
    before, behind = fitted(place.before, behind, tokenizer, room)
    record: Record = {"text": above + before}
    return {**record, "suffix": behind} if behind else record
