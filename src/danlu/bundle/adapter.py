"""An adapter: what a training has added to a base that it left as it was, with all that is needed to ask it.

It is a folder: what its method has saved, golden outputs, and `adapter.json`, which names them all. In a bundle it
lies under `adapters/NAME`, and `danlu.json` says what `adapter.json` said.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from danlu.bundle import golden, manifest
from danlu.data.cleaning.clean import rewriters_of
from danlu.data.cleaning.cleaner import Rewriter
from danlu.engine.engine import Network
from danlu.machine.door import content_digest, opened
from danlu.machine.located import at_home
from danlu.model.sources.pretrained import Pretrained
from danlu.recipe.part import nearest
from danlu.refusal import Refusal
from danlu.task.task import Task
from danlu.text.tokenizing.tokenizer import Tokenizer, fingerprint
from danlu.tuning.method import Method

NAME = "adapter.json"
FOLDER = "adapters"
BASE = "base"
"""How the base alone is asked for, where an adapter serves by default; so no adapter is called so."""

_NAMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_AGAIN = "copy or train the adapter again"


@dataclass(frozen=True)
class Asked:
    """How a base, or one of its adapters, is asked: each has a task with labels of its own.

    - `rewriters`: what is done to a text before it is read.
    - `method`: which has made the adapter; None: the base alone.
    """

    task: Task
    rewriters: list[Rewriter]
    method: Method | None = None


def folder_of(bundle: Path, name: str) -> Path:
    """Where an adapter lies in the folder of a bundle."""
    return bundle / FOLDER / name


def refuse_name(name: str) -> None:
    """Refuse what cannot be the name of an adapter, and so of a folder anywhere."""
    if not _NAMED.fullmatch(name) or name.casefold() == BASE:
        raise Refusal(
            f"'{name:.80}' cannot be the name of an adapter; write letters, digits, - and _, and not '{BASE}', which "
            "is the model without any"
        )


def asked_for(facts: dict[str, Any], name: str, folder: Path) -> Asked:
    """How what has this name in a bundle is asked, by what `danlu.json` says.

    Raises:
        Refusal: there is no adapter of this name, or its task, its method or a cleaner is not known here.
    """
    where, known = folder / manifest.NAME, facts.get("adapters", {})
    if name == BASE:
        return _asked(facts, where, "")
    if name not in known:
        there = f"those of this bundle are: {', '.join(known)}" if known else "danlu adapt adds one"
        raise Refusal(f"{folder}: has no adapter '{name:.80}'{nearest(name, list(known))}; {there}")
    place = f"adapters.{name}."
    asked = _asked(known[name], where, place)
    method = manifest.part(Method, known[name].get("method"), where, f"{place}method")  # type: ignore[type-abstract]
    return replace(asked, method=method)


def _asked(plain: dict[str, Any], where: Path, place: str) -> Asked:
    task = manifest.part(Task, plain.get("task"), where, f"{place}task")  # type: ignore[type-abstract]
    return Asked(task, rewriters_of(plain.get("cleaners", []), str(where)))


def network_with(network: Network, bundle: Path, name: str, asked: Asked, tokenizer: Tokenizer) -> Network:
    """A network of the base in `bundle` with one of its adapters, beside the `network` of the base alone.

    What must agree with the base: the weights that the method has left as they were, which a hash tells. The head may
    be another one, as the adapter's task wants it. The base is read once more for it, and then let go of.

    Raises:
        Refusal: the adapter belongs to another base, or is damaged; or the engine computes without adapters.
    """
    assert asked.method is not None
    folder = folder_of(bundle, name)
    with opened(folder, "the adapter cannot be put on the base", _AGAIN), torch.random.fork_rng():
        plain = Pretrained(path=str(bundle)).build(asked.task.auto_class, tokenizer, asked.task.config())
        tuned = asked.method.load(plain, folder)
        return network.beside(tuned, asked.method.base(tuned))


def save(
    folder: Path,
    model: nn.Module,
    method: Method,
    tokenizer: Tokenizer,
    task: Task,
    *,
    provenance: dict[str, Any],
    rewriters: Sequence[Rewriter] = (),
    base: str | None = None,
) -> dict[str, Any]:
    """Write what `method` has added to `model`, and give what is to be said of it by `seal` once the rest is there.

    `base` is what people call the model that it was added to.
    """
    method.save(model, folder)
    return {
        "danlu": version("danlu"),
        "task": task.to_plain(),
        "method": method.to_plain(),
        "cleaners": [part.to_plain() for part in rewriters],
        "tokenizer": fingerprint(tokenizer),
        "base": base,
        "provenance": provenance,
    }


def seal(folder: Path, facts: dict[str, Any]) -> None:
    """Write `adapter.json`, with the hash of every file that lies in the folder."""
    manifest.write(folder, facts, NAME)


def unsealed(path: str | Path) -> tuple[Path, dict[str, Any]]:
    """The folder of an adapter, given that or the folder of the stage that has left it, and what is said of it.

    Raises:
        Refusal: there is no adapter, it was written by a newer danlu, or a file is missing or has changed.
    """
    folder = at_home(path)
    inside = folder / "adapter"
    folder = inside if not (folder / NAME).exists() and (inside / NAME).is_file() else folder
    facts = manifest.facts_in(folder, NAME, "adapter", "the adapter/ folder that a train stage has left")
    manifest.refuse_pickles(folder)
    manifest.check_files(folder, facts["files"], NAME)
    if golden.NAME not in facts["files"]:
        raise Refusal(f"{folder / NAME}: names no {golden.NAME}, by which the adapter could be tried; {_AGAIN}")
    return folder, facts


def put(source: Path, told: dict[str, Any], bundle: Path, facts: dict[str, Any], name: str) -> None:
    """Copy an adapter into the folder of a bundle and write into `facts`, which go to `danlu.json`, what it is.

    Its files are those that `told` names, or all that lie there where it names none yet.
    """
    folder = folder_of(bundle, name)
    folder.mkdir(parents=True)
    files = told.get("files") or manifest.hashes(source)
    for file in files:
        manifest.copy(source, file, folder)
    kept = {key: value for key, value in told.items() if key not in manifest.OWN}
    content = content_digest({file: written["sha256"] for file, written in files.items() if file != golden.NAME})
    facts["adapters"] = facts.get("adapters", {}) | {name: kept | {"hash": content}}
