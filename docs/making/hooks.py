"""What the documentation site has that no file of docs/ holds: mkdocs calls these functions while it builds."""

import html
import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from outside import pages_outside, with_links_of_the_site
from reference import reference_pages

ROOT = Path(__file__).parents[2]
FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)

_made: dict[str, str] = {}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Make the pages that are made of the code, and put folders into the navigation."""
    if not _made:
        _made.update(pages_outside() | reference_pages())
    config.nav = _with_folders(config.nav, Path(config.docs_dir))
    return config


def _with_folders(items: list[Any], docs: Path) -> list[Any]:
    filled = []
    for item in items:
        if isinstance(item, dict):
            within = {name: _with_folders(of, docs) if isinstance(of, list) else of for name, of in item.items()}
            filled += [within] if all(within.values()) else []
        elif item.endswith("/"):
            files = {path.relative_to(docs).as_posix() for path in docs.glob(f"{item}*.md")} | set(_made)
            pages = {name for name in files if name.startswith(item) and not name.endswith(".zh.md")}
            filled += sorted(pages, key=lambda name: (not name.endswith("/index.md"), name))
        else:
            filled.append(item)
    return filled


@event_priority(100)  # before static-i18n looks at the files
def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that were made, as if they lay in docs/: static-i18n knows of no others."""
    for name in _made:
        files.append(File(name, config.docs_dir, config.site_dir, config.use_directory_urls))
    return files


def on_page_read_source(page: Page, config: MkDocsConfig) -> str | None:
    """The text of a page that was made."""
    return _made.get(page.file.src_uri)


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links to files outside of docs/ lead to the pages that are made of them."""
    return with_links_of_the_site(markdown, page.file.src_uri)


def on_page_content(content: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Formulas as MathML, which browsers draw without any script."""
    return FORMULA.sub(_mathml, content)


def _mathml(found: re.Match[str]) -> str:
    return convert(html.unescape(found[3]), display="inline" if found[2] == "(" else "block")
