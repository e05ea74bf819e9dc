"""Tags are those of the HTML standard: compared with lexbor, a parser of browsers' kind, on pages of all sorts."""

from hypothesis import given, settings
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from danlu.data.reading.html_tags import html_marks
from danlu.data.reading.html_text import text_of_html

UNSEEN = "script, style, noscript, template, svg, iframe, head"
BLOCKS = (
    "address, article, aside, blockquote, br, dd, div, dl, dt, fieldset, figcaption, figure, footer, form, h1, h2, h3, "
    "h4, h5, h6, header, hr, li, main, nav, ol, p, pre, section, table, td, th, tr, ul, title, caption, option"
)


def by_lexbor(page: str) -> str:
    tree = LexborHTMLParser(page)
    for node in tree.css(UNSEEN):
        node.decompose()
    for node in tree.css(BLOCKS):
        node.insert_before("\u2029")
        node.insert_after("\u2029")
    shown = tree.body.text(deep=True) if tree.body is not None else ""
    blocks = (" ".join(block.split()) for block in shown.split("\u2029"))
    return "\n".join(block for block in blocks if block)


WORDS = st.sampled_from(["一 二", "x", " a &lt;b&gt; &amp; c", "1 < 2", "\n ", "&copy;&nbsp;", "a&b", "é"])
ATTRIBUTES = st.sampled_from(["", " hidden", ' class="a>b"', " id=x", " data-x='<p>'", "\nx=y z", ' a = "b" ', " /"])
BLOCK = st.sampled_from(["div", "section", "article", "blockquote", "ul", "li", "h1", "p"])
INLINE = st.sampled_from(["b", "i", "span", "a", "em", "custom-tag"])
ALONE = st.sampled_from(
    [
        "<br>", "<hr/>", "<img src='x>y'>", "<!-- no <p> -->", "<!-->", "<script>if (a < b) '<p>'</script>",
        "<style>p{}</style>", "<template>no <b>no</b></template>", "<svg><text>no</text></svg>", "<iframe>no</iframe>",
        "<noscript>no</noscript>", "<textarea>a<b></textarea>", "<br class='x' />", "<wbr>",
    ]
)  # fmt: skip


def element(inner: st.SearchStrategy[str], names: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    parts = st.lists(inner, max_size=3).map("".join)
    return st.builds(lambda name, told, content: f"<{name}{told}>{content}</{name}>", names, ATTRIBUTES, parts)


PHRASING = st.recursive(WORDS, lambda inner: element(inner, INLINE), max_leaves=4)
FLOW = st.recursive(PHRASING | ALONE, lambda inner: element(inner, BLOCK), max_leaves=12)
HEADS = st.sampled_from(["", "<title>no</title>", "<head><meta charset=x><title>no <b></title>", "<html lang=a>"])


@settings(max_examples=settings().max_examples * 2)
@given(HEADS, st.lists(FLOW, max_size=6).map("".join))
def test_a_page_reads_as_a_browsers_parser_reads_it(head: str, body: str) -> None:
    page = f"<!doctype html>{head}<body>{body}</body>"
    assert text_of_html(page) == by_lexbor(page)


def test_pages_that_are_cut_off_or_left_open_read_as_browsers_read_them() -> None:
    for page in (
        "<p>a<script>b",
        "<p>a<!-- b",
        "a<style>p{}",
        "<ul><li>a<li>b<ul><li>c</ul></ul>d",
        "<p>a<p>b<div>c",
        "<table><tr><td>1<td>2<tr><td>3</table>x",
        "<svg><g>no<p>a",
        "<title>no</title>a<title>b</title>",
        "&#99999999999999999999;&#x110000;&#65;&notit;",
        f"&#{'1' * 6000};a",
        "<b><i>a</b>b</i>",
        "a</p>b</br>c",
    ):
        assert text_of_html(page) == by_lexbor(page), page


@given(st.text(alphabet="<>/!-=\"' \nabpx&;", max_size=60))
@settings(max_examples=settings().max_examples * 3)
def test_marks_are_in_order_and_apart_and_begin_where_markup_does(text: str) -> None:
    end = 0
    for mark in html_marks(text, lambda mark: True):
        assert end <= mark.start < mark.end <= len(text)
        assert text[mark.start] == "<"
        assert text[mark.end - 1] == ">"
        end = mark.end


@given(st.text(alphabet="<>/!-=\"' abpx", max_size=40))
@settings(max_examples=settings().max_examples * 3)
def test_what_is_remembered_changes_nothing(text: str) -> None:
    """Tags begin where they would if nothing before had been read."""
    for mark in html_marks(text, lambda mark: False):
        raise AssertionError(mark)
    seen = {}
    for start, sign in enumerate(text):
        if sign == "<":
            seen[start] = next((m.end for m in html_marks(text[start:], lambda mark: True) if m.start == 0), None)
    found = {}

    def note(mark: object) -> bool:
        found[mark.start] = mark.end - mark.start
        return False

    assert not list(html_marks(text, note))
    assert found == {start: end for start, end in seen.items() if end is not None}
