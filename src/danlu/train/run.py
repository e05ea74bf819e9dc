"""One training from its first step, or from where it was interrupted, to its best weights."""

import math
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from danlu.machine.interrupt import noted_interrupts
from danlu.machine.limit import limit_of
from danlu.machine.ranks import ALONE, Ranks
from danlu.model.fast import DTYPES
from danlu.model.replica import replica
from danlu.model.word_rows import parameters_of
from danlu.text.batching.batch import LOGGED, Batch
from danlu.train.average import Average
from danlu.train.batches import Batches
from danlu.train.checkpoint import State
from danlu.train.checkpoints import Checkpoints
from danlu.train.dealing import counting, dealt_out
from danlu.train.events import (
    Best,
    Ended,
    Event,
    Leave,
    Reported,
    Saved,
    Stepped,
    Stopped,
    Validated,
    Watch,
    unwatched,
)
from danlu.train.flops import flops_a_token
from danlu.train.loop import Loss, Scaler, Step, steps
from danlu.train.optimizer import build_optimizer, bytes_a_value
from danlu.train.parameters import storage_bytes
from danlu.train.progress import TrainingBar
from danlu.train.recording import recorded
from danlu.train.settings import Training
from danlu.tuning.method import Method

LEAVES: tuple[Leave | None, ...] = (None, "checkpoint", "best")
EVERY, LINES = 10, 20  # steps between two lines of the log; a short training has about so many lines


@dataclass(frozen=True)
class Validation:
    """How the model is looked at while it trains: `measure` gives metrics, `metric` chooses the best.

    `lost` says of metrics why a model that has them is not wanted, however good; the training then ends.
    """

    measure: Callable[[], dict[str, float]]
    metric: str
    higher_is_better: bool
    lost: Callable[[dict[str, float]], str | None] = lambda _measured: None


