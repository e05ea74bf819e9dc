"""Terms: read from files, and found as whole words alone."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.evaluate.perturbing.terms import SAMPLES, Terms, read_groups
from danlu.refusal import Refusal


def found(groups: dict[str, tuple[str, ...]], text: str) -> list[str]:
    return [text[hit.start : hit.end] for hit in Terms(groups).found([text])[0]]


def test_whole_words_alone_are_found() -> None:
    people = {"p": ("he", "she"), "m": ("man", "old man")}
    assert found(people, "The man said he, not she, cheats; HE manages. The old man: she'll") == [
        *("man", "he", "she", "HE", "old man", "she"),
    ]
    pytest.importorskip("jieba")
    chinese = {"p": ("他", "她"), "m": ("男人", "女人")}
    assert found(chinese, "他和其他男人说她好，他们不在") == ["他", "男人", "她"]


@given(st.lists(st.sampled_from(["he", "she", "sheep", "the", "，", "他好"]), max_size=12))
def test_of_words_with_spaces_each_term_is_found(words: list[str]) -> None:
    assert found({"p": ("he", "she")}, " ".join(words)) == [word for word in words if word in ("he", "she")]


def test_files_of_both_kinds_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("pronouns: [he, she]\n代词: [他, 她]\n")
    (tmp_path / "a.csv").write_text("pronouns,he,she\n代词,他,她,\n")
    expected = {"pronouns": ("he", "she"), "代词": ("他", "她")}
    assert read_groups(str(tmp_path / "a.yaml")) == read_groups(str(tmp_path / "a.csv")) == expected


def test_the_samples_can_be_read_and_swapped() -> None:
    assert sorted(SAMPLES) == ["en", "zh"]
    assert all(len(read_groups(language)) >= 5 for language in SAMPLES)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("a: [he]\n", r"t\.yaml: the group 'a' has 1 of the two terms"),
        ("a: [he, she]\nb: [He, it]\n", r"the term 'He' stands in 'a' and in 'b'"),
        ("a: [he, HE]\n", r"the term 'he' stands in 'a' twice"),
        ("a: [he, 3]\n", r"t\.yaml line 1: a: expected a list of terms"),
        ("a: he\n", r"t\.yaml line 1: a: expected a list of terms"),
        ("- he\n", r"a file of terms is a mapping"),
    ],
)
def test_wrong_files_are_refused(tmp_path: Path, content: str, sentence: str) -> None:
    (tmp_path / "t.yaml").write_text(content)
    with pytest.raises(Refusal, match=sentence):
        read_groups(str(tmp_path / "t.yaml"))


def test_a_missing_file_and_a_group_that_stands_twice_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="there is no such file; give a YAML file or csv"):
        read_groups(str(tmp_path / "none.yaml"))
    (tmp_path / "t.csv").write_text("a,he,she\na,it,they\n")
    with pytest.raises(Refusal, match=r"t\.csv, line 2: the group 'a' stands in line 1 already"):
        read_groups(str(tmp_path / "t.csv"))
