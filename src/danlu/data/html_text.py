"""The text of an HTML page, a line a paragraph, by selectolax (the lexbor parser)."""

import re

from danlu.refusal import Refusal

_UNSEEN = "script, style, noscript, template, svg, iframe, head"

_BLOCKS = (
    "address, article, aside, blockquote, br, dd, div, dl, dt, fieldset, figcaption, figure, footer, form, h1, h2, h3, "
    "h4, h5, h6, header, hr, li, main, nav, ol, p, pre, section, table, td, th, tr, ul, title, caption, option"
)

_BREAK = "\u2029"  # Unicode's paragraph separator, which pages do not hold

_CHARSET = re.compile(rb"""charset=["']?\s*([\w-]+)""", re.IGNORECASE)


def text_of_html(page: str) -> str:
    """What a page shows: scripts, styles and tags left out, a line for each block, white space made one space.

    Raises:
        Refusal: selectolax, of the extra `html`, is not installed.
    """
    try:
        from selectolax.lexbor import LexborHTMLParser
    except ImportError as error:
        raise Refusal("reading HTML needs selectolax; run: pip install 'danlu[html]'") from error
    tree = LexborHTMLParser(page.replace(_BREAK, "\n"))
    for node in tree.css(_UNSEEN):
        node.decompose()
    for node in tree.css(_BLOCKS):
        node.insert_before(_BREAK)
        node.insert_after(_BREAK)
    shown = tree.body.text(deep=True) if tree.body is not None else ""
    blocks = (" ".join(block.split()) for block in shown.split(_BREAK))
    return "\n".join(block for block in blocks if block)


def stated_charset(content: bytes) -> str | None:
    """The encoding that a page states at its beginning."""
    found = _CHARSET.search(content[:4096])
    return found[1].decode("ascii") if found else None
