"""Documents (text, Markdown, HTML, PDF), Arrow, data sets of the hub, patterns and remote files."""

import io
import os
import sys
import zipfile
from pathlib import Path

import fsspec
import pyarrow as pa
import pytest
from pyarrow import ipc
from pyarrow.parquet import write_table

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.format import Format, guess
from danlu.data.reading.html_text import decoded_page, text_of_html
from danlu.data.record import Record
from danlu.machine import hub
from danlu.recipe.lock import input_hashes
from danlu.refusal import Refusal

ROWS = [{"text": f"第{number}行", "label": number, "tags": ["a", None]} for number in range(3000)]
FOUND = [row | {"tags": ["a", None]} for row in ROWS]


def read(kind: str, path: Path | str, **fields: object) -> list[Record]:
    return list(Format.model_validate({"kind": kind, "path": str(path), **fields}).read())


def test_a_page_gives_the_text_it_shows_a_line_a_block() -> None:
    page = (
        "<html><head><title>t</title><style>p{}</style></head><body><h1>标题</h1><p>一 <b>二</b>&amp;三<br>四</p>"
        "<script>alert(1)</script><ul><li>x</li><li>y</li></ul><!-- no --><p> a\n b\u00a0c </p></body></html>"
    )
    assert text_of_html(page) == "标题\n一 二&三\n四\nx\ny\na b c"
    assert text_of_html("") == ""


def test_a_folder_gives_a_record_a_document_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "a.md").write_text("# 题\n\n文", encoding="utf-8")
    (tmp_path / "b" / "c.HTML").write_bytes("<meta charset=big5><p>繁體</p>".encode("big5"))
    (tmp_path / "b" / "d.txt").write_text("第一\r\n第二", encoding="utf-8")
    (tmp_path / "b" / "e.log").write_text("no")
    (tmp_path / ".hidden.txt").write_text("no")
    assert read("folder", tmp_path) == [
        {"text": "# 题\n\n文", "file": "a.md"},
        {"text": "繁體", "file": "b/c.HTML"},
        {"text": "第一\n第二", "file": "b/d.txt"},
    ]
    assert read("folder", tmp_path / "b" / "*.txt")[0]["text"] == "第一\n第二"
    (tmp_path / "b" / "f.txt").write_text(" \n")
    with pytest.raises(Refusal, match=r"f\.txt: holds no text"):
        read("folder", tmp_path)
    with pytest.raises(Refusal, match=r"holds no file with \.rst; name others in 'suffixes'"):
        read("folder", tmp_path, suffixes=[".rst"])


