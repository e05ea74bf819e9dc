import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.data.corpus.contamination import Decontaminate, Forbidden, Runs, run_hashes
from danlu.data.corpus.executors.local import Local
from danlu.data.corpus.ingest import Ingest, RawChunk
from danlu.data.corpus.spool import Spool
from danlu.refusal import Refusal

TEST = "the quick brown fox jumps over the lazy dog while seven wizards watch from a tower"


def shares(test: str, train: str, words: int = 5, characters: int = 6) -> bool:
    runs = Runs(words, characters)
    return bool(Forbidden(np.unique(run_hashes([test], runs)[0]), runs).found_in([train])[0])


def units(text: str) -> list[str]:
    """Words, and wide characters one by one, by hand."""
    found, word = [], ""
    for char in text.lower():
        if char.isalnum() and char < "\u2e80":
            word += char
            continue
        found += [word] if word else []
        word = ""
        found += [char] if char.isalnum() else []
    return found + ([word] if word else [])


def runs_of(text: str, words: int, characters: int) -> set[tuple[str, ...]]:
    listed = units(text)
    sizes = [characters if unit >= "\u2e80" else words for unit in listed]
    return {tuple(listed[at : at + size]) for at, size in enumerate(sizes) if at + size <= len(listed)}


def test_a_run_of_words_is_found_whatever_stands_between_them() -> None:
    assert shares(TEST, "He said: The QUICK, brown\nfox -- jumps!")
    assert not shares(TEST, "The quick brown fox, jumping over")
    assert not shares(TEST, "thequick brownfox jumps over the")
    assert not shares(TEST, "the quick brown fox")


def test_a_run_of_chinese_characters_is_found_whatever_stands_between_them() -> None:
    assert shares("明月几时有？把酒问青天。", "他写道：“几时有，把酒问”，好")
    assert not shares("明月几时有？把酒问青天。", "几时有，把酒")


@given(st.lists(st.text("ab 好的，1", max_size=14), min_size=1, max_size=5), st.text("ab 好的，1", max_size=14))
def test_found_are_the_texts_that_share_a_run_by_the_definition(texts: list[str], test: str) -> None:
    runs = Runs(2, 3)
    found = Forbidden(np.unique(run_hashes([test], runs)[0]), runs).found_in(texts)
    wanted = runs_of(test, 2, 3)
    assert found.tolist() == [bool(runs_of(text, 2, 3) & wanted) for text in texts]


def test_rows_are_compared_with_given_sets_and_other_files(tmp_path: Path) -> None:
    other = tmp_path / "benchmark.txt"
    other.write_text("one two three four five six\n")
    ingest = Ingest(tmp_path, "text", 0.8)
    texts = [TEST, "x " + TEST[:40] + " y", "nothing of it", "zero one two three four five"]
    chunks = [
        ingest(RawChunk(0, 0, "test", "t", range(1, 2), [{"text": texts[0]}])),
        ingest(RawChunk(1, 1, "train", "d", range(1, 4), [{"text": text} for text in texts[1:]])),
    ]
    spool, tested = Spool(tmp_path, chunks, "text"), np.array([0])
    section = {"words": 5, "against": {"kind": "text", "path": str(other)}}
    found = Decontaminate.model_validate(section).found_in(spool, tested, Local(processes=1))
    assert found.tolist() == [False, True, False, True]
    with pytest.raises(Refusal, match="has no test text of 13 words or 20 characters to look for"):
        Decontaminate().found_in(spool, np.empty(0, np.int64), Local(processes=1))


@pytest.mark.parametrize(
    "text", ["Hội nghị được tổ chức tại", "대한민국 정부는 내년도 예산안을 국회에", "がぎぐげござじずぜぞ"]
)
def test_letters_in_parts_are_the_same_as_whole_ones(text: str) -> None:
    apart = unicodedata.normalize("NFD", text)
    assert shares(text, f"x {apart} y")
    assert shares(apart, f"x {text} y")
