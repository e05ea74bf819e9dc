"""Which files the data lie in: one, several, a zip, a folder; with the splits and classes that their names tell."""

import re
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from danlu.apps.guessing.split_names import SPLITS, bare, is_part, is_split, split_of
from danlu.data.reading.guess import SUFFIXES
from danlu.machine.remote import is_remote
from danlu.refusal import Refusal

DOCUMENTS = (".txt", ".md", ".html", ".htm")


CLASSES = re.compile(
    r"((class|label|category|tag)(e?s)?([_-]?(names?|list|map))?|categories|(id2|idx2|index2)label|label2(id|idx))"
    r"\.(txt|json)",
    re.IGNORECASE,
)
"""Names of files that list the classes of the data beside them."""

_OTHERS = re.compile(
    r"(readme|licen[cs]e|changelog|notice|requirements)|(cc-?by|cc0|copying|copyright|citation|authors).*\.(txt|md)$|"
    r"\.(ya?ml|py|sh|lock|toml)$",
    re.IGNORECASE,
)
OFFICE = {".xlsx", ".xls", ".xlsm", ".ods", ".et", ".docx", ".doc", ".odt", ".wps"}
_MORE_SUFFIXES = {".bio", ".bmes", ".iob", ".iob2", ".ner", ".tags", ".data", ".dat", ".annotated"}


@dataclass(frozen=True)
class Given:
    """One place that records are read from.

    - `fixed`: settings of its format that its place alone tells: a member of a zip, a split, a label for all rows.
    """

    path: str
    fixed: dict[str, Any] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        """How messages call it."""
        inside = self.fixed.get("member", self.fixed.get("split"))
        return self.path if inside is None else f"{self.path}:{inside}"


@dataclass(frozen=True)
class Files:
    """Where the records lie, by split, and what lies beside them.

    - `class_list`: a file that may name the classes; `ignored`: files that were seen and are not read.
    - `beside`: whether the other splits were found beside the file that was named.
    """

    splits: dict[str, list[Given]]
    class_list: Path | None = None
    ignored: tuple[str, ...] = ()
    beside: bool = False


def find_files(data: str, *, labelled: bool = True) -> Files:
    """What a path means: a file, with the other splits beside it if it is called train; a zip; a folder; a pattern.

    Names of files and folders may be labels where the task is `labelled`.

    Raises:
        Refusal: there is nothing, or it cannot be told which of several files is meant.
    """
    path = Path(data)
    if not data.strip():
        raise Refusal("the path of the data is empty; give that of a file or a folder")
    if path.suffix.lower() in OFFICE:
        raise Refusal(f"{data}: is no text but a file of an office program; save it there as CSV UTF-8, and give that")
    if path.is_dir():
        return _in_folder(path, labelled=labelled)
    if is_remote(data) or data.startswith("package:") or not path.is_file():
        return Files({"train": [Given(data)]})
    folder = path.parent
    found = Files({"train": [Given(_told(data))]}, _class_list(folder, path.name))
    if path.suffix.lower() == ".zip":
        return _in_zip(path, found)
    if split_of(path.name) != "train":
        return found
    beside = _by_split(_siblings(path))
    splits = found.splits | {name: given for name, given in beside.items() if name != "train"}
    return replace(found, splits=splits, beside=len(splits) > 1)


def _siblings(path: Path) -> list[Path]:
    """The files beside a training file that belong to it.

    Those that are named like it but for the split; for a split that has none, those of its suffix, or in a small folder
    all, unless they are named like another training file.
    """
    files = _data_files(path.parent)
    others = {bare(file) for file in files if split_of(file.name) == "train"} - {bare(path)}
    near = [file for file in files if file.suffix.lower() == path.suffix.lower() or len(files) <= 4]
    own = {split_of(file.name) for file in near if bare(file) == bare(path)}
    return [
        file
        for file in near
        if bare(file) == bare(path) or (bare(file) not in others and split_of(file.name) not in own)
    ]


def _refuse_several(folder: Path, files: Sequence[Path]) -> None:
    """Raise `Refusal` for a folder of several data sets, each of which has a training file and another split."""
    of = {split: {bare(file) for file in files if split_of(file.name) == split} for split in SPLITS}
    if len(several := sorted(of["train"] & (of["validation"] | of["test"]))) > 1:
        first = next(file for file in files if split_of(file.name) == "train" and bare(file) == several[0])
        raise Refusal(
            f"{folder}: holds several data sets ({', '.join(several)}), each with splits of its own; name the training "
            f"file of one, as {first}"
        )


