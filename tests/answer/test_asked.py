"""Floors above ask the form of an answer; none of them looks into a prediction, or at the type of a value, itself."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "danlu"
FLOORS = ("evaluate", "cli", "apps", "bundle", "stages", "train")
FILES = [path for floor in FLOORS for path in sorted((SOURCE / floor).rglob("*.py"))]
SAID = {"prediction", "predictions", "answer", "answered", "truth", "gold", "guess"}
KEYS = {"label", "labels", "scores", "number", "entities", "choice", "ranking", "vector", "negative_log_likelihood"}
KEYS |= {"tokens", "perplexity", "fills", "tags"}


def named(node):
    """The name at the root of an expression: that of `prediction` in `prediction["scores"]["a"]`."""
    while isinstance(node, ast.Subscript | ast.Attribute):
        inner = node.slice if isinstance(node, ast.Subscript) else None
        if isinstance(inner, ast.Constant) and inner.value in ("prediction", "gold", "answer"):
            return inner.value
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def looks(tree):
    """Places where a prediction is looked into, or the type of a value is asked for."""
    for node in ast.walk(tree):
        said, key = "", None
        match node:
            case ast.Subscript(value=value, slice=ast.Constant(value=key)):
                said = named(value)
            case ast.Compare(left=ast.Constant(value=key), ops=[ast.In() | ast.NotIn()], comparators=[value]):
                said = named(value)
            case ast.Call(func=ast.Attribute(value=value, attr="get"), args=[ast.Constant(value=key), *_]):
                said = named(value)
            case ast.Call(func=ast.Name(id="isinstance"), args=[value, _]):
                said, key = named(value), "label"
        if said in SAID and key in KEYS:
            yield f"line {node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_no_floor_above_looks_into_a_prediction(path):
    assert not list(looks(ast.parse(path.read_text(encoding="utf-8"))))


def test_the_floors_are_seen_and_a_look_is_noticed():
    assert len(FILES) > 100
    for line in (
        'prediction["label"]',
        '"entities" in prediction',
        'error["prediction"]["scores"]',
        'prediction.get("scores", {})',
        "isinstance(truth, str)",
        'found["prediction"]["label"]',
    ):
        assert list(looks(ast.parse(line))), line
    assert not list(looks(ast.parse('record["label"], scores["labels"], isinstance(value, str)')))
