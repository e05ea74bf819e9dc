"""Word documents as people leave them: forms, corrections that nobody has agreed to yet, boxes, merged cells."""

import zipfile
from pathlib import Path

import pytest

from danlu.index.docx_text import text_of_docx
from danlu.refusal import Refusal

docx = pytest.importorskip("docx", reason="python-docx is not installed")

SPACES = (
    'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
    'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
)


def p(inside: str) -> str:
    return f"<w:p>{inside}</w:p>"


def r(text: str) -> str:
    return f'<w:r><w:t xml:space="preserve">{text}</w:t></w:r>'


def cell(text: str, told: str = "") -> str:
    return f"<w:tc><w:tcPr>{told}</w:tcPr>{p(r(text))}</w:tc>"


def saved(path: Path, *parts: str) -> Path:
    made = docx.Document()
    for part in parts:
        element = docx.oxml.parse_xml(part.replace(">", f" {SPACES}>", 1))
        made.element.body.insert(len(made.element.body) - 1, element)
    made.save(str(path))
    return path


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (p(f"{r('甲方')}<w:ins>{r('应于')}</w:ins><w:del><w:r><w:delText>可</w:delText></w:r></w:del>"), "甲方应于"),
        (p(f"<w:smartTag>{r('Bei')}<w:smartTag>{r('jing')}</w:smartTag></w:smartTag>{r('!')}"), "Beijing!"),
        (f"<w:sdt><w:sdtPr/><w:sdtContent>{p(r('Name: '))}{p(r('Li'))}</w:sdtContent></w:sdt>", "Name: \nLi"),
        (p(f"<w:sdt><w:sdtContent>{r('chosen')}</w:sdtContent></w:sdt>"), "chosen"),
        (f"<w:moveTo>{p(r('here'))}</w:moveTo>", "here"),
        (p(f"<w:moveFrom>{r('gone')}</w:moveFrom>{r('stays')}"), "stays"),
        (p(f"<w:hyperlink>{r('a')}</w:hyperlink><w:r><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t></w:r>"), "a\tb\nc"),
        (p(f"<w:ruby><w:rt>{r('hàn')}</w:rt><w:rubyBase>{r('汉')}</w:rubyBase></w:ruby>{r('字')}"), "汉字"),
        (p(f"{r('E = ')}<m:oMath><m:r><m:t>mc²</m:t></m:r></m:oMath>"), "E = mc²"),
        (
            p(
                f"<w:r><mc:AlternateContent><mc:Choice><w:txbxContent>{p(r('box'))}</w:txbxContent></mc:Choice>"
                f"<mc:Fallback><w:txbxContent>{p(r('box'))}</w:txbxContent></mc:Fallback></mc:AlternateContent></w:r>"
            ),
            "\nbox",
        ),
    ],
)  # fmt: skip
def test_what_stands_in_a_document_is_read_whatever_it_stands_in(tmp_path: Path, part: str, text: str) -> None:
    assert text_of_docx(saved(tmp_path / "a.docx", part)) == text


def test_a_cell_over_several_rows_is_told_in_each_and_one_over_several_columns_once(tmp_path: Path) -> None:
    begins, goes_on, wide = '<w:vMerge w:val="restart"/>', "<w:vMerge/>", '<w:gridSpan w:val="2"/>'
    inner = f"<w:tc><w:tcPr/><w:tbl><w:tr>{cell('x')}{cell('y')}</w:tr></w:tbl>{p(r('z'))}</w:tc>"
    rows = [
        cell("head", wide) + cell("right"),
        cell("退货", begins) + cell("七天") + cell("a"),
        cell("", goes_on) + cell("原包装") + cell("b"),
        cell("one", wide) + inner,
    ]
    table = f"<w:tbl>{''.join(f'<w:tr>{row}</w:tr>' for row in rows)}</w:tbl>"
    assert text_of_docx(saved(tmp_path / "a.docx", table)).split("\n") == [
        "head\tright", "退货\t七天\ta", "退货\t原包装\tb", "one\tx\ty z"
    ]  # fmt: skip


def test_what_claims_to_be_immense_takes_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    span = '<w:gridSpan w:val="2000000000"/>'
    assert text_of_docx(saved(tmp_path / "a.docx", f"<w:tbl><w:tr>{cell('wide', span)}</w:tr></w:tbl>")) == "wide"
    long, begins, goes_on = "l" * 500, '<w:vMerge w:val="restart"/>', "<w:vMerge/>"
    rows = f"<w:tr>{cell(long, begins)}</w:tr>" + f"<w:tr>{cell('', goes_on)}</w:tr>" * 3
    assert text_of_docx(saved(tmp_path / "b.docx", f"<w:tbl>{rows}</w:tbl>")) == f"{long}\n\n\n"
    monkeypatch.setattr("danlu.index.docx_text._MARKED", 2**20)
    with zipfile.ZipFile(tmp_path / "c.docx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/other.xml", b" " * (2**20 + 1))
    with pytest.raises(Refusal, match=r"c\.docx: unpacks to more than 1 MiB"):
        text_of_docx(tmp_path / "c.docx")
