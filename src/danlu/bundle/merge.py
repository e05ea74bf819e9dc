"""Adapters made into one, and an adapter folded into the weights of its base."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import chain, zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from danlu.bundle import golden, manifest
from danlu.bundle.adapt import refuse_place, room_for
from danlu.bundle.adapter import BASE, Asked, asked_for, folder_of, put
from danlu.bundle.bundle import load, open_folder, save
from danlu.data.record import Record
from danlu.machine.door import opened
from danlu.machine.located import at_home
from danlu.model.sources.pretrained import Pretrained
from danlu.refusal import Refusal
from danlu.task.task import Task
from danlu.tuning.combining import Saved, mean, refuse_sum

_AGAIN = "copy or train the adapter again"

_ANSWERED_BY = ("pooling", "decoding", "template")
"""Settings of tasks without which what an adapter has learnt means something else."""


@dataclass(frozen=True)
class Folded:
    """A bundle without adapters, and how far its answers are from those of the adapter that was folded into it.

    - `furthest`: the largest difference of a number in the answers to the golden records; above 1 relative to it.
    - `agreeing`, `asked`: in how many of them texts are equal, and numbers within the tolerance of `verify`.
    """

    folder: Path
    furthest: float
    agreeing: int
    asked: int


def combine(
    path: str | Path, weights: Mapping[str, float], name: str, output: str | Path | None = None, *, summed: bool = False
) -> Path:
    """Make adapters of a bundle into one more, under a name, there or in a copy, the folder `output`.

    Each counts as much as its weight, of all weights; with `summed`, updates times their weights are added up. What
    is asked of the new one beside its labels (thresholds, say) is as the first has it. The folder of the bundle that
    has it now is given back; a signature was of the bundle as it was, so it goes.

    Raises:
        Refusal: there is no such adapter; they are of unlike methods, shapes, tasks or labels, so that nothing lies
            between them; they have no sum; or the name is taken.
    """
    _refuse_weights(weights, summed=summed)
    folder = manifest.find(path)
    refuse_place(folder, output)
    facts = manifest.read(folder)
    asked = {each: _adapter(facts, each, folder) for each in weights}
    first = next(iter(weights))
    for other in weights:
        _refuse_unlike(facts["adapters"], asked, first, other)
    total = 1.0 if summed else sum(weights.values())
    parts = [
        Saved(each, method, folder_of(folder, each), weights[each] / total)
        for each in weights
        if (method := asked[each].method) is not None
    ]
    final = folder if output is None else at_home(output)
    with room_for(name, folder, facts, final) as temporary, TemporaryDirectory() as made:
        with opened(folder, "the adapters cannot be combined", _AGAIN):
            method = parts[0].method.combined(parts, Path(made), summed=summed)  # type: ignore[attr-defined]
        told = facts["adapters"][first] | {
            "danlu": version("danlu"),
            "method": method.to_plain(),
            "task": _task(parts, [asked[part.name].task for part in parts], summed=summed).to_plain(),
            "provenance": {"combined": dict(weights), "summed": summed},
        }
        put(Path(made), told, temporary, facts, name)
        with open_folder(temporary, facts, None, None) as bundle:
            golden.write(folder_of(temporary, name), bundle.predictor_of(name), _examples(folder, weights))
        manifest.write(temporary, facts)
    return final


def _task(parts: Sequence[Saved], tasks: Sequence[Task], *, summed: bool) -> Task:
    """The task of the first, with the mean of what tasks have learnt themselves, such as a head of their own."""
    own = [task.parameters() for task in tasks]
    if summed:
        refuse_sum(parts, list(own[0]))
    return tasks[0].learnt(mean(parts, own)) if own[0] else tasks[0]


def fold(path: str | Path, name: str, output: str | Path) -> Folded:
    """Write a bundle of its own, `output`, of the base of a bundle with one of its adapters added to the weights.

    That is done in float32. What the new bundle answers to the golden records of the adapter are its golden outputs.

    Raises:
        Refusal: there is no such adapter, or it is of a method that cannot be folded into weights; or there is
            something at `output`.
    """
    folder = manifest.find(path)
    refuse_place(folder, output)
    facts = manifest.read(folder)
    asked = _adapter(facts, name, folder)
    assert asked.method is not None
    if not asked.method.mergeable:
        raise Refusal(
            f"{folder}: what '{asked.method.kind}' has added as '{name}' cannot be folded into the weights of its "
            f"base; ask it beside them: danlu predict {folder} --adapter {name}"
        )
    records = golden.read(folder_of(folder, name))["records"]
    with load(folder, "float32") as bundle:
        before, tokenizer = bundle.predict(records, name), bundle.tokenizer
    with opened(folder_of(folder, name), "the adapter cannot be put on the base", _AGAIN):
        plain = Pretrained(path=str(folder)).build(asked.task.auto_class, tokenizer, asked.task.config())
        merged = asked.method.merge(asked.method.load(plain, folder_of(folder, name)))
    final = at_home(output)
    save(
        final,
        merged,
        tokenizer,
        asked.task,
        precision=facts["engine"].get("precision", "auto"),
        provenance=facts["adapters"][name].get("provenance", {}) | {"folded": name},
        examples=records,
        rewriters=asked.rewriters,
        language=facts.get("language", "en"),
    )
    with load(final, "float32") as bundle:
        after = bundle.predict(records)
    furthest, agreeing = golden.drift(before, after, golden.TOLERANCES["float32"])
    return Folded(final, furthest, agreeing, len(records))


def _adapter(facts: dict[str, Any], name: str, folder: Path) -> Asked:
    if name == BASE:
        raise Refusal(f"{folder}: '{BASE}' is the model without any adapter; name adapters of the bundle")
    return asked_for(facts, name, folder)


def _refuse_weights(weights: Mapping[str, float], *, summed: bool) -> None:
    for name, weight in weights.items():
        if not math.isfinite(weight) or weight == 0 or (weight < 0 and not summed):
            kind = "another number than 0" if summed else "a number above 0"
            raise Refusal(f"'{name:.80}' has the weight {weight:g}; write {kind}, as in {name:.80}=0.5")
    if len(weights) < (1 if summed else 2):
        raise Refusal("there are fewer than two adapters to average; name several of the bundle, as in: a=0.7 b=0.3")


def _refuse_unlike(told: dict[str, Any], asked: dict[str, Asked], first: str, other: str) -> None:
    one, two = asked[first], asked[other]
    pairs = {
        "method": tuple(each.method.kind if each.method else "" for each in (one, two)),
        "task": (one.task.kind, two.task.kind),
        "labels": tuple(", ".join(each.task.label_names()) for each in (one, two)),
        **{f"task.{key}": tuple(getattr(each.task, key, None) for each in (one, two)) for key in _ANSWERED_BY},
        "cleaners": (told[first].get("cleaners"), told[other].get("cleaners")),
        "tokenizer": (told[first].get("tokenizer"), told[other].get("tokenizer")),
    }
    for what, (mine, theirs) in pairs.items():
        if mine != theirs:
            raise Refusal(
                f"'{first}' and '{other}' differ in '{what}' ({mine!s:.100} and {theirs!s:.100}), so nothing lies "
                "between them; combine adapters of one method for one task with the same labels and settings"
            )


def _examples(folder: Path, names: Mapping[str, float]) -> list[Record]:
    """The golden records of adapters in turn, each once."""
    found: list[Record] = []
    for record in chain.from_iterable(zip_longest(*(golden.read(folder_of(folder, n))["records"] for n in names))):
        if record is not None and record not in found:
            found.append(record)
    return found
