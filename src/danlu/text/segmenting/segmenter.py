"""The promise of a segmenter: how a text falls into words."""

import json
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from danlu.data.characters.clusters import goes_on
from danlu.data.characters.side_by_side import Bools, Characters, characters
from danlu.machine.door import content_digest, file_inside, opened, read_json
from danlu.machine.files import folder_in_place, sha256, write_text
from danlu.machine.located import at_home
from danlu.recipe.part import Part
from danlu.refusal import Refusal
from danlu.text.segmenting.word_borders import words_at

Arrays = Mapping[str, NDArray[np.generic]]
Known = TypeVar("Known")

FACTS, MODEL = "segmenter.json", "model.safetensors"
_AGAIN = "copy or train the segmenter again"
_BLOCK = 2**18  # characters that are looked at together; it bounds the memory, to some 100 MiB
_CUTS = "\n。！？；，、 "  # where a text that is longer is cut, the best first


class Segmenter(Part):
    """How a text falls into words."""

    folder: ClassVar[str] = "danlu.text.segmenting.segmenters"

    @abstractmethod
    def begins(self, given: Characters) -> Bools:
        """Where a word begins in texts side by side, (N,); every text begins with one anyway."""

    def segment(self, texts: Sequence[str]) -> list[list[str]]:
        """The words of each text; joined they are that text again, white space included.

        No word ends within what a reader takes for one character (`danlu.data.characters.clusters`).

        Raises:
            Refusal: what the segmenter needs is not there, or is damaged.
        """
        words: list[list[str]] = []
        for block, continued in _blocks(texts):
            given = characters(block)
            found = words_at(given, self.begins(given) & ~goes_on(given)) if len(given.codes) else [[] for _ in block]
            if continued:
                words[-1] += found.pop(0)
            words += found
        return words


class Learner(Segmenter):
    """A segmenter that learns from segmented text; without `path` it has learnt nothing yet."""

    path: str | None = Field(default=None, description="folder that a stage of kind segmenter has left")

    @abstractmethod
    def learn(self, sentences: Sequence[Sequence[str]]) -> Arrays:
        """What these sentences of words teach, as arrays by name; `known` gives them back. There is a word at least."""

    @cached_property
    def trained(self) -> Self:
        """This segmenter with the settings that it was trained with.

        Raises:
            Refusal: nothing was learnt, or by another kind, or with other settings.
        """
        if self.path is None:
            raise Refusal(
                f"the segmenter '{self.kind}' has learnt nothing yet; train it by a stage of kind segmenter and write "
                f"'{{kind: {self.kind}, path: FOLDER}}' with the folder of that stage"
            )
        stored = open_segmenter(self.path)
        folder = _folder(self.path)
        if not isinstance(stored, type(self)):
            raise Refusal(f"{folder}: holds a segmenter of kind '{stored.kind}', not '{self.kind}'")
        for name in self.model_fields_set - {"path"}:
            if getattr(self, name) != getattr(stored, name):
                raise Refusal(
                    f"{folder}: was trained with '{name}: {getattr(stored, name)}', not {getattr(self, name)}; "
                    f"leave '{name}' out, or train another"
                )
        return stored

    @cached_property
    def known(self) -> Arrays:
        """What was learnt.

        Raises:
            Refusal: as for `trained`; or the file is missing or damaged.
        """
        from safetensors.numpy import load_file

        file = self._file
        with opened(file, "cannot be read", _AGAIN):
            if not file.is_file() or sha256(file) != _facts(file.parent).get("sha256"):
                raise Refusal(f"{file}: is missing or was changed since the training; {_AGAIN}")
            arrays: dict[str, NDArray[np.generic]] = load_file(file_inside(file.parent, MODEL))
            return arrays

    def known_as(self, make: Callable[[Arrays], Known]) -> Known:
        """What `make` makes of what was learnt.

        Raises:
            Refusal: as for `known`; or an array is missing, or of another shape.
        """
        arrays = self.known
        with opened(self._file, f"does not hold what a segmenter of kind {self.kind} learns", _AGAIN):
            return make(arrays)

    @property
    def _file(self) -> Path:
        assert self.trained.path is not None
        return Path(self.trained.path) / MODEL


