"""How help is printed: words that are too long for a column are folded, and a reader that has seen enough may go."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def folded_help() -> Iterator[None]:
    """Within the block tables of help break words: Chinese has no spaces, and what is too long was cut off.

    Raises:
        BrokenPipeError: whoever reads the help has gone, such as `head`; rich would end the process with 1.
    """
    from rich.table import Table
    from typer import rich_utils

    class Folded(Table):
        def add_row(self, *cells: Any, **how: Any) -> None:
            super().add_row(*map(_folded, cells), **how)

    places: Any = rich_utils  # which has no setting for it
    usual, places.Table = places.Table, Folded
    try:
        yield
    except SystemExit as ended:
        if ended.code == 1:
            raise BrokenPipeError from None
        raise
    finally:
        places.Table = usual


def _folded(cell: Any) -> Any:
    """A cell whose texts break words."""
    from rich.columns import Columns
    from rich.text import Text

    for text in cell.renderables if isinstance(cell, Columns) else [cell]:
        if isinstance(text, Text):
            text.overflow = "fold"
    return cell
