"""One rung after the other: made, scored on the records of the test, timed beside the original, and written down."""

import hashlib
import json
import platform
import re
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from danlu.bundle import manifest
from danlu.bundle.bundle import Bundle, load
from danlu.compress.computing import as_it_came, computed_in, in_precision, learns
from danlu.compress.following import Following
from danlu.compress.measuring import Measuring, bytes_of, measured
from danlu.compress.prune import prune
from danlu.compress.recovery import UNLABELLED, keep_records, recovered
from danlu.compress.rung import Rung
from danlu.data.record import Record
from danlu.engine.engines.torch import TorchNetwork
from danlu.evaluate.scoring.compare import compare
from danlu.evaluate.scoring.examine import digest, examine, write
from danlu.machine.door import read_json
from danlu.machine.files import write_text
from danlu.refusal import Refusal
from danlu.train.settings import Training

DONE = "rung.json"

BY_TOKENS = ("perplexity",)
"""Metrics that depend on how texts are cut."""


@dataclass(frozen=True)
class Row:
    """What one rung is, beside the original.

    - `value`: of the floor's metric; `low`, `high`: ends of the 95 % interval of its difference to the original's.
    - `latency`: seconds for one record alone, `throughput`: records a second; of the original at the same time:
      `latency_before`, `throughput_before`.
    - `grid`: seconds of a batch by batch and length, of the original and of this.
    - `refused`: why there is nothing.
    """

    name: str
    value: float = 0.0
    low: float = 0.0
    high: float = 0.0
    bytes: int = 0
    bytes_before: int = 0
    parameters: int | None = None
    latency: float = 0.0
    latency_before: float = 0.0
    throughput: float = 0.0
    throughput_before: float = 0.0
    grid: dict[str, list[float]] = field(default_factory=dict)
    pruned: list[dict[str, Any]] = field(default_factory=list)
    refused: str | None = None

    def gain(self, target: str) -> float:
        """How many times as good as the original it is: as fast, or as small."""
        if target == "size":
            return self.bytes_before / self.bytes if self.bytes else 0.0
        if target == "latency":
            return self.latency_before / self.latency if self.latency else 0.0
        return self.throughput / self.throughput_before if self.throughput_before else 0.0


