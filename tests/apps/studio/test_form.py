"""The form of a recipe: of every task it is the same after it was written as text, and mistakes stand at their keys."""

import json
from typing import Any

import pytest

from danlu.apps.studio.form import Edit, form_of, schema_of_recipes
from danlu.recipe.commented import commented
from danlu.recipe.part import find, kinds
from danlu.recipe.schema import keys
from danlu.recipe.yaml_text import parse
from danlu.refusal import Refusal
from danlu.task.task import Task


def recipe(task: dict[str, Any]) -> dict[str, Any]:
    train = {"kind": "train", "data": "@clean", "model": {"kind": "scratch", "size": "tiny"}, "task": task}
    return {
        "name": "it",
        "stages": {"clean": {"kind": "prepare", "data": {"kind": "csv", "path": "x.csv"}}, "m": train},
    }


def needed(kind: str) -> dict[str, Any]:
    """A task with what it needs beside its kind."""
    given: dict[str, Any] = {"kind": kind}
    examples = {"template": "en", "languages": ["zh", "en"]}
    return given | {
        key.name: examples.get(key.name, "x") for key in keys(find(Task, kind)) if key.needed and "." not in key.name
    }


@pytest.mark.parametrize("kind", kinds(Task))
def test_form_to_text_to_form_is_the_same_for_every_key_of_every_task(kind: str) -> None:
    plain = recipe(needed(kind))
    told = {("stages",): "why # these", ("stages", "m", "task"): "what is learnt: 真"}
    text, before = commented(plain, told, "head"), form_of(commented(plain, told, "head"))
    assert before.values == plain
    place: list[str | int] = ["stages", "m", "task"]
    for key in keys(find(Task, kind)):
        if key.needed or "." in key.name:
            continue
        set_ = form_of(text, [Edit(do="set", keys=[*place, key.name], value=key.default)])
        plain["stages"]["m"]["task"][key.name] = json.loads(json.dumps(key.default))
        assert set_.values == parse(set_.text, "it")[0] == plain
        assert form_of(set_.text) == set_  # nothing is in the form that is not in the text
        assert set_.mistakes == before.mistakes  # what is not given has this very value
        text = set_.text
    assert [line.strip() for line in text.split("\n") if line.lstrip().startswith("#")] == [
        "# head",
        "# why # these",
        "# what is learnt: 真",
    ]


def test_what_is_wrong_stands_at_its_key_in_the_words_of_danlu() -> None:
    text = commented(recipe({"kind": "classify"}), {})
    wrong = form_of(
        text,
        [
            Edit(do="set", keys=["stages", "m", "train", "rate"], value="fast"),
            Edit(do="set", keys=["stages", "m", "task", "kind"], value="clasify"),
            Edit(do="remove", keys=["stages", "m", "model"]),
            Edit(do="set", keys=["stages", "clean", "splitt"], value=1),
        ],
    )
    found = {tuple(keys): (line, told) for keys, line, told in wrong.mistakes}
    lines = wrong.text.split("\n")
    assert found["stages", "m", "train", "rate"][1].startswith("this should be a valid number")
    assert "did you mean 'classify'?" in found["stages", "m", "task"][1]
    assert found["stages", "m", "model"][1] == "this key is needed; add it"
    assert "did you mean 'split'?" in found["stages", "clean", "splitt"][1]
    assert "task:" in lines[found["stages", "m", "task"][0] - 1]
    later = form_of(text, [Edit(do="set", keys=["stages", "m", "data"], value="@later")])
    assert later.mistakes[0][0] == ("stages", "m", "data")
    assert "there is no stage 'later'" in later.mistakes[0][2]


@pytest.mark.parametrize(
    ("text", "keys", "told"),
    [
        ("a: [", (), "no valid YAML"),
        ("- 1", (), "a recipe is a mapping"),
        ("", ("name",), "this key is needed"),
        ("nme: x\nstages: {}", ("nme",), "did you mean 'name'?"),
        ("name: x\nname: y", (), "stands twice"),
        ("name: !!python/object:os.system x", (), "no valid YAML"),
    ],
)
def test_a_text_that_is_no_recipe_is_told_why(text: str, keys: tuple[str, ...], told: str) -> None:
    found = form_of(text).mistakes[0]
    assert (found[0], told in found[2]) == (keys, True)
    json.dumps(form_of(text).plain())


def test_an_edit_that_cannot_be_made_is_refused_and_no_comment_is_markup() -> None:
    with pytest.raises(Refusal, match="cannot stand in"):
        form_of("name: x", [Edit(do="set", keys=["name", 0], value=1)])
    with pytest.raises(Refusal, match="needs the keys"):
        form_of("name: x", [Edit(do="set", keys=[], value=1)])


def test_the_schema_of_which_the_form_is_made_knows_what_danlu_takes() -> None:
    schema = json.loads(schema_of_recipes("en"))
    tasks = schema["$defs"]["Task"]["anyOf"]
    assert tasks[0]["enum"] == kinds(Task)
    described = {each["title"].lower(): each for each in (_resolved(schema, one) for one in tasks[1:])}
    for kind in kinds(Task):
        fields = described[kind.replace("_", "")]["properties"]
        assert fields.keys() == {"kind", *(key.name for key in keys(find(Task, kind)) if "." not in key.name)}


def _resolved(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    return {**schema["$defs"][node["$ref"].rpartition("/")[2]], **node} if "$ref" in node else node
