from pathlib import Path
from typing import Any

import pytest
from pydantic import Field, ValidationError

from danlu.recipe.part import Part, nearest
from danlu.recipe.read import Written, keyed, overridden, references, sentences, written
from danlu.refusal import Refusal
from danlu.stages.stage import Reference

TOP = ["name", "seed"]


def _after(data: dict[str, Any], *overrides: str) -> dict[str, Any]:
    return overridden(written(data), overrides, TOP).data


def _recipe() -> dict[str, Any]:
    return {"name": "r", "stages": {"fit": {"kind": "train", "tuning": "full", "steps": [{"n": 1}, {"n": 2}]}}}


def test_an_override_addresses_a_stage_directly_or_through_stages() -> None:
    assert _after(_recipe(), "fit.train.rate=1e-4")["stages"]["fit"]["train"] == {"rate": 1e-4}
    assert _after(_recipe(), "stages.fit.kind=prepare")["stages"]["fit"]["kind"] == "prepare"


def test_an_override_reaches_the_keys_beside_the_stages() -> None:
    assert _after(_recipe(), "seed=7", "name=other") | {"stages": 0} == {"name": "other", "seed": 7, "stages": 0}


def test_an_override_reaches_a_range_whose_key_has_dots() -> None:
    ranges = {"fit.train.rate": {"low": 1e-4, "high": 1e-2}}
    recipe = Written("r", {"stages": {"fit": {}}, "search": {"ranges": ranges}})
    given = ["search.ranges.fit.train.rate.low=1e-3", "search.ranges.fit.tuning.rank=[4, 8]", "search.trials=3"]
    found = overridden(recipe, given, ["search"]).data["search"]
    assert found == {"ranges": {"fit.train.rate": {"low": 1e-3, "high": 1e-2}, "fit.tuning.rank": [4, 8]}, "trials": 3}


def test_later_overrides_win_and_values_are_yaml() -> None:
    after = _after(_recipe(), "fit.a=1", "fit.a={b: [1, x], c: 2e-5}", "fit.a.d=", "fit.e=k=v")
    assert after["stages"]["fit"]["a"] == {"b": [1, "x"], "c": 2e-5, "d": None}
    assert after["stages"]["fit"]["e"] == "k=v"


@pytest.mark.parametrize("text", ["''", '""', "'' # none"])
def test_an_override_can_be_an_empty_text(text: str) -> None:
    assert _after(_recipe(), f"fit.a={text}")["stages"]["fit"]["a"] == ""


@pytest.mark.parametrize("sign", ["²", "①"])
def test_a_digit_that_is_no_number_is_text(sign: str) -> None:
    assert keyed([f"delimiter={sign}"]) == {"delimiter": sign}
    with pytest.raises(Refusal, match="a position from 0 to 1"):
        _after(_recipe(), f"fit.steps.{sign}.n=5")


def test_an_override_goes_into_lists_and_into_the_short_form_of_a_part() -> None:
    after = _after(_recipe(), "fit.steps.1.n=5", "fit.tuning.rank=8")["stages"]["fit"]
    assert after["steps"] == [{"n": 1}, {"n": 5}]
    assert after["tuning"] == {"kind": "full", "rank": 8}


def test_an_override_leaves_the_original_and_what_aliases_share_alone(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("name: r\nstages:\n  a: &a {x: {y: 1}}\n  b: *a\n")
    recipe = written(tmp_path / "r.yaml")
    assert overridden(recipe, ["a.x.y=2"], TOP).data["stages"] == {"a": {"x": {"y": 2}}, "b": {"x": {"y": 1}}}
    assert recipe.data["stages"]["a"] == {"x": {"y": 1}}


def test_python_values_are_taken_as_they_are() -> None:
    after = overridden(written(_recipe()), {"fit.rate": "1e-4", "seed": 3}, TOP).data
    assert after["stages"]["fit"]["rate"] == "1e-4"
    assert after["seed"] == 3


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("fti.rate=1", "names no stage of the recipe; did you mean 'fit'?"),
        ("fit.rate", "is no 'stage.key=value'"),
        ("=1", "is no 'stage.key=value'"),
        ("fit.steps.2.n=1", "a position from 0 to 1"),
        ("fit.steps.x=1", "a position from 0 to 1"),
        ("name.x.y=1", "name.x.y"),
        ("fit.a=[1", "the override 'fit.a=[1' line 1: this is no valid YAML"),
    ],
)
def test_an_override_that_cannot_be_is_refused(override: str, words: str) -> None:
    data = _recipe() | {"name": 5}
    with pytest.raises(Refusal) as caught:
        _after(data, override)
    assert words in str(caught.value)


