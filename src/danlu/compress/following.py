"""How a network that was pruned follows the original in the training afterwards (Hinton et al., 2015)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from danlu.data.record import Record
from danlu.recipe.read import Written, keyed, sentences
from danlu.refusal import Refusal
from danlu.stages.distilling import Teacher
from danlu.task.followed import can_be_followed
from danlu.task.task import Task


@dataclass(frozen=True)
class Following:
    """What of the original is followed.

    - `settings`: keys of a training's `teacher`, without its bundle.
    - `unlabelled`: records of which the original alone speaks.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    unlabelled: Sequence[Record] = ()

    def section(self, bundle: Path, unlabelled: str) -> dict[str, Any]:
        """The `teacher` of a training; `unlabelled` refers to the records, where there are any."""
        more = {"unlabelled": unlabelled} if self.unlabelled else {}
        return {"bundle": str(bundle), **self.settings, **more}

    def told(self) -> dict[str, Any]:
        """All of a teacher on which it depends what is learnt, and of how many records it alone speaks."""
        plain = Teacher.model_validate({"bundle": "", **self.settings}).to_plain()
        told = {key: value for key, value in plain.items() if key not in ("bundle", "cache")}
        return told | {"unlabelled": len(self.unlabelled)}


AS_A_RULE = Following()
"""Labels, and the original's answers."""


def following_of(settings: Sequence[str], unlabelled: Sequence[Record] = ()) -> Following | None:
    """What `--teacher` says; None for `none`.

    Raises:
        Refusal: a setting is not known, or there are records of which nobody is to speak.
    """
    if list(settings) == ["none"]:
        if unlabelled:
            raise Refusal("--teacher none: without it nobody says what texts without labels are; leave one of them out")
        return None
    given = keyed(settings)
    if "bundle" in given:
        raise Refusal("--teacher bundle: the original is the teacher; leave it out")
    if "unlabelled" in given:
        raise Refusal("--teacher unlabelled: texts without labels are a file; give it with --unlabelled")
    found = Following(given, unlabelled)
    try:
        Teacher.model_validate(found.section(Path("original"), "@data:unlabelled"))
    except ValidationError as error:
        raise Refusal(sentences(error, Written("--teacher", {}))) from None
    return found


def followed_by(task: Task, asked: Following | None, *, trains: bool) -> Following | None:
    """What of a task's original is followed where `asked` says how, and anything is trained.

    Raises:
        Refusal: the task has nothing to be followed in or nothing is trained, and something was asked for.
    """
    if asked is None or (can_be_followed(task) and trains):
        return asked
    if (asked.settings or asked.unlabelled) and not trains:
        raise Refusal(
            "--teacher: nothing is trained after a pruning here, so nobody would follow the original; leave out "
            "--teacher and --unlabelled, or ask for a rung that is trained, such as layers:0.5, and for --recovery"
        )
    if asked.settings or asked.unlabelled:
        raise Refusal(
            f"--teacher: the task {task.kind} has no answers by which a smaller network could follow the original; "
            "leave out --teacher and --unlabelled, and see stages of kind 'teach' for models that write"
        )
    return None
