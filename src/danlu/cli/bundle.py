"""`danlu bundle MODEL OUT`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from danlu.task.task import Task


def command(
    model: Annotated[str, typer.Argument(help="folder of transformers, GGUF file, or a name on the hub")],
    to: Annotated[Path, typer.Argument(help="new folder")],
    how: Annotated[
        list[str] | None,
        typer.Argument(help="of the task, as in kind=classify pairs=true; the rest as the folder says"),
    ] = None,
    *,
    precision: Annotated[str, typer.Option(help="in which it answers: auto, float32 or bfloat16")] = "auto",
) -> None:
    """Make a bundle of a model that others trained, as it is, so that danlu can serve, score, explain and compress it.

    What it has learnt is read off its folder: chat, labels of texts, entities, answers, vectors, translations. A model
    whose head would begin fresh is refused.
    """
    from danlu.language import default
    from danlu.machine.terminal import say
    from danlu.refusal import Refusal
    from danlu.stages.given import take

    known = ("auto", "float32", "bfloat16")
    if precision not in known:
        raise Refusal(f"precision '{precision}': expected {', '.join(known[:-1])} or {known[-1]}")
    found = take(model, _task(model, how or []), to, precision, default(), say)
    say(f"{to}: bundle of the task {found.kind}; ask it with: {_asking(found)} {to}")


def _task(model: str, settings: list[str]) -> "Task | None":
    """The task that the words ask for; None where they ask for none."""
    from pydantic import ValidationError

    from danlu.recipe.read import Written, keyed, sentences
    from danlu.refusal import Refusal
    from danlu.stages.given import kind_of
    from danlu.task.task import Task

    if not settings:
        return None
    plain = keyed(settings)
    try:
        return Task.model_validate(plain if "kind" in plain else {"kind": kind_of(model), **plain})
    except ValidationError as error:
        raise Refusal(sentences(error, Written("task", plain))) from None


def _asking(task: "Task") -> str:
    return "danlu chat" if task.kind == "chat" else "danlu predict"
