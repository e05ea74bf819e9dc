"""Edits of a YAML text: what was meant is in it, and nobody's comments are lost."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from danlu.recipe.commented import commented
from danlu.recipe.edited import comments_in, removed_from, renamed_in, set_in
from danlu.recipe.yaml_text import parse
from danlu.refusal import Refusal

RECIPE = """\
# head, of two
# lines
name: reviews   # beside a value
stages:

  clean:
    kind: prepare
    # where from: "#1"
    data:
      - {kind: csv, path: "a#b.csv"}  # first
      - kind: jsonl
        path: |
          long
          text
    split: {test: 0.1,
            validation: 0.2}
  model: {kind: train, tuning: lora, data: "@clean"}
seed: 7
# behind all
"""
COMMENTS = ["head, of two", "lines", "beside a value", 'where from: "#1"', "first", "behind all"]

words = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12) | st.sampled_from(
    ["@clean", "a: b", "# no comment", "no", "1e-4", "'", '"', "- x", "{", "\n", "é\u2028x", "null", "真"]
)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(0, 1, width=16) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words.filter(bool), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(
    ["name", "seed", "stages", "clean", "model", "data", "split", "test", "kind", "tuning", "x", "真"]
)
places = st.lists(names | st.integers(0, 2), min_size=1, max_size=5)


def values(text):
    return parse(text, "it")[0]


def comments(text):
    found, rest = comments_in(text)
    return sorted(filter(None, "\n".join([*found.values(), rest]).split("\n")))


def replaced(value, keys, new):
    """What an edit means, told once more and simply; None where it cannot be made."""
    if not keys:
        return new
    key = keys[0]
    if isinstance(value, str) and value and value[0] != "@" and isinstance(key, str):
        value = {"kind": value}
    if isinstance(value, list) and isinstance(key, int) and key <= len(value):
        inner = replaced(value[key] if key < len(value) else None, keys[1:], new)
        return None if inner is ... else [*value[:key], inner, *value[key + 1 :]]
    if isinstance(key, int) or not (value is None or isinstance(value, dict)):
        return ...
    inner = replaced((value or {}).get(key), keys[1:], new)
    return ... if inner is ... else {**(value or {}), key: inner}


@settings(max_examples=50)
@given(st.lists(st.tuples(places, plain), max_size=4))
def test_what_was_set_is_there_with_all_comments_whatever_was_set_before(edits):
    text, meant = RECIPE, values(RECIPE)
    for keys, value in edits:
        expected = replaced(meant, keys, value)
        if expected is ... or not isinstance(expected, dict):
            with pytest.raises(Refusal):
                set_in(text, tuple(keys), value)
            continue
        text, meant = set_in(text, tuple(keys), value), expected
        assert json.dumps(values(text)) == json.dumps(meant)  # the order of keys and the types of numbers as well
    kept = " ".join(" ".join(comments(text)).split())
    lost = [each for each in COMMENTS if each not in kept]
    if not any(keys[0] in ("stages", "name") for keys, _ in edits):  # what is replaced takes what stands in it along
        assert lost == []
    assert "head, of two" in kept


def test_an_edit_changes_its_own_line_alone():
    for keys, value, line in (
        (("seed",), 8, "seed: 8"),
        (("stages", "clean", "data", 0, "path"), "x: y", "      - {kind: csv, path: 'x: y'}  # first"),
        (("stages", "model", "tuning", "rank"), 4, "{kind: lora, rank: 4}"),
        (("stages", "clean", "split", "group"), "author", "            validation: 0.2, group: author}"),
    ):
        new = set_in(RECIPE, keys, value)
        changed = [one for one, other in zip(new.split("\n"), RECIPE.split("\n"), strict=True) if one != other]
        assert len(changed) == 1
        assert line in changed[0]
    assert set_in(RECIPE, ("stages", "test"), {"kind": "evaluate", "bundle": "@model"}) == RECIPE.replace(
        '"@clean"}\n', '"@clean"}\n  test:\n    kind: evaluate\n    bundle: "@model"\n'
    )
    assert renamed_in(RECIPE, ("stages", "clean"), "tidy") == RECIPE.replace("  clean:", "  tidy:")
    assert removed_from(RECIPE, ("seed",)) == RECIPE.replace("seed: 7\n", "")
    gone = removed_from(RECIPE, ("stages", "clean", "data", 1))
    assert values(gone)["stages"]["clean"]["data"] == [{"kind": "csv", "path": "a#b.csv"}]
    assert comments(gone) == sorted(COMMENTS)


def test_what_cannot_be_edited_in_its_place_is_written_anew_with_its_comments():
    text = "name: x # its name\n'stages': &all {a: {kind: train}}\n# of search\nsearch: *all\n"
    new = set_in(text, ("search", "a", "kind"), "tag")
    assert values(new) == {"name": "x", "stages": {"a": {"kind": "train"}}, "search": {"a": {"kind": "tag"}}}
    assert comments(new) == ["its name", "of search"]
    assert commented(values(new), *[comments_in(new)[0]]) == new


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda: set_in("name: x", ("name", 0), 1), "cannot stand in"),
        (lambda: set_in("- 1", ("name",), 1), "a recipe is a mapping"),
        (lambda: removed_from("name: x", ("seed",)), "there is no 'seed'"),
        (lambda: renamed_in(RECIPE, ("stages", "clean"), "model"), "'model' is there already"),
        (lambda: renamed_in(RECIPE, ("stages", "tidy"), "model"), "there is no 'tidy'"),
    ],
)
def test_what_cannot_be_done_is_told(edit, told):
    with pytest.raises(Refusal, match=told):
        edit()
