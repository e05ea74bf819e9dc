"""Which bundles an application asks: those of a shelf while it serves, or opened for one command."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from danlu.bundle.answering import Answering
    from danlu.serve.shelf import Place, Shelf


@dataclass(frozen=True)
class Role:
    """What a bundle is needed for.

    - `accepts`: raises `Refusal` for one that cannot do it.
    - `kept`: what it says is kept, so that no other takes its place while the application runs.
    """

    accepts: Callable[[Answering], object]
    kept: bool = False


Roles = Mapping[str, Role]
Given = Mapping[str, str | Path | None]
"""Folders by the names of roles; None where there is none."""


def places(given: Given, roles: Roles, threads: int | None = None) -> list[Place]:
    """What a shelf is to open, so that each of them is refused that does not answer as it did, or cannot do it."""
    from danlu.serve.shelf import Place

    return [
        Place(name, str(path), threads=threads, accepts=roles[name].accepts, fixed=roles[name].kept)
        for name, path in given.items()
        if path is not None
    ]


def of_shelf(shelf: Shelf, roles: Roles) -> dict[str, Answering | None]:
    """The bundles by their roles, as the shelf has them open at any time; None where there is none."""
    from danlu.serve.shelved import Shelved

    return {name: Shelved(shelf, name) if name in shelf.names else None for name in roles}


@contextmanager
def opened(given: Given, roles: Roles, threads: int | None = None) -> Iterator[dict[str, Answering | None]]:
    """The bundles by their roles, closed at the end.

    Raises:
        Refusal: one cannot be opened, or cannot do what it is needed for.
    """
    with ExitStack() as stack:
        found: dict[str, Answering | None] = dict.fromkeys(roles)
        for name, path in given.items():
            if path is not None:
                from danlu.bundle.bundle import load  # which brings torch

                found[name] = bundle = stack.enter_context(load(path, threads=threads))
                roles[name].accepts(bundle)
        yield found
