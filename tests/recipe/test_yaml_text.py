import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from danlu.recipe.yaml_text import dump, parse
from danlu.refusal import Refusal

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(
        ["1e-4", "no", "on", "12:30", "2026-01-01", "0x1f", "007", "~", "", "null", "@clean", "1_000", "<<"]
    )
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("1E5", 1e5),
        ("-2.5e+3", -2500.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("12", 12),
        ("1_000_000", 1_000_000),
        ("0x1f", 31),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("no", "no"),
        ("on", "on"),
        ("007", "007"),
        ("12:30", "12:30"),
        ("2026-11-01", "2026-11-01"),
        ("1.2.3", "1.2.3"),
        ("e4", "e4"),
        ("丹炉", "丹炉"),
        ("'1e-4'", "1e-4"),
    ],
)
def test_plain_words_and_numbers_are_what_people_expect(text: str, value: object) -> None:
    parsed, _ = parse(text, "x")
    assert parsed == value
    assert type(parsed) is type(value)


@settings(max_examples=40)
@given(values)
def test_what_is_dumped_is_read_back(value: object) -> None:
    assert parse(dump(value), "x")[0] == value


def test_the_line_of_each_key_is_known() -> None:
    _, lines = parse("name: a\n\nstages:\n  clean:\n    kind: prepare\n    data:\n      - {kind: csv}\n", "x")
    assert lines[("stages", "clean", "kind")] == 5
    assert lines[("stages", "clean", "data", 0, "kind")] == 7


def test_anchors_and_merges_work() -> None:
    assert parse("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\n", "x")[0]["b"] == {"x": 1, "y": 3}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", "r.yaml line 3: the key 'a' stands twice, first on line 1"),
        ("a:\n  b: 1\n  c: 2\n  b: 1\n", "r.yaml line 4: the key 'b' stands twice"),
        ("a: [1, 2\nb: 3\n", "r.yaml line 2: this is no valid YAML"),
        ("a:\n\tb: 1\n", "r.yaml line 2: this is no valid YAML"),
        ("a: !!python/object/apply:os.system ['true']\n", "r.yaml line 1: this is no valid YAML"),
        ("a: *missing\n", "r.yaml line 1: this is no valid YAML: found undefined alias"),
        ("? [1, 2]\n: 3\n", "r.yaml line 1: this is no valid YAML: found unhashable key"),
        ("a: 1\n---\nb: 2\n", "r.yaml line 2: this is no valid YAML"),
        ("a: \x00\n", "r.yaml: this is no valid YAML"),
        ("[" * 600, "r.yaml: this is no valid YAML"),
    ],
)
def test_what_is_wrong_is_told_in_one_sentence_with_the_line(text: str, words: str) -> None:
    with pytest.raises(Refusal) as caught:
        parse(text, "r.yaml")
    assert str(caught.value).startswith(words)
    assert "\n" not in str(caught.value)
