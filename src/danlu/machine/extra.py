"""Libraries that come with an extra of the package."""

from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from danlu.refusal import Refusal


class NotInstalled(Refusal):
    """What is lacking is a package, not something in what was given."""


def needed(module: str, extra: str, what: str) -> Any:
    """Import a module that `what` needs.

    Raises:
        NotInstalled: names the extra that brings it.
    """
    try:
        return import_module(module)
    except ImportError:
        raise NotInstalled(
            f"{what} needs the package '{module.partition('.')[0]}'; run: pip install 'danlu[{extra}]'"
        ) from None


def refuse_missing(modules: Iterable[str], extra: str, what: str) -> None:
    """Tell which module that `what` needs is not there, without importing any.

    Raises:
        Refusal: one is not installed; names the extra that brings it.
    """
    for module in modules:
        if find_spec(module) is None:
            raise Refusal(f"{what} needs the package '{module}'; run: pip install 'danlu[{extra}]'")
