"""The door for folders that others have made: json, files inside of a folder, and what libraries raise.

Whoever opens a model, a tokenizer, a bundle, a segmenter or a data set does so within `opened`. The libraries below
(safetensors, tokenizers, transformers, datasets, pydantic, json, numpy, torch) raise some forty kinds of errors for
damaged input, Rust's panics and `RecursionError` among them, and other ones with the next version; so this is the one
place that takes them all. Behind it nothing is checked twice.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from danlu.refusal import Refusal

MOST_JSON = 64 * 2**20  # bytes: the longest tokenizer.json that is known has 33 MiB, and Python takes 10 times as much
DEEPEST_JSON = 64  # levels; configurations, records and labels of real ones have fewer than 12
_LONGEST = 300  # characters of another library's words


@contextmanager
def opened(place: str | Path, trouble: str, remedy: str) -> Iterator[None]:
    """Turn what a library raises within the block into one sentence: the place, the trouble, its words, the remedy.

    `MemoryError`, an interruption and a `Refusal` go through as they are.

    Raises:
        Refusal: anything else was raised.
    """
    try:
        yield
    except (Refusal, MemoryError):
        raise
    except BaseException as error:
        # a panic of Rust's (in tokenizers, safetensors) is no Exception, and has no public class
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise Refusal(f"{place}: {trouble} ({in_brief(error)}); {remedy}") from error
        raise


def in_brief(error: BaseException) -> str:
    """What an error says, in one line of bounded length; its type where its words alone say nothing."""
    words = " ".join(str(error).split())
    if isinstance(error, KeyError):
        words = f"no {words}"
    words = words if len(words) <= _LONGEST else f"{words[:_LONGEST]}…"
    return words or type(error).__name__


def read_json(path: Path, remedy: str, most: int = MOST_JSON) -> dict[str, Any]:
    """The mapping that a json file holds.

    Raises:
        Refusal: there is no such file, or it is too long, nested too deeply, no json, no mapping, or no text.
    """
    return parse_json(read_bytes(path, remedy, most), path, remedy)


def read_bytes(path: Path, remedy: str, most: int = MOST_JSON) -> bytes:
    """What a file of at most `most` bytes holds. Raises `Refusal` where there is none, or a longer one."""
    with opened(path, "cannot be read", remedy):
        if not path.is_file():
            raise Refusal(f"{path}: there is no such file; {remedy}")
        with path.open("rb") as file:
            data = file.read(most + 1)
        if len(data) > most:
            raise Refusal(f"{path}: has more than {most:,} bytes, which no such file has; {remedy}")
        return data


def parse_json(data: bytes, path: Path, remedy: str) -> dict[str, Any]:
    """The mapping in the bytes of a json file; see `read_json`."""
    with opened(path, "cannot be read as json", remedy):
        value = json.loads(data.decode("utf-8-sig"))
        if b"\\u" in data:  # the only way to half of a pair, which no encoding can write
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        if not isinstance(value, dict):
            raise Refusal(f"{path}: expected a mapping in json, and this is none; {remedy}")
        if not _within(value, DEEPEST_JSON):
            raise Refusal(f"{path}: is nested more than {DEEPEST_JSON} levels deep; {remedy}")
        return value


def content_digest(plain: dict[str, Any]) -> str:
    """The SHA-256 of all that a mapping says under other keys than 'digest', however its json is laid out."""
    told = {key: value for key, value in plain.items() if key != "digest"}
    text = json.dumps(told, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _within(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(_within(item, levels - 1) for item in inner)


def file_inside(folder: Path, name: str) -> Path:
    """The file `name` of a folder, once it is sure to lie there: no `..`, no link that leads out, no pipe.

    A folder of the hub's cache may link to the blobs of the same repository, as all its files do.

    Raises:
        Refusal: it lies elsewhere, or is no ordinary file.
    """
    path = folder / name
    with opened(path, "cannot be read", "copy the folder again"):
        root, real = folder.resolve(), path.resolve()
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise Refusal(f"{folder}: '{name:.200}' is named there, which lies outside of the folder; copy it again")
        if not real.is_relative_to(root) and not (_blobs(root) and real.is_relative_to(_blobs(root) or root)):
            raise Refusal(f"{path}: is a link to {real}, outside of the folder; put the file itself in its place")
        if not real.is_file():
            raise Refusal(f"{path}: is no file; copy the folder again")
        return path


def _blobs(root: Path) -> Path | None:
    """Where the hub's cache keeps the files of a snapshot, if `root` is one."""
    blobs = root.parent.parent / "blobs"
    return blobs if root.parent.name == "snapshots" and blobs.is_dir() else None


@contextmanager
def staged(folder: Path, names: list[str], settings: Mapping[str, Mapping[str, Any]]) -> Iterator[Path]:
    """A folder for a library to open instead of `folder`: links to `names` in it, and json files of `settings`.

    So a library finds nothing that is not named here: no adapter, pickle, code or template that it would take up by
    itself, and no settings but those that were looked at.

    Raises:
        Refusal: one of the files lies outside of the folder.
    """
    with tempfile.TemporaryDirectory(prefix="danlu-", ignore_cleanup_errors=True) as place:
        stage = Path(place)
        for name in names:
            file = file_inside(folder, name).resolve()
            (stage / name).parent.mkdir(parents=True, exist_ok=True)
            try:
                (stage / name).symlink_to(file)
            except OSError:  # Windows allows links to few
                shutil.copyfile(file, stage / name)
        for name, plain in settings.items():
            (stage / name).write_text(json.dumps(plain), "utf-8")
        yield stage
