"""A place opened with the bundles and weights that it is to be used with."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TypeVar

from danlu.apps.recommend.bundles import Kept
from danlu.apps.recommend.deed import USUAL, Weights, weights_in, weights_of
from danlu.apps.recommend.ledger import Ledger
from danlu.apps.recommend.reading import OF_DEEDS, OF_ITEMS, Former, Heard, deeds_of, former_of, items_of
from danlu.apps.recommend.recommender import Recommender
from danlu.apps.recommend.taken import Put
from danlu.apps.recommend.terms import Counted
from danlu.apps.recommend.undated import Undated
from danlu.apps.recommend.vectors import Words
from danlu.bundle.answering import Answering
from danlu.data.reading.bad_rows import BadRows
from danlu.index.embedding import Embedder
from danlu.index.reranking import Reranker
from danlu.machine.door import opened
from danlu.text.segmenting.segmenter import Segmenter
from danlu.text.segmenting.segmenters.rules import Rules

AT_ONCE = 5_000
"""Rows of a file that are kept in one transaction."""
SAMPLE = Path(__file__).parent / "sample"
WEIGHTS = "weights"
_Row = TypeVar("_Row")


def open_place(
    place: str | Path,
    *,
    weights: str | None = None,
    embedder: Answering | None = None,
    ranker: Answering | None = None,
    segmenter: Segmenter | None = None,
) -> Recommender:
    """Open a folder or a database by URL.

    `weights` such as `view=1,share=4` are kept there; None: those that were kept, or the usual ones. `embedder` and
    `ranker` are bundles of their `ROLES`.

    Raises:
        Refusal: it cannot be opened.
    """
    ledger = Ledger(place)
    try:
        embed = Embedder(embedder) if embedder is not None else None
        chosen = Counted(segmenter or Rules())
        return Recommender(
            ledger,
            kept_weights(ledger, weights),
            lambda kept: Kept(embed, kept) if embed is not None else Words(chosen),
            Reranker(ranker).scores if ranker is not None else None,
        )
    except BaseException:
        ledger.close()
        raise


def kept_weights(ledger: Ledger, given: str | None) -> Weights:
    """The weights that are given, which are kept then, or those that were kept."""
    if given is not None:
        weights = weights_in(given)
        ledger.learnt(WEIGHTS, json.dumps(weights.plain()))
        return weights
    kept = ledger.setting(WEIGHTS)
    if kept is None:
        return weights_of(USUAL)
    with opened(Path(WEIGHTS), "the weights that were kept cannot be read", "give --weights again"):
        return weights_of({str(action): float(weight) for action, weight in json.loads(kept).items()})


def put_file(recommender: Recommender, path: str, say: Callable[[str], None]) -> None:
    """Offer the items of a file, of equal names the last, and tell what came of it.

    A row that is as it was when it was read before changes nothing: what was removed or put otherwise since stays so.
    All of the file is read first, as rows of one item would else undo each other at each reading.

    Raises:
        Refusal: the file cannot be read.
    """
    bad_rows, put, heard = BadRows(), Put(), Heard(OF_ITEMS)
    latest = {item.id: item for item in items_of(path, bad_rows, heard, _former(recommender))}
    for part in _parts(latest.values()):
        put += recommender.put_rows(part)
    told = [put.sentence()]
    if heard.without_time:
        told.append(f"{heard.without_time:,} rows tell no time, and their items count as there all along")
    _tell(path, heard, told, bad_rows, say)


def take_file(recommender: Recommender, path: str, say: Callable[[str], None]) -> None:
    """Take the behaviour of a file, and tell what came of it; a second time it changes nothing.

    A row without a time is of now, or of when the same was first read from a row without one.

    Raises:
        Refusal: the file cannot be read.
    """
    bad_rows, heard, weights = BadRows(), Heard(OF_DEEDS), recommender.behaviour.weights
    undated = Undated(recommender.ledger, recommender.now())
    deeds = deeds_of(path, weights, undated, bad_rows, heard, _former(recommender))
    told = recommender.take_parts(_parts(deeds)).sentences()
    if heard.without_action:
        told.append(f"{heard.without_action:,} rows tell no action, and are taken as '{weights.lightest}'")
    if heard.without_time:
        told.append(f"{heard.without_time:,} rows tell no time, and are of when they were first read")
    _tell(path, heard, told, bad_rows, say)


def _former(recommender: Recommender) -> Former:
    behaviour = recommender.behaviour
    return former_of({*recommender.catalogue.places, *behaviour.waiting}, behaviour.known)


def _parts(rows: Iterable[_Row]) -> Iterator[list[_Row]]:
    left = iter(rows)
    while part := list(islice(left, AT_ONCE)):
        yield part


def _tell(path: str, heard: Heard, told: list[str], bad_rows: BadRows, say: Callable[[str], None]) -> None:
    for sentence in (f"{path}: {'; '.join(told)}", *bad_rows.in_words()):
        say(sentence)
    if columns := heard.in_words():
        say(f"{path}: columns that were read: {columns}")
        if lacking := heard.lacking():
            say(f"{path}: no column is read as {lacking}")


def put_sample(recommender: Recommender, say: Callable[[str], None]) -> None:
    """Items and behaviour that are made up, in Chinese and English, as if they had come to their end just now; once."""
    bad_rows = BadRows()
    items = list(items_of(str(SAMPLE / "items.csv"), bad_rows))
    if items[0].id in recommender.catalogue.places:
        say("the sample is here already")
        return
    now = recommender.now()
    deeds = list(deeds_of(str(SAMPLE / "behaviour.csv"), weights_of(USUAL), lambda *_row: now, bad_rows))
    later = now - max(deed.time for deed in deeds) - 60
    recommender.put([replace(item, time=(item.time or 0.0) + later) for item in items])
    told = recommender.take([replace(deed, time=deed.time + later) for deed in deeds])
    say(f"sample, made up: {len(items)} items, {told.new} deeds of {told.newcomers} users")
