"""A recipe as a form and as text, both of one: what it holds, what is wrong with it and where; and saved."""

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from danlu.machine.files import write_text
from danlu.recipe.edited import removed_from, renamed_in, set_in
from danlu.recipe.read import Written
from danlu.recipe.yaml_text import Keys, parse, place
from danlu.refusal import Refusal
from danlu.sentences import in_language

NAME = "the recipe"
"""How messages call a recipe that has no file yet."""


class Edit(BaseModel):
    """One change: `value` is set at `keys`, or what stands there is removed, or named otherwise."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    do: Literal["set", "remove", "rename"]
    keys: list[str | int]
    value: Any = None


@dataclass(frozen=True)
class Form:
    """A recipe that is being written.

    - `values`: what its text holds; None where that is no YAML.
    - `mistakes`: by the keys that they are about, () for the whole, the line if it is known, and the sentence.
    """

    text: str
    values: dict[str, Any] | None
    mistakes: list[tuple[Keys, int | None, str]]

    def plain(self) -> dict[str, Any]:
        """As a page is told of it."""
        told = [{"keys": list(keys), "line": line, "told": words} for keys, line, words in self.mistakes]
        return {"text": self.text, "values": self.values, "mistakes": told}


def form_of(text: str, edits: Sequence[Edit] = (), language: str = "en") -> Form:
    """The form of a text once it was edited; what is wrong with it is told in `language`.

    Raises:
        Refusal: an edit cannot be made.
    """
    for edit in edits:
        keys = tuple(edit.keys)
        if not keys or len(keys) > 40:
            raise Refusal("an edit needs the keys of what it changes; load the page anew")
        if edit.do == "set":
            text = set_in(text, keys, edit.value)
        elif edit.do == "remove":
            text = removed_from(text, keys)
        else:
            text = renamed_in(text, keys, str(edit.value))
    try:
        values, lines = parse(text, NAME)
    except Refusal as refusal:
        return Form(text, None, [_placed(str(refusal), {}, language)])
    if values is not None and not isinstance(values, dict):
        return Form(text, None, [((), 1, "a recipe is a mapping with the keys 'name' and 'stages'")])
    return Form(text, values or {}, mistakes_in(values or {}, lines, language))


def mistakes_in(
    values: dict[str, Any], lines: dict[Keys, int], language: str = "en"
) -> list[tuple[Keys, int | None, str]]:
    """What `danlu` would refuse of a recipe, each by its keys and line, in its very words."""
    from danlu.stages.recipe import read

    try:
        read(Written(NAME, values, lines))
    except Refusal as refusal:
        return [_placed(sentence, lines, language) for sentence in str(refusal).split("\n")]
    return []


def save(folder: Path, name: str, text: str, replaces: str | None) -> Path:
    """Write a recipe into a folder as NAME.yaml, over another file only where `replaces` is the digest of that.

    Raises:
        Refusal: the name would not do, or there is another file of this name; nothing has changed.
    """
    if not re.fullmatch(r"\w[\w-]{0,63}", name):
        raise Refusal(f"'{name:.80}' is no name for a recipe: letters, digits, '-' and '_', at most 64 of them")
    path = folder / f"{name}.yaml"
    if path.is_symlink():
        raise Refusal(f"{path.name}: is a link, and is not written to; choose another name")
    if replaces is not None:
        if digest(path) != replaces:
            raise Refusal(f"{path.name}: has changed meanwhile; look at it once more before it is replaced")
        write_text(path, text)
        return path
    beside = folder / f".{name}.{os.urandom(4).hex()}.partial"
    write_text(beside, text)
    try:
        os.link(beside, path)  # unlike a rename it fails where there is such a file already
    except FileExistsError:
        raise Refusal(f"{path.name}: is there already; choose another name, or say that it may be replaced") from None
    finally:
        beside.unlink(missing_ok=True)
    return path


def digest(path: Path) -> str | None:
    """What tells two states of a file apart; None where there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


@cache
def schema_of_recipes(language: str) -> bytes:
    """What `danlu schema` says; the parts of all kinds are imported for it, which takes seconds."""
    import json

    from danlu.recipe.schema import schema
    from danlu.recipe.told import schema_in
    from danlu.stages.recipe import Recipe

    return json.dumps(schema_in(language, schema(Recipe)), ensure_ascii=False).encode()


def _placed(sentence: str, lines: dict[Keys, int], language: str) -> tuple[Keys, int | None, str]:
    """A sentence of danlu by the keys that it begins with, which `place` has written there."""
    for keys in sorted([*lines, *_missing(sentence, lines)], key=len, reverse=True):
        begin = place(NAME, keys, lines)
        if keys and sentence.startswith(f"{begin}: "):
            known = next((lines[keys[:end]] for end in range(len(keys), 0, -1) if keys[:end] in lines), None)
            return keys, known, _told(sentence, begin, language)
    begin = sentence.partition(": ")[0]
    line = re.match(rf"{NAME} line (\d+)", begin)
    return (), int(line[1]) if line else None, _told(sentence, begin, language)


def _told(sentence: str, begin: str, language: str) -> str:
    """What a sentence says behind its place, in a language."""
    translated = in_language(sentence, language)
    if translated is None:
        return sentence.removeprefix(begin).lstrip(": ")
    dotted = begin.partition(": ")[2]
    return translated.partition(dotted)[2].lstrip(":： ") if dotted and dotted in translated else translated


def _missing(sentence: str, lines: dict[Keys, int]) -> list[Keys]:
    """Keys that are not there, and of which a sentence may say that they are needed, or not known."""
    last = re.match(rf"{NAME}(?: line \d+)?: (?:[^:]*\.)?([^:.]+): ", sentence)
    return [(*keys, last[1]) for keys in {(), *lines}] if last else []
