"""Recommendations on made-up readers of real texts: a split in time, every item ranked, beside simpler ways.

The readers are told of in `made_readers.py`: 60 days, 450 users, 1,200 opinions about cars (bdci_car_2018), most of
which come night by night. What was done on the last nine days is foretold, by a list for each user and morning; at each
morning every way knows all that came before it, and what was learnt is from before the first. Prints markdown tables:
mean and standard deviation over seeds of NDCG@10 and recall@50, and both for the cold items alone, which nobody had
touched before that morning.

    .venv/bin/python benchmarks/recommend.py [--seeds 3] [--encoder FOLDER] [--kills 50] [--quick]

`--encoder` is a pretrained encoder such as ../shared/models/e5_small_zh_en: it is tuned on the behaviour before the
split (pairs of items read one after the other), and its vectors take the place of words, beside the same untuned.
`--kills` ends a process that puts items and behaviour so many times by SIGKILL, and counts what was lost.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from danlu.apps.recommend.bundles import Embedder
from danlu.apps.recommend.deed import USUAL, Deed, weights_of
from danlu.apps.recommend.evaluate import SERVED, Evaluation, evaluate
from danlu.apps.recommend.evaluation_words import COLUMNS, best_rival
from danlu.apps.recommend.item import Item
from danlu.apps.recommend.ledger import Ledger
from danlu.apps.recommend.recommender import Recommender
from danlu.apps.recommend.replay import MakeSpace
from danlu.apps.recommend.terms import Counted
from danlu.apps.recommend.tune import tune
from danlu.apps.recommend.vectors import Embedded, Words
from danlu.bundle.bundle import load
from danlu.text.segmenting.segmenters.rules import Rules
from made_readers import BEGIN, DAY, DAYS, ITEMS, USERS, made
from measuring import machine, say, spread, table

CARS = Path(__file__).parents[2] / "shared/data/bdci_car_2018/train_2.csv"
WEIGHTS = weights_of(USUAL)
MORNINGS = 9
SPLIT = BEGIN + (DAYS - MORNINGS) * DAY
FIRST_SEED = 21  # others were looked at while the rule and the features were chosen


@dataclass(frozen=True)
class World:
    """What one seed has made."""

    items: list[Item]
    deeds: list[Deed]
    words: Callable[[], Words]

    def evaluated(self, space: MakeSpace) -> Evaluation:
        """All ways on the last mornings."""
        last = {"split": SPLIT, "until": BEGIN + DAYS * DAY, "spans": MORNINGS}
        return evaluate(self.items, self.deeds, WEIGHTS, space, self.words, **last)


def world(file: Path, seed: int, share: float) -> World:
    told = made(file, seed, int(ITEMS * share), int(USERS * share), DAYS)
    counted = Counted(Rules())
    items = [Item(name, "", text, when) for name, text, when in told.items]
    return World(items, [Deed(*deed) for deed in told.deeds], lambda: Words(counted))


def row(name: str, found: list[tuple[float, ...]]) -> list[str]:
    return [name, *(spread([each[column] for each in found], 1, 4) for column in range(len(COLUMNS)))]


def quality(worlds: list[World]) -> None:
    """The table of all ways over words."""
    found = []
    for each in worlds:
        found.append(each.evaluated(each.words))
        say(found[-1].learnt.sentence())
    names = [name for name in found[0].rows if all(name in each.rows for each in found)]
    rows = [row(name, [each.rows[name].means() for each in found]) for name in names]
    deeds, items = ([len(getattr(each, name)) for each in worlds] for name in ("deeds", "items"))
    lists = [len(each.users) for each in found]
    cold = [len(each.rows["BM25"].cold_ndcg) for each in found]
    print(
        f"{len(worlds)} seeds from {FIRST_SEED}; {items[0]:,} items, {min(deeds):,} to {max(deeds):,} deeds; "
        f"{min(lists):,} to {max(lists):,} lists, {min(cold):,} to {max(cold):,} of them with a cold item\n"
    )
    print(table(["", *COLUMNS], rows), "\n")
    for each in found:
        best = best_rival(each)
        mean, low, high = each.gain(SERVED, best)
        print(f"- {SERVED} over {best}, the best rival: {mean:+.4f} ({low:+.4f} to {high:+.4f})")


def read_once(embedder: Embedder) -> MakeSpace:
    """Spaces of an encoder that reads each text once for all of them."""
    known: dict[str, NDArray[np.float32]] = {}

    def vectors(texts: Sequence[str]) -> NDArray[np.float32]:
        fresh = [text for text in dict.fromkeys(texts) if text not in known]
        if fresh:
            known.update(zip(fresh, embedder(fresh), strict=True))
        return np.stack([known[text] for text in texts])

    return lambda: Embedded(vectors, embedder.width)


def with_encoder(worlds: list[World], encoder: str, folder: Path) -> None:
    """The same with vectors of an encoder, as it is and tuned on behaviour before the split."""
    rows: dict[str, list[tuple[float, ...]]] = {}
    for number, each in enumerate(worlds):
        known = {item.id: item for item in each.items}
        for name, settings in (("as it is", ["model.train.rate=1e-12"]), ("tuned", [])):
            out = folder / f"{number}-{name.replace(' ', '-')}"
            come = tune(known, each.deeds, encoder, out, until=SPLIT, settings=settings, say=say)
            with load(come.bundle) as bundle:
                space = read_once(Embedder(bundle.predictor, name))
                for way, line in each.evaluated(space).rows.items():
                    if way in ("vectors", "rule", SERVED):
                        rows.setdefault(f"{way}, encoder {name}", []).append(line.means())
    print("\n" + table(["", *COLUMNS], [row(name, means) for name, means in rows.items()]), "\n")


def speed(each: World) -> None:
    """How long lists and deeds take in one process, and that what came bit by bit is what is read anew."""
    with tempfile.TemporaryDirectory() as folder:
        end = max(deed.time for deed in each.deeds) + 1
        with Recommender(Ledger(folder), WEIGHTS, clock=lambda: end) as found:
            found.put(each.items)
            begin = time.perf_counter()
            found.take(each.deeds[:-200])
            say(f"{len(each.deeds) - 200:,} deeds taken in {time.perf_counter() - begin:.1f} s")
            users, lists, deeds = sorted(found.behaviour.users), [], []
            for deed in each.deeds[-200:]:
                begin = time.perf_counter()
                found.take([deed])
                middle = time.perf_counter()
                found.recommend(deed.user, 10)
                deeds.append(middle - begin)
                lists.append(time.perf_counter() - middle)
            begin = time.perf_counter()
            with Recommender(Ledger(folder), WEIGHTS, clock=lambda: end) as anew:
                opened = time.perf_counter() - begin
                same = sum(
                    [one.item.id for one in found.recommend(user, 10)]
                    == [one.item.id for one in anew.recommend(user, 10)]
                    for user in users
                )
    told = [f"{1000 * np.quantile(times, share):.1f} ms" for times in (deeds, lists) for share in (0.5, 0.95)]
    print(
        f"\nA deed: {told[0]} (95 %: {told[1]}), a list of 10: {told[2]} ({told[3]}); read anew in {opened:.1f} s, and"
    )
    print(f"{same} of {len(users)} users get the same list as before.")


PUTS = """
import sys
from danlu.apps.recommend.deed import USUAL, Deed, weights_of
from danlu.apps.recommend.item import Item
from danlu.apps.recommend.ledger import Ledger
from danlu.apps.recommend.recommender import Recommender
with Recommender(Ledger(sys.argv[1]), weights_of(USUAL), clock=lambda: 1.8e9) as found:
    start = len(found.catalogue)
    print("ready", flush=True)
    for number in range(start, start + 10**6):
        found.put([Item(f"i{number}", f"item {number}", "tea")])
        found.take([Deed(f"u{user}", f"i{number}", "view", 1.7e9 + number) for user in range(5)])
        print(number, flush=True)
