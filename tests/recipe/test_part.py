import math

import pytest
from pydantic import TypeAdapter, ValidationError

from danlu.data.reading.format import Format
from danlu.recipe.part import find, kind_of, kinds
from danlu.tuning.method import Method

READ = TypeAdapter(Method).validate_python


def test_a_kind_is_the_name_of_a_file() -> None:
    lora = find(Method, "lora")
    assert lora.__module__ == "danlu.tuning.methods.lora"
    assert kind_of(lora) == "lora"
    assert {"full", "head", "lora"} <= set(kinds(Method))


def test_a_section_is_read_into_the_class_of_its_kind_and_back() -> None:
    part = READ({"kind": "lora", "rank": 4})
    assert type(part) is find(Method, "lora")
    assert part.kind == "lora"
    assert READ(part.to_plain()) == part


@pytest.mark.parametrize(
    "section",
    [{"kind": "layers", "patterns": ["*.0.*"]}, {"kind": "layers", "layer_decay": 0.5}, {"kind": "layers", "top": 1}],
)
def test_what_was_left_out_is_not_asked_for_once_written_down(section: dict[str, object]) -> None:
    part = READ(section)
    assert READ(part.to_plain()) == part
    again = READ(part.as_written())
    assert (again, again.model_fields_set) == (part, part.model_fields_set)


def test_a_word_alone_is_a_kind_with_its_defaults() -> None:
    assert READ("lora") == READ({"kind": "lora"})


def test_a_part_stays_a_part() -> None:
    part = READ("lora")
    assert READ(part) is part


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"kind": "lroa"}, "there is no method 'lroa'; did you mean 'lora'?"),
        ({"rank": 4}, "needs a 'kind': one of "),
        ({"kind": 3}, "needs a 'kind': one of "),
        ({"kind": "lora", "rnak": 4}, "unknown key 'rnak'; did you mean 'rank'?"),
        ({"kind": "lora", "alpha": math.nan}, "finite number"),
        ({"kind": "../lora"}, "there is no method '../lora'"),
        ("", "there is no method ''"),
    ],
)
def test_a_wrong_section_is_refused_with_what_was_meant(section: object, words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        READ(section)
    assert words in str(caught.value)


def test_a_part_cannot_be_changed() -> None:
    part = READ("lora")
    with pytest.raises(ValidationError):
        part.rank = 3


def test_a_part_names_the_files_that_it_reads() -> None:
    assert find(Format, "csv")(path="a.csv").inputs() == ["a.csv"]
    assert READ("lora").inputs() == []
