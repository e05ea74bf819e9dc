"""Every codec that Python has, as the encoding of a file: it is read, or refused in a sentence."""

import encodings
import pkgutil
from pathlib import Path

import pytest
from pydantic import ValidationError

from danlu.data.reading.format import Format
from danlu.data.reading.lines import decoded
from danlu.refusal import Refusal

CODECS = sorted(module.name for module in pkgutil.iter_modules(encodings.__path__))
NO_TEXT = ["hex", "base64", "rot13", "zlib", "bz2", "uu", "quopri", "idna", "punycode", "undefined", "../x"]
NO_ENCODINGS = [*NO_TEXT, "unicode_escape", "raw_unicode_escape", "", "a\0b", "no such", "x" * 5000, "\udcff"]


@pytest.mark.parametrize("name", NO_ENCODINGS)
def test_what_is_no_encoding_of_files_is_refused_with_the_key(name: str) -> None:
    with pytest.raises(ValidationError, match="encoding"):
        Format.model_validate({"kind": "csv", "path": "x", "encoding": name})


def test_every_other_codec_reads_any_bytes_or_refuses_them_in_a_sentence(tmp_path: Path) -> None:
    seen = 0
    for kind, ends in (("csv", b"text,label\na,b\n"), ("jsonl", b'{"text": "a"}\n'), ("json", b'[{"text": "a"}]')):
        for content in (ends, ends[:-3] + b"\xff\xfe\x80\x1b$\xc3(" + ends[-3:], b"\x00\xd8\x00\x00", b"+AAD-\n"):
            (tmp_path / "a").write_bytes(content)
            for name in CODECS:
                try:
                    source = Format.model_validate({"kind": kind, "path": str(tmp_path / "a"), "encoding": name})
                    list(source.read())
                except Refusal as refusal:
                    assert "\n" not in str(refusal)  # noqa: PT017
                except ValidationError:
                    continue
                seen += 1
    assert seen > 800


@pytest.mark.parametrize("encoding", ["auto", "utf-8", "utf_8", "utf-8-sig"])
def test_the_mark_of_utf_8_is_in_no_text_however_it_is_read(encoding: str) -> None:
    assert decoded("\ufeffhello 你好".encode(), "a.txt", encoding) == "hello 你好"
    assert decoded("hello\ufeff".encode(), "a.txt", encoding) == "hello\ufeff"
