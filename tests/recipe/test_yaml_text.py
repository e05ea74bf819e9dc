import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from danlu.recipe.yaml_text import dump, parse
from danlu.refusal import Refusal

characters = st.characters(exclude_characters="\x00", exclude_categories=["Cs"])
texts = st.text(characters)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
    | st.sampled_from(
        ["1e-4", "no", "on", "12:30", "2026-01-01", "0x1f", "007", "~", "", "null", "@clean", "1_000", "<<"]
    )
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(characters, max_size=8), inner, max_size=4),
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
        ("[" * 600, "r.yaml line 1: this is no valid YAML"),
    ],
)
def test_what_is_wrong_is_told_in_one_sentence_with_the_line(text: str, words: str) -> None:
    with pytest.raises(Refusal) as caught:
        parse(text, "r.yaml")
    assert str(caught.value).startswith(words)
    assert "\n" not in str(caught.value)


def _aliases(depth: int, first: str, link: str) -> str:
    lines = [f"a0: &a0 {first}"]
    lines += [f"a{n}: &a{n} {link.replace('X', f'*a{n - 1}')}" for n in range(1, depth)]
    return "\n".join(lines)


ENDLESS = {
    "lists of lists": _aliases(30, "[x]", "[X, X]"),
    "lists, wide": _aliases(9, "[x]", "[X, X, X, X, X, X, X, X, X]"),
    "mappings": _aliases(30, "{k: v}", "{a: X, b: X}"),
    "merges": _aliases(30, "{k: v}", "{<<: [X, X]}"),
    "merges of one": _aliases(60, "{k: v}", "{<<: X, b: X}"),
    "keys": _aliases(30, "[x]", "{? X : X}"),
    "a list in itself": "a: &a [*a]",
    "a mapping in itself": "&a {b: *a}",
    "a merge of itself": "a: &a {<<: *a}",
    "deep": "a: " + "[" * 5000 + "]" * 5000,
    "deep mappings": "{a: " * 5000 + "}" * 5000,
    "deep in blocks": "\n".join(" " * n + "a:" for n in range(200)),
    "long": "a: b # " + "x" * 10**6,
}


@pytest.mark.parametrize("text", ENDLESS.values(), ids=ENDLESS)
def test_what_has_no_end_is_refused(text: str) -> None:
    with pytest.raises(Refusal, match=r"x( line \d+)?: .*(holds more than|lists or mappings lie|has more)"):
        parse(text, "x")


UNREADABLE = [
    "!!bool foo", "!!timestamp foo", '!!int ""', "!!float x", "!!binary é", "!!omap [a]", "!!pairs [a]", "!!int [a]",
    "!!timestamp 2026-01-01", "!!binary aGk=", "!!set {a, b}", "!!omap [a: 1]", "!!pairs [a: 1]",
    "!!null {a: b}", "!x y", "!!python/name:os.system ''", '"\\ud800"', '"a\\0b"', "{\"\\ud800\": 1}",
    "9223372036854775808",
    "-9223372036854775809", "0xFFFFFFFFFFFFFFFFFF", "9" * 5000,
    "[1, [2, 18446744073709551616]]", "*nowhere", "? [a]\n: b",
]  # fmt: skip


@pytest.mark.parametrize("text", UNREADABLE, ids=lambda text: text[:24])
def test_what_cannot_be_read_is_refused_with_its_line(text: str) -> None:
    given = text.replace("\n", "\n  ")
    with pytest.raises(Refusal, match=r"x line [23].*; (mend|write) "):
        parse(f"# a recipe\na:\n  {given}\n", "x")


def test_many_labels_are_no_endless_recipe() -> None:
    labels = [f"label {number}" for number in range(5000)]
    assert parse(dump({"labels": labels}), "x")[0] == {"labels": labels}