def pdf(*texts: str) -> bytes:
    """A PDF with a page for each text, written by hand (ISO 32000-1, 7.5)."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>"]
    kids = " ".join(f"{4 + 2 * place} 0 R" for place in range(len(texts)))
    objects.append(f"<< /Type /Pages /Kids [{kids}] /Count {len(texts)} >>".encode())
    objects.append(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
    for place, text in enumerate(texts):
        stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode()
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >> "
            + f"/Contents {5 + 2 * place} 0 R >>".encode()
        )
        objects.append(b"<< /Length %d >>\nstream\n" % len(stream) + stream + b"\nendstream")
    target, places = io.BytesIO(b"%PDF-1.4\n"), []
    target.seek(0, io.SEEK_END)
    for number, content in enumerate(objects, 1):
        places.append(target.tell())
        target.write(b"%d 0 obj\n" % number + content + b"\nendobj\n")
    start = target.tell()
    target.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    target.write(b"".join(b"%010d 00000 n \n" % place for place in places))
    target.write(b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start))
    return target.getvalue()


def test_pdf_gives_a_record_a_file_or_a_page(tmp_path: Path) -> None:
    pytest.importorskip("pypdf", reason="the extra pdf is not installed")
    (tmp_path / "a.pdf").write_bytes(pdf("Hello world", "Second page"))
    assert read("pdf", tmp_path / "a.pdf") == [{"text": "Hello world\nSecond page", "file": "a.pdf"}]
    pages = read("pdf", tmp_path / "a.pdf", unit="page")
    assert [(page["page"], page["text"]) for page in pages] == [(1, "Hello world"), (2, "Second page")]
    (tmp_path / "b.pdf").write_bytes(pdf(""))
    with pytest.raises(Refusal, match=r"b\.pdf: holds no text, only images perhaps"):
        read("pdf", tmp_path / "b.pdf")
    (tmp_path / "b.pdf").write_bytes(b"no pdf at all")
    with pytest.raises(Refusal, match=r"b\.pdf: cannot be read as PDF"):
        read("pdf", tmp_path / "b.pdf")
    bad_rows = BadRows()
    source = Format.model_validate({"kind": "pdf", "path": str(tmp_path / "*.pdf"), "on_bad_row": "skip"})
    assert len(list(source.read(bad_rows=bad_rows))) == 1
    assert bad_rows.count == 1


@pytest.mark.parametrize("package", ["pypdf", "datasets"])
def test_an_extra_that_is_absent_is_named(package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, name = {
        "pypdf": ("pdf", "a.pdf"),
        "datasets": ("hub", "."),
    }[package]
    (tmp_path / "a.pdf").write_bytes(pdf("x"))
    (tmp_path / "a.html").write_text("<p>x</p>")
    monkeypatch.setitem(sys.modules, package, None)
    extra = {"pypdf": "pdf", "datasets": "hub"}[package]
    with pytest.raises(Refusal, match=rf"pip install 'danlu\[{extra}\]'"):
        read(kind, tmp_path / name)


@pytest.mark.parametrize("form", ["file", "stream", "packed"])
def test_arrow_files_and_streams_give_their_rows(form: str, tmp_path: Path) -> None:
    table = pa.Table.from_pylist(ROWS)
    path = tmp_path / "a.arrow"
    writer = ipc.new_file if form == "file" else ipc.new_stream
    with writer(str(path), table.schema) as target:
        target.write_table(table, max_chunksize=700)
    if form == "packed":
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.write(path, "a.arrow")
        path = tmp_path / "a.zip"
    assert read("arrow", path) == FOUND
    assert guess(str(path)).kind == "arrow"


def test_cut_and_wrong_arrow_files_are_refused(tmp_path: Path) -> None:
    table = pa.Table.from_pylist(ROWS)
    with ipc.new_stream(str(tmp_path / "a.arrow"), table.schema) as target:
        target.write_table(table, max_chunksize=700)
    content = (tmp_path / "a.arrow").read_bytes()
    for wrong in (content[: len(content) // 2], b"nonsense", b"ARROW1\0\0nonsense"):
        (tmp_path / "b.arrow").write_bytes(wrong)
        with pytest.raises(Refusal, match=r"b\.arrow: cannot be read as Arrow"):
            read("arrow", tmp_path / "b.arrow")


def test_data_sets_that_the_datasets_library_saved_are_read_by_split(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="the extra hub is not installed")
    both = datasets.DatasetDict({name: datasets.Dataset.from_list(ROWS[:5]) for name in ("train", "test")})
    datasets.disable_progress_bars()
    both.save_to_disk(str(tmp_path / "saved"))
    both["train"].save_to_disk(str(tmp_path / "one"))
    (tmp_path / "files").mkdir()
    write_table(pa.Table.from_pylist(ROWS[:5]), tmp_path / "files" / "train.parquet")
    for name in ("saved", "one", "files"):
        assert read("hub", tmp_path / name, columns={"text": "text"}) == FOUND[:5]
    for name in ("saved", "files"):
        with pytest.raises(Refusal, match=r"there is no split 'trian'; did you mean 'train'\?; there are: train"):
            read("hub", tmp_path / name, split="trian")


def test_a_name_that_cannot_be_reached_is_one_sentence_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import HfApi

    asked: list[float] = []

    def unreachable(self: HfApi, name: str, *, timeout: float, **others: object) -> None:
        asked.append(timeout)
        raise OSError("Name or service not known")

    monkeypatch.setattr(HfApi, "repo_info", unreachable)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(Refusal, match=r"nobody/nothing: .* the hub cannot be reached \(Name or service not known\)"):
        read("hub", "nobody/nothing")
    assert asked == [hub.PATIENCE]


def test_patterns_read_all_their_files_in_order_and_name_each_in_messages(tmp_path: Path) -> None:
    for number in (2, 1, 10):
        (tmp_path / f"{number:02}.csv").write_text(f"text\n{number}\n")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.csv").write_text("text\nx\n")
    assert [row["text"] for row in read("csv", tmp_path / "*.csv")] == ["1", "2", "10"]
    assert len(read("csv", tmp_path / "**" / "*.csv")) == 4
    (tmp_path / "02.csv").write_text("text\na,b\n")
    with pytest.raises(Refusal, match=r"02\.csv, line 2: 2 fields"):
        read("csv", tmp_path / "*.csv")
    with pytest.raises(Refusal, match=r"\*\.tsv: no file matches"):
        read("tsv", tmp_path / "*.tsv")
    assert read("text", "package:pydantic/vers*.py")


def test_remote_files_are_read_and_change_the_lock_when_they_change() -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe("/data/a.jsonl", b'{"text": "a"}\n')
    memory.pipe("/data/b.jsonl", b'{"text": "b"}\n')
    buffer = io.BytesIO()
    write_table(pa.table({"text": ["c"]}), buffer)
    memory.pipe("/data/c.parquet", buffer.getvalue())
    try:
        source = Format.model_validate({"kind": "jsonl", "path": "memory://data/*.jsonl"})
        assert [row["text"] for row in source.read()] == ["a", "b"]
        assert read("parquet", "memory://data/c.parquet") == [{"text": "c"}]
        assert guess("memory://data/a.jsonl").kind == "jsonl"
        before = input_hashes(source)
        assert before == input_hashes(source)
        memory.pipe("/data/b.jsonl", b'{"text": "other"}\n')
        assert input_hashes(source) != before
        with pytest.raises(Refusal, match=r"memory://data/none\.jsonl: there is no such file"):
            read("jsonl", "memory://data/none.jsonl")
    finally:
        memory.rm("/data", recursive=True)


def test_a_local_file_may_be_named_by_a_url(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("一\n", encoding="utf-8")
    assert read("text", f"file://{tmp_path}/a.txt") == [{"text": "一"}]


def test_credentials_are_never_shown() -> None:
    for path, secret in (
        ("ftp://user:hunter2@example.invalid/a.csv", "hunter2"),
        ("nosuch://bucket/a.csv?X-Signature=hunter2", "hunter2"),
    ):
        with pytest.raises(Refusal) as caught:
            read("csv", path)
        assert secret not in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are bytes on Linux alone")
def test_names_of_files_that_are_not_utf8_are_read_and_hashed(tmp_path: Path) -> None:
    for name in ("评论.txt".encode("gb18030"), b"\xff\xff.txt"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_text("good")
    source = Format.model_validate({"kind": "folder", "path": str(tmp_path)})
    assert {record["file"] for record in source.read()} == {"评论.txt", r"\xff\xff.txt"}
    assert len(input_hashes(source)) == 1


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ('<meta charset="iso-8859-1">', "utf-8-sig"), ('<meta charset="iso-8859-1">', "utf-8"),
        ("<form accept-charset=iso-8859-1>", "utf-8"), ("<script charset='gbk' src=a></script>", "utf-8"),
        ('<meta http-equiv=Content-Type content="text/html; charset=gbk">', "gbk"), ("<META CHARSET = big5>", "big5"),
        ("<meta name=x><meta charset=gb2312>", "gb18030"), ("<meta charset=gbk>", "utf-16"),
    ],
)  # fmt: skip
def test_a_page_is_in_what_itself_says_and_not_in_what_a_part_of_it_does(head: str, encoding: str) -> None:
    page = f"<html><head>{head}</head><p>中文繁簡</p>" if encoding == "big5" else f"<html>{head}<p>中文网页</p>"
    assert decoded_page(page.encode(encoding), "a.html").removeprefix("\ufeff") == page


def test_latin_pages_have_the_signs_of_windows() -> None:
    page = "<meta charset=iso-8859-1><p>“naïve” – 5 €</p>"
    assert decoded_page(page.encode("cp1252"), "a.html") == page
