"""However documents came and went, the index is the one that is made of what is left."""

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from danlu.index.document import Document, Found
from danlu.index.index import Index
from danlu.index.intake import Change, Refreshed

QUERIES = ["喝茶", "cats and dogs", "E-1042", "退货说明"]
NAMES = st.sampled_from(["a", "b", "c.txt", "d.md"])
TEXTS = st.lists(
    st.sampled_from(["喝茶很好。", "Cats like dogs. ", "错误 E-1042。\n\n", "长" * 500, "# Heading\n", "退货"]),
    max_size=5,
).map("".join)
FILES = st.dictionaries(st.sampled_from(["c.txt", "d.md", "e/f.csv", "x.png"]), TEXTS, max_size=4)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.lists(st.tuples(NAMES, TEXTS), max_size=3)),
        st.tuples(st.just("remove"), st.sets(NAMES, max_size=2)),
        st.tuples(st.just("refresh"), FILES),
        st.tuples(st.just("open again"), st.none()),
    ),
    max_size=6,
)


def write(folder: Path, files: dict[str, str]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        rows = [f'{place},"{line}"' for place, line in enumerate(text.splitlines())]
        (folder / name).write_text("\n".join(["id,text", *rows]) if name.endswith("csv") else text)


def said(index: Index) -> list[list[Found]]:
    return [index.search(query, limit, where) for query in QUERIES for limit, where in ((3, None), (99, {"kind": "x"}))]


def alike(one: list[list[Found]], other: list[list[Found]]) -> None:
    for left, right in zip(one, other, strict=True):
        assert [(each.document, each.start, each.end, each.text) for each in left] == [
            (each.document, each.start, each.end, each.text) for each in right
        ]
        for each, same in zip(left, right, strict=True):
            assert each.ways == pytest.approx(same.ways, abs=2e-5)


def made_again(index: Index, place: "str | Path", lettered: Callable[..., Index]) -> None:
    """See that an index says the same as one that is made anew of its documents, in another order."""
    left = [index.document(name) for name in index.names()]
    with lettered(place) as fresh:
        fresh.put(document for document in reversed(left) if document is not None)
        assert len(fresh) == len(index) == len(left)
        alike(said(index), said(fresh))
        for found in itertools.chain(*said(index)):
            document = index.document(found.document)
            assert document is not None
            assert found.text == document.text[found.start : found.end]


@settings(max_examples=settings().max_examples // 2, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_changed_bit_by_bit_it_is_as_if_made_at_once(
    tmp_path: Path, lettered: Callable[..., Index], steps: list
) -> None:
    for old in ("index", "fresh"):
        shutil.rmtree(tmp_path / old, ignore_errors=True)
    kept: dict[str, str] = {}
    index = lettered(tmp_path / "index")
    try:
        for step, given_ in steps:
            if step == "put":
                index.put(Document(name, text, facts={"kind": "x"}) for name, text in given_)
                kept |= dict(given_)
            elif step == "remove":
                assert index.remove(given_) == len(given_ & kept.keys())
                kept = {name: text for name, text in kept.items() if name not in given_}
            elif step == "refresh":
                write(tmp_path / "folder", given_)
                index.refresh(tmp_path / "folder")
                kept = {name: text for name in index.names() if (text := index.document(name).text) is not None}
            else:
                index.close()
                index = lettered(tmp_path / "index")
        assert {name: index.document(name).text for name in index.names()} == kept
        made_again(index, tmp_path / "fresh", lettered)
    finally:
        index.close()


def test_a_folder_is_followed(tmp_path: Path, lettered: Callable[..., Index]) -> None:
    folder = tmp_path / "folder"
    with lettered(tmp_path / "index") as index:
        index.put([Document("by hand", "喝茶")])
        write(folder, {"a.txt": "喝茶很好。", "b.md": "# Cats\nCats like dogs.", "c.csv": "one\ntwo", "d.png": "x"})
        done = index.refresh(folder)
        assert (done.added, done.changed, done.removed) == (4, 0, 0)
        assert [name for name, _ in done.unread] == ["d.png"]
        again = index.refresh(folder)
        assert (again.added, again.changed, again.removed, again.unread) == (0, 0, 0, done.unread)
        write(folder, {"a.txt": "喝咖啡。", "c.csv": "one\nthree\nfour", "e.txt": "new"})
        done = index.refresh(folder)
        assert (done.added, done.changed, done.removed, done.unread) == (2, 2, 1, [])
        assert index.names() == ["a.txt", "by hand", "c.csv#0", "c.csv#1", "c.csv#2", "e.txt"]
        assert {each.document for each in index.search("喝茶") if each.ways["lexical"]} == {"by hand"}
        assert not any("dogs" in each.text for each in index.search("cats and dogs", 100))
        made_again(index, tmp_path / "fresh", lettered)


def test_of_a_file_that_can_no_longer_be_read_the_documents_stay(
    tmp_path: Path, lettered: Callable[..., Index]
) -> None:
    folder = tmp_path / "folder"
    with lettered(tmp_path / "index") as index:
        write(folder, {"a.txt": "喝茶很好。", "b.txt": "cats"})
        index.refresh(folder)
        (folder / "a.txt").write_bytes(b"\x00\x00\x00")
        (folder / "b.txt").write_text("dogs")
        done = index.refresh(folder)
        assert [name for name, _ in done.unread] == ["a.txt"]
        assert (done.added, done.changed, done.removed) == (0, 1, 0)
        assert index.search("喝茶")[0].document == "a.txt"
        (folder / "a.txt").unlink()
        assert index.refresh(folder).removed == 1
        assert index.names() == ["b.txt"]


EMPTIED = {
    "a.txt": [" \n\n"],
    "b.md": ["\n", "\ufeff"],
    "c.html": ["<title>Tea</title>", "<!-- tea -->"],
    "d.csv": ["id,text\n", "\n\n", "\ufeff", "id,text\n1,\n2, \n"],
    "e.tsv": ["id\ttext\n"],
    "f.jsonl": ["\n\n", '{"text": ""}\n', "{}\n"],
    "g.pdf": [""],
    "h.docx": [""],
}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_of_a_file_that_was_emptied_nothing_is_found_any_more(
    tmp_path: Path, lettered: Callable[..., Index], data: st.DataObject
) -> None:
    folder = tmp_path / "folder"
    name = data.draw(st.sampled_from(sorted(EMPTIED)))
    emptied = data.draw(st.sampled_from(["", *EMPTIED[name]]))
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(tmp_path / "index", ignore_errors=True)
    folder.mkdir()
    (folder / "other.txt").write_text("喝茶")
    held = {"d.csv": "id,text\n1,secret\n", "e.tsv": "id\ttext\n1\tsecret\n", "f.jsonl": '{"text": "secret"}\n'}
    with lettered(tmp_path / "index") as index:
        if name in ("g.pdf", "h.docx"):  # as if it had been read
            index._intake.take([Change([Document(name, "secret")], name, "digest")], Refreshed())
        (folder / name).write_text(held.get(name, "secret"))
        index.refresh(folder)
        assert len(index) == 2
        (folder / name).write_text(emptied)
        for removed in (1, 0):
            done = index.refresh(folder)
            assert (done.removed, [each for each, _ in done.unread]) == (removed, [name])
            assert index.names() == ["other.txt"]
        assert not any(each.ways["lexical"] for each in index.search("secret"))
        (folder / name).unlink()
        assert index.refresh(folder).unread == []


def test_of_a_large_table_what_was_done_is_done_and_belongs_to_it(
    tmp_path: Path, lettered: Callable[..., Index], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, asked = tmp_path / "folder", []
    write(folder, {"a.csv": "\n".join(f"row {number}" for number in range(200))})
    with lettered(tmp_path / "index") as index:
        passages = index._embedder.passages

        def failing(texts: list[str]) -> object:
            asked.append(len(texts))
            if len(asked) == 3:
                raise KeyboardInterrupt
            return passages(texts)

        monkeypatch.setattr(index._embedder, "passages", failing)
        with pytest.raises(KeyboardInterrupt):
            index.refresh(folder)
        assert len(index) == sum(asked[:2])
        done = index.refresh(folder)
        assert (done.added, len(index)) == (200 - sum(asked[:2]), 200)
        assert sum(asked) == 200 + asked[2]
        assert index.refresh(folder).added == 0
        asked.clear()
        write(folder, {"a.csv": "\n".join(f"another row {number}" for number in range(200))})
        with pytest.raises(KeyboardInterrupt):
            index.refresh(folder)
        write(folder, {"b.txt": "喝茶"})
        assert index.refresh(folder).removed == 200
        assert index.names() == ["b.txt"]


def test_deleted_text_does_not_stay_in_the_tables(tmp_path: Path, lettered: Callable[..., Index]) -> None:
    with lettered(tmp_path) as index:
        index.put([Document("a", "秘密 secret-4711"), Document("b", "open")])
        index.remove(["a"])
        index.put([Document("b", "other")])
        with index._store.reading() as session:
            for table in ("documents", "facts", "passages", "vectors"):
                assert len(list(session.rows(f"SELECT * FROM danlu_{table}"))) == (table != "facts")
        for query in ("秘密", "secret-4711", "4711", "open"):
            assert [each.document for each in index.search(query)] == ["b"]
            assert index.search(query)[0].ways["lexical"] == 0


def test_deleted_text_stays_in_no_file_while_the_index_is_open(tmp_path: Path) -> None:
    with Index.open(tmp_path) as index:
        index.put([Document("a", "kept-4711"), Document("b", "secret-4712 秘密")])
        index.put([Document("b", "other")])
        index.put([Document("c", "secret-4713")])
        index.remove(["c"])
        files = [file.read_bytes() for file in tmp_path.iterdir()]
        assert any(b"kept-4711" in each for each in files)
        for gone in ("secret-4712 秘密", "secret-4713"):
            assert not any(gone.encode() in each for each in files)
