"""Tables with several values a record: how they are written is told from their first rows."""

import pytest

from danlu.apps.guessing.several import several

CARS = [f"第 {n} 辆，{['便宜又好看', '动力不足', '内饰一般', '安静', '省油'][n % 5]}而已" for n in range(40)]


@pytest.mark.parametrize("sign", ["|", ";", "、", ",", "/", " "])
def test_the_sign_between_values_is_told(sign: str) -> None:
    rows = [[text, sign.join(["价格", "外观"][: 1 + row % 2])] for row, text in enumerate(CARS)]
    assert next(several(["text", "topics"], rows)) == {"lists": {"topics": sign}}


def test_lists_as_python_writes_them_are_told() -> None:
    rows = [[text, str(["price", "fuel"][: row % 3])] for row, text in enumerate(CARS)]
    assert next(several(["text", "topics"], rows)) == {"lists": {"topics": "[]"}}


def test_columns_of_zeros_and_ones_are_labels() -> None:
    rows = [[str(row), text, "01"[row % 2], "01"[row % 3 == 0]] for row, text in enumerate(CARS)]
    assert next(iter(several(["id", "comment", "toxic", "insult"], rows))) == {"flags": {"labels": ["toxic", "insult"]}}


def test_a_row_for_each_value_of_a_text_is_told() -> None:
    rows = [
        [text, topic, "0"] for number, text in enumerate(CARS) for topic in ["价格", "外观", "油耗"][: 1 + number % 3]
    ]
    assert [*several(["content", "subject", "value"], rows)] == [{"group": "content", "collect": {"labels": "subject"}}]


def test_sentences_single_labels_and_one_flag_are_no_lists() -> None:
    rows = [[f"{text}, {row}; so / so", "好差"[row % 2], "01"[row % 2]] for row, text in enumerate(CARS)]
    assert not [*several(["text", "label", "seen"], rows)]
