"""Documents of a folder, in every form; what cannot be read is told, and the rest goes on."""

import json
import os
import zipfile
from pathlib import Path

import pytest

from danlu.index.document import Document
from danlu.index.files import documents_in, files_in
from danlu.index.index import Index
from danlu.refusal import Refusal

PDF = b"""%%PDF-1.4
1 0 obj <</Type /Catalog /Pages 2 0 R>> endobj
2 0 obj <</Type /Pages /Kids [3 0 R 5 0 R] /Count 2>> endobj
3 0 obj <</Type /Page /Parent 2 0 R /MediaBox [0 0 300 200] /Contents 4 0 R /Resources <</Font <</F 7 0 R>>>>>> endobj
4 0 obj <</Length %d>> stream
%s
endstream endobj
5 0 obj <</Type /Page /Parent 2 0 R /MediaBox [0 0 300 200] /Contents 6 0 R /Resources <</Font <</F 7 0 R>>>>>> endobj
6 0 obj <</Length %d>> stream
%s
endstream endobj
7 0 obj <</Type /Font /Subtype /Type0 /BaseFont /A /Encoding /Identity-H /DescendantFonts [8 0 R] /ToUnicode 9 0 R>>
endobj
8 0 obj <</Type /Font /Subtype /CIDFontType2 /BaseFont /A /CIDSystemInfo <</Registry (Adobe) /Ordering (Identity)
/Supplement 0>> /FontDescriptor 10 0 R>> endobj
9 0 obj <</Length %d>> stream
%s
endstream endobj
10 0 obj <</Type /FontDescriptor /FontName /A /Flags 4 /FontBBox [0 0 1000 1000] /ItalicAngle 0 /Ascent 800 /Descent 0
/CapHeight 700 /StemV 80>> endobj
trailer <</Root 1 0 R>>
"""


