"""Where the files lie that a path or a pattern of this machine means, also inside installed packages."""

import glob
import os.path
import re
from collections import Counter
from importlib.metadata import PackageNotFoundError, requires
from importlib.util import find_spec
from pathlib import Path

from danlu.refusal import Refusal

_PACKAGE = "package:"


def located(name: str) -> Path:
    """The place of a path, `~` the home folder; `package:name/inside.txt` is found in an installed package unimported.

    Raises:
        Refusal: the package is not installed, or the path leads out of it.
    """
    if not name.startswith(_PACKAGE):
        return Path(_at_home(name))
    package, _, inside = name.removeprefix(_PACKAGE).partition("/")
    if not package.isidentifier() or not inside or ".." in Path(inside).parts or Path(inside).is_absolute():
        raise Refusal(f"{name}: expected 'package:name/file', a file inside an installed package")
    spec = find_spec(package)
    if spec is None:
        raise Refusal(f"{name}: the package '{package}' is not installed; run: pip install {_requirement(package)}")
    folders = list(spec.submodule_search_locations or [])
    return next((Path(f) / inside for f in folders if (Path(f) / inside).exists()), Path(*folders[:1], inside))


def at_home(path: str | Path) -> Path:
    """A path in which `~` and `~name` stand for home folders, where no file has that very name.

    Raises:
        Refusal: there is no such user, or nobody knows the home folder.
    """
    plain = Path(path)
    try:
        return plain.expanduser()
    except RuntimeError:
        if plain.exists():
            return plain
        raise Refusal(
            f"{path}: '{plain.parts[0]}' is the home folder of nobody on this machine; write the whole path"
        ) from None


def matching(name: str) -> list[str]:
    """The names, sorted, that a name with `*`, `?`, `[...]` or `**` means; without them, or where it is there, itself.

    Raises:
        Refusal: as `located` does.
    """
    if not any(sign in name for sign in "*?["):
        return [name]
    if name.startswith(_PACKAGE):
        before, _, pattern = name.rpartition("/")
        folder = located(before if "/" in before else f"{before}/.")
        return [f"{before}/{file.name}" for file in sorted(folder.glob(pattern))]
    path = _at_home(name)
    return [name] if Path(path).exists() else sorted(glob.glob(path, recursive=True))  # noqa: PTH207  (absolute ones)


def _at_home(name: str) -> str:
    return os.path.expanduser(name)  # noqa: PTH111  (who has no home folder keeps the `~`)


def _requirement(package: str) -> str:
    """What to ask pip for: the smallest extra of danlu that brings the package, or the package itself."""
    try:
        stated = [requirement.partition(";") for requirement in requires("danlu") or []]
    except PackageNotFoundError:
        stated = []
    sizes = Counter(condition for _, _, condition in stated)
    bringing = [condition for name, _, condition in stated if re.match(rf"{re.escape(package)}\b", name)]
    extras = re.findall(
        r"extra == ['\"]([\w-]+)['\"]", min(bringing, key=lambda condition: sizes[condition], default="")
    )
    return f"'danlu[{extras[0]}]'" if extras else package
