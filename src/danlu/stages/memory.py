"""What a model knew before it was trained, and what of that is left."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from danlu.data.record import Record
from danlu.engine.predict import Predictor
from danlu.evaluate.scoring.metric import Metric
from danlu.evaluate.scoring.score import values
from danlu.machine.door import read_json
from danlu.machine.files import write_text
from danlu.model.source import Say
from danlu.recipe.part import find
from danlu.refusal import Refusal
from danlu.task.task import Task
from danlu.text.batching.encoded import Encoded
from danlu.train.recorders.jsonl import NAME as LOG
from danlu.train.recorders.jsonl import read

NAME = "retained.json"
ANEW = "remove the folder of the stage, and it begins anew"


@dataclass(frozen=True)
class Kept:
    """A set that is to be retained, as it is looked at: by the first metric of its task.

    - `own`: whether that is the task that is learnt, and so changes with it.
    """

    name: str
    task: Task
    records: list[Record]
    encoded: list[Encoded]
    own: bool = False

    @property
    def key(self) -> str:
        """Its name among the metrics of a validation."""
        return f"{self.name}/{self.task.metrics[0]}"

    def measured(self, predictor: Predictor, learnt: Task, own: Mapping[str, Tensor]) -> float:
        """How well the network of a predictor does on it; see `Memory.measured`."""
        task = learnt if self.own else self.task.learnt(own) if self.task.parameters() else self.task
        asked = Predictor(predictor.network, task, predictor.tokenizer, beside=predictor)
        return values(task, self.records, asked.predict(self.records))[task.metrics[0]]

    def forgetting(self, before: float, now: float) -> float:
        """The fall of the metric, or the share by which one has risen that is better low; a gain is negative.

        Of one that was 0, what it has come to.
        """
        metric = find(Metric, self.task.metrics[0])  # type: ignore[type-abstract]
        if metric.higher_is_better or not before:
            return before - now if metric.higher_is_better else now
        return now / before - 1


@dataclass(frozen=True)
class Memory:
    """All that a training is to retain."""

    kept: tuple[Kept, ...] = ()

    def encoded(self) -> list[Encoded]:
        """The rows that are looked at."""
        return [item for each in self.kept for item in each.encoded]

    def measured(self, predictor: Predictor, learnt: Task, own: Mapping[str, Tensor]) -> dict[str, float]:
        """Each set by its key.

        `learnt` is the task of the training as it stands, and `own` are the parameters that it has beside the network.
        """
        return {each.key: each.measured(predictor, learnt, own) for each in self.kept}

    def lost(self, before: Mapping[str, float], now: Mapping[str, float], most: float | None) -> str | None:
        """A sentence for the first set of which more than `most` is forgotten."""
        if most is None:
            return None
        for each in self.kept:
            gone = each.forgetting(before[each.key], now[each.key])
            if not gone <= most:  # nor is it kept where it is no number any more
                return (
                    f"of '{each.name}' {gone:.3g} is forgotten, more than 'max_forgetting', {most:.3g} "
                    f"({each.task.metrics[0]} {before[each.key]:.4g} before and {now[each.key]:.4g} now)"
                )
        return None

    def before(self, folder: Path, measured: Callable[[], dict[str, float]], step: int) -> dict[str, float]:
        """What was known before the first step, by key: measured then, and read when a training goes on.

        Raises:
            Refusal: the file that tells it is gone, or damaged.
        """
        if step == 0:
            found = measured()
            self._write(folder, {each.name: {"before": found[each.key]} for each in self.kept})
            return found
        return self._known(folder)

    def tell(self, folder: Path, step: int, say: Say) -> None:
        """Write what of each set is left with the weights of a step, as its validation has found it, and say it."""
        lines = [line["validation"] for line in read(folder / LOG) if line["step"] == step and "validation" in line]
        if not self.kept or not lines:  # it was ended before anything was looked at
            return
        told, before = dict[str, dict[str, Any]](), self._known(folder)
        for each in self.kept:
            was, left = before[each.key], lines[-1][each.key]
            told[each.name] = {"before": was, "after": left, "forgetting": each.forgetting(was, left)}
            gone = told[each.name]["forgetting"]
            say(f"retain.{each.name}: {each.task.metrics[0]} {was:.4g} before, {left:.4g} after, forgotten {gone:+.3g}")
        self._write(folder, told)

    def _known(self, folder: Path) -> dict[str, float]:
        """What was measured before the first step."""
        plain = read_json(folder / NAME, ANEW)
        try:
            return {each.key: float(plain[each.name]["before"]) for each in self.kept}
        except (KeyError, TypeError, ValueError) as error:
            raise Refusal(
                f"{folder / NAME}: does not tell what was known before the first step ({error!r:.100}); {ANEW}"
            ) from error

    def _write(self, folder: Path, told: Mapping[str, Mapping[str, Any]]) -> None:
        plain = {each.name: {"metric": each.task.metrics[0], **told[each.name]} for each in self.kept}
        write_text(folder / NAME, json.dumps(plain, indent=1, ensure_ascii=False) + "\n")
