"""An explanation in a terminal: the text in colours, and the words that matter most."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from danlu.explain.explanation import Explanation
from danlu.explain.neighbours import Example
from danlu.explain.wording import Say, checks, headline, warnings
from danlu.explain.words import in_order

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

TOP = 12
_BAR = 16  # characters of the longest bar
_SHOWN = 60  # characters of an example

_FOR, _AGAINST = (196, 74, 50), (64, 118, 168)


def show(told: Explanation, screen: "Console", _: Say) -> None:
    """Print an explanation."""
    from rich.text import Text

    screen.print(Text.assemble((headline(told, _), "bold"), (f"  {told.method}", "dim")))
    for sentence in warnings(told, _):
        screen.print(f"  {sentence}", style="yellow")
    for column in told.texts:
        name = f"{column}: " if len(told.texts) > 1 else ""
        screen.print(Text.assemble((name, "dim"), _coloured(told, column)))
    most = max((abs(score) for score in told.scores), default=0.0) or 1.0
    ranked = sorted(told.ranked(), key=lambda pair: -abs(pair[1]))
    for word, score in ranked[:TOP]:
        bar = "█" * max(1, round(_BAR * abs(score) / most)) if score else ""
        style = "red" if score > 0 else "blue"
        screen.print(Text.assemble("  ", (f"{score:+10.3g} ", style), (f"{bar:<{_BAR}} ", style), word))
    if len(ranked) > TOP:
        screen.print(_("  ... and {count:,} words more").format(count=len(ranked) - TOP), style="dim")
    special = sum(score for _name, score in told.special)
    if abs(special) > 1e-12:
        screen.print(_("  special tokens, which are kept apart: {score:+.3g}").format(score=special), style="dim")
    for sentence in checks(told, _):
        screen.print(f"  {sentence}", style="bold red" if told.unreliable else "dim")


def _coloured(told: Explanation, column: str) -> "Text":
    from rich.text import Text

    most = max((abs(score) for score in told.scores), default=0.0) or 1.0
    scores = {(word.column, word.start): score for word, score in told.scored()}
    found = Text()
    for piece, word in in_order(told.texts[column], [word for word in told.words if word.column == column]):
        share = 0.0 if word is None else scores[column, word.start] / most
        if abs(share) < 0.08:
            found.append(piece)
            continue
        red, green, blue = (
            round(value * abs(share) + 255 * (1 - abs(share))) for value in (_FOR if share > 0 else _AGAINST)
        )
        found.append(piece, f"{'white' if abs(share) > 0.6 else 'black'} on rgb({red},{green},{blue})")
    return found


def show_examples(found: Sequence[Example], screen: "Console", _: Say) -> None:
    """Print training examples that are near a text, or that pull at its answer."""
    from rich.table import Table

    rows = Table(_("record"), _("cosine"), _("influence"), _("label"), _("text"), box=None, header_style="dim")
    for each in found:
        influence = "" if each.influence is None else f"{each.influence:+.3g}"
        short = each.text if len(each.text) <= _SHOWN else f"{each.text[:_SHOWN]}…"
        rows.add_row(f"{each.number + 1:,}", f"{each.cosine:.3f}", influence, each.label, short)
    screen.print(_("Training examples: the nearest, and those that pull most at the answer"), style="bold")
    screen.print(rows)
