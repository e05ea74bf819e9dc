"""Templates: what is wrong with one is told with its file, line and key."""

from pathlib import Path

import pytest

from danlu.refusal import Refusal
from danlu.text.prompting.filled import Filled, content_free, example, filled
from danlu.text.prompting.template import PromptTemplate, read_template

GOOD = {"text": "{text} It was {label}.", "verbalizer": {"pos": "great", "neg": "bad"}}


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["text: '{text} {label}'", "verbalizer: {1: good, 0: good}"], r"line 2: verbalizer: .*'1' and '0' have the"),
        (["text: '{text} {label}'", "verbalizer: {a: ' good', b: 'good'}"], "have the same word 'good'"),
        (
            ["text: '{text} {choice}'", "verbalizer: {a: x, b: y}"],
            r"is for \{label\}, and the text asks for \{choice\}",
        ),
        (["text: '{text} {choice}'", "longest_excerpt: 3"], r"has an effect where the text asks for \{excerpt\} alone"),
        (["text: '{text} {choice}'", "several: sum"], r"has an effect where the text asks for \{label\} alone"),
        (["text: '{text} {choice} {excerpt}'"], r"must hold \{label\} once"),
        (["text: '{text} {label}'", "verbalizer: {a: [good, fine], b: [bad, fine]}"], "'a' and 'b' have the same word"),
        (["text: '{text} {label}'", "verbalizer: {a: [good, good ], b: bad}"], "label 'a' has the word 'good' twice"),
        (["text: '{text} {label}'", "verbalizer: {a: [], b: bad}"], "the label 'a' has an empty list of words"),
        (["text: '{text} {label}'", "verbalizer: {a: good, b: bad}", "chat: chatm"], "did you mean 'chatml'"),
        (["text: '{text} {label}'", "verbalizer: {a: good}"], "chooses between two labels or more"),
        (["text: '{text} {label}'", "verbalizer: {a: good, b: ' '}"], "the label 'b' has the word ' '; both must be"),
        (["text: '{text} {label}'", "verbalizer: [good, bad]"], "line 2: verbalizer: this should be a valid dict"),
        (["verbalizer: {a: x, b: y}", "text: '{text}'"], r"line 2: text: must hold \{label\} once"),
        (["text: '{text} {label} {label}'", "verbalizer: {a: x, b: y}"], r"must hold \{label\} once"),
        (["text: 'It is {label}'", "verbalizer: {a: x, b: y}"], r"has no slot but \{label\}"),
        (["text: '{text} {} {label}'", "verbalizer: {a: x, b: y}"], r"'\{\}' is no slot; a slot is the name of a"),
        (["text: '{text.x} {label}'", "verbalizer: {a: x, b: y}"], r"'\{text.x\}' is no slot; .* for brackets"),
        (["text: '{text {label}'", "verbalizer: {a: x, b: y}"], "text: .*write '{{' and '}}' for brackets"),
        (
            ["text: '{text} {label}'", "verbalizer: {a: x, b: y}", "slots: {txt: review}"],
            "'slots' names 'txt', .*did you",
        ),
        (
            ["text: '{text} {label}'", "verbalizer: {a: x, b: y}", "example: '{txt} {label}'"],
            r"slot \{txt\}, which 'text'",
        ),
        (
            ["text: '{text} {label}'", "verbalizer: {a: x, b: y}", "shot: 3"],
            "line 3: .*unknown key 'shot'; did you mean",
        ),
        (["text: '{text} {label}'"], r"'verbalizer' is needed for \{label\}"),
        (["text: [", "x"], "no valid YAML"),
        (
            ["just words"],
            "a template is a mapping with the keys 'text' and 'verbalizer'; what stands there is",
        ),
    ],
)
def test_what_is_wrong_with_a_template_is_one_sentence(lines: list[str], says: str, tmp_path: Path) -> None:
    file = tmp_path / "prompt.yaml"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(Refusal, match=says) as refused:
        read_template(file)
    assert str(refused.value).startswith(str(file))
    assert "\n" not in str(refused.value)


def test_a_template_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="there is no such template"):
        read_template(tmp_path / "nowhere.yaml")


def test_labels_that_yaml_takes_for_numbers_are_texts(tmp_path: Path) -> None:
    file = tmp_path / "prompt.yaml"
    file.write_text("text: '{sentence}？{label}'\nverbalizer: {1: 好, 0: 坏}\n", encoding="utf-8")
    template = read_template(file)
    assert template.verbalizer == {"1": "好", "0": "坏"}
    assert template.labels == ("1", "0")
    assert PromptTemplate.model_validate(template.to_plain()) == template


def test_slots_are_filled_and_examples_stand_before_the_text() -> None:
    template = PromptTemplate(
        text="{{x}} {review} It was {label}, {{really}}.",
        example="{label}: {review}",
        verbalizer=GOOD["verbalizer"],
        slots={"review": "text"},
        instruction="Judge.",
        between=" | ",
        longest=4,
        content_free=("N/A", ""),
    )
    shown = [example(template, {"text": "fine {label}"}, "great", "record 1")]
    assert shown == ["great: fine"]
    found = filled(template, template.values({"text": "{sad} story"}, "record 1"), shown, "record 1")
    assert found == Filled("Judge. | great: fine | {x} {sad It was ", ", {really}.", "", ("great", "bad"))
    assert found.whole("bad") == "Judge. | great: fine | {x} {sad It was bad, {really}."
    befores = [free.before for free in content_free(template, [])]
    assert befores == ["Judge. | {x} N/A It was ", "Judge. | {x}  It was "]


@pytest.mark.parametrize(
    ("record", "says"),
    [
        (
            {"txt": "x", "label": "pos"},
            r"record 3: there is no column 'text' .*'txt', 'label'; did you mean 'txt'.*slot \{text\}",
        ),
        ({"text": ["x"]}, "record 3: column 'text' must be text, and it is of type list"),
        ({"text": None}, "record 3: column 'text' must be text, and it is of type NoneType"),
    ],
)
def test_data_that_lack_a_slot_are_refused(record: dict, says: str) -> None:
    with pytest.raises(Refusal, match=says):
        PromptTemplate(**GOOD).values(record, "record 3")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_no_text_either(value: float) -> None:
    with pytest.raises(Refusal, match=r"record 1: column 'text' holds (nan|inf), which is no text; mend the record"):
        PromptTemplate(**GOOD).values({"text": value}, "record 1")
    assert PromptTemplate(**GOOD).values({"text": 2.5}, "record 1") == {"text": "2.5"}


def test_a_label_that_is_written_in_two_ways_is_refused() -> None:
    with pytest.raises(ValueError, match="1 and '1' are one label; write it once, with a list of its words"):
        PromptTemplate.model_validate(GOOD | {"verbalizer": {1: "good", "1": "bad", 0: "fine"}})
