from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.data.reading.format import Format
from danlu.data.record import text_of, truth_of
from danlu.refusal import Refusal

INK = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=4).filter(
    lambda word: not word.isspace()
)


def test_a_line_is_a_sentence_of_words(tmp_path: Path) -> None:
    path = tmp_path / "pku_training.utf8"
    path.write_text("迈向  充满  希望\n\n　１９９８年　新年\t讲话\n", encoding="utf-8")
    part = Format.model_validate({"kind": "words", "path": str(path)})
    assert list(part.read()) == [
        {"text": "迈向充满希望", "words": ["迈向", "充满", "希望"]},
        {"text": "１９９８年新年讲话", "words": ["１９９８年", "新年", "讲话"]},
    ]
    english = Format.model_validate({"kind": "words", "path": str(path), "between": " "})
    assert next(english.read())["text"] == "迈向 充满 希望"
    path.write_text("\n \n", encoding="utf-8")
    with pytest.raises(Refusal, match="holds no records"):
        list(part.read())


@given(sentences=st.lists(st.lists(INK, min_size=1, max_size=5), min_size=1, max_size=5))
def test_what_is_written_is_read_back(sentences: list[list[str]], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("words") / "a.txt"
    path.write_text("\n".join(" ".join(words) for words in sentences), encoding="utf-8", newline="\n")
    part = Format.model_validate({"kind": "words", "path": str(path), "encoding": "utf-8"})
    assert [record["words"] for record in part.read()] == sentences


def test_segmented_records_are_compared_by_their_text() -> None:
    assert text_of({"words": ["今天", "好"]}) == "今天好"
    assert truth_of({"text": "今天好", "words": ["今天", "好"]}) != truth_of(
        {"text": "今天好", "words": ["今", "天好"]}
    )
