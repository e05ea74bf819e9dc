"""Libraries that come with an extra of the package."""

from importlib import import_module
from typing import Any

from danlu.refusal import Refusal


def needed(module: str, extra: str, what: str) -> Any:
    """Import a module that `what` needs.

    Raises:
        Refusal: it is not installed; names the extra that brings it.
    """
    try:
        return import_module(module)
    except ImportError:
        raise Refusal(
            f"{what} needs the package '{module.partition('.')[0]}'; run: pip install 'danlu[{extra}]'"
        ) from None
