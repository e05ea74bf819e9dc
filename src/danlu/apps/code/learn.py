"""A model of a repository's code: documents of its files, and the recipe that learns them, which is left beside it."""

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from danlu.apps.code.context import Parts, with_part
from danlu.apps.code.repository import Repository, Source, read_repository
from danlu.bundle import manifest
from danlu.machine.door import read_json
from danlu.machine.files import sha256, write_text
from danlu.machine.seed import generator
from danlu.recipe.commented import commented
from danlu.recipe.read import overridden, written
from danlu.refusal import Refusal
from danlu.stages.recipe import read, with_overrides
from danlu.stages.run import run
from danlu.text import tokenizing
from danlu.text.batching.middles import SENTINELS, sentinels
from danlu.text.tokenizing.folder import open_tokenizer

HELD_OUT = 0.1
"""Of the files: never learnt from, so that one can see what a model makes of them."""
HELD_OUT_FILE = "held_out.json"
"""In the folder of what was learnt: which repository that was, the paths of the files that are held out, and the hash
of `LEARNT_FILE`; it is written when all is learnt, so that it always tells of the model beside it."""
LEARNT_FILE = "files.jsonl"
LINES = 40
"""Of a document; a file has several."""
WITH_PART = 0.5
"""Of the documents that have lines of another file before them, as they will when the model is asked."""
NAME = "code"
SAMPLE = ("model.train.epochs=8", "vocab.tokenizer.base.size=1500", "model.train.batch_tokens=2048")
"""What is changed of the recipe for a model to try."""

HEAD = (
    "What a repository's code was learnt with. 'danlu app code train' writes it; danlu run recipe.yaml in this folder "
    "runs it again, after changes as well."
)


@dataclass(frozen=True)
class Split:
    """The files that are learnt from, and those that are not."""

    learnt: list[Source]
    held_out: list[Source]


def split(files: Sequence[Source]) -> Split:
    """Deal files out by their paths alone, so that a file stays on its side however others change."""
    drawn = {file.path: generator("held out", file.path).random() for file in files}
    out = {path for path, number in drawn.items() if number < HELD_OUT}
    if not out and len(files) > 1:
        out = {max(drawn, key=drawn.__getitem__)}
    return _dealt(files, out)


def _dealt(files: Sequence[Source], out: Collection[str]) -> Split:
    return Split([file for file in files if file.path not in out], [file for file in files if file.path in out])


def split_as_learnt(place: Path, root: Path, files: Sequence[Source]) -> Split:
    """The files of a repository on the sides on which they were when it was learnt.

    What came later is learnt or, where it would be held out now, on none.

    Raises:
        Refusal: `place` does not say what was held out, another folder was learnt, or a later training broken off.
    """
    told = place / HELD_OUT_FILE
    remedy = "run: danlu app code train REPOSITORY"
    plain = read_json(told, remedy)
    learnt, paths, known = plain.get("repository"), plain.get("files"), plain.get(LEARNT_FILE)
    if not isinstance(learnt, str) or not isinstance(paths, list):
        raise Refusal(f"{told}: does not say which files of which repository are held out; {remedy}")
    if Path(learnt) != root.resolve():
        raise Refusal(f"{root}: {told} is of {learnt}, so files of another folder may have been learnt; give that one")
    data = place / LEARNT_FILE
    if known is not None and data.is_file() and sha256(data) != known:  # earlier versions did not tell
        raise Refusal(f"{told}: is of another training than {data}, which was written anew since; {remedy}")
    out = set(map(str, paths))
    return Split(_dealt(split(files).learnt, out).learnt, _dealt(files, out).held_out)


def documents(files: Sequence[Source]) -> Iterator[str]:
    """What is learnt: some lines of a file at a time, under its path, half of them behind lines of another file."""
    parts = Parts(files)
    for file in files:
        lines = file.text.split("\n")
        for start in range(0, len(lines), LINES):
            text = "\n".join(lines[start : start + LINES])
            if not text.strip():
                continue
            chosen = generator("lines of another file", file.path, start).random() < WITH_PART
            yield with_part(parts.like(file.path, text) if chosen else None, file.path, text)


