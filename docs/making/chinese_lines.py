"""Chinese has no spaces, so the end of a line of its source is none on a page either."""

import re

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

WIDE = "[\u2014\u2018-\u201d\u2026\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]"
BREAK = re.compile(rf"(?<={WIDE})\n(?={WIDE})")
CODE = re.compile(r"(<pre.*?</pre>)", re.DOTALL)


def on_page_content(content: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The page with lines joined between Chinese characters; code stays as it is."""
    return joined(content)


def joined(content: str) -> str:
    """HTML whose breaks between Chinese characters are gone, but for those of code."""
    parts = CODE.split(content)
    parts[::2] = [BREAK.sub("", part) for part in parts[::2]]
    return "".join(parts)
