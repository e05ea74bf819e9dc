"""A trained head whose labels come in another order, or are other ones: its rows follow their labels by name.

Where the names were looked at by place alone, a classifier of (bad, good) that is trained on with (good, bad) would
begin with every answer wrong.
"""

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedConfig, PreTrainedModel

from danlu.machine.door import read_json
from danlu.machine.quiet import quiet
from danlu.model.source import Say
from danlu.refusal import Refusal

SHOWN = 8  # labels that a sentence names
_UNNAMED = re.compile(r"LABEL_(\d+)")
"""What transformers calls the labels of a configuration that names none."""

LoadReport = Mapping[str, Any]
SHAPES = "mismatched_keys"


def head_labels(config: PreTrainedConfig) -> tuple[str, ...]:
    """The labels of a model's head, in the order of its rows; of labels without names, their numbers as text."""
    named: Mapping[Any, Any] = getattr(config, "id2label", None) or {}
    labels = [str(named[number]).strip() for number in sorted(named, key=int)]
    numbers = [_UNNAMED.fullmatch(label) for label in labels]
    return tuple(number[1] for number in numbers if number) if all(numbers) else tuple(labels)


def known_labels(folder: Path) -> tuple[str, ...]:
    """The labels of the head in a folder that has been opened, as `head_labels` gives them."""
    plain = read_json(folder / "config.json", "copy the folder again")
    named = plain.get("id2label") or plain.get("num_labels", 2)
    fields = {"num_labels": named} if isinstance(named, int) else {"id2label": named}
    return head_labels(PreTrainedConfig(**fields))


def fresh_of(report: LoadReport) -> list[str]:
    """The parameters that a folder does not hold, or holds in another shape."""
    return sorted({*report["missing_keys"], *(key if isinstance(key, str) else key[0] for key in report[SHAPES])})


def fresh_in_words(name: str, fresh: Sequence[str]) -> str:
    """The sentence for parameters that begin fresh."""
    return f"{name}: holds no weights that fit {_some(fresh)}, so these begin fresh"


def refuse_missing(name: str, network: PreTrainedModel, fresh: Sequence[str]) -> None:
    """Weights above the trunk, its pooler included, may start fresh; those of the trunk may not."""
    trunk: Any = network.base_model
    names = {key for key, _ in network.named_parameters()} if trunk is network else None
    prefix = f"{network.base_model_prefix}."
    lacking = [
        key
        for key in fresh
        if (key in names if names is not None else key.startswith(prefix)) and ".pooler." not in f".{key}"
    ]
    if lacking:
        raise Refusal(
            f"{name}: {len(lacking)} tensors of the trunk are missing or of another shape than config.json says, "
            f"the first being {lacking[0]}; the folder is damaged or of another architecture"
        )


def follow_labels(
    network: PreTrainedModel,
    report: LoadReport,
    known: tuple[str, ...],
    again: Callable[[], tuple[PreTrainedModel, LoadReport]],
    name: str,
    say: Say,
    fresh: Say,
) -> None:
    """Give each row of the head the weights that its label had in the folder; say that, and to `fresh` what begins so.

    - `report`: what loading said of `network`, whose configuration has the labels that are wanted.
    - `known`: the labels of the folder; `again` opens it with these.
    - `name`: what the folder is called.
    """
    wanted, rows, lacking = head_labels(network.config), _label_rows(network), fresh_of(report)
    if any(parameter in report["missing_keys"] for parameter in rows) or known == wanted:
        if lacking:
            fresh(fresh_in_words(name, lacking))
        return
    if others := [parameter for parameter in lacking if parameter not in rows]:
        fresh(fresh_in_words(name, others))
    kept = [(place, known.index(label)) for place, label in enumerate(wanted) if label in known]
    before = dict(again()[0].named_parameters()) if kept else {}
    deviation = float(getattr(network.config, "initializer_range", None) or 0.02)
    with torch.no_grad():
        for parameter, axis in rows.items():
            now = network.get_parameter(parameter)
            _ = now.normal_(0.0, deviation) if now.dim() > 1 else now.zero_()
            for place, old in kept:
                now.select(axis, place).copy_(before[parameter].select(axis, old))
    told = _in_words(name, known, wanted)
    if set(wanted) <= set(known):
        say(told)
    else:
        fresh(told)


def _label_rows(network: PreTrainedModel) -> dict[str, int]:
    """The parameters that have a row a label, and along which axis: those that one label more would make larger."""
    more = copy.deepcopy(network.config)
    more.num_labels = len(head_labels(more)) + 1
    with quiet(), torch.device("meta"):
        larger = dict(type(network)(more).named_parameters())
    found = {}
    for name, parameter in network.named_parameters():
        sizes = zip(parameter.shape, larger[name].shape, strict=True)
        grown = [axis for axis, (size, other) in enumerate(sizes) if size != other]
        if grown:
            found[name] = grown[0]
    return found


def _in_words(name: str, known: Sequence[str], wanted: Sequence[str]) -> str:
    gone = [label for label in known if label not in wanted]
    new = [label for label in wanted if label not in known]
    if len(new) == len(wanted):
        return (
            f"{name}: none of the labels ({_some(wanted)}) is one of those that its head was trained for "
            f"({_some(known)}), so the head begins fresh"
        )
    parts = [f"its head was trained for the labels {_some(known)}; each row goes on under its name"]
    if new:
        parts.append(f"new and fresh: {_some(new)}")
    if gone:
        parts.append(f"gone: {_some(gone)}")
    return f"{name}: {'; '.join(parts)}"


def _some(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - SHOWN:,} more" if len(labels) > SHOWN else ""
    return ", ".join(f"'{label}'" for label in labels[:SHOWN]) + more