def learn(
    root: Path, place: Path, settings: Sequence[str], base: str | None, size: str, say: Callable[[str], None]
) -> Path:
    """The bundle that has learnt a repository; what it was made of lies in `place` as well.

    `base` is the folder of a bundle that goes on learning; without one a model of `size` begins with nothing.
    `settings` replace those of the recipe, as in `model.train.epochs=5`.

    Raises:
        Refusal: the repository cannot be read or has too little, the base writes no text, or a setting is wrong.
    """
    plain = written(recipe(LEARNT_FILE, base, size))
    checked = read(overridden(plain, {"clean.data.path": str(place / LEARNT_FILE)}, ()), settings)
    found = read_repository(root)
    say(found.sentence())
    sides = split(found.files)
    pieces = [json.dumps({"text": text}) + "\n" for text in documents(sides.learnt)]
    if len(pieces) < 4:
        raise Refusal(f"{root}: has {len(pieces):,} pieces of code to learn from; give a larger repository")
    say(f"{len(sides.learnt):,} files are learnt from, in {len(pieces):,} pieces; {len(sides.held_out):,} are held out")
    write_text(place / LEARNT_FILE, "".join(pieces))
    write_text(place / "left_out.json", json.dumps(told(found), indent=1) + "\n")
    write_text(place / "recipe.yaml", commented(with_overrides(plain, settings).data, {}, HEAD))
    told_out = {"repository": str(root.resolve()), "files": [file.path for file in sides.held_out]}
    told_out[LEARNT_FILE] = sha256(place / LEARNT_FILE)
    bundle = run(checked, place / "runs", say=say)["model"] / "bundle"
    write_text(place / HELD_OUT_FILE, json.dumps(told_out, indent=1) + "\n")
    return bundle


def sample(place: Path, say: Callable[[str], None]) -> tuple[Path, Path]:
    """A bundle that has learnt a part of this package's own code in a minute, and the folder of that code.

    Raises:
        Refusal: see `learn`.
    """
    root = Path(tokenizing.__path__[0])
    return learn(root, place, SAMPLE, None, "tiny", say), root


def told(found: Repository) -> dict[str, list[str]]:
    """What was left out, by reason."""
    return {reason: sorted(paths) for reason, paths in found.left_out.items()}


def recipe(data: str, base: str | None, size: str) -> dict[str, Any]:
    """Documents to a bundle that goes on with code, and fills gaps in it."""
    task = {"kind": "causal_lm", "fill_in_the_middle": 0.5, "max_length": 512}
    training: dict[str, Any] = {"epochs": 6, "rate": 2e-3, "schedule": "cosine", "batch_tokens": 8192}
    if base is None:
        model: dict[str, Any] = {"kind": "scratch", "architecture": "llama", "size": size, "positions": 512}
        model["dropout"] = 0.0
        tokenizer: dict[str, Any] = {"kind": "extended", "base": {"kind": "bpe", "size": 4000}}
        tokenizer["special"] = list(SENTINELS[0])
    else:
        folder = _learnable(base)
        model = {"kind": "pretrained", "path": str(folder)}
        tokenizer = {"kind": "pretrained", "path": str(folder)}
        if not _fills(folder):
            tokenizer = {"kind": "extended", "base": tokenizer, "special": list(SENTINELS[0])}
        training |= {"epochs": 3, "rate": 5e-4}
    clean = {"kind": "prepare", "data": {"kind": "jsonl", "path": data}, "dedup": "exact"}
    clean["split"] = {"validation": 0.02, "test": 0.0}
    return {
        "name": NAME,
        "stages": {
            "clean": clean,
            "vocab": {"kind": "tokenizer", "data": "@clean", "tokenizer": tokenizer},
            "model": {"kind": "train", "data": "@clean", "tokenizer": "@vocab", "model": model, "task": task}
            | {"train": training},
        },
    }


def _learnable(base: str) -> Path:
    """The folder of a bundle that goes on with texts. Raises `Refusal` for another."""
    folder = manifest.find(base)
    kind = manifest.read(folder)["task"].get("kind")
    if kind not in ("causal_lm", "chat"):
        raise Refusal(f"--base {base}: is of the task {kind}; give a bundle of causal_lm, or of chat")
    return folder.resolve()


def _fills(folder: Path) -> bool:
    try:
        sentinels(open_tokenizer(folder, str(folder)))
    except Refusal:
        return False
    return True
