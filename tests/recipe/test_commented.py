"""Recipes with comments: what is written is read back as it was."""

from hypothesis import given
from hypothesis import strategies as st

from danlu.recipe.commented import WIDTH, commented, inline
from danlu.recipe.yaml_text import parse

HOSTILE = [
    "",
    "no",
    "1e-4",
    "12:30",
    "<<",
    "0x1",
    " a",
    "a: b",
    "#x",
    "@a",
    "- x",
    "? y",
    "a\nb",
    "\x85",
    "\u2028",
    "!x",
]
SIGNS = ["!x", "&a", "*b", "中文：名 字", "{a}", "[b", "a" * 300, "C:\\new\\table.csv", *"~=%`'\"|>"]
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
TEXTS = st.text(CHARACTERS) | st.sampled_from([*HOSTILE, *SIGNS])
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.floats(allow_nan=False, allow_infinity=False)
PLAIN = st.recursive(
    TEXTS | NUMBERS | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@given(PLAIN, TEXTS, TEXTS)
def test_every_value_comes_back_whatever_the_comments_say(value, comment, head):
    recipe = {"name": "x", "stages": {"a": {"data": value, "b": {"c": value}, "d": [{"e": value}, {"f": 1}]}}}
    text = commented(recipe, {("stages", "a", "data"): comment, ("name",): comment}, head)
    assert parse(text, "x")[0] == recipe


@given(PLAIN)
def test_a_value_stays_on_its_line(value):
    assert len(inline(value).splitlines()) == 1
    assert parse(f"x: {inline(value)}\n", "x")[0] == {"x": value}


def test_a_recipe_reads_as_people_write_it():
    recipe = {
        "name": "reviews",
        "stages": {
            "clean": {"kind": "prepare", "data": {"kind": "csv", "columns": {"text": "评论"}}, "split": {}},
            "model": {"kind": "train", "data": "@clean", "validation": [{"path": "a"}, {"path": "b: c"}]},
        },
    }
    comments = {("stages", "clean", "data"): "two words " * 20 + "\nand a line", ("stages", "model"): "the model"}
    text = commented(recipe, comments, "What this is")
    assert text.splitlines()[:5] == ["# What this is", "name: reviews", "stages:", "  clean:", "    kind: prepare"]
    assert text.splitlines()[5:7] == ["    # " + " ".join(["two words"] * count) for count in (11, 9)]
    assert text.splitlines()[7:] == [
        "    # and a line",
        "    data: {kind: csv, columns: {text: 评论}}",
        "    split: {}",
        "  # the model",
        "  model:",
        "    kind: train",
        '    data: "@clean"',
        "    validation:",
        "      - {path: a}",
        "      - {path: 'b: c'}",
    ]
    assert max(map(len, text.splitlines())) <= WIDTH + 6
