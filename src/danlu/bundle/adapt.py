"""Add to a bundle what a training has added to its base."""

import shutil
from pathlib import Path

from danlu.bundle import golden, manifest, signature
from danlu.bundle.adapter import folder_of, put, refuse_name, unsealed
from danlu.bundle.bundle import open_folder
from danlu.machine.files import folder_in_place
from danlu.refusal import Refusal
from danlu.text.tokenizing.tokenizer import fingerprint
from danlu.tuning.added import base_hash


def adapt(path: str | Path, adapter: str | Path, name: str, output: str | Path | None = None) -> Path:
    """Add the adapter in a folder to a bundle under a name, or to a copy of the bundle, the folder `output`.

    It is asked for its golden outputs on this base before anything is changed. A signature is of the bundle as it was,
    so it goes. The folder of the bundle that has the adapter now is given back.

    Raises:
        Refusal: the adapter belongs to another base, reads another tokenizer, answers otherwise than it did where it
            was trained, or is damaged; or the name is taken.
    """
    refuse_name(name)
    source, told = unsealed(adapter)
    folder = manifest.find(path)
    facts = manifest.read(folder)
    if name.casefold() in map(str.casefold, facts.get("adapters", {})):
        raise Refusal(f"{folder}: has an adapter '{name}' already; choose another name")
    final = folder if output is None else Path(output).expanduser()
    if output is not None and final.exists():
        raise Refusal(f"{final}: is there already; name a folder that is not")
    with folder_in_place(final) as temporary:
        shutil.copytree(folder, temporary, dirs_exist_ok=True, ignore=shutil.ignore_patterns(signature.NAME))
        put(source, told, temporary, facts, name)
        with open_folder(temporary, facts, "float32", None) as bundle:
            if told.get("tokenizer") != fingerprint(bundle.tokenizer):
                raise Refusal(
                    f"{source}: was trained with another tokenizer than that of {folder}, which would give it other "
                    "tokens; add it to a bundle of its own base"
                )
            if "base" not in facts:  # in those of an older danlu
                facts["base"] = base_hash(dict(bundle.model.named_parameters()))
            tolerances = facts.get("tolerances", golden.TOLERANCES)
            differences = golden.replayed(folder_of(temporary, name), bundle.predictor_of(name), tolerances)
        if differences:
            raise Refusal(
                f"{source}: answers otherwise on {folder} than where it was trained ({differences[0]}); add it to a "
                "bundle of its own base"
            )
        manifest.write(temporary, facts)
    return final
