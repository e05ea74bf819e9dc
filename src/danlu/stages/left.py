"""What a training leaves: a bundle, and beside it what was added, where a base stayed as it was."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn
from transformers import PreTrainedModel

from danlu.bundle import adapter, golden, manifest
from danlu.bundle.bundle import save
from danlu.machine.files import folder_in_place
from danlu.model.source import Say
from danlu.task.task import Task
from danlu.text.tokenizing.tokenizer import Tokenizer
from danlu.tuning.method import Method


def leave(
    folder: Path,
    model: nn.Module,
    method: Method,
    tokenizer: Tokenizer,
    task: Task,
    *,
    base: Callable[[], PreTrainedModel],
    path: str | None,
    say: Say,
    **how: Any,
) -> None:
    """Write `bundle`, and `adapter` where `model`, float32, has weights that `method` left as they were.

    A method that cannot be merged leaves the bundle of its `base`, which it serves by default. `path` is where that was
    taken from, `how` goes to `danlu.bundle.bundle.save`.
    """
    bundle = folder / "bundle"
    if method.mergeable and all(parameter.requires_grad for parameter in model.parameters()):
        save(bundle, method.merge(model), tokenizer, task, **how)
        say(f"bundle in {bundle}")
        return
    with folder_in_place(folder / "adapter") as added:
        kept = {key: how[key] for key in ("provenance", "rewriters")}
        told = adapter.save(added, model, method, tokenizer, task, base=path, **kept)
        if method.mergeable:
            save(bundle, method.merge(model), tokenizer, task, **how)
            manifest.copy(bundle, golden.NAME, added)
        else:
            save(bundle, base(), tokenizer, task, adapter=(method.kind, added, told), **how)
            manifest.copy(adapter.folder_of(bundle, method.kind), golden.NAME, added)
        adapter.seal(added, told)
    say(f"bundle in {bundle}" + ("" if method.mergeable else f", of the base, served by its adapter '{method.kind}'"))
    fits = path if path and (Path(path) / manifest.NAME).is_file() else "BUNDLE"
    where = f"its base, {path}" if path else "the base it was trained on"
    say(f"adapter in {folder / 'adapter'}, for {where}: danlu adapt {fits} {folder / 'adapter'} --name NAME")
