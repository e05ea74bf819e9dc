"""What stands before the first element of a feed, and what its entries are known by."""

import pytest

from danlu.apps.monitor.feed import read_feed
from danlu.apps.monitor.item import Item
from danlu.machine.web import Failed

BOMB = '<!DOCTYPE r [<!ENTITY a "b">]>'


def feed(*entries: str, head: str = "") -> str:
    items = "".join(f"<item>{entry}</item>" for entry in entries)
    return f'{head}<rss version="2.0"><channel>{items}</channel></rss>'


def read(text: str) -> list[Item]:
    return read_feed(text.encode(), None, "feed")[0]


@pytest.mark.parametrize(
    "head",
    [
        "", "<!-- <!ENTITY --><?xml-stylesheet href='x'?>\n", "<!DOCTYPE rss>",
        '<!-- > --><!DOCTYPE rss PUBLIC "-//Netscape//DTD RSS 0.91//EN" "http://x/rss-0.91.dtd"><!-- <rss> -->',
    ],
)  # fmt: skip
def test_declarations_that_a_text_shows_are_words(head: str) -> None:
    (item,) = read(feed(f"<title>XML</title><description><![CDATA[{BOMB}]]></description>", head=head))
    assert "ENTITY" in item.text


@pytest.mark.parametrize(
    "head",
    [
        BOMB, f"<!-- <rss> -->{BOMB}", f"<!-- <![CDATA[ -->{BOMB}", f"<?x <!-- ?>{BOMB}", f"<!DOCTYPE r>{BOMB}",
        BOMB.replace(" r ", ' r SYSTEM "<!--" '), BOMB.replace(" r ", ' r SYSTEM "a>b" '),
        BOMB.replace(" r ", " r SYSTEM '\"' "), BOMB.replace("DOC", "DO\x01C"),
    ],
)  # fmt: skip
def test_declarations_that_would_count_are_refused_wherever_they_hide(head: str) -> None:
    with pytest.raises(Failed, match="defines entities or elements of its own"):
        read(feed("<title>t</title>", head=head))


@pytest.mark.parametrize(
    "head",
    [
        '<!--\n<!ENTITY a "GROWN">\n-->\n<!DOCTYPE rss>\n', '<?x\n<!ENTITY a "GROWN">\n?>\n<!DOCTYPE rss>\n',
        'x\n<!DOCTYPE rss [\n<!ENTITY a "GROWN">\n]>\n',
        '<!--\n<!DOCTYPE -->\n<?x <b --><!DOCTYPE r [<!ENTITY a "GROWN">]>?>\n',
    ],
)  # fmt: skip
def test_declarations_before_the_first_element_that_count_for_nobody_are_not_made_to(head: str) -> None:
    (item,) = read(feed("<title>t &a;</title>", head=head))
    assert "GROWN" not in item.title


def test_entries_of_one_page_are_told_by_title_whatever_the_time_they_are_made_at() -> None:
    link, day = "<link>http://x/status</link>", "<pubDate>Wed, 25 Nov 2026 06:30:00 GMT</pubDate>"
    versions = [
        f"<title>All is well</title>{link}{day}", f"<title>It is down</title>{link}{day}",
        f"<title>It is down</title>{link}{day.replace('25', '26')}",
    ]  # fmt: skip
    first, second, again = (read(feed(each))[0] for each in versions)
    assert first.key != second.key == again.key
    (changed,) = read(feed(f"{versions[0]}<description>read 7 times</description>"))
    assert changed.key == first.key
    assert read(feed(f"<guid>1</guid>{versions[0]}"))[0].key == read(feed(f"<guid>1</guid>{versions[1]}"))[0].key
