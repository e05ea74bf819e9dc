"""Which sentences the code refuses with, and tells while it works: their forms, with `{0}`, `{1}` where values stand.

`python tests/sentences/said_by_us.py` tells what the Chinese catalogue lacks and what in it has gone out of use.
"""

import ast
import json
import re
from collections import deque
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from said_by_others import OTHERS

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "danlu"
CATALOGUE = SOURCE / "locale" / "zh" / "sentences.json"

FLOW = {
    "Refusal", "Empty", "Unfit", "Failed", "Absent", "Problem", "Lost", "Unjudged", "PydanticCustomError", "_refuse",
}  # fmt: skip
"""What is raised with a sentence; `_refuse` prints one. Other classes are found as those that inherit of these."""

_ALSO = {"opened", "BadParameter", "needed", "ValueError", "say", "tell", "reject"}
"""What takes a sentence, and of which no other class is made."""

_DESCRIBES = {"Field", "Option", "Argument", "translator", "_", "said"}
"""What describes a setting, or is said in both languages already."""

_LISTS = {"COMMANDS", "_OPENING"}
"""Constants whose values are no pieces of a sentence: lines of the help, what a model is told."""

FIELDS = re.compile(r"\{\d+\}")

_WORDS = re.compile(r"[A-Za-z]{2,}[ ,;'\"][^A-Za-z]*[A-Za-z]{2,}|[;:] [a-z]{3,}|^[a-z]{3,} | [a-z]{3,}$")


class Module:
    """One file: its functions, what names mean in it, and whatever it raises."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tree = ast.parse(path.read_text(encoding="utf-8"))
        self.nodes = [*_nodes(self.tree)]
        self.functions: dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]] = {}
        self.constants: dict[str, ast.expr] = {}
        self.imported: dict[str, tuple[str, str]] = {}
        for node, _ in self.nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                self.functions.setdefault(node.name, []).append(node)
            elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("danlu"):
                self.imported |= {each.asname or each.name: (node.module, each.name) for each in node.names}
        for node in self.tree.body + [
            each for cls in self.tree.body if isinstance(cls, ast.ClassDef) for each in cls.body
        ]:
            for target, value in _assigned(node):
                if target not in _LISTS:
                    self.constants[target] = value


def _nodes(top: ast.AST) -> Iterator[tuple[ast.AST, ast.AST | None]]:
    """Every node, in the order of `ast.walk`, with the innermost function that it is in."""
    todo: deque[tuple[ast.AST, ast.AST | None]] = deque([(top, None)])
    while todo:
        node, inside = todo.popleft()
        yield node, inside
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            inside = node
        for name in node._fields:
            value = getattr(node, name, None)
            for each in value if isinstance(value, list) else (value,):
                if isinstance(each, ast.AST):
                    todo.append((each, inside))


@cache
def _assigned_in(function: ast.AST) -> dict[str, list[ast.expr]]:
    """What each name of a function may stand for."""
    found: dict[str, list[ast.expr]] = {}
    for node, _ in _nodes(function):
        for target, value in _assigned(node):
            found.setdefault(target, []).append(value)
    return found


def _assigned(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node, ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Name):
                yield target.id, node.value
            elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = zip(target.elts, node.value.elts, strict=False)
                yield from ((each.id, value) for each, value in pairs if isinstance(each, ast.Name))
    elif isinstance(node, ast.AnnAssign | ast.AugAssign | ast.NamedExpr) and isinstance(node.target, ast.Name):
        yield from ((node.target.id, value) for value in [node.value] if value is not None)


@cache
def module(name: str) -> Module | None:
    path = SOURCE.parent / f"{name.replace('.', '/')}.py"
    return Module(path) if path.is_file() else None


def _says_nothing(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether it returns no text by itself, for others to say something in its place."""
    last = function.body[-1]
    return isinstance(last, ast.Return) and isinstance(last.value, ast.Constant) and last.value.value == ""


@cache
def _overriding(name: str) -> list[Module]:
    """The files that have a function of this name."""
    found = [path for path in sorted(SOURCE.rglob("*.py")) if f"def {name}(self" in path.read_text(encoding="utf-8")]
    names = [".".join(path.relative_to(SOURCE.parent).with_suffix("").parts) for path in found]
    return [each for each in map(module, names) if each]