def _in_zip(path: Path, found: Files) -> Files:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if _is_data(Path(name))]
    except (zipfile.BadZipFile, OSError) as error:
        raise Refusal(f"{path}: the zip is damaged or cut short ({error}); fetch or pack it again") from error
    splits = _grouped(names, lambda name: Given(str(path), {"member": name}))
    if "train" in splits:
        return replace(found, splits=splits)
    if len(names) == 1:
        return replace(found, splits={"train": [Given(str(path), {"member": names[0]})]})
    if not names:
        raise Refusal(f"{path}: the zip holds no file that danlu reads; name the file in it, as member=NAME")
    raise Refusal(f"{path}: the zip holds several files ({_some(names)}); name one of them, as member={names[0]}")


def _in_folder(folder: Path, *, labelled: bool) -> Files:
    """What a folder means: splits, one file, files of one kind, a folder for each class, documents."""
    classes = _class_list(folder, "")
    if saved := _saved(folder):
        used = {given.fixed.get("split") for each in saved.values() for given in each}
        return Files(saved, ignored=tuple(name for name in _saved_splits(folder) if name not in used))
    if any(folder.rglob("*.ann")):
        return _folders_by_split(folder, _annotated) or Files({"train": [Given(_told(folder))]})
    if found := _folders_by_split(folder, partial(_records_of_folder, labelled=labelled)):
        return replace(found, class_list=classes)
    files = _data_files(folder)
    _refuse_several(folder, files)
    splits = _by_split(files)
    if "train" in splits:
        return Files(splits, classes, tuple(file.name for file in files if split_of(file.name) is None))
    others = [file for file in files if split_of(file.name, surely=True) is None]
    splits = _by_split(sorted({*files} - {*others}))
    mixed = len({_suffix(file) for file in files}) > 1  # as documents may be, and splits are not
    if _are_about_folders(files, folder) or _are_documents(others) or (mixed and _are_documents(files)):
        splits = {}
    if splits and others:
        return Files({"train": _records_of(others, folder, labelled=labelled), **splits}, classes)
    if len(splits) > 1:
        raise Refusal(
            f"{folder}: holds files for validation and test ({_some(files)}) and none to learn from; put one beside "
            f"them, or name one of them, as {files[0]}"
        )
    return Files({"train": _records_of_folder(folder, labelled=labelled)}, classes)


def _saved(folder: Path) -> dict[str, list[Given]]:
    """The splits of a folder that the datasets library has saved; none for another."""
    if (folder / "dataset_dict.json").is_file():
        inner = _saved_splits(folder)
        named = {split: name for name in reversed(inner) if (split := split_of(name)) is not None}
        if "train" not in named and (others := [name for name in inner if split_of(name) is None]):
            named["train"] = others[0]
        return {split: [Given(_told(folder), {"kind": "hub", "split": name})] for split, name in named.items()}
    return {"train": [Given(_told(folder), {"kind": "hub"})]} if (folder / "state.json").is_file() else {}


def _saved_splits(folder: Path) -> list[str]:
    """The names of the splits of such a folder."""
    return sorted(path.name for path in folder.iterdir() if (path / "state.json").is_file())


def _folders_by_split(folder: Path, read: Callable[[Path], list[Given]]) -> Files | None:
    """What lies in folders that are called train, dev, test; None unless there is one for training."""
    inner: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.is_dir() and (split := split_of(path.name)) and (_data_files(path) or _class_folders(path)):
            inner.setdefault(split, []).append(path)
    if "train" not in inner:
        return None
    meant = {split: [path for path in paths if is_part(path.name)] or paths for split, paths in inner.items()}
    ignored = tuple(path.name for split, paths in inner.items() for path in paths if path not in meant[split])
    found = {split: [given for path in meant[split] for given in read(path)] for split in SPLITS if split in meant}
    return Files(found, ignored=ignored)


def _annotated(folder: Path) -> list[Given]:
    """A folder as brat has left it."""
    return [Given(_told(folder))]


def _records_of_folder(folder: Path, *, labelled: bool) -> list[Given]:
    """All records of a folder without splits."""
    files = _data_files(folder)
    if not files or _are_about_folders(files, folder):
        return _classes_of_folders(folder, labelled=labelled)
    return _records_of(files, folder, labelled=labelled)


