import collections
import gzip
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.data.reading.lines import LINE_LIMIT
from danlu.data.reading.lines import lines as numbered_lines
from danlu.data.reading.source_file import SourceFile, find_source, locate
from danlu.refusal import Refusal


def lines(source: SourceFile, encoding: str = "auto") -> list[str]:
    return [line for _, line in numbered_lines(source, encoding)]


CHINESE = "敬告各位，再不要去这里住了。\n位置好，早餐丰富！\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "gb18030", "gbk"])
def test_encodings_are_told_apart(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(("plain\n" + CHINESE).encode(encoding))
    assert "".join(lines(find_source(str(path)))) == "plain\n" + CHINESE


@given(st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5), min_size=4))
def test_gb18030_is_never_taken_for_utf8(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "gb.txt"
    path.write_bytes((text + "\n敬告各位\n").encode("gb18030"))
    try:
        found = "".join(lines(find_source(str(path))))
    except Refusal as refusal:  # characters at random are hardly Chinese
        found = str(refusal)
    assert found == text + "\n敬告各位\n" or "can be read as GB18030, but is" in found


def test_mixed_encodings_are_refused_with_both_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("abc\n位置好\n".encode() + "早餐丰富\n".encode("gb18030"))
    with pytest.raises(Refusal, match=r"a\.txt, line 3: is GB18030, but line 2 is UTF-8"):
        list(lines(find_source(str(path))))
    path.write_bytes("早餐丰富\n".encode("gb18030") + b"abc\n" + "位置好\n".encode())
    with pytest.raises(Refusal, match=r"a\.txt, line 3: is UTF-8, but line 1 is GB18030"):
        list(lines(find_source(str(path))))


def test_what_is_of_no_encoding_is_refused_unless_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("ok\ncafé\n".encode("latin-1"))
    with pytest.raises(Refusal, match=r"a\.txt, line 2: is neither UTF-8 nor GB18030"):
        lines(find_source(str(path)))
    assert list(lines(find_source(str(path)), "latin-1")) == ["ok\n", "café\n"]
    with pytest.raises(Refusal, match=r"a\.txt, line 2: is no utf-8"):
        list(lines(find_source(str(path)), "utf-8"))


def test_missing_files_folders_and_packages_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"none\.csv: there is no such file"):
        locate(str(tmp_path / "none.csv"))
    with pytest.raises(Refusal, match="is a folder; name a file in it"):
        locate(str(tmp_path))
    with pytest.raises(Refusal, match=r"'nowhere_at_all' is not installed; run: pip install nowhere_at_all"):
        locate("package:nowhere_at_all/a.txt")
    with pytest.raises(Refusal, match="there is no such file"):
        locate("package:danlu/none.txt")
    with pytest.raises(Refusal, match="expected 'package:name/file'"):
        locate("package:danlu/../secret.txt")


def test_cut_packings_are_refused(tmp_path: Path) -> None:
    whole = gzip.compress(CHINESE.encode() * 100)
    (tmp_path / "a.txt.gz").write_bytes(whole[:-20])
    with pytest.raises(Refusal, match=r"a\.txt\.gz: the packed file is damaged or cut short"):
        list(lines(find_source(str(tmp_path / "a.txt.gz"))))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.txt", CHINESE * 100)
    content = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "b.zip").write_bytes(content[:-40])
    with pytest.raises(Refusal, match=r"b\.zip: the zip is damaged or cut short"):
        find_source(str(tmp_path / "b.zip"))
    spoilt = bytearray(content)
    spoilt[200] ^= 1
    (tmp_path / "c.zip").write_bytes(spoilt)
    with pytest.raises(Refusal, match=r"c\.zip:a\.txt: the packed file is damaged"):
        list(lines(find_source(str(tmp_path / "c.zip"))))
    (tmp_path / "d.gz").write_bytes(b"plain text")
    with pytest.raises(Refusal, match=r"d\.gz: the packed file is damaged"):
        list(lines(find_source(str(tmp_path / "d.gz"))))


def test_bombs_and_endless_lines_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bomb.txt.gz").write_bytes(gzip.compress((b"a" * 1023 + b"\n") * (2**16 + 2**11)))
    with pytest.raises(Refusal, match=r"unpacks to more than \d+ bytes"):
        collections.deque(numbered_lines(find_source(str(tmp_path / "bomb.txt.gz"))), maxlen=0)
    (tmp_path / "long.txt").write_bytes(b"first\n" + b"a" * (LINE_LIMIT + 1))
    with pytest.raises(Refusal, match=r"long\.txt, line 2: is longer than"):
        list(lines(find_source(str(tmp_path / "long.txt"))))


def test_members_of_a_zip_are_chosen_by_name_or_glob(tmp_path: Path) -> None:
    path = str(tmp_path / "a.zip")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/train.txt", "one\n")
        archive.writestr("x/test.txt.gz", gzip.compress(b"two\n"))
    assert list(lines(find_source(path, "train.*"))) == ["one\n"]
    assert list(lines(find_source(path, "x/test.txt.gz"))) == ["two\n"]
    assert find_source(path, "test*").inner_name == "test.txt"
    for member in ("x/*", "dev.txt"):
        with pytest.raises(Refusal, match=r"match 'member' .* \(there are: x/train\.txt, x/test\.txt\.gz\)"):
            find_source(path, member)
    (tmp_path / "a.txt").write_text("one\n")
    with pytest.raises(Refusal, match="this is no zip"):
        find_source(str(tmp_path / "a.txt"), "train.txt")