def save(folder: Path, segmenter: Segmenter, sentences: Sequence[Sequence[str]]) -> None:
    """Write a segmenter as a folder, as a whole or not at all; one that learns, learns from `sentences` first.

    Raises:
        Refusal: there is too little to learn from, or the disk is full.
    """
    facts: dict[str, Any] = {"segmenter": segmenter.to_plain()}
    with folder_in_place(folder) as temporary:
        if isinstance(segmenter, Learner):
            from safetensors.numpy import save_file

            if segmenter.path is not None:
                raise Refusal(
                    f"the segmenter of {segmenter.path} is trained already; leave 'path' out to train another"
                )
            if not any(sentences):
                raise Refusal("there are no words to learn from; give segmented text in 'data'")
            arrays = segmenter.learn(_unspaced(sentences))
            save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, temporary / MODEL)
            facts["segmenter"].pop("path")
            facts |= {"sentences": len(sentences), "sha256": sha256(temporary / MODEL)}
        facts["digest"] = content_digest(facts)
        write_text(temporary / FACTS, json.dumps(facts, ensure_ascii=False, indent=1) + "\n")


def open_segmenter(path: str | Path) -> Segmenter:
    """The segmenter of a folder that `save` has written, or of the stage that has.

    Raises:
        Refusal: there is no such folder, or it holds no segmenter.
    """
    folder = _folder(path)
    plain = _facts(folder)["segmenter"]
    with opened(folder / FACTS, "'segmenter' cannot be read", f"upgrade danlu, or {_AGAIN}"):
        try:
            part = Segmenter.model_validate(plain)
        except ValidationError as error:
            raise Refusal(
                f"{folder / FACTS}: 'segmenter' cannot be read ({error.errors()[0]['msg']}); upgrade danlu"
            ) from None
        return part.model_copy(update={"path": str(folder)}) if isinstance(part, Learner) else part


def holds_segmenter(path: str | Path) -> bool:
    """Whether a folder, or that of a stage, holds a segmenter that `save` has written."""
    return any((at_home(path) / place / FACTS).is_file() for place in ("", "segmenter"))


def _unspaced(sentences: Sequence[Sequence[str]]) -> list[list[str]]:
    """Sentences parted where a word is white space, since texts are looked at between white space."""
    found: list[list[str]] = []
    for sentence in sentences:
        found.append([])
        for word in sentence:
            if not word.isspace():
                found[-1].append(word)
            elif found[-1]:
                found.append([])
    return [words for words in found if words]


def _folder(path: str | Path) -> Path:
    folder = at_home(path)
    inner = folder / "segmenter"
    return inner if not (folder / FACTS).exists() and (inner / FACTS).is_file() else folder


def _facts(folder: Path) -> dict[str, Any]:
    file = folder / FACTS
    if not file.is_file():
        raise Refusal(f"{folder}: holds no {FACTS}; give the folder that a stage of kind segmenter has left")
    facts = read_json(file_inside(folder, FACTS), _AGAIN)
    section = facts.get("segmenter")
    if not isinstance(section, dict) or not isinstance(section.get("kind"), str):
        raise Refusal(f"{file}: is no segmenter's description; {_AGAIN}")
    if "digest" in facts and facts["digest"] != content_digest(facts):  # those of before 2026-11 have none
        raise Refusal(f"{file}: the file has changed since the training (its digest is another); {_AGAIN}")
    return facts


def _blocks(texts: Sequence[str]) -> Iterator[tuple[list[str], bool]]:
    """Texts in blocks of some 2**18 characters, and whether the first of a block goes on with the last before it."""
    block: list[str] = []
    continued, size = False, 0
    for text in texts:
        start = 0
        for end in _cuts(text):
            if block and (start or size + end - start > _BLOCK):
                yield block, continued
                block, size, continued = [], 0, start > 0
            block.append(text[start:end])
            size += end - start
            start = end
    if block:
        yield block, continued


def _cuts(text: str) -> Iterator[int]:
    """Where a text is cut so that no part is longer than a block: behind the best mark in its second half."""
    start = 0
    while len(text) - start > _BLOCK:
        middle, limit = start + _BLOCK // 2, start + _BLOCK
        end = next((found + 1 for mark in _CUTS if (found := text.rfind(mark, middle, limit)) >= 0), limit)
        whole = np.flatnonzero(~goes_on(characters([text[start : end + 1]]))[1:])
        start += int(whole[-1]) + 1 if len(whole) else end - start
        yield start
    yield len(text)
