"""A ladder in the terminal and as one HTML file: a table, and pictures of quality against size and speed."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from danlu.compress.climbing import Row
from danlu.compress.ladder import FASTER, Ladder
from danlu.evaluate.pages.markup import Html, cell, element, facts, figure, section, table, together
from danlu.evaluate.pages.page import page
from danlu.evaluate.pages.scatter import Dot, scatter
from danlu.evaluate.reporting.wording import between, in_columns, metric_name, number, signed
from danlu.language import translator
from danlu.machine.files import write_text
from danlu.sentences import in_language

NAME = "compress.html"

_MB, _MS = 1e6, 1e3

Say = Callable[[str], str]


def ladder_in_words(ladder: Ladder, language: str) -> list[str]:
    """The table as lines for a terminal, what came to nothing with its reason below, and what is kept."""
    _, ladder = translator(language), _refused_in(ladder, language)
    shown = [row for row in ladder.rows if row.refused is None]
    rows = [_head(ladder, _), _of_original(ladder, _), *(_cells(row, ladder, _) for row in shown)]
    refused = [f"{row.name}: {row.refused}" for row in ladder.rows if row.refused is not None]
    return [*in_columns(rows), *refused, _outcome(ladder, _)]


def _refused_in(ladder: Ladder, language: str) -> Ladder:
    """The ladder with the reasons of what came to nothing in a language, as far as they are known in it."""
    rows = (
        replace(row, refused=row.refused and (in_language(row.refused, language) or row.refused)) for row in ladder.rows
    )
    return replace(ladder, rows=tuple(rows))


def write_page(path: Path, ladder: Ladder, language: str) -> None:
    """Write the page; `language` is "en" or "zh".

    Raises `Refusal` for a full disk.
    """
    _, ladder = translator(language), _refused_in(ladder, language)
    told = _("danlu {version}; every rung was timed in turn with the original, and the quickest of several counts")
    header = element(
        "header",
        element("h1", _name(ladder)),
        element("p", told.format(version=version("danlu")), class_="quiet"),
    )
    parts = [section(_("What is kept"), element("p", _outcome(ladder, _)), _told(ladder, _))]
    parts.append(section(_("Rungs"), figure(_read(ladder, _), _table(ladder, _))))
    pictures = [figure(name, drawn) for name, drawn in _pictures(ladder, _) if drawn is not None]
    if pictures:
        words = _("the line is the floor; blue are the original, without a bar, and what lies under the floor")
        parts.append(
            section(
                _("Quality, size and speed"),
                element("p", words, class_="quiet"),
                element("div", *pictures, class_="charts"),
            )
        )
    grid = _grid(ladder, _)
    if grid is not None:
        words = _("times as fast as the original, the network alone, by records in a batch × tokens of each")
        parts.append(section(_("By batch and length"), figure(words, grid)))
    write_text(path, page(f"{_name(ladder)} · compress", together(header, element("main", *parts)), language))


def _told(ladder: Ladder, _: Say) -> Html:
    metric = metric_name(ladder.floor.metric, _)
    targets = {"latency": _("latency"), "size": _("size"), "throughput": _("throughput")}
    return facts(
        [
            (metric, number(ladder.original.value)),
            (_("floor"), number(ladder.floor.at(ladder.original.value))),
            (_("target"), targets[ladder.target]),
            (_("records"), f"{ladder.records:,}"),
        ]
    )


def _outcome(ladder: Ladder, _: Say) -> str:
    """What is kept and what it gains, or why nothing is."""
    if ladder.confirmed and ladder.kept is None:
        missed = _(
            "{rung} holds the floor where it was chosen and misses it on {others}, so it is not kept; choose by more "
            "records, or try others with --rungs"
        )
        return missed.format(rung=ladder.confirmed.rung, others=_on_others(ladder, _))
    if ladder.kept is None:
        if not any(ladder.holds(row) for row in ladder.rows):
            return _("no rung holds the floor, so nothing is kept; the original stays as it is")
        words = _("no rung that holds the floor gains {least} times in {target}, so nothing is kept")
        targets = {"latency": _("latency"), "size": _("size"), "throughput": _("throughput")}
        return words.format(least=f"{FASTER:g}", target=targets[ladder.target])
    row = next(row for row in ladder.rows if row.name == ladder.kept)
    words = _("kept: {rung}, in {folder}: {gains}; {metric} {difference}")
    told = words.format(
        rung=row.name,
        folder=ladder.folder / "bundle",
        gains=", ".join(_gains(row, _)),
        metric=metric_name(ladder.floor.metric, _),
        difference=signed(row.value - ladder.original.value),
    )
    if ladder.confirmed:
        told += _("; on {others}").format(others=_on_others(ladder, _))
    if not (ladder.holds_on_others(surely=True) if ladder.confirmed else ladder.sure(row)):
        told += _("; with so few records the true difference may lie under the floor")
    return told


def _on_others(ladder: Ladder, _: Say) -> str:
    """How what was chosen fares where it was not chosen."""
    found = ladder.confirmed
    assert found is not None
    words = _("{records:,} records that chose nothing: {metric} {difference} ({interval})")
    return words.format(
        records=found.records,
        metric=metric_name(ladder.floor.metric, _),
        difference=signed(found.value - found.original),
        interval=between({"low": found.low, "high": found.high}, signed),
    )


def _gains(row: Row, _: Say) -> list[str]:
    """What a rung gains, where that is enough to be said."""
    words = {
        "latency": _("{times} times as fast for one record"),
        "throughput": _("{times} times as many records a second"),
        "size": _("{times} times as small"),
    }
    found = [told.format(times=_times(row.gain(name))) for name, told in words.items() if row.gain(name) >= FASTER]
    return found or [_("neither faster nor smaller")]


def _times(gain: float) -> str:
    return f"{gain:.2f}" if gain < 10 else f"{gain:.1f}"


def _head(ladder: Ladder, _: Say) -> list[str]:
    head = [_("rung"), metric_name(ladder.floor.metric, _), _("difference"), _("interval (95 %)"), _("size")]
    return [*head, _("one record"), _("records a second"), _("gains"), ""]


def _of_original(ladder: Ladder, _: Say) -> list[str]:
    """The original; its speed is the best that was measured beside any rung."""
    latency, throughput = _quiet(ladder)
    return [
        _("original"),
        number(ladder.original.value),
        "",
        "",
        _size(ladder.original.bytes),
        _milliseconds(latency) if latency else "–",
        f"{throughput:,.0f}" if throughput else "–",
        "",
        "",
    ]


def _quiet(ladder: Ladder) -> tuple[float, float]:
    """Seconds for one record, and records a second, of the original where the machine was quietest.

    A rung is told by how many times as fast it was as the original beside it, since each was timed at another time.
    """
    timed = [row for row in ladder.rows if row.refused is None]
    latency = min((row.latency_before for row in timed), default=0.0)
    return latency, max((row.throughput_before for row in timed), default=0.0)


def _cells(row: Row, ladder: Ladder, _: Say) -> list[str]:
    verdicts = {"kept": _("kept"), "holds": _("holds"), "under the floor": _("under the floor: refused")}
    verdicts |= {"not on others": _("chosen, and misses the floor on other records")}
    said = verdicts[ladder.verdict(row)]
    if ladder.holds(row) and not ladder.sure(row):
        said += _(", may be chance")
    return [
        row.name,
        number(row.value),
        signed(row.value - ladder.original.value),
        between({"low": row.low, "high": row.high}, signed),
        f"{_size(row.bytes)} ({_factor(row.gain('size'))})",
        f"{_milliseconds(_quiet(ladder)[0] / row.gain('latency'))} ({_factor(row.gain('latency'))})",
        f"{_quiet(ladder)[1] * row.gain('throughput'):,.0f} ({_factor(row.gain('throughput'))})",
        ", ".join(_words_of_gain(row, _)),
        said,
    ]


def _words_of_gain(row: Row, _: Say) -> list[str]:
    words = {"latency": _("faster for one"), "throughput": _("faster for many"), "size": _("smaller")}
    found = [told for name, told in words.items() if row.gain(name) >= FASTER]
    return found or [_("nothing")]


def _factor(gain: float) -> str:
    return f"{_times(gain)} ×"


def _size(count: int) -> str:
    return f"{count / _MB:,.1f} MB" if count < 1e8 else f"{count / _MB:,.0f} MB"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * _MS:,.2f} ms" if seconds < 0.01 else f"{seconds * _MS:,.1f} ms"


def _read(ladder: Ladder, _: Say) -> str:
    words = _("of {records:,} records; below a number how it compares; times are as where the original was quickest")
    return words.format(records=ladder.records)


def _table(ladder: Ladder, _: Say) -> Html:
    head = [_("rung"), metric_name(ladder.floor.metric, _), _("size"), _("one record"), _("records a second"), ""]
    rows: list[list[object]] = []
    first = _of_original(ladder, _)
    rows.append([element("th", first[0], scope="row"), *(cell(first[place]) for place in (1, 4, 5, 6)), cell("")])
    for row in ladder.rows:
        title = element("th", row.name, scope="row")
        if row.refused is not None:
            rows.append([title, element("td", row.refused, colspan=len(head) - 1, class_="quiet")])
            continue
        found = _cells(row, ladder, _)
        apart = f"{found[2]} ({found[3]})"
        told = [_beside(found[1], apart), *(_beside(*_parted(found[place])) for place in (4, 5, 6))]
        rows.append([title, *told, element("td", found[8], element("span", found[7], class_="interval"))])
    return table([*head], rows)


def _parted(text: str) -> tuple[str, str]:
    """`5 MB (1.2 ×)` as what stands before the bracket and what stands in it."""
    value, _bracket, rest = text.partition(" (")
    return value, rest.rstrip(")")


def _beside(value: str, note: str) -> Html:
    return cell(together(value, element("span", note, class_="interval")))


def _name(ladder: Ladder) -> str:
    """What the bundle is called: its folder, or that of the stage which it lies in."""
    folder = ladder.bundle.resolve()
    return folder.name if folder.name != "bundle" else folder.parent.name


def _pictures(ladder: Ladder, _: Say) -> list[tuple[str, Html | None]]:
    metric, shown = metric_name(ladder.floor.metric, _), [row for row in ladder.rows if row.refused is None]
    if not shown:
        return []
    latency, throughput = _quiet(ladder)
    axes: list[tuple[str, float, Callable[[Row], float]]] = [
        (_("size (MB)"), ladder.original.bytes / _MB, lambda row: row.bytes / _MB),
        (_("milliseconds for one record"), latency * _MS, lambda row: latency * _MS / row.gain("latency")),
        (_("records a second"), throughput, lambda row: throughput * row.gain("throughput")),
    ]
    drawn = []
    for name, before, placed in axes:
        dots = [_dot(row, placed(row), ladder) for row in shown]
        dots.append(Dot(before, ladder.original.value, _("original"), class_="theirs"))
        floor = _floor_line(dots, ladder)
        drawn.append((f"{metric} · {name}", scatter(dots, name, metric, line=floor)))
    return drawn


def _dot(row: Row, x: float, ladder: Ladder) -> Dot:
    base, named = ladder.original.value, ladder.verdict(row) == "kept"
    said = f"{row.name}: {number(row.value)}"
    class_ = "ours" if ladder.holds(row) else "theirs"
    return Dot(x, row.value, said, row.name if named else "", class_, base + row.low, base + row.high)


def _floor_line(dots: Sequence[Dot], ladder: Ladder) -> list[tuple[float, float]]:
    floor = ladder.floor.at(ladder.original.value)
    return [(min(dot.x for dot in dots), floor), (max(dot.x for dot in dots), floor)]


def _grid(ladder: Ladder, _: Say) -> Html | None:
    shown = [row for row in ladder.rows if row.grid and row.refused is None]
    if not shown:
        return None
    names = list(dict.fromkeys(name for row in shown for name in row.grid))
    rows: list[list[object]] = []
    for row in shown:
        times = [row.grid.get(name, (0.0, 0.0)) for name in names]  # of texts that became longer some are missing
        gains = [_factor(before / after) if after else "–" for before, after in times]
        rows.append([element("th", row.name, scope="row"), *map(cell, gains)])
    return table([_("rung"), *(name.replace("x", " × ") for name in names)], rows)
