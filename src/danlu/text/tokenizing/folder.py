"""Opening the tokenizer of a folder: of its files only those that a tokenizer is made of are seen."""

import re
from pathlib import Path
from typing import Any

from danlu.machine.door import MOST_JSON, file_inside, opened, read_bytes, read_json, staged
from danlu.refusal import Refusal
from danlu.text.tokenizing.tokenizer import Tokenizer, backend_to_write, write_by, written_by
from danlu.text.tokenizing.translators import open_translator

FILES = (
    "tokenizer.json", "danlu_target_tokenizer.json", "added_tokens.json",
    "special_tokens_map.json", "tekken.json", "vocab*.json", "vocab*.txt",
    "merges*.txt", "dict*.txt", "bpe.codes", "emoji.json", "entity_vocab.json", "*.model", "*.spm", "*.tiktoken",
    "chat_template.jinja", "additional_chat_templates/*.jinja", "chat_template.json",
)  # fmt: skip
"""Patterns of the files that transformers makes tokenizers of, with `SETTINGS`."""

SETTINGS = "tokenizer_config.json"

WRITTEN = "danlu_target_tokenizer.json"
"""By what texts to be written are cut, where it is another way than for those to be read; as `tokenizer.json` is."""

_REMEDY = "give a folder with tokenizer.json, such as save_pretrained writes"
_TRIED = "a, 好!"
_AS_IT_IS = ("TokenizersBackend", "PreTrainedTokenizerFast")  # classes of what tokenizer.json says, and no more
_CLASS = re.compile(r"\w*(Tokenizer|TokenizerFast|TokenizersBackend|PythonBackend|MistralCommonBackend)")
_MOST = 256 * 2**20  # bytes of a file of the vocabulary


def open_tokenizer(folder: Path, name: str) -> Tokenizer:
    """The fast tokenizer in `folder`, which the user has called `name`.

    Raises:
        Refusal: there is none, it is damaged, it has no fast form, or it needs code from the folder.
    """
    trouble = "no tokenizer could be read there"
    with opened(name, trouble, _REMEDY):
        files = _files(folder)
        for file in files:
            most = MOST_JSON if file.endswith(".json") else _MOST
            if (folder / file).stat().st_size > most:
                raise Refusal(f"{folder / file}: has more than {most:,} bytes, as no such file has; {_REMEDY}")
        if not any(_holds_tokens(file) for file in files):  # transformers would make one without a single word
            raise Refusal(f"{name}: {trouble} (it holds no tokenizer.json); {_REMEDY}")
        settings = {SETTINGS: _settings(folder)}
        translator = None
        if not ("tokenizer.json" in files and settings[SETTINGS].get("tokenizer_class") in _AS_IT_IS):
            settings["config.json"] = _family(folder)  # for some families it would make another tokenizer of the words
            translator = open_translator(folder, settings[SETTINGS], settings["config.json"])
        tokenizer = translator or _transformers(folder, files, settings)
        if isinstance(tokenizer, Tokenizer):
            tokenizer(_TRIED)  # settings of a wrong type are found at first use
            if WRITTEN in files:
                write_by(tokenizer, _backend(file_inside(folder, WRITTEN)))
            if (other := written_by(tokenizer)) is not None:
                other.encode(_TRIED)
    if not isinstance(tokenizer, Tokenizer):
        raise Refusal(
            f"{name}: this tokenizer ({type(tokenizer).__name__}) has no fast form with character offsets; {_REMEDY}"
        )
    return tokenizer


def holds_tokenizer(folder: Path) -> bool:
    """Whether there is a vocabulary in `folder`, whatever can be made of it."""
    return any(_holds_tokens(file) for file in _files(folder))


def save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Write a tokenizer as plain transformers opens it, and beside it what texts to be written are cut by."""
    tokenizer.save_pretrained(str(folder))
    if written_by(tokenizer) is not None:
        backend_to_write(tokenizer).save(str(folder / WRITTEN))


def _transformers(folder: Path, files: list[str], settings: dict[str, dict[str, Any]]) -> Any:
    """What transformers makes of these files alone."""
    from transformers import AutoTokenizer

    with staged(folder, files, {file: plain for file, plain in settings.items() if plain}) as stage:
        tokenizer: Any = AutoTokenizer.from_pretrained(str(stage), trust_remote_code=False, local_files_only=True)
    for told in (vars(tokenizer), getattr(tokenizer, "init_kwargs", {})):  # where it comes from, for save_pretrained
        told |= {key: str(folder / Path(at).relative_to(stage)) for key, at in told.items() if _within(at, stage)}
    return tokenizer


def _backend(path: Path) -> Any:
    from tokenizers import Tokenizer as Backend

    return Backend.from_buffer(read_bytes(path, _REMEDY, MOST_JSON))


def _within(value: Any, stage: Path) -> bool:
    return isinstance(value, str) and value.startswith(str(stage))


def _files(folder: Path) -> list[str]:
    return sorted({file.relative_to(folder).as_posix() for glob in FILES for file in folder.glob(glob)})


def _holds_tokens(file: str) -> bool:
    return not file.startswith(("added_tokens", "additional", "special_tokens", "chat_template", "dict", "emoji"))


def _settings(folder: Path) -> dict[str, Any]:
    """The settings without those that name files; they are found by their names alone."""
    if not (folder / SETTINGS).exists():
        return {}
    plain = read_json(folder / SETTINGS, _REMEDY)
    return _without_wrong_class({key: value for key, value in plain.items() if not _redirects(key)})


def _redirects(key: str) -> bool:
    return key.endswith(("_file", "_files")) or key in ("name_or_path", "init_inputs", "local_files_only", "is_local")


def _family(folder: Path) -> dict[str, Any]:
    """What `config.json` says of the tokenizer: the family, and maybe a class."""
    if not (folder / "config.json").exists():
        return {}
    plain = read_json(folder / "config.json", _REMEDY)
    named = ("model_type", "tokenizer_class", "model_name")
    return _without_wrong_class({key: plain[key] for key in named if isinstance(plain.get(key), str)})


def _without_wrong_class(plain: dict[str, Any]) -> dict[str, Any]:
    """Transformers would take any class of its own for a tokenizer's, such as one that fetches an index."""
    named = plain.get("tokenizer_class")
    fits = named is None or (isinstance(named, str) and _CLASS.fullmatch(named))
    return plain if fits else {key: value for key, value in plain.items() if key != "tokenizer_class"}