"""


def killed(times: int) -> None:
    """End what puts items and deeds at random instants, all into one place; count what was told and is not there."""
    rng = np.random.default_rng(0)
    told = lost = halves = 0
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(times):
            process = subprocess.Popen([sys.executable, "-c", PUTS, folder], stdout=subprocess.PIPE, text=True)
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(float(rng.uniform(0, 1.5)))
            os.kill(process.pid, signal.SIGKILL)
            numbers = [int(line) for line in process.communicate()[0].splitlines() if line.isdigit()]
            with Ledger(folder) as ledger:
                _, deeds = ledger.everything()
            there = {name: sum(deed.item == name for deed in deeds) for name in {deed.item for deed in deeds}}
            told += len(numbers)
            lost += sum(there.get(f"i{number}", 0) != 5 for number in numbers)
            halves += sum(count != 5 for count in there.values())
    print(
        f"\n{times} kills: {told:,} transactions of five deeds were told as kept, {lost} lost, {halves} kept in part."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=CARS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--encoder")
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    seeds = range(FIRST_SEED, FIRST_SEED + (1 if asked.quick else asked.seeds))
    print(f"{machine()}; {json.dumps(sys.argv[1:])}\n")
    worlds = [world(asked.data, seed, 0.15 if asked.quick else 1.0) for seed in seeds]
    quality(worlds)
    if asked.encoder:
        with tempfile.TemporaryDirectory() as folder:
            with_encoder(worlds, asked.encoder, Path(folder))
    speed(worlds[0])
    if asked.kills:
        killed(asked.kills)


if __name__ == "__main__":
    main()
