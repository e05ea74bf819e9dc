"""Feeds as they are found in the world: odd dates, false charsets, bombs, servers that are down or send on."""

import os
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sql
from monitor_web import Web

from danlu.apps.monitor import sources as sources_module
from danlu.apps.monitor.feed import Feed, read_feed
from danlu.apps.monitor.sources import Given, Sources
from danlu.apps.monitor.store import Store
from danlu.apps.monitor.tables import SOURCES, TEXTS
from danlu.apps.monitor.watched import File, files_of
from danlu.machine.web import Failed

RSS = """<?xml version="1.0" encoding="{charset}"?>
<rss version="2.0"><channel><title>新闻</title>
<item><guid>1</guid><title>续航缩水</title><description>&lt;p&gt;用户&lt;b&gt;投诉&lt;/b&gt;&lt;/p&gt;</description>
<link>http://x.example/1</link><pubDate>2026年11月25日 14:30</pubDate></item>
<item><guid>2</guid><title>Second</title><pubDate>Wed, 25 Nov 2026 06:30:00 GMT</pubDate></item>
<item><guid>3</guid><title></title></item></channel></rss>"""
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom"><title>t</title><entry><id>urn:1</id>
<title type="html">A &amp;amp; B</title><updated>2026-11-25T06:30:00Z</updated>
<content type="html">&lt;script&gt;x()&lt;/script&gt;Text</content></entry></feed>"""
NOON = datetime(2026, 11, 25, 6, 30, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("stated", "used", "header"),
    [
        ("utf-8", "utf-8", None), ("gb2312", "utf-8", "gb2312"), ("utf-8", "gb18030", "utf-8"), ("gb2312", "gbk", None),
        ("big5", "big5", "utf-8"), ("x-none", "utf-16", None), ("iso-8859-1", "utf-8-sig", "latin-1"),
    ],
)  # fmt: skip
def test_what_the_bytes_are_counts_and_not_what_is_stated(stated: str, used: str, header: str | None) -> None:
    text = RSS.format(charset=stated)
    if used == "big5":
        text = (
            text.replace("续航缩水", "續航縮水").replace("投诉", "投訴").replace("用户", "用戶").replace("新闻", "新聞")
        )
    items, said = read_feed(text.encode(used), header, "feed")
    assert [item.title for item in items] == ["續航縮水" if used == "big5" else "续航缩水", "Second"]
    assert items[0].text in ("用户投诉", "用戶投訴")
    assert [item.date for item in items] == [NOON, NOON]
    assert said == ["1 entries hold no text, and are left out"]


def test_atom_is_read_and_what_a_page_does_not_show_is_left_out() -> None:
    items, _ = read_feed(ATOM.encode(), None, "feed")
    assert [(item.title, item.text, item.date) for item in items] == [("A & B", "Text", NOON)]


@pytest.mark.parametrize(
    "content",
    [
        b'<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><rss version="2.0"><channel>&b;</channel></rss>',
        b'<?xml version="1.0"?><!DOCTYPE r SYSTEM "file:///etc/passwd" [ ]><rss/>',
        '<!DOCTYPE r [<!ENTITY a "b">]><rss version="2.0"/>'.encode("utf-16"),
        b"<html><body>No feed</body></html>",
        b"",
        b"\x00\x01\x02" * 1000,
        b"{}",
    ],
)
def test_bombs_and_what_is_no_feed_are_refused(content: bytes) -> None:
    with pytest.raises(Failed, match=r"^feed: "):
        read_feed(content, None, "feed")


def test_a_feed_that_breaks_off_gives_what_it_has() -> None:
    items, _ = read_feed(RSS.format(charset="utf-8").encode()[:460], None, "feed")
    assert items[0].title == "续航缩水"


def due(store: Store) -> None:
    with store.begin() as connection:
        connection.execute(SOURCES.update().values(due=0.0))


def test_a_feed_is_fetched_once_by_several_and_what_is_known_is_not_taken_again(
    web: Web, store: Store, tmp_path: Path
) -> None:
    def answer(path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        if headers.get("if-none-match") == '"1"':
            return 304, {}, b""
        return 200, {"ETag": '"1"'}, RSS.format(charset="utf-8").encode()

    web.answer = answer
    other = Store(f"sqlite:///{tmp_path / 'monitor.db'}")
    lines: list[str] = []
    both = [Sources(each, 600, say=lines.append) for each in (store, other)]
    feed = Feed(f"{web.url}/rss?token=hidden")
    assert [each.fetch_due([feed], lambda: NOON) for each in both] == [2, 0]
    assert len(web.asked) == 1
    due(store)
    assert both[1].fetch_due([feed], lambda: NOON) == 0
    assert len(web.asked) == 2
    web.answer = lambda path, headers, body: (200, {}, RSS.format(charset="utf-8").encode())
    due(store)
    assert both[1].fetch_due([feed], lambda: NOON) == 0
    web.answer = lambda path, headers, body: (500, {}, b"")
    due(store)
    both[1].fetch_due([feed], lambda: NOON)
    assert len(lines) > 0
    assert web.url in "".join(lines)
    assert "hidden" not in "".join(lines)
    other.close()


def test_a_feed_that_is_down_is_told_asked_less_often_and_told_when_it_is_back(
    web: Web, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    web.answer = lambda path, headers, body: (500, {}, b"")
    lines: list[str] = []
    own = Sources(store, 600, say=lines.append)
    waits = []
    for _ in range(5):
        due(store)
        assert own.fetch_due([Feed(web.url)], time.time) == 0
        assert own.fetch_due([Feed(web.url)], time.time) == 0  # not due
        with store.begin() as connection:
            row = connection.execute(SOURCES.select()).one()
            waits.append(round(row.due - store.clock(connection)))
    assert waits == [150, 300, 600, 1200, 2400]
    assert len(web.asked) == 5
    assert [line.partition("500")[2].partition(";")[0] for line in lines] == [
        " Internal Server Error", f" Internal Server Error, {sources_module.TOLD_AFTER} times in a row",
    ]  # fmt: skip
    web.answer = lambda path, headers, body: (200, {}, ATOM.encode())
    due(store)
    assert own.fetch_due([Feed(web.url)], time.time) == 1
    assert lines[-1].endswith("can be read again")


def test_a_feed_that_asks_for_patience_is_given_it(web: Web, store: Store) -> None:
    own = Sources(store, 600, say=lambda _: None)
    for asked, waits in (("900", 900), ("10", 300), ("999999", sources_module.LONGEST_WAIT), ("soon", 1200)):
        web.answer = lambda path, headers, body, asked=asked: (429, {"Retry-After": asked}, b"")  # type: ignore[misc]
        due(store)
        own.fetch_due([Feed(web.url)], time.time)
        with store.reading() as connection:
            assert connection.execute(sql.select(SOURCES.c.due)).scalar_one() - time.time() == pytest.approx(
                waits, abs=5
            )


def test_files_are_read_when_they_change_and_odd_rows_are_told(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("danlu.apps.monitor.watched.QUIET", 0.0)
    folder = tmp_path / "inbox"
    folder.mkdir()
    (folder / "a.csv").write_text("text,date\n好,2026-11-25\n坏,2999-01-01\n,2026-11-25\n", encoding="gb18030")
    (folder / "b.jsonl").write_text('{"title": "t", "date": "1970-01-01"}\n{broken\n{"text": "x"}\n', encoding="utf-8")
    (folder / "c.csv").write_text("name\nx\n", encoding="utf-8")
    (folder / "d.json").write_bytes(b"[" * 100_000)
    (folder / ".hidden.csv").write_text("text\nx\n", encoding="utf-8")
    (folder / "note.txt").write_text("x", encoding="utf-8")
    lines: list[str] = []
    own = Sources(store, 0.0, say=lines.append)
    assert own.fetch_due(files_of(folder), lambda: NOON) == 4
    told = "\n".join(lines)
    for part in (
        "a.csv: 1 rows hold no text", "a.csv: 1 texts say that they come from the future",
        "b.jsonl: 1 bad rows left out",
        "b.jsonl: 1 texts tell a time that cannot be", "b.jsonl: 1 texts tell no time", "c.csv: no row has a text",
    ):  # fmt: skip
        assert part in told
    assert "d.json" in told
    due(store)
    lines.clear()
    assert own.fetch_due([*files_of(folder / "a.csv"), File(folder / "b.jsonl")], lambda: NOON) == 0
    assert lines == []
    with (folder / "a.csv").open("a", encoding="gb18030") as file:
        file.write("新,2026-11-25\n")
    due(store)
    assert own.fetch_due(files_of(folder), lambda: NOON) == 1
    assert [source.name for source in files_of(tmp_path / "none")] == [str(tmp_path / "none")]


def test_a_file_that_is_written_anew_gives_its_new_rows_whatever_they_are_called(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("danlu.apps.monitor.watched.QUIET", 0.0)
    lines: list[str] = []
    own = Sources(store, 0.0, say=lines.append)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    file, other = tmp_path / "a" / "today.csv", tmp_path / "b" / "today.csv"

    def put(path: Path, *texts: str) -> int:
        rows = [f"{row},{text},2026-11-25" for row, text in enumerate(texts)]
        path.write_text("\n".join(["id,text,date", *rows]), encoding="utf-8")
        due(store)
        lines.clear()
        return own.fetch_due([File(path)], lambda: NOON)

    assert put(file, "first one", "second one", "third one") == 3
    assert put(file, "another one", "one more of them") == 2
    assert put(other, "first one") == 1
    assert lines == []
    assert put(file, "another one", "one more of them", "and the last of them") == 1
    assert lines == []  # it has grown
    assert put(file, "another one", "new") == 1
    assert lines == [f"{file}: 1 texts are known already, with their id, date and text, and are left out"]


def test_feeds_that_differ_in_their_secrets_alone_are_two(web: Web, store: Store) -> None:
    web.answer = lambda path, headers, body: (
        200, {"ETag": path}, RSS.format(charset="utf-8").replace("Second", path[-3:]).encode(),
    )  # fmt: skip
    feeds = [Feed(f"{web.url}/rss?token={name}") for name in ("one", "two")]
    feeds += [Feed(f"{web.url}/{'x' * 700}{name}") for name in ("one", "two")]
    assert Sources(store, 600, say=lambda _: None).fetch_due(feeds, lambda: NOON) == 8
    assert len({feed.name for feed in feeds}) == 4
    assert max(len(feed.name) for feed in feeds) == 700
    assert not any("token=one" in feed.name or "token=two" in feed.name for feed in feeds)


def test_what_is_odd_in_one_source_holds_up_no_other(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("danlu.apps.monitor.watched.QUIET", 0.0)

    class Odd:
        name, stamp = "odd", None

        def fetch(self, mark: object) -> Given:
            raise ZeroDivisionError("a text that nobody should read")

    try:
        odd = tmp_path / os.fsdecode(b"\xff\xfe.csv")
        odd.write_text("text,id\nfirst,1\n", encoding="utf-8")
        empty = tmp_path / os.fsdecode(b"a\xff.csv")
        empty.write_text("name\nx\n", encoding="utf-8")
    except OSError:
        pytest.skip("names of files are of characters here")
    (tmp_path / "z.csv").write_text("text\nsecond\n", encoding="utf-8")
    lines: list[str] = []
    own = Sources(store, 0.0, say=lines.append)
    assert own.fetch_due([Odd(), File(odd), File(empty), File(tmp_path / "z.csv")], lambda: NOON) == 2
    assert lines[0].startswith("odd: cannot be read (ZeroDivisionError at test_feeds.py:")
    assert any("a\\udcff.csv: no row has a text" in line for line in lines)
    assert all(line.encode() and "nobody" not in line for line in lines)
    with store.begin() as connection:
        names = sorted(Path(row.name).name for row in connection.execute(SOURCES.select()))
        assert names == ["\\udcff\\udcfe.csv", "a\\udcff.csv", "odd", "z.csv"]
        assert {row.source for row in connection.execute(TEXTS.select())} == {"\\udcff\\udcfe.csv", "z.csv"}

    def closed(_: Path) -> Path:
        raise PermissionError

    monkeypatch.setattr(Path, "iterdir", closed)
    lines.clear()
    assert own.fetch_due(files_of(tmp_path), lambda: NOON) == 0
    assert "cannot be read; see that it may be" in lines[0]


def test_entries_that_share_a_name_are_all_kept() -> None:
    entries = "".join(f"<item><title>Notice {n}</title><link>https://x/news</link></item>" for n in range(4))
    entries += "".join(f"<item><title>Same {n}</title><guid>1</guid></item>" for n in range(3))
    entries += "<item><title>Own</title><guid>2</guid></item>"
    items, _ = read_feed(f'<rss version="2.0"><channel>{entries}</channel></rss>'.encode(), None, "feed")
    assert len({item.key for item in items}) == 8
    assert [item.id for item in items] == [*(f"https://x/news Notice {n}" for n in range(4)), "", "", "", "2"]


def test_of_too_many_files_those_written_last_are_read_and_the_rest_told(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("danlu.apps.monitor.watched.FILES", 3)
    for number in range(5):
        path = tmp_path / f"{number}.jsonl"
        path.write_text(f'{{"text": "text {number}"}}\n')
        os.utime(path, (1e9 - number, 1e9 - number))
    lines: list[str] = []
    own = Sources(store, 0.0, say=lines.append)
    own.fetch_due(files_of(tmp_path), lambda: NOON)
    with store.begin() as connection:
        assert sorted(connection.scalars(sql.select(TEXTS.c.text))) == ["text 0", "text 1", "text 2"]
    assert any("holds 5 files, of which the 3 that were written to last are looked at" in line for line in lines)


def test_a_file_that_is_always_written_to_is_no_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("danlu.apps.monitor.watched.WAIT", 0.2)
    path, over = tmp_path / "live.jsonl", threading.Event()
    path.write_text('{"text": "a"}\n')

    def write() -> None:
        while not over.wait(0.02):
            with path.open("a") as file:
                file.write('{"text": "b"}\n')

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with pytest.raises(Failed, match="is written to without a pause"):
            File(path).fetch(None)
    finally:
        over.set()
        writer.join()
    monkeypatch.undo()
    given = File(path).fetch(None)  # waits for the pause
    assert given is not None
    assert given.items[0].text == "a"


@pytest.mark.parametrize("stated", [None, "iso-8859-1", "gb2312"])
@pytest.mark.parametrize("lead", [0, 16_384])
def test_a_character_that_was_cut_leaves_all_others_as_they_are(stated: str | None, lead: int) -> None:
    whole = RSS.format(charset="utf-8").replace("续航缩水", "续航缩水" + "很" * 20 + " " * lead).encode()
    place = whole.index("很".encode())
    items, _ = read_feed(whole[:place] + whole[place + 1 :], stated, "feed")
    assert items[0].title.startswith("续航缩水\ufffd")
    assert items[0].title.endswith("很")
