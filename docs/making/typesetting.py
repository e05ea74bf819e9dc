"""What a page of Chinese and of formulas needs before it is looked at."""

import re

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

WIDE = "[\u2014\u2018-\u201d\u2026\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]"
BREAK = re.compile(rf"(?<={WIDE})\n(?={WIDE})")
CODE = re.compile(r"(<pre.*?</pre>)", re.DOTALL)
FUNCTION = re.compile(r"(<mi>(?:log|ln|cos|sin|exp)</mi>)(?=<m(?:i|n|sub|sup|subsup|frac|row)>)")


def on_page_content(content: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The page as it is to be seen; formulas are MathML by now."""
    return spaced(joined(content))


def joined(content: str) -> str:
    """HTML whose breaks between Chinese characters are gone, for Chinese has no spaces; code stays as it is."""
    parts = CODE.split(content)
    parts[::2] = [BREAK.sub("", part) for part in parts[::2]]
    return "".join(parts)


def spaced(content: str) -> str:
    """HTML in which the name of a function stands apart from what it is taken of, unless that is in brackets."""
    return FUNCTION.sub(r'\1<mspace width="0.167em" />', content)
