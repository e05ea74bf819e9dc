"""Folders of the `datasets` library: which of their files are read, and nothing outside of them.

The library follows what a folder's README and its `state.json` name, over the network too, and takes up files of some
thirty kinds. Here it sees a folder that was made for it, with links to files of text and tables alone, and of the
README only what says which of them belong to which split.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from danlu.data.reading.json_text import depth_of
from danlu.machine.door import DEEPEST_JSON, file_inside, opened, read_bytes, read_json, staged
from danlu.recipe.part import nearest
from danlu.refusal import Refusal

if TYPE_CHECKING:
    from pyarrow import RecordBatch

CARD = "README.md"
SUFFIXES = {".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet", ".arrow", ".txt", ".conll", ".conllu"}
_JSON = {".json", ".jsonl", ".ndjson"}
PACKED = {".gz", ".zip", ".bz2", ".xz", ".zst", ".lz4"}

_REMEDY = "save the data set anew with save_to_disk"
_OWN = {"dataset_infos.json", "dataset_info.json", "state.json", "dataset_dict.json"}
_KEPT = ("configs", "dataset_info")
_MOST = 2**22  # bytes of a README


def is_saved(folder: Path) -> bool:
    """Whether `save_to_disk` has written this folder."""
    return any((folder / name).is_file() for name in ("dataset_dict.json", "state.json"))


def saved_batches(folder: Path, split: str, name: str) -> "Iterator[RecordBatch]":
    """The rows of a split of a folder that `save_to_disk` has written; a single data set is every split.

    Raises:
        Refusal: there is no such split, a file lies outside of the folder, or one is damaged.
    """
    if (folder / "dataset_dict.json").is_file():
        splits = read_json(file_inside(folder, "dataset_dict.json"), _REMEDY).get("splits")
        there = [found for found in splits if isinstance(found, str)] if isinstance(splits, list) else []
        refuse_split(split, there, name)
        place = PurePosixPath(split)
        if place.is_absolute() or len(place.parts) != 1 or split == "..":
            raise Refusal(f"{name}: the split '{split}' lies outside of the folder; {_REMEDY}")
        folder = folder / split
    state = read_json(file_inside(folder, "state.json"), _REMEDY)
    if state.get("_indices_data_files") or state.get("_indices_files"):
        raise Refusal(f"{folder}: its rows are chosen by a file of numbers; call flatten_indices, then save it anew")
    files = state.get("_data_files")
    if not isinstance(files, list) or not all(isinstance(file, dict) for file in files):
        raise Refusal(f"{folder / 'state.json'}: '_data_files' is no list of files; {_REMEDY}")
    for file in files:
        yield from _batches(file_inside(folder, str(file.get("filename"))))


def refuse_split(split: str, there: list[str], name: str) -> None:
    """Refuse a split that is none of those that are there."""
    if split not in there:
        raise Refusal(
            f"{name}: there is no split '{split}'{nearest(split, there)}; there are: {', '.join(there)}; "
            "name one in 'split'"
        )


@contextmanager
def data_files(folder: Path) -> Iterator[Path]:
    """A folder with links to the data files in `folder`, and the part of its README that sorts them.

    Raises:
        Refusal: a file, or what the README names, lies outside of the folder.
    """
    files = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if _is_data(path, folder)]
    if not files:
        raise Refusal(
            f"{folder}: holds no files that are read as a data set ({', '.join(sorted(SUFFIXES))}); give their folder"
        )
    for name in files:
        _refuse_deep(folder, name)
    with staged(folder, files, {}) as stage:
        sorting = _sorting(folder)
        if sorting:
            import yaml

            (stage / CARD).write_text(f"---\n{yaml.safe_dump(sorting, allow_unicode=True)}---\n", "utf-8")
        yield stage


def _batches(path: Path) -> "Iterator[RecordBatch]":
    import pyarrow as pa
    from pyarrow import ipc

    with opened(path, "cannot be read as Arrow", _REMEDY), pa.memory_map(str(path)) as file:
        for batch in ipc.open_stream(file):
            batch.validate(full=True)  # offsets that point elsewhere would end the process
            yield batch


def _refuse_deep(folder: Path, name: str) -> None:
    """Refuse JSON that is nested so deeply that the library's reader would end the process."""
    if not any(suffix in _JSON for suffix in Path(name).suffixes):
        return
    import fsspec

    path = file_inside(folder, name)
    with (
        opened(path, "cannot be read", "unpack it, or read it with its own kind"),
        fsspec.open(str(path), compression="infer") as file,
    ):
        if depth_of(iter(lambda: file.read(2**20), b"")) > DEEPEST_JSON:
            raise Refusal(f"{path}: is nested more than {DEEPEST_JSON} levels deep; write it flat")


def _is_data(path: Path, folder: Path) -> bool:
    inner = path.with_suffix("") if path.suffix.lower() in PACKED else path
    hidden = any(part.startswith((".", "__")) for part in path.relative_to(folder).parts)
    return inner.suffix.lower() in SUFFIXES and path.name not in _OWN and not hidden and not path.is_dir()


def _sorting(folder: Path) -> dict[str, Any]:
    """What the README's head says of the files, once it names none outside of the folder."""
    path = folder / CARD
    if not path.is_file():
        return {}
    import yaml

    remedy = "mend its head, or read the files with their own kind"
    with opened(path, "its head cannot be read as YAML", remedy):
        head = _head(read_bytes(file_inside(folder, CARD), remedy, _MOST).decode("utf-8-sig"))
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(head, yaml.SafeLoader)):
            raise Refusal(f"{path}: its head repeats itself by aliases (*name), which are not read; {remedy}")
        plain = yaml.safe_load(head)
        found = {key: plain[key] for key in _KEPT if key in plain} if isinstance(plain, dict) else {}
        _refuse_outside(found.get("configs"), path)
        return found


def _head(text: str) -> str:
    """The YAML between the first two lines of three dashes."""
    first, *rest = text.splitlines()
    if first.strip() != "---":
        return ""
    return "\n".join(rest[: next((place for place, line in enumerate(rest) if line.strip() == "---"), 0)])


def _refuse_outside(value: Any, path: Path) -> None:
    if isinstance(value, str):
        place = PurePosixPath(value.replace("\\", "/"))
        if "://" in value or "::" in value or place.is_absolute() or ".." in place.parts or value.startswith("~"):
            raise Refusal(
                f"{path}: names '{value:.200}', and a local folder is read without anything outside of it; copy the "
                "files into the folder, and name them there"
            )
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            _refuse_outside(item, path)