class Flow:
    """Follows expressions back to the texts that they are made of."""

    def __init__(self) -> None:
        self.forms: dict[str, str] = dict.fromkeys(OTHERS, "pydantic and click")
        self.custom = False  # a text of pydantic's own errors, in which values have names
        self._seen: set[int] = set()

    def follow(self, node: ast.expr | None, at: Module, inside: ast.AST | None) -> None:
        if node is None or id(node) in self._seen:
            return
        self._seen.add(id(node))
        if isinstance(node, ast.Constant | ast.JoinedStr | ast.BinOp):
            self._text(node, at, inside)
        elif isinstance(node, ast.Name):
            self._name(node.id, at, inside)
        elif isinstance(node, ast.Attribute):
            self._name(node.attr, at, None)
        elif isinstance(node, ast.Call):
            self._call(node, at, inside)
        else:
            for each in _within(node):
                self.follow(each, at, inside)

    def _text(self, node: ast.expr, at: Module, inside: ast.AST | None) -> None:
        pieces: list[str] = []
        count = 0
        for each in _parts(node):
            if isinstance(each, str):
                pieces.append(each.replace("{", "{{").replace("}", "}}"))
                continue
            value = self._constant(each, at)
            if value is not None:
                pieces.append(value)
                continue
            pieces.append(f"{{{count}}}")
            count += 1
            self.follow(each, at, inside)
        form = "".join(pieces)
        if self.custom:
            form = _numbered(form)
        if _WORDS.search(re.sub(r"\{\d+\}", "", form)):
            self.forms.setdefault(form, f"{at.path.relative_to(ROOT)}:{node.lineno}")

    def _constant(self, node: ast.expr, at: Module) -> str | None:
        """The text of a constant in capitals, which is written into the sentence as it stands."""
        if isinstance(node, ast.Name) and node.id.lstrip("_").isupper():
            found = at.constants.get(node.id)
            if found is None and node.id in at.imported:
                other = module(at.imported[node.id][0])
                found = other.constants.get(at.imported[node.id][1]) if other else None
            if isinstance(found, ast.Constant) and isinstance(found.value, str):
                return found.value.replace("{", "{{").replace("}", "}}")
        return None

    def _name(self, name: str, at: Module, inside: ast.AST | None) -> None:
        if inside is not None:
            for value in _assigned_in(inside).get(name, ()):
                self.follow(value, at, inside)
        if name in at.constants:
            self.follow(at.constants[name], at, None)
        elif name in at.imported and (other := module(at.imported[name][0])):
            found = at.imported[name][1]
            if found in other.constants:
                self.follow(other.constants[found], other, None)

    def _call(self, node: ast.Call, at: Module, inside: ast.AST | None) -> None:
        called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if called in _DESCRIBES or isinstance(node.func, ast.Call):  # as translator(language)("...")
            return
        for each in [*node.args, *(pair.value for pair in node.keywords)]:
            self.follow(each, at, inside)
        if isinstance(node.func, ast.Attribute):
            if node.func.attr in ("join", "format", "removeprefix", "replace", "get", "capitalize", "lower", "rstrip"):
                self.follow(node.func.value, at, inside)
            owner = node.func.value
            if isinstance(owner, ast.Name) and owner.id in at.imported:
                source, name = at.imported[owner.id]
                self._returned(node.func.attr, module(f"{source}.{name}"))
            elif isinstance(owner, ast.Name) and owner.id in ("self", "cls"):
                self._returned(node.func.attr, at)
                if node.func.attr in at.functions and _says_nothing(at.functions[node.func.attr][0]):
                    for other in _overriding(node.func.attr):
                        self._returned(node.func.attr, other)
        elif isinstance(node.func, ast.Name):
            if node.func.id in at.functions:
                self._returned(node.func.id, at)
            elif node.func.id in at.imported:
                self._returned(at.imported[node.func.id][1], module(at.imported[node.func.id][0]))

    def _returned(self, name: str, at: Module | None) -> None:
        for function in at.functions.get(name, ()) if at else ():
            for node in ast.walk(function):
                if isinstance(node, ast.Return | ast.Yield):
                    self.follow(node.value, at, function)


def _within(node: ast.expr) -> Iterator[ast.expr]:
    """What an expression may come to, of which some are texts."""
    if isinstance(node, ast.IfExp):
        yield from (node.body, node.orelse)
    elif isinstance(node, ast.BoolOp | ast.Dict):
        yield from node.values
    elif isinstance(node, ast.List | ast.Tuple | ast.Set):
        yield from node.elts
    elif isinstance(node, ast.ListComp | ast.GeneratorExp | ast.SetComp):
        yield node.elt
    elif isinstance(node, ast.Lambda):
        yield node.body
    elif isinstance(node, ast.DictComp | ast.Starred | ast.Subscript | ast.Await | ast.NamedExpr):
        yield node.value


def _numbered(form: str) -> str:
    """A text with `{name}` for each value, with numbers in place of the names."""
    names = list(dict.fromkeys(_NAMED.findall(form)))
    return _NAMED.sub(lambda found: f"{{{names.index(found[1])}}}", form)


_NAMED = re.compile(r"\{\{([a-z_]+)\}\}")


def _parts(node: ast.expr) -> Iterator[str | ast.expr]:
    if isinstance(node, ast.Constant):
        yield node.value if isinstance(node.value, str) else ""
    elif isinstance(node, ast.JoinedStr):
        for each in node.values:
            yield from _parts(each)
    elif isinstance(node, ast.FormattedValue):
        yield node.value
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        yield from _parts(node.left)
        yield from _parts(node.right)
    else:
        yield node


def _sentences(at: Module) -> Iterator[tuple[ast.expr, ast.AST | None, bool]]:
    """What is raised in a file, in which function, and whether its values have names."""
    kinds = FLOW | {
        node.name
        for node, _ in at.nodes
        if isinstance(node, ast.ClassDef) and any(isinstance(base, ast.Name) and base.id in FLOW for base in node.bases)
    }
    for node, inside in at.nodes:
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        raised = name in kinds or name in _ALSO
        for each in node.args if raised else ():
            yield each, inside, name == "PydanticCustomError" and len(node.args) > 2


def forms() -> dict[str, str]:
    """Every form of a sentence, or of a piece of one, and a place where it stands."""
    flow = Flow()
    for path in sorted(SOURCE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if not any(name in text for name in FLOW | _ALSO):
            continue  # half of the files raise nothing, and are read only where others name what is in them
        at = module(".".join(path.relative_to(SOURCE.parent).with_suffix("").parts))
        for node, inside, flow.custom in _sentences(at) if at else ():
            flow.follow(node, at, inside)
    return flow.forms


def catalogue() -> dict[str, str]:
    return json.loads(CATALOGUE.read_text(encoding="utf-8")) if CATALOGUE.is_file() else {}


def _told(title: str, found: Iterable[str]) -> None:
    print(title)
    for each in found:
        print(f"  {json.dumps(each, ensure_ascii=False)}")


if __name__ == "__main__":
    there, known = forms(), catalogue()
    _told("lacking:", (each for each in there if each not in known))
    _told("out of use:", (each for each in known if each not in there))
