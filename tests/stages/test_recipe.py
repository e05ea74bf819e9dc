from pathlib import Path
from typing import Any

import pytest

from danlu.recipe.read import packaged
from danlu.recipe.schema import schema
from danlu.refusal import Refusal
from danlu.stages.recipe import Recipe, read, referenced


def _message(source: Any, *overrides: str) -> str:
    with pytest.raises(Refusal) as caught:
        read(source, overrides)
    return str(caught.value)


def test_a_sound_recipe_reads_and_writes_back_equal(recipe: dict[str, Any]) -> None:
    sound = read(recipe, ["count.rate=1e-4", "seed=3"])
    assert sound.stages["count"].to_plain()["rate"] == 1e-4
    assert sound.seed == 3
    assert read(sound.model_dump(mode="json")) == sound
    assert {name: referenced(stage) for name, stage in sound.stages.items()} == {
        "count": [],
        "double": ["count"],
        "again": ["double"],
    }


def test_a_recipe_that_names_no_language_speaks_that_of_its_terminal(
    recipe: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = {name: value for name, value in recipe.items() if name != "language"}
    for language, other in (("en", "zh"), ("zh", "en")):
        monkeypatch.setenv("DANLU_LANGUAGE", language)
        assert read(recipe).spoken == language
        assert read(recipe | {"language": other}).spoken == other


def test_a_mistake_is_told_with_file_line_key_and_nearest_spelling(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("name: r\nstages:\n  a:\n    kind: count\n    data:\n      path: x\n      pth: y\n")
    assert _message(path) == (
        f"{path} line 7: stages.a.data.pth: unknown key 'pth'; did you mean 'path'?; the keys are: path, most"
    )


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["count.kind=cuont"], "stages.count: there is no stage 'cuont'; did you mean 'count'?; there are: "),
        (["count.rate=fast"], "stages.count.rate: this should be a valid number, unable to parse string"),
        (["count.rate=fast"], ", not 'fast'"),
        (["count.rate=.nan"], "stages.count.rate: this should be a valid number"),
        (["count.data={}"], "stages.count.data.path: this key is needed; add it"),
        (["count.data=[{path: a}, {path: a, most: 0}]"], "stages.count.data.1.most: this should be greater than"),
        (["count.data=5"], "stages.count.data: this should be a valid dictionary"),
        (
            ["double.of=count"],
            "stages.double.of: this should be a stage such as '@clean' or '@clean:test', not 'count'",
        ),
        (
            ["double.of=@cuont"],
            "stages.double.of: there is no stage 'cuont'; did you mean 'count'?; the earlier stages",
        ),
        (["double.of=@again"], "stages.double.of: the stage 'again' comes later; write it above 'double'"),
        (["double.of=@double"], "stages.double.of: '@double' is this stage itself"),
        (["stages={}"], "stages: "),
        (["stages=[]"], "stages: this should be a valid dictionary"),
        (["stages={a: 3}"], "stages.a: "),
        (["name=../up"], "name: a name is made of letters, digits"),
        (["seed=-1"], "seed: this should be greater than or equal to 0, not -1"),
        (["language=fr"], "language: this should be 'en' or 'zh', not 'fr'"),
        (["stages.a b={kind: count, data: {path: x}}"], "stages.a b: a name is made of letters, digits"),
    ],
)
def test_each_mistake_is_one_sentence(recipe: dict[str, Any], overrides: list[str], words: str) -> None:
    message = _message(recipe, *overrides)
    assert words in message
    assert message.startswith("the recipe: ")
    assert "\n" not in message
    assert "validation error" not in message


def test_labels_and_tokens_may_begin_with_an_at_sign() -> None:
    tokenizer = {"kind": "extended", "base": {"kind": "bpe"}, "special": ["@USER", "HTTPURL"], "tokens": ["@user"]}
    data = {"kind": "jsonl", "path": "a.jsonl", "columns": {"text": "@text"}, "constants": {"label": "@a"}}
    model = {"kind": "train", "data": "@clean", "tokenizer": "@vocab", "model": {"kind": "scratch"}}
    stages = {
        "clean": {"kind": "prepare", "data": data},
        "vocab": {"kind": "tokenizer", "data": "@clean", "tokenizer": tokenizer},
        "model": model | {"task": {"kind": "classify", "labels": ["@a", "b"]}},
    }
    sound = read({"name": "r", "stages": stages})
    assert [referenced(stage) for stage in sound.stages.values()] == [[], ["clean"], ["clean", "vocab"]]
    plain = {name: stage.to_plain() for name, stage in sound.stages.items()}
    assert read({"name": "r", "stages": plain}) == sound


def test_several_mistakes_are_a_line_each(recipe: dict[str, Any]) -> None:
    message = _message(recipe, "count.rate=x", "double.times=y")
    assert [line.split(": ")[1] for line in message.splitlines()] == ["stages.count.rate", "stages.double.times"]


def test_an_unknown_key_beside_the_stages_is_refused(recipe: dict[str, Any]) -> None:
    assert "seeed: unknown key 'seeed'; did you mean 'seed'?" in _message(recipe | {"seeed": 1})
    assert "stages: this key is needed" in _message({"name": "r"})
    assert "there is no earlier stage" in _message({"name": "r", "stages": {"d": {"kind": "double", "of": "@c"}}})


def test_every_recipe_that_comes_with_the_package_is_sound() -> None:
    assert packaged()
    for name in packaged():
        assert read(name).name == name


def test_the_schema_describes_every_stage_and_resolves() -> None:
    whole = schema(Recipe)
    texts = [whole]
    kinds, references = set(), set()
    while texts:
        item = texts.pop()
        if isinstance(item, dict):
            kinds |= {item["const"]} if isinstance(item.get("const"), str) else set()
            references |= {item["$ref"]} if isinstance(item.get("$ref"), str) else set()
            texts += item.values()
        elif isinstance(item, list):
            texts += item
    assert {"count", "double"} <= kinds
    assert references
    assert all(reference.removeprefix("#/$defs/") in whole["$defs"] for reference in references)
