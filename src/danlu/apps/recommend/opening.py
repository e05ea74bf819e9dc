"""A place opened with the bundles and weights that it is to be used with."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from danlu.apps.recommend.bundles import Embedder, reranker
from danlu.apps.recommend.deed import USUAL, Weights, weights_in, weights_of
from danlu.apps.recommend.ledger import Ledger
from danlu.apps.recommend.reading import deeds_of, items_of
from danlu.apps.recommend.recommender import Recommender
from danlu.apps.recommend.taken import Put, Taken
from danlu.apps.recommend.terms import Counted
from danlu.apps.recommend.undated import Undated
from danlu.apps.recommend.vectors import Words
from danlu.data.reading.bad_rows import BadRows
from danlu.engine.predict import Predictor
from danlu.machine.door import opened
from danlu.text.segmenting.segmenter import Segmenter
from danlu.text.segmenting.segmenters.rules import Rules

AT_ONCE = 5_000
"""Rows of a file that are kept in one transaction."""
SAMPLE = Path(__file__).parent / "sample"
WEIGHTS = "weights"


def open_place(
    place: str | Path,
    *,
    weights: str | None = None,
    embedder: tuple[Predictor, str] | None = None,
    ranker: Predictor | None = None,
    segmenter: Segmenter | None = None,
) -> Recommender:
    """Open a folder or a database by URL.

    `weights` such as `view=1,share=4` are kept there; None: those that were kept, or the usual ones. `embedder` is what
    answers and its fingerprint, `ranker` of a `rank` bundle.

    Raises:
        Refusal: it cannot be opened, or a bundle is of another task.
    """
    ledger = Ledger(place)
    try:
        embed = Embedder(*embedder) if embedder is not None else None
        chosen = Counted(segmenter or Rules())
        return Recommender(
            ledger,
            kept_weights(ledger, weights),
            embed.kept_in if embed is not None else lambda _ledger: Words(chosen),
            reranker(ranker) if ranker is not None else None,
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
    """Offer the items of a file, and tell what came of it; what was put before the end stays if that is not reached.

    A row that is as it was when it was read before changes nothing: what was removed or put otherwise since stays so.

    Raises:
        Refusal: the file cannot be read.
    """
    bad_rows, put, rows = BadRows(), Put(), []
    for item in items_of(path, bad_rows):
        rows.append(item)
        if len(rows) == AT_ONCE:
            put, rows = put + recommender.put_rows(rows), []
    if rows:
        put += recommender.put_rows(rows)
    for sentence in (f"{path}: {put.sentence()}", *bad_rows.in_words()):
        say(sentence)


def take_file(recommender: Recommender, path: str, say: Callable[[str], None]) -> None:
    """Take the behaviour of a file, and tell what came of it; a second time it changes nothing.

    A row without a time is of now, or of when the same was first read from a row without one.

    Raises:
        Refusal: the file cannot be read.
    """
    bad_rows, told, rows = BadRows(), Taken(), []
    undated = Undated(recommender.ledger, recommender.now())
    for deed in deeds_of(path, recommender.behaviour.weights, undated, bad_rows):
        rows.append(deed)
        if len(rows) == AT_ONCE:
            told, rows = told + recommender.take(rows), []
    if rows:
        told += recommender.take(rows)
    for sentence in (f"{path}: {'; '.join(told.sentences())}", *bad_rows.in_words()):
        say(sentence)


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