def pdf(*pages: str) -> bytes:
    """Two pages of text, in a font whose codes are those of Unicode."""
    shown = [f"BT /F 12 Tf 20 100 Td <{page.encode('utf-16-be').hex()}> Tj ET".encode() for page in pages]
    signs = sorted(set("".join(pages)))
    pairs = "\n".join(f"<{ord(sign):04x}> <{ord(sign):04x}>" for sign in signs)
    codes = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapType 2 def 1 begincodespacerange\n"
        f"<0000> <ffff> endcodespacerange\n{len(signs)} beginbfchar\n{pairs}\nendbfchar endcmap end end"
    ).encode()
    return PDF % (len(shown[0]), shown[0], len(shown[1]), shown[1], len(codes), codes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file of each form."""
    docx = pytest.importorskip("docx", reason="python-docx is not installed")
    pytest.importorskip("pypdfium2", reason="pypdfium2 is not installed")
    root = tmp_path_factory.mktemp("files")
    (root / "inner").mkdir()
    (root / "plain.txt").write_bytes("退货说明：七天之内可以退货。".encode("gb18030"))
    (root / "inner" / "note.md").write_text("---\nx: 1\n---\n# 泡茶 \n\n水烧开。")
    (root / "page.html").write_text("<title>Museum</title><style>p {}</style><p>It opened &amp; in <b>1998</b>.</p>")
    (root / "tickets.csv").write_text('id,question,answer\n7,怎么退货？,"七天内，\n寄回来。"\n9,How to pay?,By card.\n')
    (root / "rows.jsonl").write_text('{"text": "第一行", "kind": "a"}\n{"text": "second", "n": 3}\n')
    (root / "book.pdf").write_bytes(pdf("第一页 见龙在田", "second page"))
    made = docx.Document()
    made.add_paragraph("合同第一条")
    table = made.add_table(rows=1, cols=2)
    table.cell(0, 0).text, table.cell(0, 1).text = "金额", "100元"
    made.add_paragraph("最后一条")
    made.save(str(root / "contract.docx"))
    return root


@pytest.fixture(scope="module")
def broken(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of files of which few can be read."""
    root = tmp_path_factory.mktemp("broken")
    (root / "good.txt").write_text("喝茶")
    (root / "empty.txt").write_text("")
    (root / "blank.md").write_text(" \n\n")
    (root / "noise.txt").write_bytes(bytes(range(256)) * 4)
    (root / "nul.txt").write_bytes(b"a\0b")
    (root / "cut.docx").write_bytes((folder / "contract.docx").read_bytes()[:500])
    (root / "bad.pdf").write_bytes(b"%PDF-1.4 nothing more")
    (root / "images.pdf").write_bytes(pdf(" ", " "))
    (root / "rows.jsonl").write_text("{no json\n")
    (root / "picture.png").write_bytes(b"\x89PNG")
    (root / ".hidden.txt").write_text("hidden")
    (root / "~$contract.docx").write_text("held by Word")
    with zipfile.ZipFile(root / "bomb.docx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b" " * (2**20 + 1))
    (root / "outside.txt").symlink_to(folder / "plain.txt")
    (root / "nowhere.txt").symlink_to(root / "none")
    (root / "around").symlink_to(root)
    (root / "circle.txt").symlink_to(root / "circle.txt")
    return root


def test_each_form_gives_its_text(folder: Path) -> None:
    found = {each.id: each for name, path in files_in(folder, []) for each in documents_in(path, name, [])}
    assert found["plain.txt"].text == "退货说明：七天之内可以退货。"
    assert found["inner/note.md"].title == "泡茶"
    assert (found["page.html"].title, found["page.html"].text.strip()) == ("Museum", "It opened & in 1998.")
    assert found["tickets.csv#7"].text == "question: 怎么退货？\nanswer: 七天内，\n寄回来。"
    assert found["tickets.csv#9"].title == "How to pay?"
    assert found["tickets.csv#9"].facts == {
        "file": "tickets.csv", "id": "9", "question": "How to pay?", "answer": "By card."
    }  # fmt: skip
    assert found["rows.jsonl#1"].text == "第一行\nkind: a"
    assert found["rows.jsonl#2"].facts == {"file": "rows.jsonl", "n": "3"}
    assert found["book.pdf"].text == "第一页 见龙在田\fsecond page"
    assert found["contract.docx"].text == "合同第一条\n金额\t100元\n最后一条"
    assert len(found) == 9


def test_what_cannot_be_read_is_listed_with_the_reason_and_the_rest_goes_on(
    broken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("danlu.index.docx_text._UNPACKED", 2**20)
    with Index.open(tmp_path) as index:
        done = index.refresh(broken)
        assert (done.added, index.names()) == (1, ["good.txt"])
    told = dict(done.unread)
    expected = {
        "empty.txt": "holds no text", "blank.md": "holds no text", "noise.txt": "", "nul.txt": "NUL",
        "cut.docx": "cannot be read as a Word document", "bad.pdf": "cannot be read as PDF",
        "images.pdf": "holds no text, only images perhaps", "rows.jsonl": "", "picture.png": "'.png' is none of",
        "bomb.docx": "unpacks to more than 1 MiB", "outside.txt": "leads out of the folder",
        "nowhere.txt": "is no file", "around": "is a link to a folder", "circle.txt": "",
    }  # fmt: skip
    assert told.keys() == expected.keys()
    for name, words in expected.items():
        assert words in told[name]
        assert "\n" not in told[name]


def test_of_a_book_of_which_images_alone_are_left_nothing_is_found_any_more(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    book = tmp_path / "docs" / "book.pdf"
    book.write_bytes((folder / "book.pdf").read_bytes())
    with Index.open(tmp_path / "index") as index:
        assert index.refresh(tmp_path / "docs").added == 1
        book.write_bytes(pdf(" ", " "))
        done = index.refresh(tmp_path / "docs")
        assert (done.removed, len(index)) == (1, 0)
        assert "only images perhaps" in done.unread[0][1]


def test_rows_that_cannot_be_read_are_told_each_time_and_the_others_kept(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a [1].csv").write_text("id,text\n1,喝茶\n2,too,many,fields\n3,咖啡\n")
    with Index.open(tmp_path / "index") as index:
        done = index.refresh(tmp_path / "docs")
        assert (done.added, index.names()) == (2, ["a [1].csv#1", "a [1].csv#3"])
        assert [name for name, _ in done.unread] == ["a [1].csv"]
        assert "rows left out: 1; the first: line 3" in done.unread[0][1]
        again = index.refresh(tmp_path / "docs")
        assert (again.added, again.changed, again.removed, again.unread) == (0, 0, 0, done.unread)


def test_a_row_that_cannot_be_kept_holds_up_no_other_row(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    table = tmp_path / "docs" / "t.jsonl"
    table.write_text('{"id": "1", "text": "nine"}\n')
    with Index.open(tmp_path / "index") as index:
        index.refresh(tmp_path / "docs")
        rows = [{"id": "1", "text": "ten"}, {"id": "2", "text": "a\0b"}, {"id": "i" * 2000, "text": "x"}]
        table.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        done = index.refresh(tmp_path / "docs")
        assert (done.changed, index.names()) == (1, ["t.jsonl#1"])
        assert [each.text for each in index.search("ten")] == ["ten"]
        assert done.unread[0][1].startswith("rows left out: 2; the first: row 2: document 't.jsonl#2'")
        table.write_text(json.dumps(rows[1]))
        assert (index.refresh(tmp_path / "docs").removed, len(index)) == (1, 0)


def test_documents_of_a_folder_that_is_closed_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docs" / "inner").mkdir(parents=True)
    (tmp_path / "docs" / "inner" / "a.txt").write_text("喝茶")
    (tmp_path / "docs" / "b.txt").write_text("咖啡")
    scandir = os.scandir

    def closed(place: str) -> object:
        if str(place).endswith("inner"):
            raise PermissionError(13, "Permission denied", place)
        return scandir(place)

    with Index.open(tmp_path / "index") as index:
        index.refresh(tmp_path / "docs")
        (tmp_path / "docs" / "b.txt").unlink()
        with monkeypatch.context() as patched:
            patched.setattr("os.scandir", closed)
            done = index.refresh(tmp_path / "docs")
        assert (done.removed, index.names()) == (1, ["inner/a.txt"])
        assert done.unread == [("inner/", "cannot be looked into (Permission denied)")]


def test_a_folder_that_is_not_there_removes_nothing(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("喝茶")
    with Index.open(tmp_path / "index") as index:
        index.refresh(tmp_path / "docs")
        with pytest.raises(Refusal, match="is no folder"):
            index.refresh(tmp_path / "doc")
        assert len(index) == 1


@pytest.mark.skipif(os.name != "posix", reason="names of files are text elsewhere")
def test_a_name_that_is_no_text_is_shown_as_escapes(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    Path(os.fsdecode(os.fsencode(tmp_path / "docs") + b"/\xff.txt")).write_text("喝茶")
    with Index.open(tmp_path / "index") as index:
        index.refresh(tmp_path / "docs")
        assert index.names() == ["\\xff.txt"]


def test_a_folder_that_cannot_be_listed_removes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "docs"
    root.mkdir()
    (root / "a.txt").write_text("喝茶")
    with Index.open(tmp_path / "index") as index:
        index.refresh(root)
        for number, why in ((13, "Permission denied"), (5, "Input/output error")):

            def closed(place: str, number: int = number, why: str = why) -> object:
                raise OSError(number, why, place)

            with monkeypatch.context() as patched:
                patched.setattr("os.scandir", closed)
                with pytest.raises(Refusal, match=f"docs: cannot be looked into \\({why}\\), and nothing was changed"):
                    index.refresh(root)
            assert index.names() == ["a.txt"]
        assert index.refresh(root).removed == 0


@pytest.mark.parametrize(
    "stated", ["undefined", "idna", "unicode_escape", "hex", "rot13", "utf-16", "x" * 300, "utf-8-sig"]
)
def test_a_page_may_state_any_encoding_and_the_others_are_read(tmp_path: Path, stated: str) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.html").write_text(f"<meta charset={stated}><title>页</title><p>喝茶去</p>")
    (tmp_path / "docs" / "b.html").write_bytes("\ufeff<meta charset=utf-8><title>B</title><p>咖啡</p>".encode())
    (tmp_path / "docs" / "c.txt").write_text("水")
    with Index.open(tmp_path / "index") as index:
        done = index.refresh(tmp_path / "docs")
        assert (done.unread, index.names()) == ([], ["a.html", "b.html", "c.txt"])
        texts = {name: index.document(name) for name in index.names()}
        assert {name: each and (each.title, each.text) for name, each in texts.items()} == {
            "a.html": ("页", "喝茶去"), "b.html": ("B", "咖啡"), "c.txt": ("c", "水")
        }  # fmt: skip


def test_what_one_file_does_to_its_reader_keeps_no_other_from_being_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from danlu.index import intake

    (tmp_path / "docs").mkdir()
    for name in "abc":
        (tmp_path / "docs" / f"{name}.txt").write_text(name)
    read = intake.documents_in

    def fails(path: Path, name: str, unread: list[tuple[str, str]]) -> list[Document]:
        if name == "b.txt":
            raise RecursionError
        return read(path, name, unread)

    monkeypatch.setattr(intake, "documents_in", fails)
    with Index.open(tmp_path / "index") as index:
        done = index.refresh(tmp_path / "docs")
        assert index.names() == ["a.txt", "c.txt"]
        assert done.unread == [("b.txt", "its reader failed (RecursionError); save it anew")]


def test_the_file_of_a_row_is_the_one_that_it_stands_in(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,text,file\n1,foo bar,other.txt\n", encoding="utf-8")
    (found,) = documents_in(tmp_path / "a.csv", "a.csv", [])
    assert found.facts == {"id": "1", "file": "a.csv"}


def test_columns_beside_a_text_are_found_by_their_names(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    rows = ["id,title,content,price,warranty", "1,Kettle K7,A kettle of steel.,39 crowns,"]
    rows += ["2,Lamp L2,A lamp.,12 crowns,2 years", f"3,Book,A book.,1 crown,{'x' * 10_001}"]
    (tmp_path / "docs" / "goods.csv").write_text("\n".join(rows))
    with Index.open(tmp_path / "index") as index:
        assert index.refresh(tmp_path / "docs").unread == []
        texts = [document.text for name in index.names() if (document := index.document(name)) is not None]
        assert texts == [
            "A kettle of steel.\nprice: 39 crowns",
            "A lamp.\nprice: 12 crowns\nwarranty: 2 years",
            "A book.\nprice: 1 crown",
        ]
        assert index.search("warranty")[0].document == "goods.csv#2"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("tags", "kettle, guarantee, steel"),
        ("Keywords", "kettle"),
        ("类别", "水壶"),
        ("embedding", "[0.25, -1e-3, 7]"),
        ("picture", "https://shop.example/kettle-guarantee.png"),
        ("note", "x" * 201),
        ("note", "a kettle\nof steel"),
    ],
)
def test_columns_of_no_use_to_who_asks_are_not_told_beside_a_text(column: str, value: str, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "A kettle.", column: value, "price": 39}), encoding="utf-8")
    (found,) = documents_in(tmp_path / "a.jsonl", "a.jsonl", [])
    assert found.text == "A kettle.\nprice: 39"
    assert found.facts[column] == value
