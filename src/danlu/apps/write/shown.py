"""Drafts as lines for people, with the reasons for their places."""

from collections.abc import Iterator, Sequence

from danlu.apps.write.ranked import Draft
from danlu.apps.write.wish import Wish
from danlu.language import translator


def lines(drafts: Sequence[Draft], wish: Wish, language: str) -> Iterator[str]:
    """Each draft, and below it what speaks for it."""
    _ = translator(language)
    unit = _("characters of text") if wish.unit == "characters" else _("words of text")
    for number, draft in enumerate(drafts, 1):
        yield f"{number}. {draft.text}"
        told = [_("score {score:.2f}").format(score=draft.score), f"{draft.length:,} {unit}"]
        if wish.words:
            there = len(wish.words) - len(draft.missing)
            told.append(_("{there} of {words} must-have words").format(there=there, words=len(wish.words)))
        told.append(_("perplexity {value:.1f}").format(value=draft.perplexity))
        told += [f"{name} {draft.reasons[key]:.2f}" for key, name in _named(language).items() if key in draft.reasons]
        yield f"   {', '.join(told)}"
    if not drafts:
        yield _("nothing was written")


def _named(language: str) -> dict[str, str]:
    _ = translator(language)
    return {
        "tone": _("tone"),
        "fresh": _("without repetition"),
        "whole": _("ends well"),
        "apart": _("apart from those above"),
    }