@dataclass(frozen=True)
class Climb:
    """All that rungs are made from and measured by; `folder` keeps what was found.

    - `training`: what follows prunings that move answers; None: nothing.
    - `following`: how the original is followed in it; None: labels alone.
    """

    original: Bundle
    folder: Path
    test: list[Record]
    metric: str
    train: list[Record]
    validation: list[Record]
    training: Training | None
    following: Following | None
    seed: int
    resamples: int = 1000
    how: Measuring = field(default_factory=Measuring)
    say: Callable[[str], None] = print

    def key(self, *more: Any) -> str:
        """Twelve digits that tell what was measured: the original, the test, what was asked for, the machine."""
        told = {
            "danlu": version("danlu"),
            "original": self.original.facts.get("digest"),
            "test": self._of_test,
            "metric": self.metric,
            "resamples": self.resamples,
            "seed": self.seed,
            "machine": [platform.node(), platform.machine(), torch.get_num_threads()],
            "how": asdict(self.how),
            "more": more,
        }
        return _hashed(told)

    def climbed(self, rung: Rung) -> Row:
        """What a rung is, found now or before; one that cannot be made has the reason in its row."""
        place = self._place(rung)
        if (place / DONE).is_file():
            self.say(f"{rung.name}: done before with the same original, data and settings")
            return Row(**read_json(place / DONE, "delete the folder and compress again"))
        try:
            row = self._found(rung, place)
        except Refusal as refusal:
            self.say(f"{rung.name}: {refusal}")
            return Row(rung.name, refused=str(refusal))
        write_text(place / DONE, json.dumps(asdict(row), ensure_ascii=False, indent=1) + "\n")
        return row

    def bundle_of(self, rung: Rung) -> Path:
        """The bundle of a rung, made where it is not there."""
        source = self._pruned(rung)
        if not rung.computed:
            return source
        folder = self._place(rung) / "bundle"
        if not folder.is_dir():
            computed_in(source, rung.computed, folder, self.train)
        return folder

    def parameters(self) -> int | None:
        """How many the original has; None where an engine does not tell."""
        return _parameters(self.original)

    def scored(self, bundle: Bundle, place: Path) -> None:
        """Answer the test and leave the scores in the folder `place`."""
        how: dict[str, Any] = {"metrics": [self.metric], "resamples": self.resamples, "seed": self.seed}
        write(place, examine(bundle.task, bundle.stream, self.test, **how))

    def _found(self, rung: Rung, place: Path) -> Row:
        if self.metric in BY_TOKENS and any(pruning.cuts_otherwise for pruning in rung.prunings):
            raise Refusal(
                f"{self.metric} is told by the token, and with fewer tokens the test is cut in others, so the two do "
                "not compare; leave the vocabulary as it is, or take another metric for the floor"
            )
        bundle = self.bundle_of(rung)
        scores = self.folder / f"original.{self.key()}"
        with load(bundle) as made:
            self.say(f"{rung.name}: {len(self.test):,} records are answered, then it is timed beside the original")
            self.scored(made, place / "scores")
            before, after = measured(self.original, made, self.test, self.how)
            parameters = _parameters(made)
        compared = compare(scores, place / "scores", resamples=self.resamples, seed=self.seed)
        row = next(row for row in compared.metrics if row.metric == self.metric)
        return Row(
            rung.name,
            row.second.value,
            row.difference.low,
            row.difference.high,
            bytes_of(bundle),
            bytes_of(self.original.folder),
            parameters,
            after.latency,
            before.latency,
            after.throughput,
            before.throughput,
            {name: [before.grid[name], seconds] for name, seconds in after.grid.items()},
            self._went(rung),
        )

    def _pruned(self, rung: Rung) -> Path:
        """The original, or what prunings and a training after them have left of it; several rungs may share that."""
        if not rung.prunings:
            return self.original.folder
        key, cut = self._learnt_key(rung), self._cut(rung)
        home = cut.parent
        whole, data = home / "bundle", home / "data"
        if self.training is None or not rung.trains:
            return cut
        if not whole.is_dir():
            if not data.is_dir():
                splits = {"train": self.train, "validation": self.validation}
                splits |= {UNLABELLED: list(self.following.unlabelled)} if self.following else {}
                keep_records(data, cut, splits)
            how = {"fingerprint": key, "seed": self.seed, "say": self._said_of(rung)}
            how |= {"validations": len(self.validation), "following": self.following, "teacher": self._teacher(rung)}
            trained = recovered(cut, data, home / "recovery", self.training, **how)  # type: ignore[arg-type]
            learnt = as_it_came(cut, trained)
            in_precision(trained, self.original.facts["engine"]["precision"], whole, provenance=learnt)
            shutil.rmtree(home / "recovery")
        return whole

    def _cut(self, rung: Rung) -> Path:
        """What its prunings have left of the original, before any training."""
        cut = self.folder / "pruned" / f"{_slug(rung.pruned_name)}.{self._learnt_key(rung)}" / "cut"
        if not cut.is_dir():
            self.say(f"{rung.pruned_name}: is taken out")
            prune(self.original.folder, rung.prunings, cut, self.train, seed=self.seed)
        return cut

    def _teacher(self, rung: Rung) -> Path:
        """The original, which reads texts in the tokens of the rung."""
        cutting = rung.only(lambda pruning: pruning.cuts_otherwise)
        return self._cut(cutting) if self.following and cutting.prunings else self.original.folder

    def _said_of(self, rung: Rung) -> Callable[[str], None]:
        """What a training says, under the name of its rung; not where it has left a bundle, which is moved."""

        def say(line: str) -> None:
            if "bundle in " not in line:
                self.say(f"{rung.pruned_name}: {line}")

        return say

    def _went(self, rung: Rung) -> list[dict[str, Any]]:
        """What prunings say that went."""
        if not rung.prunings:
            return []
        found: list[dict[str, Any]] = manifest.read(self._cut(rung))["provenance"]["pruned"]
        return found[-len(rung.prunings) :]

    def _learnt_key(self, rung: Rung) -> str:
        training = self.training if rung.trains else None
        told = {
            "danlu": version("danlu"),
            "original": self.original.facts.get("digest"),
            "prunings": [pruning.to_plain() for pruning in rung.prunings],
            "train": self._of_train if rung.prunings else "",
            "validation": self._of_validation if training else "",
            "training": training.to_plain() if training else None,
            "teacher": self._of_teacher if training else None,
            "seed": self.seed,
        }
        return _hashed(told)

    @cached_property
    def _of_test(self) -> str:
        return _hashed([digest(record) for record in self.test])

    @cached_property
    def _of_train(self) -> str:
        return _hashed([digest(record) for record in self.train])

    @cached_property
    def _of_teacher(self) -> list[Any] | None:
        if self.following is None:
            return None
        return [self.following.told(), [digest(record) for record in self.following.unlabelled]]

    @cached_property
    def _of_validation(self) -> str:
        return _hashed([digest(record) for record in self.validation])

    def _place(self, rung: Rung) -> Path:
        shown = self._of_train if learns(rung.computed) else ""
        return self.folder / "rungs" / f"{_slug(rung.name)}.{self.key(self._learnt_key(rung), rung.computed, shown)}"


def _parameters(bundle: Bundle) -> int | None:
    network = bundle.predictor.network
    return sum(value.numel() for value in network.model.parameters()) if isinstance(network, TorchNetwork) else None


def _slug(name: str) -> str:
    return re.sub(r"[^\w.+-]+", "-", name)[:80]


def _hashed(told: Any) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()[:12]
