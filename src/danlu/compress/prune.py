"""A bundle with something taken out of it: a bundle again, of a plain folder that is smaller."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from danlu.bundle import golden, manifest
from danlu.bundle.adapt import refuse_place
from danlu.bundle.bundle import open_folder, save
from danlu.bundle.card import unscored
from danlu.compress.pruning import Pruned, Pruning, Subject
from danlu.data.cleaning.clean import clean_records
from danlu.data.record import Record
from danlu.machine.located import at_home
from danlu.machine.quiet import quiet
from danlu.model.sources.pretrained import Pretrained
from danlu.refusal import Refusal


@dataclass(frozen=True)
class Shrunk:
    """What was made: where it lies, what went, and how many parameters there were and are."""

    folder: Path
    told: list[dict[str, Any]]
    before: int
    after: int


def prune(
    path: str | Path, prunings: Sequence[Pruning], output: str | Path, records: Sequence[Record] = (), *, seed: int = 0
) -> Shrunk:
    """Write a bundle, `output`, of what prunings leave of another, one after the other; that one stays as it is.

    `records` have their truth, and are cleaned as the bundle cleans what it is asked.

    Raises:
        Refusal: it is no bundle of weights that can be opened alone, or as `Pruning.pruned` does.
    """
    folder = manifest.find(path)
    facts = plain_facts(folder)
    final = at_home(output)
    refuse_place(folder, output)
    with open_folder(folder, facts, "float32", 1) as bundle:
        task, rewriters, tokenizer = bundle.task, bundle.rewriters, bundle.tokenizer
    with quiet():
        model = Pretrained(path=str(folder)).build(task.auto_class, tokenizer, task.config())
        model.train(mode=False)
    given = clean_records(list(records), rewriters).records
    left, before = Pruned(model, tokenizer), _size(model)
    told = []
    for pruning in prunings:
        left = pruning.pruned(Subject(left.model, left.tokenizer, task, given, seed))
        task = left.task or task
        told.append(left.told)
    known = facts.get("provenance", {})
    provenance = unscored(known) | {"pruned": [*known.get("pruned", ()), *told]}
    save(
        final,
        left.model,
        left.tokenizer,
        task,
        precision=facts["engine"].get("precision", "auto"),
        provenance=provenance,
        examples=golden.read(folder)["records"],
        rewriters=rewriters,
        language=facts.get("language", "en"),
    )
    return Shrunk(final, told, before, _size(left.model))


def plain_facts(folder: Path) -> dict[str, Any]:
    """What `danlu.json` says of a bundle whose weights are all of its model, computed by torch.

    Raises:
        Refusal: an adapter serves it, or another engine computes it.
    """
    facts = manifest.read(folder)
    if served := manifest.served_by(folder):
        raise Refusal(
            f"{folder}: is served by its adapter '{served}', so its weights alone are not the model; fold it in with: "
            f"danlu merge {folder} {served} --output FOLDER"
        )
    if facts["engine"]["kind"] != "torch":
        raise Refusal(
            f"{folder}: is computed by '{facts['engine']['kind']}', and what it holds cannot be changed; give the "
            "bundle that it was exported from"
        )
    if names := list(facts.get("adapters", {})):
        raise Refusal(
            f"{folder}: has adapters ({', '.join(names)}), which fit these weights alone; give a bundle without any, "
            f"or fold one in with: danlu merge {folder} {names[0]} --output FOLDER"
        )
    return facts


def _size(model: Any) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
