"""Code that a page quotes by its name, so that what it shows is never older than the code.

A paragraph that is a link alone, [`danlu.text.viterbi.best_states`](../../src/danlu/text/viterbi.py), becomes the lines
of that function, class or value. A title such as "one text ... another" takes the lines from the first that holds the
one to the next that holds the other. Where nothing is made of it, as in a viewer of the repository, it leads to the
file.
"""

import ast
import re
import textwrap
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
QUOTE = re.compile(
    r"^\[`(?P<name>danlu(?:\.\w+)+)`\]\((?P<path>(?:\.\./)+src/[\w/]+\.py)"
    r'(?: "(?P<first>.+?) \.\.\. (?P<last>.+?)")?\)$',
    re.MULTILINE,
)


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The page with the lines that it quotes."""
    return with_quotes(markdown)


def with_quotes(markdown: str) -> str:
    """A page whose quotes are blocks of code. Raises `LookupError` for a name or a line that is no longer there."""
    return QUOTE.sub(lambda found: _block(**found.groupdict()), markdown)


def _block(name: str, path: str, first: str | None, last: str | None) -> str:
    file = path[path.index("src/") :]
    lines = quoted(name, file)
    if first is not None and last is not None:
        lines = _between(lines, first, last, name)
    shown = textwrap.dedent("\n".join(lines))
    return f'```python title="{file}"\n{shown}\n```'


def quoted(name: str, file: str) -> list[str]:
    """The lines of a function, a class or a value of a module by its whole name."""
    module = file.removeprefix("src/").removesuffix(".py").replace("/", ".")
    if not name.startswith(f"{module}."):
        raise LookupError(f"{name} does not lie in {file}")
    text = (ROOT / file).read_text("utf-8")
    node: ast.AST = ast.parse(text)
    for part in name.removeprefix(f"{module}.").split("."):
        within = {defined: each for each in ast.iter_child_nodes(node) for defined in _names(each)}
        if part not in within:
            raise LookupError(f"{file} has no {name}")
        node = within[part]
    assert isinstance(node, ast.stmt)
    decorators = getattr(node, "decorator_list", [])
    start = min([node.lineno, *(each.lineno for each in decorators)])
    return text.splitlines()[start - 1 : node.end_lineno]


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _between(lines: list[str], first: str, last: str, name: str) -> list[str]:
    start = next((number for number, line in enumerate(lines) if first in line), None)
    end = None if start is None else next((n for n in range(start, len(lines)) if last in lines[n]), None)
    if start is None or end is None:
        raise LookupError(f"{name} has no lines from '{first}' to '{last}'")
    return lines[start : end + 1]
