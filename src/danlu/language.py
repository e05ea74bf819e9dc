"""What people read at leisure, in their language: gettext catalogues under `locale/`.

Mark a string `_("...")` with `_ = translator(language)`, add it to `locale/zh/LC_MESSAGES/danlu.po`, and
compile with `pybabel compile -d src/danlu/locale -D danlu`; a test names what is missing or stale.
"""

import gettext
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LANGUAGES = ("en", "zh")
_FOLDER = Path(__file__).parent / "locale"


def translator(language: str, catalogue: str = "danlu") -> Callable[[str], str]:
    """The function that turns an English message into `language`, "en" or "zh".

    `catalogue` is "danlu", or "parts" for what `danlu.recipe.told` tells. A message that the catalogue lacks stays
    English. Raises ValueError for another language.
    """
    if language not in LANGUAGES:
        raise ValueError(f"There is no language '{language}'; there are: {', '.join(LANGUAGES)}.")
    if language == "en":
        return _unchanged
    return gettext.translation(catalogue, str(_FOLDER), [language]).gettext


def default() -> str:
    """The language of the first that is set of `DANLU_LANGUAGE`, `LC_ALL`, `LC_MESSAGES`, `LANG`; else "en"."""
    for name in ("DANLU_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(name):
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"


@contextmanager
def told_in(language: str) -> Iterator[None]:
    """Within the block all that is told is in a language."""
    before = os.environ.get("DANLU_LANGUAGE")
    os.environ["DANLU_LANGUAGE"] = language
    try:
        yield
    finally:
        if before is None:
            del os.environ["DANLU_LANGUAGE"]
        else:
            os.environ["DANLU_LANGUAGE"] = before


def _unchanged(message: str) -> str:
    return message
