"""A wish in the words that a model reads."""

import re
from pathlib import Path

from danlu.apps.write.wish import Wish
from danlu.data.characters.languages import Language
from danlu.refusal import Refusal

LONGEST = 10_000
"""Characters of a form."""
SLOTS = ("keywords", "outline", "style", "tone", "words", "at_least", "at_most")

FORMS: dict[Language, str] = {
    "zh": "写一段文字。\n关键词：{keywords}\n提纲：{outline}\n风格：{style}\n语气：{tone}\n必须包含：{words}\n"
    "字数：{at_least}到{at_most}\n",
    "en": "Write a short text.\nKeywords: {keywords}\nOutline: {outline}\nStyle: {style}\nTone: {tone}\n"
    "Must have: {words}\nWords: {at_least} to {at_most}\n",
}
"""What is read where nobody gives another form; a line whose slots are all empty is left out."""

TONES: dict[Language, dict[str, str]] = {
    "zh": {"lively": "活泼", "sober": "稳重", "positive": "正面", "negative": "负面"},
    "en": {},
}
"""How labels of tones are said in a brief; others are said as they are."""

_SLOT = re.compile(r"\{(\w+)\}")


def brief(wish: Wish, form: str | None = None) -> str:
    """What a model reads of a wish; `form` is a text with some of the `SLOTS` in braces."""
    language = wish.spoken
    join = "、" if language == "zh" else ", "
    low, high = wish.bounds
    said = {
        "keywords": join.join(wish.keywords),
        "outline": ("；" if language == "zh" else "; ").join(wish.outline),
        "style": wish.style.strip(),
        "tone": TONES[language].get(wish.tone, wish.tone),
        "words": join.join(wish.words),
        "at_least": str(low) if wish.at_least is not None or wish.at_most is not None else "",
        "at_most": str(high) if wish.at_least is not None or wish.at_most is not None else "",
    }
    lines = []
    for line in (form or FORMS[language]).splitlines(keepends=True):
        slots = _SLOT.findall(line)
        if not slots or any(said[slot] for slot in slots):
            lines.append(_SLOT.sub(lambda slot: said[slot[1]], line))
    return "".join(lines).rstrip("\n")


def read_form(path: Path) -> str:
    """A form in a file.

    Raises:
        Refusal: it cannot be read, or has no slot, or one that there is not.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            form = file.read(LONGEST + 1)
    except (OSError, UnicodeDecodeError) as error:
        why = "is no UTF-8" if isinstance(error, UnicodeDecodeError) else f"cannot be read ({error.strerror or error})"
        raise Refusal(f"--form {path}: {why}; give a text file with {{keywords}} and others in it") from None
    slots = _SLOT.findall(form)
    wrong = [slot for slot in slots if slot not in SLOTS]
    if wrong or not slots or len(form) > LONGEST:
        told = f"there is no slot {{{wrong[0]:.40}}}" if wrong else "has no slot"
        told = f"has more than {LONGEST:,} characters" if len(form) > LONGEST else told
        raise Refusal(f"--form {path}: {told}; write some of {', '.join(f'{{{slot}}}' for slot in SLOTS)}")
    return form