class TrainingRun:
    """One training of a prepared model.

    `precision` is resolved (not `auto`). A run with the same fingerprint goes on from its checkpoints.
    """

    def __init__(
        self,
        model: nn.Module,
        batches: Batches,
        loss: Loss,
        settings: Training,
        method: Method,
        *,
        precision: str,
        folder: Path,
        fingerprint: str,
        seed: int,
        ranks: Ranks = ALONE,
    ) -> None:
        """Lay out the parameters and take over the newest checkpoint; `method` has been applied to `model`.

        With several `ranks` the steps are theirs together; the first one validates, records and saves.
        """
        self.ranks = ranks
        self.model, self.batches, self.loss, self.settings, self.method = model, batches, loss, settings, method
        self.folder, self.precision, self.seed = folder, precision, seed
        self.steps_an_epoch = batches.an_epoch()
        self.total = settings.total_steps(self.steps_an_epoch)
        groups = method.groups(model, self.total)
        self.parameters = dealt_out(settings, model, groups, method, ranks)
        if ranks.several and self.parameters.complete:
            self.parameters.restore([ranks.follow(value) for value in self.parameters.values()])
        self.weights = self.parameters.by_name(self.parameters.values()) if self.parameters.complete else {}
        self._moves: dict[str, Any] = {
            "weight_decay": settings.weight_decay,
            "betas": settings.betas,
            "momentum": settings.momentum,
        }
        self.optimizer = build_optimizer(settings.optimizer, self.parameters, rate=settings.rate, **self._moves)
        self.average = Average(self.parameters, settings.average)
        fresh = State(fingerprint, torch.get_num_threads(), batches.parts, precision, ranks.count)
        self.checkpoints = Checkpoints(folder / "checkpoints", self.parameters, ranks)
        self.state = self.checkpoints.restore(fresh, self.optimizer, self.average, method.state(model))
        self.scaler = Scaler(self.state.scale, self.state.good) if precision == "float16" else None
        self.limit = limit_of(DTYPES[precision])
        self._leave: Leave | None = None
        self.lost: str | None = None

    def train(self, name: str, validation: Validation | None, watch: Watch = unwatched) -> Best:
        """Train with a bar and records, and give the best validated weights, or the last ones.

        Ctrl-C ends it after the step that is under way, with a checkpoint, and so may `watch`; then `stopped` is true.

        Raises:
            Stopped: `watch` wanted a checkpoint and no more.
        """
        with (
            recorded(self.folder, self.state.step, self.settings.recorders, self.ranks) as record,
            TrainingBar(name, self.total, self.state.step, shown=self.ranks.first) as bar,
            noted_interrupts() as interrupted,
            closing(self.events(validation)) as events,
        ):
            for event in events:
                record(event)
                bar.show(event)
                if isinstance(event, Ended):
                    return event.best
                if leave := "checkpoint" if interrupted() else watch(event):
                    self.stop(leave)
        if interrupted():
            raise KeyboardInterrupt
        raise Stopped(f"{name}: stopped at step {self.state.step:,}; the same call goes on from there")

    def events(self, validation: Validation | None = None) -> Generator[Event]:
        """Train to the end, or until `patience` runs out or too much is lost, and tell it; the best weights come last.

        Whoever consumes them may `stop` it; to close it at once is like a kill: the newest checkpoint stays.
        """
        every = self._every()
        told_every = min(EVERY, max(1, self.total // LINES))
        saved, recent = time.monotonic(), list[Step]()
        with closing(self._steps()) as taken:
            for step in taken:
                if self._changed_by_method(step):
                    self.parameters.publish()
                self.average.update(step.number)
                self.state.step = step.number + 1
                yield Stepped(step)
                recent.append(step)
                last = self.state.step == self.total
                if self.state.step % told_every == 0 or last:
                    yield Reported(self._line(recent))
                    recent = []
                if validation and (self.state.step % every == 0 or last):
                    yield Validated(self._validate(validation, last), self.state.stale)
                    if self._enough():
                        break
                due = time.monotonic() - saved > self.settings.checkpoint_seconds
                if self._agreed_to_leave() or self.ranks.choice(due):
                    yield self._save()
                    saved = time.monotonic()
                    if self._agreed_to_leave():
                        break
        self.checkpoints.finish()
        if self._leave != "checkpoint" or self._enough():
            yield Ended(self._best())

    def _agreed_to_leave(self) -> Leave | None:
        """What is to be left, as whoever watches the first rank has said."""
        self._leave = LEAVES[self.ranks.choice(LEAVES.index(self._leave))]
        return self._leave

    def stop(self, leave: Leave) -> None:
        """End after the step that is under way; a checkpoint is saved, from which the same training goes on."""
        self._leave = leave

    @property
    def stopped(self) -> bool:
        """Whether it was ended before all steps were taken that it needed."""
        return self._leave is not None and self.state.step < self.total and not self._enough()

    def _steps(self) -> Generator[Step]:
        others = 0 if self.ranks.several else self.batches.parts - 1
        trained = self.parameters.trained(self.model)
        replicas = [trained, *(replica(trained) for _ in range(others))]
        device = next(trained.parameters()).device
        with closing(self.batches.groups(self.state.step, self.total, device)) as groups:
            yield from steps(
                replicas,
                groups,
                self.parameters.called(self._penalised),
                self.optimizer,
                self.parameters,
                rate=self._rate,
                clip=self.settings.clip,
                start=self.state.step,
                seed=self.seed,
                scaler=self.scaler,
                ranks=self.ranks,
            )

    def _changed_by_method(self, step: Step) -> bool:
        """Let the method do what it does after a step; whether it has changed the weights."""
        method, changed = self.method, False
        if type(method).after_gradients is not Method.after_gradients and math.isfinite(step.gradient_norm):
            gradients = self.parameters.by_name(self.parameters.gradients())
            with torch.no_grad():
                changed = method.after_gradients(self.model, self.weights, gradients, step.number, self.total)
        return method.after_step(self.model, self.weights, step.number) or changed

    def _penalised(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """The loss with what the method adds, in parts that come to one whole over the batches of a step."""
        sums = self.loss(model, batch)
        penalty = self.method.penalty(model)
        if penalty is not None:
            first = next(name for name in sums if not name.startswith(LOGGED))
            sums[first] = sums[first] + penalty * batch.counts[first]
        return counting(sums, batch)

    def _enough(self) -> bool:
        """Whether no further step would be taken, however many are left."""
        return bool(self.lost or (self.settings.patience and self.state.stale >= self.settings.patience))

    def _rate(self, step: int) -> float:
        return self.settings.rate_at(step, self.total)

    def _line(self, recent: Sequence[Step]) -> dict[str, float]:
        seconds = sum(step.seconds for step in recent)
        tokens = sum(step.tokens for step in recent)
        width = float(self.batches.reader.sizes.widths[:1000].mean())
        speed = tokens / max(seconds, 1e-9)
        operations = speed * flops_a_token(self.model, width)
        self.limit.beside(seconds, operations / self.ranks.count)
        return {
            "step": self.state.step,
            "epoch": round(self.state.step / self.steps_an_epoch, 4),
            "loss": _mean([step.loss for step in recent]),
            **{
                name.removeprefix(LOGGED): _mean([step.losses[name] for step in recent])
                for name in recent[-1].losses
                if name.startswith(LOGGED)
            },
            "rate": recent[-1].rate,
            "gradient_norm": _mean([step.gradient_norm for step in recent]),
            "tokens_per_second": round(speed, 1),
            "share_of_limit": round(operations / self.limit.best / self.ranks.count, 4),
            "limit": round(self.limit.best * self.ranks.count, -6),
            "limit_in_the_middle": round(self.limit.middle * self.ranks.count, -6),
            "seconds": round(seconds, 4),
        }

    def _every(self) -> int:
        return self.settings.evaluate or self.steps_an_epoch

    def bytes_a_parameter(self, validated: bool) -> float:
        """What is held for the parameters, trained or not, divided by their number; gradients of a step come and go.

        `validated`: whether the best weights are looked for.
        """
        everything = list(self.model.parameters())
        held = storage_bytes([*everything, *self.parameters.tensors()])
        values = self.parameters.values()
        copies = bool(self.settings.average) + (validated and self._every() < self.total)
        moments = bytes_a_value(self.settings.optimizer, **self._moves)
        held += sum(value.numel() * moments + value.nbytes * copies for value in values)
        return held / parameters_of(self.model)

    def _validate(self, validation: Validation, last: bool) -> dict[str, object]:
        with self.average.in_force(), self.parameters.gathered():
            measured, self.lost = self.ranks.told(lambda: _looked_at(validation))
            score = measured[validation.metric]
            best = self.state.best
            better = best is None or (score > best if validation.higher_is_better else score < best)
            if better and not math.isnan(score) and not self.lost:
                self.state.best, self.state.best_step, self.state.stale = score, self.state.step, 0
                self._keep(last)
            else:
                self.state.stale += 1
        return {
            "step": self.state.step,
            "epoch": round(self.state.step / self.steps_an_epoch, 4),
            "validation": measured,
        }

    def _keep(self, last: bool) -> None:
        """Keep a copy of what was found to be best, written over the one before; the last needs none."""
        kept = {} if last else {name: value.clone() for name, value in self.method.state(self.model).items()}
        self.state.best_values = [] if last else self.parameters.snapshot(self.state.best_values)
        self.state.best_method = kept

    def _save(self) -> Saved:
        if self.scaler:
            self.state.scale, self.state.good = self.scaler.scale, self.scaler.good
        self.checkpoints.save(self.state, self.optimizer, self.average, self.method.state(self.model))
        return Saved(self.state.step)

    def _best(self) -> Best:
        kept = self.state.best_values
        values = kept or self.average.values or self.parameters.values()
        method = self.state.best_method if kept else self.method.state(self.model)
        step = self.state.best_step if kept else self.state.step
        return Best(self.parameters.by_name(values), method, step, self.state.best)


def _looked_at(validation: Validation) -> tuple[dict[str, float], str | None]:
    """What a validation has measured, and why the model is not wanted, if it is not."""
    measured = validation.measure()
    return measured, validation.lost(measured)


def _mean(values: Sequence[float]) -> float:
    """Of those that are finite: float16 skips a step that overflows, and json has no infinity."""
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / max(1, len(finite))
