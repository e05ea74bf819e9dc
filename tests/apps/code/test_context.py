"""Parts of other files: what is put before a file, and what is of the file itself."""

import pytest

from danlu.apps.code.completion import Place, asked
from danlu.apps.code.context import Parts, same_file, with_part
from danlu.apps.code.repository import Source
from danlu.text.tokenizing.tokenizer import Tokenizer
from danlu.text.tokenizing.tokenizers.bpe import Bpe

TEXT = "".join(f"    total_{name} = price_of({name}) + weight_of({name})\n" for name in ("tea", "pot", "cup", "jar"))
OTHER = Source(
    "lib/other.py", "def price_of(thing):\n    return thing.price\n\n\ndef weight_of(thing):\n    return 1\n"
)
ITSELF = Source("src/shop.py", TEXT)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Bpe(size=300).build(lambda: iter([TEXT, OTHER.text]))


@pytest.mark.parametrize("path", ["", "src/shop.py", "/home/me/repo/src/shop.py", "C:/repo/src/shop.py", "new.py"])
@pytest.mark.parametrize("now", [TEXT, TEXT.replace("price_of(jar)", "0")])
def test_no_part_of_the_file_itself_is_put_before_it(path: str, now: str, tokenizer: Tokenizer) -> None:
    before, behind = now[:90], now[90:]
    assert Parts([ITSELF]).like(path, before, behind) is None
    record = asked(Place(before, None, path), Parts([OTHER]), tokenizer, 400)
    assert record["text"].startswith("# file: lib/other.py\n")
    found = Parts([ITSELF, OTHER]).like(path, before, behind)
    assert found is not None
    assert found.path == OTHER.path


def test_a_file_without_a_path_is_of_use_and_has_no_line_with_one() -> None:
    part = Parts([Source("", OTHER.text)]).like("", TEXT)
    assert part is not None
    assert with_part(part, "", TEXT) == f"{OTHER.text}\n{TEXT}"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("a/b.py", "a/b.py", True),
        ("/disk/a/b.py", "a/b.py", True),
        ("a/b.py", "d:/a/b.py", True),
        ("file:///disk/a/b.py", "a/b.py", True),
        ("a/b.py", "b.py", False),
        ("/disk/aa/b.py", "a/b.py", False),
        ("", "", False),
    ],
)
def test_paths_of_the_disk_and_of_a_repository_are_told_to_be_of_one_file(one: str, other: str, same: bool) -> None:
    assert same_file(one, other) is same_file(other, one) is same
