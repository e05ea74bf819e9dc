"""PDF files that were made to be read for ever: each ends in a text or a sentence."""

import zlib
from importlib.util import find_spec
from pathlib import Path

import pytest

from danlu.data.reading.format import Format
from danlu.refusal import Refusal

pytestmark = pytest.mark.skipif(find_spec("pypdf") is None, reason="needs danlu[pdf]")

CATALOG = b"<</Type/Catalog/Pages 2 0 R>>"
PAGES = b"<</Type/Pages/Kids[3 0 R]/Count 1>>"
FONT = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"
PAGE = (
    b"<</Type/Page/Parent 2 0 R/Contents 4 0 R/MediaBox[0 0 9 9]/Resources<</Font<</F 5 0 R>>/XObject<</X 6 0 R>>>>>>"
)
WORDS = b"BT /F 9 Tf (hi) Tj ET"


def pdf(*objects: bytes) -> bytes:
    """A file of these objects, the first of them the catalogue, with a table of where they are."""
    out, places = b"%PDF-1.7\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    table += b"".join(b"%010d 00000 n \n" % place for place in places)
    return out + table + b"trailer\n<</Size 9/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % len(out)


def stream(data: bytes, keys: bytes = b"") -> bytes:
    return b"<</Length %d%s>>stream\n%s\nendstream" % (len(data), keys, data)


def form(number: int) -> bytes:
    keys = b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X %d 0 R>>/Font<</F 5 0 R>>>>" % number
    return stream(b"/X Do /X Do " + WORDS, keys)


def packed(data: bytes) -> bytes:
    return stream(zlib.compress(data, 9), b"/Filter/FlateDecode")


SOUND = pdf(CATALOG, PAGES, PAGE, stream(WORDS), FONT)
NESTED = [b"<</Type/Pages/Kids[%d 0 R]/Count 1>>" % number for number in range(3, 300)]
DOUBLED = [b"<</Type/Pages/Kids[%d 0 R %d 0 R]/Count 1>>" % (number, number) for number in range(3, 33)]

HOSTILE = {
    "pages that hold themselves": pdf(CATALOG, b"<</Type/Pages/Kids[2 0 R]/Count 1>>"),
    "pages in a circle": pdf(CATALOG, PAGES, b"<</Type/Pages/Kids[2 0 R 2 0 R]/Parent 2 0 R>>"),
    "pages within pages": pdf(CATALOG, *NESTED, b"<</Type/Page>>"),
    "two references each": pdf(CATALOG, *DOUBLED, b"<</Type/Page>>"),
    "references in a circle": pdf(CATALOG, b"3 0 R", b"2 0 R"),
    "a form that draws itself": pdf(CATALOG, PAGES, PAGE, stream(b"/X Do"), FONT, form(6)),
    "forms that draw forms twice": pdf(
        CATALOG, PAGES, PAGE, stream(b"/X Do"), FONT, *(form(number) for number in range(7, 40)), stream(b"")
    ),
    "a page that unpacks to much": pdf(CATALOG, PAGES, PAGE, packed(b"(hi) Tj " * 2**21), FONT),
    "a chain of tables": SOUND.replace(b"/Size 9", b"/Size 9/Prev %d" % SOUND.rindex(b"xref\n0")),
    "deep arrays": pdf(CATALOG, PAGES, PAGE, stream(b"[" * 50_000), FONT),
    "deep mappings": pdf(b"<</A" * 5000 + b">>" * 5000, PAGES, PAGE, stream(WORDS), FONT),
    "no pages": pdf(b"<</Type/Catalog>>"),
    "a number for pages": pdf(CATALOG, b"7"),
}


@pytest.mark.parametrize("unit", ["file", "page"])
@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_read_or_refused_in_a_sentence(
    content: bytes, unit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("danlu.data.reading.formats.pdf._PATIENCE", 0.1)
    (tmp_path / "a.pdf").write_bytes(content)
    source = Format.model_validate({"kind": "pdf", "path": str(tmp_path / "a.pdf"), "unit": unit})
    try:
        found = next(source.read())["text"]
    except Refusal as refusal:
        found = str(refusal)
    assert "hi" in found or ("a.pdf: " in found and "\n" not in found)


def test_a_sound_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(SOUND)
    records = list(Format.model_validate({"kind": "pdf", "path": str(tmp_path / "a.pdf")}).read())
    assert records == [{"text": "hi", "file": "a.pdf"}]
