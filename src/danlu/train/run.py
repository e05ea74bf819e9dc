"""One training from its first step, or from where it was interrupted, to its best weights."""

import math
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from danlu.machine.interrupt import Agreed, noted_interrupts
from danlu.machine.limit import limit_of
from danlu.machine.ranks import ALONE, Ranks
from danlu.model.fast import DTYPES
from danlu.model.replica import replica
from danlu.model.source import Say, unsaid
from danlu.refusal import Refusal
from danlu.text.batching.batch import LOGGED, Batch
from danlu.train.anchors import Anchors, go_back, lay_anchor
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
    Noticed,
    Reported,
    Returned,
    Saved,
    Stepped,
    Stopped,
    Validated,
    Watch,
    unwatched,
)
from danlu.train.finite import REMEDY, BadBatches, Spell, all_finite
from danlu.train.fitting import memory_refused, refuse_too_few
from danlu.train.guard import Guard, Standing
from danlu.train.lines import line
from danlu.train.loop import Beforehand, Loss, Scaler, Step, as_it_is, steps
from danlu.train.optimizer import build_optimizer
from danlu.train.progress import TrainingBar
from danlu.train.recording import recorded
from danlu.train.settings import Training
from danlu.train.validation import Validation
from danlu.tuning.method import Method

LEAVES: tuple[Leave | None, ...] = (None, "checkpoint", "best")
EVERY, LINES = 10, 20  # steps between two lines of the log; a short training has about so many lines


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
        spell: Spell | None = None,
        ranks: Ranks = ALONE,
        beforehand: Beforehand = as_it_is,
    ) -> None:
        """Lay out the parameters and take over the newest checkpoint; `method` has been applied to `model`.

        `spell` turns token numbers into text, for batches that no step can be taken with. With several `ranks` the
        steps are theirs together; the first one validates, records and saves.
        """
        self.ranks = ranks
        self.model, self.batches, self.loss, self.settings, self.method = model, batches, loss, settings, method
        self.folder, self.precision, self.seed, self.beforehand = folder, precision, seed, beforehand
        refuse_too_few(batches)
        self.steps_an_epoch = batches.an_epoch()
        self.total = settings.total_steps(self.steps_an_epoch)
        threads = torch.get_num_threads() if next(model.parameters()).device.type == "cpu" else 0
        of_ranks = ranks.each(threads) if ranks.several else []
        groups = method.groups(model, self.total)
        self.parameters = dealt_out(settings, model, groups, method, ranks)
        if ranks.several and self.parameters.complete:
            self.parameters.restore([ranks.follow(value) for value in self.parameters.values()])
        self.weights = self.parameters.by_name(self.parameters.values()) if self.parameters.complete else {}
        self.optimizer = build_optimizer(settings.optimizer, self.parameters, rate=settings.rate, **settings.moves())
        self.average = Average(self.parameters, settings.average)
        self.fresh = State(fingerprint, threads, batches.parts, precision, ranks.count, of_ranks=of_ranks)
        self.checkpoints = Checkpoints(folder / "checkpoints", self.parameters, ranks)
        self.state = self.restored(self.checkpoints)
        self.scaler = Scaler(self.state.scale, self.state.good) if precision == "float16" else None
        self.guard = Guard(settings, BadBatches(folder, spell, ranks.rank), Standing.read(self.state.guard))
        self.anchors = Anchors(folder, settings.rollback_steps or 100) if settings.rollback else None
        self.limit = limit_of(DTYPES[precision])
        self._leave: Leave | None = None
        self.lost: str | None = None

    def train(self, name: str, validation: Validation | None, watch: Watch = unwatched, say: Say = unsaid) -> Best:
        """Train with a bar and records, and give the best validated weights, or the last ones.

        Ctrl-C ends it after the step that is under way, with a checkpoint, and so may `watch`; then `stopped` is true.

        Raises:
            Stopped: `watch` wanted a checkpoint and no more.
        """

        def told(sentence: str) -> None:
            say(f"{name}: {sentence}")

        with (
            recorded(self.folder, self.state.step, self.settings.recorders, self.ranks, told) as record,
            TrainingBar(name, self.total, self.state.step, shown=self.ranks.first) as bar,
            noted_interrupts() as interrupted,
            closing(self.events(validation)) as events,
            memory_refused(name),
        ):
            for event in events:
                record(event)
                bar.show(event)
                if isinstance(event, Noticed | Returned):
                    told(event.told)
                if isinstance(event, Ended):
                    return event.best
                if leave := "checkpoint" if interrupted() else watch(event):
                    self.stop(leave)
        if interrupted():
            raise Agreed
        raise Stopped(f"{name}: stopped at step {self.state.step:,}; the same call goes on from there")

    def events(self, validation: Validation | None = None) -> Generator[Event]:
        """Train to the end, or until `patience` runs out or too much is lost, and tell it; the best weights come last.

        Whoever consumes them may `stop` it; to close it at once is like a kill: the newest checkpoint stays.
        """
        every = self.every()
        told_every = min(EVERY, max(1, self.total // LINES))
        saved, recent = time.monotonic(), list[Step]()
        with closing(self._steps_and_returns()) as taken:
            for step in taken:
                notice = self.guard.looked_at(step, self.sound)
                if notice and notice.returns:
                    yield go_back(self, step, notice.told)
                    yield self.save()
                    recent = []
                    continue
                if self._changed_by_method(step):
                    self.parameters.publish()
                self.average.update(step.number)
                self.state.step = step.number + 1
                yield Stepped(step)
                if notice:
                    yield Noticed(self.placed({"event": notice.kind, **notice.numbers}), notice.told)
                recent.append(step)
                last = self.state.step == self.total
                if self.state.step % told_every == 0 or last:
                    yield Reported(line(self, recent))
                    recent = []
                if validation and (self.state.step % every == 0 or last):
                    yield Validated(self._validate(validation, last), self.state.stale)
                    if self._enough():
                        break
                due = time.monotonic() - saved > self.settings.checkpoint_seconds
                if self._agreed_to_leave() or self.ranks.choice(due):
                    if self.sound():  # or else the one before is worth more
                        yield self.save()
                    saved = time.monotonic()
                lay_anchor(self)
                if self._agreed_to_leave():
                    break
        self.checkpoints.finish()
        if self._leave != "checkpoint" or self._enough():
            yield Ended(self._best(), self.stopped)

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

    def _steps_and_returns(self) -> Generator[Step]:
        """The steps; whoever takes them may go back meanwhile, and they go on from there."""
        lay_anchor(self)
        while self.state.step < self.total:
            returns = self.guard.standing.returns
            with closing(self._steps()) as taken:
                for step in taken:
                    yield step
                    if self.guard.standing.returns != returns:
                        break

    def _steps(self) -> Generator[Step]:
        start, offset = self.state.step, self.guard.standing.offset
        others = 0 if self.ranks.several else self.batches.parts - 1
        trained = self.parameters.trained(self.model)
        replicas = [trained, *(replica(trained) for _ in range(others))]
        device = next(trained.parameters()).device
        with closing(self.batches.groups(start + offset, self.total + offset, device, offset)) as groups:
            yield from steps(
                replicas,
                groups,
                self.parameters.called(self._penalised),
                self.optimizer,
                self.parameters,
                rate=self._rate,
                clip=self.settings.clip,
                start=start,
                seed=self.seed,
                scaler=self.scaler,
                not_finite=self.guard.not_finite,
                ranks=self.ranks,
                beforehand=self.beforehand,
            )

    def restored(self, checkpoints: Checkpoints) -> State:
        """Take over the newest checkpoint of these, and how it stood there."""
        method = self.method.state(self.model)
        return checkpoints.restore(replace(self.fresh), self.optimizer, self.average, method)

    def sound(self) -> bool:
        """Whether all weights are finite numbers, on every rank."""
        return not self.ranks.total([float(not all_finite(self.parameters.values()))])[0]

    def placed(self, line: dict[str, Any]) -> dict[str, Any]:
        """A line of the log with where it stands."""
        done = self.state.step + self.guard.standing.offset
        return {"step": self.state.step, "epoch": round(done / self.steps_an_epoch, 4), **line}

    def _changed_by_method(self, step: Step) -> bool:
        """Let the method do what it does after a step; whether it has changed the weights."""
        method, changed = self.method, False
        if type(method).after_gradients is not Method.after_gradients and step.taken:
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

    def every(self) -> int:
        """Steps between two validations."""
        return self.settings.evaluate or self.steps_an_epoch

    def _validate(self, validation: Validation, last: bool) -> dict[str, object]:
        with self.average.in_force(), self.parameters.gathered():
            measured, self.lost = self.ranks.told(validation.looked_at)
            score = measured[validation.metric]
            best = self.state.best
            better = best is None or (score > best if validation.higher_is_better else score < best)
            if better and not math.isnan(score) and not self.lost:
                self.state.best, self.state.best_step, self.state.stale = score, self.state.step, 0
                self._keep(last)
            else:
                self.state.stale += 1
        return self.placed({"validation": measured} | ({"lost": True} if self.lost else {}))

    def _keep(self, last: bool) -> None:
        """Keep a copy of what was found to be best, written over the one before; the last needs none."""
        kept = {} if last else {name: value.clone() for name, value in self.method.state(self.model).items()}
        self.state.best_values = [] if last else self.parameters.snapshot(self.state.best_values)
        self.state.best_method = kept

    def save(self, folder: Path | None = None) -> Saved:
        """Save a checkpoint, into the folder of those that a training goes on from unless another one is given."""
        if self.scaler:
            self.state.scale, self.state.good = self.scaler.scale, self.scaler.good
        self.state.guard = self.guard.standing.to_plain()
        place = Checkpoints(folder, self.parameters, self.ranks) if folder else self.checkpoints
        place.save(self.state, self.optimizer, self.average, self.method.state(self.model))
        return Saved(self.state.step)

    def _best(self) -> Best:
        kept = self.state.best_values
        values = kept or self.average.values or self.parameters.values()
        method = self.state.best_method if kept else self.method.state(self.model)
        step = self.state.best_step if kept else self.state.step
        left_out = tuple(self.guard.standing.left_out)
        if not self.sound():
            raise Refusal(f"step {step:,}: the weights are no finite numbers any more; {REMEDY}")
        return Best(self.parameters.by_name(values), method, step, self.state.best, left_out)
