import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.refusal import Refusal
from danlu.text.segmenting.segmented import borders, read_words

WORDS = st.lists(st.text(min_size=1, max_size=4), max_size=6)


def test_the_words_of_each_form_of_a_record() -> None:
    assert read_words({"words": ["今天", "好"]}, 0) == ["今天", "好"]
    assert read_words({"words": ["go", "home"], "text": "go  home "}, 0) == ["go", "  ", "home", " "]
    entities = [{"start": 2, "end": 3, "label": "word"}, {"start": 0, "end": 2, "label": "word"}]
    assert read_words({"text": "今天好。", "entities": entities}, 0) == ["今天", "好", "。"]


@given(words=WORDS)
def test_words_side_by_side_are_read_back(words: list[str]) -> None:
    assert read_words({"words": words}, 0) == words
    assert read_words({"words": words, "text": "".join(words)}, 0) == words
    spans = borders({"words": words}, 0)
    assert ["".join(words)[start:end] for start, end in spans] == words


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ({"words": ["今天", ""]}, "record 3: column 'words' must be a list of words"),
        ({"words": "今天"}, "record 3: column 'words' must be a list of words"),
        ({"words": ["今天", "坏"], "text": "今天好"}, "do not spell the text at character 2, where '坏'"),
        ({"words": ["今天"], "text": "今天好"}, "the words end at character 2 of the 3"),
        ({"text": "今天好"}, "expected a column 'words'.*not text"),
        ({"text": "今天好", "entities": [{"start": 0}]}, "must be a list of"),
        ({"text": "今", "entities": [{"start": 0, "end": 2}]}, "overlap or leave the text"),
        ({"text": "今天好", "entities": [{"start": 0, "end": 2}, {"start": 1, "end": 3}]}, "overlap or leave the text"),
    ],
)
def test_what_is_wrong_is_named(record: dict[str, object], told: str) -> None:
    with pytest.raises(Refusal, match=told):
        read_words(record, 2)
