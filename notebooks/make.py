"""Notebooks from their sources: `python notebooks/make.py` writes NAME.ipynb beside NAME.py.

A source is Python in cells (`# %%`, `# %% [markdown]`), as editors and Jupytext know it. Lines of a shell or of IPython
stand in comments, `# !danlu run recipe.yaml` and `# %pip install danlu`, and are uncommented in the notebook.
"""

import json
import re
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
_MARK = re.compile(r"^# %%(?P<markdown> \[markdown\])?$", re.MULTILINE)
_MAGIC = re.compile(r"^# ([!%])(?=\w)", re.MULTILINE)


def cells(source: str) -> list[tuple[str, str]]:
    """The cells of a source: `markdown` or `code`, and their text; what stands before the first is left out."""
    marks = list(_MARK.finditer(source))
    ends = [mark.start() for mark in marks[1:]] + [len(source)]
    found = []
    for mark, end in zip(marks, ends, strict=True):
        text = source[mark.end() : end].strip("\n")
        if mark["markdown"]:
            text = "\n".join(line.removeprefix("#").removeprefix(" ") for line in text.split("\n"))
        found.append(("markdown" if mark["markdown"] else "code", text))
    return found


def notebook(source: str) -> dict[str, Any]:
    """A source as a notebook of Jupyter (nbformat 4.5), without outputs."""
    made = []
    for number, (kind, text) in enumerate(cells(source)):
        shown = _MAGIC.sub(r"\1", text) if kind == "code" else text
        cell: dict[str, Any] = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}}
        cell["source"] = shown.splitlines(keepends=True)
        if kind == "code":
            cell |= {"execution_count": None, "outputs": []}
        made.append(cell)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def written(source: str) -> str:
    """The file of a notebook."""
    return json.dumps(notebook(source), ensure_ascii=False, indent=1) + "\n"


def sources() -> list[Path]:
    """The sources, in their order."""
    return sorted(HERE.glob("[0-9]*.py"))


if __name__ == "__main__":
    for path in sources():
        path.with_suffix(".ipynb").write_text(written(path.read_text(encoding="utf-8")), encoding="utf-8")
