"""Add to a bundle what a training has added to its base."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from danlu.bundle import golden, manifest, signature
from danlu.bundle.adapter import FOLDER, asked_for, folder_of, put, refuse_name, unsealed
from danlu.bundle.bundle import Bundle, load, open_folder, save
from danlu.machine.files import folder_in_place, sync_tree
from danlu.machine.gguf import is_gguf, unpacked
from danlu.machine.located import at_home
from danlu.model.sources.pretrained import Pretrained
from danlu.refusal import Refusal
from danlu.text.tokenizing.folder import open_tokenizer
from danlu.text.tokenizing.tokenizer import Tokenizer, fingerprint
from danlu.tuning.added import base_hash

BEGINNING = 0.25
"""Share of a text that is to be equal where few digits are computed with: the adapter was merged into its base when it
answered, which rounds otherwise, and a text goes on otherwise once two tokens are next to equally likely."""


def adapt(path: str | Path, adapter: str | Path, name: str, output: str | Path | None = None) -> Path:
    """Add the adapter in a folder to a bundle under a name, or to a copy of the bundle, the folder `output`.

    It is asked for its golden outputs on this base before anything is changed, in the number format in which they were
    written. A signature is of the bundle as it was, so it goes. The folder of the bundle that has the adapter now is
    given back. A base that is no bundle yet, but the folder of a pretrained model, becomes one in `output`, which the
    adapter serves.

    Raises:
        Refusal: the adapter belongs to another base, reads another tokenizer, answers otherwise than it did where it
            was trained, or is damaged; or the name is taken.
    """
    refuse_name(name)
    folder = base_folder(path)
    _refuse_other_engine(folder)
    source, told = unsealed(adapter)
    refuse_place(folder, output)
    if not (folder / manifest.NAME).exists() and (folder / "config.json").is_file():
        with _told_of(source, name):
            return _begun(folder, source, told, name, output)
    facts = manifest.read(folder)
    final = folder if output is None else at_home(output)
    with _told_of(source, name), room_for(name, folder, facts, final) as temporary:
        put(source, told, temporary, facts, name)
        with open_folder(temporary, facts, "float32", None) as bundle:
            _refuse_other_tokens(source, told, folder, bundle.tokenizer)
            if "base" not in facts:  # in those of an older danlu
                facts["base"] = base_hash(dict(bundle.model.named_parameters()))
        with open_folder(temporary, facts, _format_of(source), None) as bundle:
            _refuse_other_answers(source, folder, bundle, name)
        if _format_of(source) != "float32":  # what it answers apart from its base, to the letter
            with open_folder(temporary, facts, None, None) as bundle:
                golden.write(folder_of(temporary, name), bundle.predictor_of(name), golden.read(source)["records"])
        manifest.write(temporary, facts)
    return final


def base_folder(path: str | Path) -> Path:
    """The folder of a bundle, or of a pretrained model, which may be a GGUF file."""
    file = at_home(path)
    return unpacked(file) if is_gguf(file) else manifest.find(path)


@contextmanager
def room_for(name: str, folder: Path, facts: dict[str, Any], final: Path) -> Iterator[Path]:
    """A copy of a bundle without its signature, which becomes `final` once an adapter of this name is in it.

    Raises:
        Refusal: the name is taken, or is none; or another process has changed the bundle, of which `facts` are known.
    """
    refuse_name(name)
    if name.casefold() in map(str.casefold, facts.get("adapters", {})):
        raise Refusal(f"{folder}: has an adapter '{name}' already; choose another name")
    with folder_in_place(final) as temporary:
        shutil.copytree(folder, temporary, dirs_exist_ok=True, ignore=shutil.ignore_patterns(signature.NAME))
        yield temporary
        if final == folder:
            sync_tree(temporary)  # which may take a while, and nothing is to lie between the look and the rename
            _refuse_changed(folder, facts)


def _refuse_changed(folder: Path, facts: dict[str, Any]) -> None:
    if manifest.digest_of(folder) != facts.get("digest"):
        raise Refusal(
            f"{folder}: another process has changed this bundle meanwhile, and what it has added would be lost; run "
            "the same command again"
        )


@contextmanager
def _told_of(source: Path, name: str) -> Iterator[None]:
    """Let what is refused name the adapter where it lies, instead of its copy, which is gone with the refusal."""
    try:
        yield
    except Refusal as refused:
        copied = rf"^.*\.partial[/\\]{FOLDER}[/\\]{name}"
        raise Refusal(re.sub(copied, lambda _: str(source), str(refused))) from refused


def refuse_place(folder: Path, output: str | Path | None) -> None:
    """Refuse to write what comes of a bundle where something is already, or into the bundle itself."""
    if output is None:
        return
    place = at_home(output)
    if place.exists():
        raise Refusal(f"{output}: is there already; name a folder that is not")
    if place.resolve().is_relative_to(folder.resolve()):
        raise Refusal(f"{output}: lies in the bundle {folder}, which would hold it too; name a folder beside it")


def _begun(folder: Path, source: Path, told: dict[str, Any], name: str, output: str | Path | None) -> Path:
    """A bundle in `output` of the pretrained model in `folder`, with the adapter that serves it."""
    if output is None:
        raise Refusal(f"{folder}: is a model and no bundle yet; name a folder for the bundle of it: --output FOLDER")
    asked = asked_for({"adapters": {name: told}}, name, source)
    tokenizer = open_tokenizer(folder, str(folder))
    _refuse_other_tokens(source, told, folder, tokenizer)
    with torch.random.fork_rng():
        torch.manual_seed(0)  # of a head that the adapter brings itself
        base = Pretrained(path=str(folder)).build(asked.task.auto_class, tokenizer, asked.task.config())
    final = at_home(output)
    with folder_in_place(final) as temporary:
        save(
            temporary,
            base,
            tokenizer,
            asked.task,
            precision="auto",
            provenance=told.get("provenance", {}),
            examples=golden.read(source)["records"],
            rewriters=asked.rewriters,
            adapter=(name, source, told),
        )
        with load(temporary, _format_of(source)) as bundle:
            _refuse_other_answers(source, folder, bundle, name)
    return final


def _refuse_other_engine(folder: Path) -> None:
    kind = manifest.read(folder)["engine"]["kind"] if (folder / manifest.NAME).exists() else "torch"
    if kind != "torch":
        raise Refusal(f"{folder}: is computed by '{kind}', without adapters; give the bundle that it was exported from")


def _refuse_other_tokens(source: Path, told: dict[str, Any], folder: Path, tokenizer: Tokenizer) -> None:
    if told.get("tokenizer") != fingerprint(tokenizer):
        raise Refusal(
            f"{source}: was trained with another tokenizer than that of {folder}, which would give it other tokens; "
            "add it to a bundle of its own base"
        )


def _format_of(source: Path) -> str:
    """The number format in which an adapter has answered its golden outputs; float32 where none has that here."""
    told = str(golden.read(source)["dtype"])
    return told if told in ("float32", "bfloat16") else "float32"


def _refuse_other_answers(source: Path, folder: Path, bundle: Bundle, name: str) -> None:
    tolerances = bundle.facts.get("tolerances", golden.TOLERANCES)
    predictor = bundle.predictor_of(name)
    writes = "policy" in type(predictor.task).model_fields
    beginning = 1.0 if predictor.network.number_format == "float32" or not writes else BEGINNING
    differences = golden.replayed(golden.read(source), source, predictor, tolerances, beginning)
    if differences:
        raise Refusal(
            f"{source}: answers otherwise on {folder} than where it was trained ({differences[0]}); add it to a "
            "bundle of its own base"
        )
