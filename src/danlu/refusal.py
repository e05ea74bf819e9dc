"""The one error that is meant for people."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Refusal(ValueError):
    """What the user gave cannot be used: one sentence with the place, what was expected and what to do.

    The command line prints it and exits with 2; anything else that is raised is a mistake of ours.
    """


@contextmanager
def of_file(name: str | Path) -> Iterator[None]:
    """Name the file in a refusal that names a record of it alone, as what works on records must."""
    try:
        yield
    except Refusal as refusal:
        if not str(refusal).lower().startswith("record "):
            raise
        raise Refusal(f"{name}, {str(refusal)[0].lower()}{str(refusal)[1:]}") from refusal


@contextmanager
def of_record(name: str, number: int) -> Iterator[None]:
    """Name the file and the record in a refusal of what looks at one record alone."""
    try:
        yield
    except Refusal as refusal:
        raise Refusal(f"{name}: record {number}: {refusal}") from refusal
