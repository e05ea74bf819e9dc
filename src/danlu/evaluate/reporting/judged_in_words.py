"""What a judge has said, as lines of a terminal."""

from typing import Any

from danlu.language import translator


def judged_in_words(plain: dict[str, Any], names: tuple[str, str], language: str) -> list[str]:
    """What a `judged.json` holds."""
    _ = translator(language)
    one, two = names
    rate, agreement, place = plain["win_rate"], plain["agreement"], plain["first_place"]
    told = _("{pairs:,} pairs, each judged in both orders: {one} wins {wins:,}, {two} wins {losses:,}, ties {ties:,}")
    lines = [
        told.format(one=one, two=two, **{name: plain[name] for name in ("pairs", "wins", "losses", "ties")}),
        _("win rate of {one}, a tie being half a win: {value:.1%} (95 %: {low:.1%} – {high:.1%})").format(
            one=one, **rate
        ),
        _("it says the same in both orders in {value:.1%} ({low:.1%} – {high:.1%}); the rest are ties").format(
            **agreement
        ),
    ]
    if place:
        said = _("where it names a winner, it is the answer that stands first in {value:.1%} ({low:.1%} – {high:.1%})")
        lines.append(said.format(**place))
        if place["low"] > 0.5 or place["high"] < 0.5:
            lines.append(_("so the judge prefers a place: give its verdicts less weight, or take another judge"))
    if plain["unclear"]:
        lines.append(_("{count:,} replies hold no verdict and count as ties").format(count=plain["unclear"]))
    if plain["cut"]:
        lines.append(_("{count:,} texts were too long and were cut").format(count=plain["cut"]))
    return lines
