"""An explanation in words, for a terminal and for a page."""

from collections.abc import Callable

from danlu.explain.explanation import Explanation

Say = Callable[[str], str]


def headline(told: Explanation, _: Say) -> str:
    """What is explained, and how much the model says."""
    if told.unit == "log-odds":
        return _("{target}: {share:.1%} (log-odds {value:+.2f})").format(
            target=told.target, share=told.shown, value=told.value
        )
    return _("{target}: {value:.4g}").format(target=told.target, value=told.value)


def checks(told: Explanation, _: Say) -> list[str]:
    """What speaks for the explanation, and what against it, a sentence each."""
    found = []
    if told.unreliable and told.gap is not None:
        found.append(
            _("unreliable: the scores miss what the whole text makes by {gap:.1%}; do not build on them").format(
                gap=told.gap
            )
        )
    elif told.gap is not None:
        found.append(
            _("the scores sum to {sum:+.3g}, what the whole text makes, but for {gap:.2%}").format(
                sum=told.total, gap=told.gap
            )
        )
    if not told.signed:
        found.append(_("attention tells what is looked at, not what is made of it"))
    faith = told.faithfulness
    if faith is not None:
        found.append(
            _("without the highest words it falls by {ours:.3g}, without words at random by {random:.3g}").format(
                ours=faith.comprehensiveness, random=faith.random_comprehensiveness
            )
        )
        found.append(
            _("with the highest words alone it falls by {ours:.3g}, with words at random by {random:.3g}").format(
                ours=faith.sufficiency, random=faith.random_sufficiency
            )
        )
    return found


def warnings(told: Explanation, _: Say) -> list[str]:
    """What is not explained, or not as it was given."""
    found = [
        _(
            "characters {start:,} to {end:,} of '{column}' are not explained: a row of this model has {limit:,} tokens"
        ).format(start=start + 1, end=end, column=column, limit=told.limit)
        for column, spans in told.unread.items()
        for start, end in spans
    ]
    if told.whole is not None:
        value = f"{told.whole:.1%}" if told.unit == "log-odds" else f"{told.whole:.4g}"
        found.append(
            _(
                "the text is read in pieces, and this is of the one in which it is highest; the whole gets {value}"
            ).format(value=value)
        )
    if told.rewritten:
        found.append(_("the text was cleaned as the training data were, and is shown as the model reads it"))
    return found
