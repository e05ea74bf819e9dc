"""Characters that look like the end of a line or of a token, and are none."""

import gzip
import json
from pathlib import Path

import pytest

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.format import Format
from danlu.data.record import Record
from danlu.refusal import Refusal


def read(path: Path, kind: str, bad_rows: BadRows | None = None, **more: object) -> list[Record]:
    return list(Format.model_validate({"kind": kind, "path": str(path), **more}).read(bad_rows=bad_rows))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "gb18030"])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("size", [3, 1500, 5000, 40_000])
def test_a_stray_carriage_return_in_a_long_first_line_ends_none(
    size: int, packed: bool, encoding: str, tmp_path: Path
) -> None:
    content = ("好" * size + "\r" + "字" * size + "\nsecond\n").encode(encoding)
    path = tmp_path / ("a.txt.gz" if packed else "a.txt")
    path.write_bytes(gzip.compress(content) if packed else content)
    texts = [record["text"] for record in read(path, "text")]
    assert texts == ["好" * size + "\r" + "字" * size, "second"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_lines_of_the_macintosh_end_with_it_however_many_they_are(encoding: str, tmp_path: Path) -> None:
    lines = [f"第{number}行" for number in range(200_000)]
    (tmp_path / "a.txt").write_bytes("\r".join(lines).encode(encoding))
    assert [record["text"] for record in read(tmp_path / "a.txt", "text")] == lines


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le"])
def test_a_mark_in_front_is_no_text_where_the_encoding_is_named(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("\ufefftext,label\n好,1\n".encode(encoding))
    assert read(tmp_path / "a.csv", "csv", encoding=encoding) == [{"text": "好", "label": "1"}]
    (tmp_path / "a.json").write_bytes('\ufeff[{"text": "好"}]'.encode(encoding))
    assert read(tmp_path / "a.json", "json", encoding=encoding) == [{"text": "好"}]


@pytest.mark.parametrize("blank", ["\u00a0", "\u202f", "\u3000"])
def test_blanks_that_join_are_part_of_a_token(blank: str, tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text(f"10{blank}000 NN O\nroubles  NN\tO\n", encoding="utf-8")
    (tmp_path / "b.conll").write_text(f"10{blank}000 O\nroubles O\r\n", encoding="utf-8")
    assert read(tmp_path / "b.conll", "conll") == [{"tokens": [f"10{blank}000", "roubles"], "tags": ["O", "O"]}]


def test_nothing_is_joined_for_what_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": ["a", null, "b"]}\n', encoding="utf-8")
    assert read(tmp_path / "a.jsonl", "jsonl", join={"text": " "}) == [{"text": "a b"}]


@pytest.mark.parametrize(
    ("turns", "wrong"),
    [
        (["gpt", "human", "gpt"], "message 1: the assistant speaks first"),
        (["human", "human", "gpt"], "message 2: the user speaks twice in a row"),
        (["human", "gpt", "gpt"], "message 3: the assistant speaks twice in a row"),
        (["human", "system", "gpt"], "message 2: a system message stands first"),
        (["system", "gpt"], "message 2: the assistant speaks first"),
    ],
)
def test_a_dialogue_out_of_turn_is_a_bad_row(turns: list[str], wrong: str, tmp_path: Path) -> None:
    good = {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}
    bad = {"conversations": [{"from": each, "value": "a"} for each in turns]}
    (tmp_path / "a.json").write_text(json.dumps([good, bad]), encoding="utf-8")
    with pytest.raises(Refusal, match=f"record 2: {wrong}"):
        read(tmp_path / "a.json", "chat")
    assert len(read(tmp_path / "a.json", "chat", BadRows(), on_bad_row="skip")) == 1


def test_a_history_that_is_no_list_is_a_bad_row(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps([{"instruction": "a", "output": "c", "history": 1}]), encoding="utf-8")
    with pytest.raises(Refusal, match="'history' holds something else"):
        read(tmp_path / "a.json", "chat")


def test_of_conll_u_words_alone_are_tokens(tmp_path: Path) -> None:
    lines = ["# text = vámonos", "1-2\tvámonos\t_\t_", "1\tvamos\tir\tVERB", "2\tnos\tnosotros\tPRON", "2.1\tir\t_\t_"]
    (tmp_path / "a.conllu").write_text("\n".join(lines) + "\n", encoding="utf-8")
    bad_rows = BadRows()
    fields = {"token": 1, "tag": 3, "entities": False, "comment": "#"}
    source = Format.model_validate({"kind": "conll", "path": str(tmp_path / "a.conllu"), **fields})
    assert list(source.read(bad_rows=bad_rows)) == [{"tokens": ["vamos", "nos"], "tags": ["VERB", "PRON"]}]
    assert list(bad_rows.mended.values()) == [2]
    (tmp_path / "b.conll").write_text("1-2\tO\n3.5\tO\n", encoding="utf-8")
    assert read(tmp_path / "b.conll", "conll") == [{"tokens": ["1-2", "3.5"], "tags": ["O", "O"]}]
    (tmp_path / "c.tsv").write_text("1-1\t0-4\tDies\tO\n1-2\t5-8\tist\tO\n", encoding="utf-8")  # as WebAnno writes
    webanno = Format.model_validate({"kind": "conll", "path": str(tmp_path / "c.tsv"), "token": 2, "tag": 3})
    assert list(webanno.read()) == [{"tokens": ["Dies", "ist"], "tags": ["O", "O"]}]