def _records_of(files: Sequence[Path], folder: Path, *, labelled: bool) -> list[Given]:
    """All records of files of a folder."""
    suffixes = {_suffix(file) for file in files}
    if len(files) == 1:
        return [Given(_told(files[0]))]
    if _are_named(files):
        return [Given(_told(file), {"constants": {"label": file.stem}} if labelled else {}) for file in files]
    if _are_documents(files):
        return [Given(_told(folder), {"kind": "folder"})]
    if len(suffixes) > 1:
        raise Refusal(
            f"{folder}: holds files of several kinds ({_some(files)}); name one of them instead of the folder"
        )
    pattern = f"*{files[0].suffix}"
    named = any(sign in str(folder) for sign in "*?[")  # a pattern would take the folder's own name for one
    if named or set(folder.glob(pattern)) != set(files):  # it would take in what is no data, such as names of classes
        return [Given(_told(file)) for file in files]
    return [Given(_told(folder / pattern))]


def _classes_of_folders(folder: Path, *, labelled: bool) -> list[Given]:
    """The folders in a folder, each named like the class of the documents in it."""
    found = [
        Given(_told(path), {"kind": "folder"} | ({"constants": {"label": path.name}} if labelled else {}))
        for path in _class_folders(folder)
    ]
    if not found:
        raise Refusal(f"{folder}: holds no file that danlu reads; name the file with the data")
    return found


def _class_folders(folder: Path) -> list[Path]:
    """The folders in a folder that hold documents and may be classes."""
    inner = [path for path in folder.iterdir() if path.is_dir() and path.name[0] not in "._" and path.name != "unsup"]
    return sorted(path for path in inner if any(file.suffix.lower() in DOCUMENTS for file in path.rglob("*")))


def _are_about_folders(files: Sequence[Path], folder: Path) -> bool:
    """Whether files tell of the folders of documents beside them, as `urls_pos.txt` beside `pos` in aclImdb."""
    names = [path.name for path in folder.iterdir() if path.is_dir()]
    named = all(any(name in file.stem for name in names) for file in files)
    return named and len(_class_folders(folder)) > 1


def _are_named(files: Sequence[Path]) -> bool:
    """Whether files of texts have names of what is in them, such as a class."""
    texts = len(files) <= 20 and {_suffix(file) for file in files} == {".txt"}
    return texts and all(_may_be_label(file.stem) for file in files)


def _are_documents(files: Sequence[Path]) -> bool:
    """Whether each of several files is a text by itself, so that no name tells a split."""
    texts = len(files) > 1 and {_suffix(file) for file in files} <= set(DOCUMENTS)
    return texts and not _are_named(files) and not all(is_split(file.stem) for file in files)


def _may_be_label(stem: str) -> bool:
    """Whether the name of a file may be that of a class: a word, not the number of a document, nor a split."""
    return bool(re.fullmatch(r"[^\W\d][\w -]{0,30}", stem)) and not is_split(stem)


def _by_split(files: Iterable[Path]) -> dict[str, list[Given]]:
    return _grouped([str(file) for file in files], lambda name: Given(_told(name)))


def _some(names: Sequence[str | Path]) -> str:
    return ", ".join(Path(name).name for name in names[:8]) + (", ..." if len(names) > 8 else "")


def _grouped(names: Iterable[str], given: Callable[[str], Given]) -> dict[str, list[Given]]:
    found: dict[str, list[Given]] = {}
    for name in names:
        if split := split_of(Path(name).name):
            found.setdefault(split, []).append(given(name))
    return {split: found[split] for split in SPLITS if split in found}


def _data_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and _is_data(path))


def _is_data(path: Path) -> bool:
    name = path.name
    if name.startswith((".", "__")) or "__MACOSX" in path.parts or CLASSES.fullmatch(name) or _OTHERS.match(name):
        return False
    known = _suffix(path) in {*SUFFIXES, *_MORE_SUFFIXES}
    return (known or (not path.suffix and split_of(name) is not None)) and not _OTHERS.search(name)


def _suffix(path: Path) -> str:
    return Path(path.stem).suffix.lower() if path.suffix.lower() == ".gz" else path.suffix.lower()


def _class_list(folder: Path, name: str) -> Path | None:
    """The file in a folder that lists classes, if there is one and it is not the data itself."""
    found = sorted(path for path in folder.iterdir() if CLASSES.fullmatch(path.name) and path.name != name)
    return next((path for path in found if path.is_file()), None)


def _told(path: str | Path) -> str:
    """A path as a recipe may hold it: one that begins with @ would be a stage."""
    text = str(path)
    return f"./{text}" if text.startswith(("@", "package:")) else text
