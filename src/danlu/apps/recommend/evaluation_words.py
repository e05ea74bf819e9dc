"""An evaluation in lines and as plain values."""

from collections.abc import Iterator
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from danlu.apps.recommend.ease import MOST_ITEMS
from danlu.apps.recommend.evaluate import EASE, SERVED, Evaluation

RIVALS = ("popularity", "popularity of days", "co-occurrence", EASE, "BM25", "vectors")
COLUMNS = ("NDCG@10", "recall@50", "cold NDCG@10", "cold recall@50")


def lines_of(found: Evaluation) -> Iterator[str]:
    """What was found, a line each."""
    when = datetime.fromtimestamp(found.split, UTC).isoformat(timespec="minutes")
    cold = len(next(iter(found.rows.values())).cold_ndcg)
    yield (
        f"split at {when}; {len(found.users):,} lists at {found.spans} moments after it, {cold:,} with something cold "
        f"taken up (nobody had touched it); {found.items:,} items, each ranked among all"
    )
    yield found.learnt.sentence()
    yield f"{'':<20}" + "".join(f"{name:>16}" for name in COLUMNS)
    for name, row in found.rows.items():
        yield f"{name:<20}" + "".join(f"{value:>16.4f}" for value in row.means())
    if EASE not in found.rows:
        yield f"{EASE} is left out: there were more than {MOST_ITEMS:,} items"
    best = best_rival(found)
    mean, low, high = found.gain(SERVED, best)
    yield f"NDCG@10 {SERVED} over {best}: {mean:+.4f} ({low:+.4f} to {high:+.4f}, 95 %, users drawn anew)"


def best_rival(found: Evaluation) -> str:
    """The simpler way that has the highest NDCG@10."""
    return max((name for name in RIVALS if name in found.rows), key=lambda name: found.rows[name].means()[0])


def plain_of(found: Evaluation) -> dict[str, Any]:
    """All numbers."""
    return {
        "split": found.split,
        "spans": found.spans,
        "lists": len(found.users),
        "items": found.items,
        "learnt": found.learnt.sentence(),
        "ways": {
            name: dict(zip(COLUMNS, map(_number, row.means()), strict=True)) | {"cold lists": len(row.cold_ndcg)}
            for name, row in found.rows.items()
        },
    }


def _number(value: float) -> float | None:
    return value if isfinite(value) else None  # NaN is no JSON
