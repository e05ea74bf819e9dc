"""Made-up documents in English and Chinese to begin with, and questions that they answer."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from danlu.machine.files import write_bytes
from danlu.refusal import Refusal

QUESTIONS = "questions.csv"


def put_sample(folder: Path) -> Path:
    """Write the documents into a folder, and the questions beside it; gives the file of these.

    What is there already as it is here stays.

    Raises:
        Refusal: the folder holds other files.
    """
    given = {each.name: each.read_bytes() for each in _documents().iterdir() if each.is_file()}
    there = {each.name for each in folder.iterdir()} if folder.is_dir() else set()
    if there and not there <= given.keys():
        raise Refusal(f"{folder}: holds other files already; start without --sample, or name an empty folder")
    for name, data in given.items():
        if name not in there:
            write_bytes(folder / name, data)
    beside = folder.absolute().parent / QUESTIONS
    if not beside.exists():
        write_bytes(beside, (files("danlu.apps.knowledge") / "sample" / QUESTIONS).read_bytes())
    return beside


def _documents() -> Traversable:
    return files("danlu.apps.knowledge") / "sample" / "documents"