@pytest.mark.parametrize("text", [r"\d+ #x", "@a", "'[0-9]+'", r"a{2}", "好 ", "~a"])
def test_text_of_a_setting_is_kept_as_it_is_typed(text: str) -> None:
    assert keyed([f"policy.regex={text}"]) == {"policy": {"regex": text.strip("' ")}}


@pytest.mark.parametrize("text", ["[0-9]+", "[0-9]", "*a", "{a}", "a: b", "12", "true"])
def test_text_that_yaml_takes_for_something_else_is_told_how_to_be_quoted(text: str) -> None:
    class Section(Part):
        regex: str | None = None

    with pytest.raises((Refusal, ValidationError)) as caught:
        Section.model_validate(keyed([f"regex={text}"]))
    error = caught.value
    told = str(error) if isinstance(error, Refusal) else sentences(error, Written("the settings", {}))
    assert "\"regex='" in told or "\"KEY='TEXT'\"" in told


class _Inner(Part):
    bundle: str


class _Section(Part):
    data: str
    more: tuple[_Inner | Reference, ...] = ()
    by_name: dict[str, Reference] = Field(default={})
    tokens: tuple[str, ...] = ()
    names: dict[str, str | list[str]] = Field(default={})
    text: str = "@ home"
    mail: str = "a@b"
    at: str = "@"


def test_references_are_found_wherever_they_stand() -> None:
    section = _Section(data="@clean", more=(_Inner(bundle="@fit"), "@clean:test"), by_name={"a": "@fit"})
    assert list(references(section)) == [
        (("data",), "clean"),
        (("more", 0, "bundle"), "fit"),
        (("more", 1), "clean"),
        (("by_name", "a"), "fit"),
    ]


def test_texts_in_lists_and_mappings_may_begin_as_references_do() -> None:
    section = _Section(data="clean.csv", tokens=("@USER", "HTTPURL"), names={"0": "@a", "1": ["@b"]})
    assert list(references(section)) == []


def test_a_recipe_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_bytes(b"\xef\xbb\xbfname: r\n")
    assert written(tmp_path / "r.yaml").data == {"name": "r"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "a recipe is a mapping with the keys 'name' and 'stages'; what stands there is None"),
        (b"- a\n", "; what stands there is ['a']"),
        ("name: r\nlabel: 好\n".encode("gb18030"), "line 2: this is not UTF-8 text"),
    ],
)
def test_what_is_no_recipe_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "r.yaml").write_bytes(content)
    with pytest.raises(Refusal) as caught:
        written(tmp_path / "r.yaml")
    assert str(caught.value).startswith(str(tmp_path / "r.yaml"))
    assert words in str(caught.value)


def test_a_missing_file_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    (tmp_path / "reviews.yaml").write_text("name: r\n")
    with pytest.raises(Refusal, match=r"there is no such recipe; did you mean '.*reviews\.yaml'\?"):
        written(tmp_path / "review.yaml")
    with pytest.raises(Refusal, match="this is a folder"):
        written(tmp_path)


@pytest.mark.parametrize("name", ["评论.csv", "a.JSONL", "a.parquet"])
def test_data_that_is_given_for_a_recipe_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes("评论,标签\n很好,好\n".encode("gb18030"))
    with pytest.raises(Refusal, match=r"is data by its name, and no recipe; .* such as: danlu init classify "):
        written(tmp_path / name)


def test_of_two_chinese_characters_one_may_be_wrong() -> None:
    assert nearest("标鉴", ["序号", "评论", "标签"]) == "; did you mean '标签'?"
    assert nearest("序言", ["评论", "标签"]) == ""
    assert nearest("ab", ["ac"]) == ""
