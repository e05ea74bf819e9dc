"""What a training does not see of its data."""

from collections.abc import Sequence

from danlu.model.source import Say
from danlu.stages.ready import can_split, seen_of
from danlu.task.task import Task
from danlu.text.batching.encoded import Encoded


def say_losses(say: Say, encoded: Sequence[Encoded], records: int, task: Task) -> None:
    """What of the data the model will not see as it is."""
    if (left := records - seen_of(encoded)) > 0:
        names = [name for name in ("max_target", "max_length") if name in type(task).model_fields]
        say(
            f"{left:,} of {records:,} records are left out, for what is to be written of them is too long; raise the "
            f"task's {' or '.join(map(repr, names))}, or let it truncate"
        )
    cut = [item.cut for item in encoded if item.cut]
    splits = can_split(task) and getattr(task, "too_long", None) != "split"
    if cut:
        say(
            f"{len(cut):,} of {len(encoded):,} texts are too long and lose {sum(cut):,} tokens; "
            "raise the task's 'max_length'" + (", or set its 'too_long' to split" if splits else "")
        )
    if longer := _beyond(encoded, getattr(task, "longest_answer", None)):
        say(
            f"{longer:,} answers have more tokens than the task's 'longest_answer', so they are learnt and never "
            "given; raise it"
        )
    if widened := sum(item.widened for item in encoded):
        say(f"{widened:,} spans have borders inside {_too_large(task)}")


def _beyond(encoded: Sequence[Encoded], most: int | None) -> int:
    """How many answers are longer than one may be."""
    if most is None:
        return 0
    return sum(item.targets.get("end", 0) - item.targets.get("start", 0) >= most for item in encoded)


def _too_large(task: Task) -> str:
    """What holds a border of a span, and what would cut it."""
    remedies = ["a tokenizer with smaller pieces"]
    if getattr(task, "cut", None) == "tokenizer":
        remedies.insert(0, "the task's 'cut: characters', for Chinese and Japanese")
    words = getattr(task, "units", "tokens") in ("first", "last")
    if words:
        remedies.insert(0, "the task's 'units: tokens'")
    held = "a token, or a word that is read as a whole," if words else "a token"
    return f"{held} and are labelled inexactly; what labels more of them exactly: {', or '.join(remedies)}"
