"""How a model says vectors, as its folder tells: a bundle of danlu's, or one of sentence-transformers."""

import json
from pathlib import Path
from typing import Any

from danlu.machine.door import file_inside, opened, read_bytes, read_json
from danlu.machine.hub import local_folder
from danlu.model.folder import FILES
from danlu.model.source import Say, Source
from danlu.refusal import Refusal
from danlu.task.sentence_transformers import ALIKE, MODES
from danlu.task.task import Task
from danlu.text.tokenizing.tokenizer import Tokenizer

MODULES = "modules.json"
"""Where sentence-transformers says what a vector is made by."""

_SETTINGS, _PROMPTS = "sentence_bert_config.json", "config_sentence_transformers.json"
_REMEDY = "copy the folder again"


def pooled_as_known(task: Task, source: Source, say: Say) -> Task:
    """The task `embed` with the pooling by which the model has learnt its vectors, where the recipe names none.

    Raises:
        Refusal: the folder says of no one way how its vectors are pooled, or of one that danlu does not know.
    """
    path = source.tokenizer_path()
    if task.kind != "embed" or path is None or "pooling" in task.model_fields_set:
        return task
    folder = local_folder(path, FILES)
    if not (folder / MODULES).is_file():
        return task
    pooling = vector_of(folder, path)["pooling"]
    if pooling != task.pooling:  # type: ignore[attr-defined]
        say(f"pooling: '{pooling}', as {path} has learnt its vectors")
    return task.model_copy(update={"pooling": pooling})


def is_embedder(folder: Path) -> bool:
    """Whether the modules of a folder end in a vector."""
    return (folder / MODULES).is_file() and any(kind == "Pooling" for kind, _ in _modules(folder))


def vector_of(folder: Path, path: str) -> dict[str, Any]:
    """What sentence-transformers says of a vector: of which tokens it is the mean, and how long a text may be."""
    found: dict[str, Any] = {"scored": False, "objective": "contrastive"}
    if not (folder / MODULES).is_file():
        return found
    modules = _modules(folder)
    if [name for name, _ in modules].count("Pooling") != 1:
        raise Refusal(f"{path}: its {MODULES} says of no one layer how its vectors are pooled; give a model of vectors")
    for name, place in modules:
        if name == "Pooling":
            plain = read_json(file_inside(folder, f"{place}/config.json"), _REMEDY)
            found["pooling"] = _pooling(plain, path)
            if plain.get("include_prompt") is False and prompts_of(folder):
                raise Refusal(
                    f"{path}: leaves what stands before texts out of their vectors (include_prompt), which danlu does "
                    "not do; give a model that takes it in"
                )
        elif name == "Transformer" and place:
            raise Refusal(
                f"{path}: its weights lie in the folder '{place}', as sentence-transformers wrote them long ago; open "
                "and save it with a newer one"
            )
        elif name not in ("Transformer", "Normalize"):
            raise Refusal(
                f"{path}: its vectors go through a layer '{name}' of sentence-transformers ({MODULES}), which danlu "
                "has not; give a model without it"
            )
    longest = _read(folder, _SETTINGS).get("max_seq_length")
    if longest:
        found["max_length"] = longest
    return found


def _modules(folder: Path) -> list[tuple[str, str]]:
    """What sentence-transformers puts one after another: the name of the class and the folder of each."""
    file = file_inside(folder, MODULES)
    with opened(file, "is no list of modules, each with a type and a path", _REMEDY):
        told = json.loads(read_bytes(file, _REMEDY))
        modules = [(str(module["type"]).rpartition(".")[2], str(module["path"])) for module in told]
        if not modules:
            raise ValueError(told)
        return modules


def _pooling(plain: dict[str, Any], path: str) -> str:
    """Ours for what sentence-transformers calls so."""
    marked = [name for name, value in plain.items() if value is True and name.startswith("pooling_mode_")]
    flags = [name.removeprefix("pooling_mode_") for name in marked]
    named = plain.get("pooling_mode")
    modes = [named] if isinstance(named, str) else list(named or flags)
    known = MODES | ALIKE
    ours = known | {name.partition("_")[0]: mode for name, mode in MODES.items()}  # later versions name them shorter
    if len(modes) != 1 or str(modes[0]) not in ours:
        raise Refusal(
            f"{path}: its vectors are pooled by {' and '.join(map(str, modes)) or 'nothing'}, and danlu knows one of "
            f"{', '.join(known)}; give a model that has one"
        )
    return ours[modes[0]]


def refuse_lower_case(folder: Path, tokenizer: Tokenizer, path: str) -> None:
    """Refuse texts that sentence-transformers makes small letters of before a tokenizer that tells them apart."""
    if _read(folder, _SETTINGS).get("do_lower_case") and tokenizer("A")["input_ids"] != tokenizer("a")["input_ids"]:
        raise Refusal(f"{path}: its texts are made small letters of first (do_lower_case), which danlu does not do")


def prompts_of(folder: Path) -> str:
    """What texts want before them, by what they are; nothing where they want nothing."""
    plain = _read(folder, _PROMPTS)
    prompts, usual = plain.get("prompts") or {}, plain.get("default_prompt_name")
    told = ", ".join(f"{key}: '{value}'" for key, value in prompts.items() if value)
    return f"{told}; its author's default is '{usual}'" if told and prompts.get(usual) else told


def _read(folder: Path, name: str) -> dict[str, Any]:
    return read_json(file_inside(folder, name), _REMEDY) if (folder / name).is_file() else {}
