"""Explanations as one HTML file that stands alone: text in heat, words, checks, and attention head by head."""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from danlu.evaluate.pages.markup import Html, cell, element, facts, figure, section, table, together
from danlu.evaluate.pages.page import page
from danlu.explain.drawings import MOST, heads
from danlu.explain.explanation import Explanation
from danlu.explain.neighbours import Example
from danlu.explain.wording import Say, checks, headline, warnings
from danlu.explain.words import in_order
from danlu.language import translator
from danlu.machine.files import write_text

TOP = 20


def write_page(
    path: Path, name: str, found: Sequence[Explanation], examples: Sequence[Sequence[Example]], language: str
) -> None:
    """Write what was explained of the bundle `name`; `examples` are those of each record, if any were looked for.

    Raises `Refusal` for a full disk.
    """
    _ = translator(language)
    told = _("danlu {version}; which words an answer goes back to").format(version=version("danlu"))
    header = element("header", element("h1", name), element("p", told, class_="quiet"))
    sections = [_section(each, number, _) for number, each in enumerate(found)]
    near = [_examples(each, _) for each in examples if each]
    write_text(path, page(f"{name} · explain", together(header, element("main", *sections, *near)), language))


def _section(told: Explanation, number: int, _: Say) -> Html:
    numbers = [
        (_("method"), told.method),
        (_("task"), told.task),
        (_("probability"), f"{told.shown:.1%}") if told.unit == "log-odds" else (_("number"), f"{told.value:.4g}"),
    ]
    if told.gap is not None:
        numbers.append((_("gap of the sum"), f"{told.gap:.2%}"))
    faith = told.faithfulness
    if faith is not None:
        ours = (faith.comprehensiveness, faith.sufficiency)
        random = (faith.random_comprehensiveness, faith.random_sufficiency)
        names = (_("comprehensiveness (words at random)"), _("sufficiency (words at random)"))
        numbers += [(name, f"{own:.3f} ({other:.3f})") for name, own, other in zip(names, ours, random, strict=True)]
    bad = [*(checks(told, _)[:1] if told.unreliable else []), *warnings(told, _)]
    pieces = [*(element("p", sentence, class_="warning") for sentence in bad), facts(numbers)]
    pieces += [figure(column, _heat(told, column)) for column in told.texts]
    pieces.append(_legend(told, _))
    pieces.append(element("div", _ranking(told, _), _apart(told, _), class_="charts"))
    if not told.unreliable:
        pieces += [element("p", sentence, class_="quiet") for sentence in checks(told, _)]
    if told.attention is not None:
        pieces.append(_attention(told, number, _))
    return section(headline(told, _), *pieces, identity=f"answer-{number}")


def _heat(told: Explanation, column: str) -> Html:
    most = max((abs(score) for score in told.scores), default=0.0) or 1.0
    scores = {(word.column, word.start): score for word, score in told.scored()}
    pieces: list[object] = []
    for text, word in in_order(told.texts[column], [word for word in told.words if word.column == column]):
        if word is None:
            pieces.append(text)
            continue
        score = scores[column, word.start]
        pieces.append(
            element(
                "span",
                text,
                class_="for" if score > 0 else "against",
                style=f"--share: {abs(score) / most:.3f}",
                title=f"{score:+.3g}",
            )
        )
    return element("p", *pieces, class_="tokens heat", dir="auto")


def _legend(told: Explanation, _: Say) -> Html:
    if not told.signed:
        return element(
            "p", element("span", _("is looked at"), class_="for", style="--share: 0.8"), class_="heat legend"
        )
    return element(
        "p",
        element("span", _("speaks for it"), class_="for", style="--share: 0.8"),
        " ",
        element("span", _("speaks against it"), class_="against", style="--share: 0.8"),
        class_="heat legend",
    )


def _ranking(told: Explanation, _: Say) -> Html:
    ranked = sorted(told.ranked(), key=lambda pair: -abs(pair[1]))
    most = abs(ranked[0][1]) or 1.0
    rows: list[list[object]] = [
        [
            element("th", word, scope="row", dir="auto"),
            cell(f"{score:+.3g}"),
            element(
                "td",
                element("span", class_="for" if score > 0 else "against"),
                class_="bar",
                style=f"--share: {abs(score) / most:.3f}",
            ),
        ]
        for word, score in ranked[:TOP]
    ]
    said = _("the words that matter most")
    said = said if len(ranked) <= TOP else f"{said} ({TOP}/{len(ranked)})"
    return figure(said, table([_("word"), _("score"), ""], rows, class_="bars"))


def _apart(told: Explanation, _: Say) -> Html:
    """Special tokens, which are of no word."""
    some = [(name, score) for name, score in told.special if abs(score) > 1e-12]
    if not some:
        return Html()
    rows: list[list[object]] = [[element("th", name, scope="row"), cell(f"{score:+.3g}")] for name, score in some[:TOP]]
    return figure(_("special tokens, which are kept apart"), table([_("token"), _("score")], rows, class_="bars"))


def _attention(told: Explanation, number: int, _: Say) -> Html:
    assert told.attention is not None
    layers = told.attention.shape[0]
    chosen = (int(told.facts.get("layer", layers)) - 1, int(told.facts.get("head", 1)) - 1)
    drawn = heads(told.attention, told.tokens, chosen, f"e{number}", (_("layer"), _("head")))
    said = _("attention of each layer and head: rows look at columns; choose one to see it large")
    if len(told.tokens) > MOST:
        said += _(" (the first {most} of {count} tokens)").format(most=MOST, count=len(told.tokens))
    return element("div", element("p", said, class_="quiet"), drawn)


def _examples(found: Sequence[Example], _: Say) -> Html:
    rows: list[list[object]] = [
        [
            cell(f"{each.number + 1:,}"),
            element("td", each.text, dir="auto", class_="text"),
            element("td", each.label),
            cell(f"{each.cosine:.3f}"),
            cell("" if each.influence is None else f"{each.influence:+.3g}"),
        ]
        for each in found
    ]
    head: list[object] = [_("record"), _("text"), _("label"), _("cosine"), _("influence")]
    return section(
        _("Training examples"),
        figure(_("the nearest, and those that pull most at the answer"), table(head, rows, class_="errors")),
    )
