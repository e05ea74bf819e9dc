"""Change detection on car opinions beside what else is used, processes that are killed, and texts a second.

- `surges`: `bdci_car_2018` by its own labels as a stream over made dates, with surges planted in its topics: how late
  each detector tells them, and how often it tells one that is none. All hear the same counts by the hour; those of
  river (https://riverml.xyz) need it in another environment, which `--river PYTHON` names.
- `stable`: streams in which nothing changes, a month each after the level was learnt: how many raise an alert.
- `killed`: two processes on one database, killed at random moments; then a database server that goes away for a while.
- `speed`: texts pushed over HTTP to a monitor in a process of its own until all are judged, and which part of the work
  takes how long; with `--bundles`, by two small networks of one epoch over the same opinions.
"""

import argparse
import csv
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

import danlu
from danlu.apps.init import init
from danlu.apps.monitor.alarm import Alarm
from danlu.apps.monitor.detector import Detector
from danlu.apps.monitor.replay import Heard, Surge, plant
from measuring import HERE, Watch, machine, say, table
from monitor_rivals import FixedThreshold, TextbookCusum, Told
from monitor_served import served

DATA = HERE.parents[1] / "shared" / "data" / "bdci_car_2018" / "train_2.csv"
MONTH = 30 * 24
TOPICS = 5
Counts = list[tuple[int, int, int]]
"""Step, negatives, texts."""


def opinions() -> list[tuple[str, tuple[str, ...], bool]]:
    """Text, subjects, and whether one of them is spoken of badly."""
    found: dict[str, tuple[str, list[str], bool]] = {}
    with DATA.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            text, subjects, bad = found.get(row["content_id"], (row["content"], [], False))
            found[row["content_id"]] = (text, [*subjects, row["subject"]], bad or row["sentiment_value"] == "-1")
    return [(text, tuple(dict.fromkeys(subjects)), bad) for text, subjects, bad in found.values()]


def month(seed: int) -> list[Heard]:
    """The opinions in any order over thirty days, twice as many an hour by day as by night."""
    rng = np.random.default_rng(seed)
    rows = opinions()
    hours = np.arange(MONTH)
    weights = 1 + 0.33 * np.sin(2 * np.pi * (hours % 24 - 8) / 24)
    steps = np.sort(rng.choice(hours, len(rows), p=weights / weights.sum())).tolist()
    order = rng.permutation(len(rows)).tolist()
    return [Heard(step, rows[row][1], rows[row][2]) for step, row in zip(steps, order, strict=True)]


def counts_of(rows: Sequence[Heard], topic: str) -> Counts:
    """What a detector of a topic hears."""
    texts, bad = Counter[int](), Counter[int]()
    for row in rows:
        if topic in row.topics:
            texts[row.step] += 1
            bad[row.step] += row.negative
    return [(step, bad[step], texts[step]) for step in sorted(texts)]


def ours(counts: Counts, alarm: Alarm) -> list[Told]:
    """The alerts of danlu."""
    detector, found = Detector(), []
    for step, negatives, texts in counts:
        change = detector.step(step, negatives, texts, alarm)
        if change is not None:
            found.append((step, change.direction))
    return found


def by_river(series: Sequence[Counts], python: str | None) -> dict[str, list[list[Told]]]:
    """What river's detectors say of series; nothing where there is none."""
    if python is None:
        return {}
    done = subprocess.run(
        [python, str(HERE / "monitor_river.py")], input=json.dumps(series), capture_output=True, text=True, check=False
    )
    if done.returncode:
        say(f"river is left out: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'it ended'}")
        return {}
    found: dict[str, list[list[Told]]] = json.loads(done.stdout)
    return found


def surges(months: int, times: float, hours: int, alarm: Alarm, python: str | None) -> None:
    """Surges in a topic each month, and the delay and false alarms of each detector."""
    series, planted = [], []
    for seed in range(months):
        rows = month(seed)
        rng = random.Random(seed)
        topics = [name for name, _ in Counter(name for row in rows for name in row.topics).most_common(TOPICS)]
        first = {name: rng.randrange(MONTH // 2, MONTH - 3 * hours) for name in topics}
        own = [Surge(name, first[name], first[name] + hours - 1, times) for name in topics]
        rows = plant(rows, own, seed)
        series += [counts_of(rows, name) for name in topics]
        planted += own
    results = {"danlu": [ours(counts, alarm) for counts in series]}
    results["textbook CUSUM (k 0.5, h 5)"] = [TextbookCusum(alarm.learn).run(counts) for counts in series]
    results["share of 24 hours above 1.5 x level"] = [FixedThreshold(alarm.learn).run(counts) for counts in series]
    results["the same, above 2.5 x level"] = [FixedThreshold(alarm.learn, 2.5).run(counts) for counts in series]
    results |= by_river(series, python)
    lines = [_line(name, told, planted, series, hours, alarm.learn) for name, told in results.items()]
    texts = sum(count for counts in series for _, _, count in counts) / len(series) / MONTH
    say(
        f"{len(planted)} surges of {hours} hours, odds of a negative text x {times:g}, in {TOPICS} topics of "
        f"{months} months, {texts:.1f} texts an hour and topic on average"
    )
    head = ["detector", "told while it lasted", "hours late: mean", "middle", "false alarms a topic and month"]
    print(table(head, lines))


def _line(
    name: str,
    results: Sequence[Sequence[Told]],
    planted: Sequence[Surge],
    series: Sequence[Counts],
    hours: int,
    learn: int,
) -> list[str]:
    delays, false, watched = [], 0, 0.0
    for told, surge, counts in zip(results, planted, series, strict=True):
        hits = [step for step, way in told if surge.first <= step <= surge.last and way != "down"]
        delays += [hits[0] + 1 - surge.first] if hits else []
        false += sum(not surge.first <= step <= surge.last + 2 * hours for step, _ in told)
        known = np.searchsorted(np.cumsum([texts for _, _, texts in counts]), learn)
        watched += (MONTH - counts[min(int(known), len(counts) - 1)][0] - 3 * hours) / MONTH
    mean = f"{np.mean(delays):.1f}" if delays else "-"
    middle = f"{np.median(delays):.0f}" if delays else "-"
    return [name, f"{len(delays)} of {len(planted)}", mean, middle, f"{false / watched:.2f}"]


def stable(streams: int, alarm: Alarm, python: str | None) -> None:
    """Streams that stay as they are, as long as it takes to learn, and a month."""
    lines = []
    for share, texts in ((0.1, 2.0), (0.2, 5.0), (0.3, 20.0)):
        rng = np.random.default_rng(int(100 * share))
        learn = int(alarm.learn / texts) + 48
        drawn = rng.poisson(texts, (streams, learn + MONTH))
        bad = rng.binomial(drawn, share)
        series = [
            [(step, int(k), int(n)) for step, (k, n) in enumerate(zip(bad[row], drawn[row], strict=True)) if n]
            for row in range(streams)
        ]
        results = {"danlu": [_month_after(counts, alarm) for counts in series]}
        results["textbook CUSUM (k 0.5, h 5)"] = [TextbookCusum(alarm.learn).run(counts) for counts in series]
        results["share of 24 hours above 1.5 x level"] = [FixedThreshold(alarm.learn).run(counts) for counts in series]
        results |= by_river(series[: max(1, streams // 50)], python)
        for name, told in results.items():
            raised = sum(bool(each) for each in told)
            rate = raised / len(told)
            set_ = f"{rate / alarm.false_alarms:.2f} x" if name == "danlu" else ""
            lines.append([f"{share:.0%}", f"{texts:g}", name, f"{raised} of {len(told)}", f"{rate:.1%}", set_])
            say(" ".join(lines[-1]))
    print(table(["negative", "texts an hour", "detector", "streams with an alert", "share", "of the set rate"], lines))


def _month_after(counts: Counts, alarm: Alarm) -> list[Told]:
    """The alerts within a month after the level was learnt."""
    detector, begun = Detector(), None
    for step, negatives, texts in counts:
        change = detector.step(step, negatives, texts, alarm)
        if change is not None:
            return [(step, change.direction)]
        begun = step if begun is None and detector.limits else begun
        if begun is not None and step - begun >= alarm.month:
            break
    return []


def main() -> None:
    """Run the parts that are asked for."""
    from monitor_killed import killed

    parts: dict[str, Callable[[argparse.Namespace, Alarm], None]] = {
        "surges": lambda asked, alarm: surges(2 if asked.quick else 20, asked.times, asked.hours, alarm, asked.river),
        "stable": lambda asked, alarm: stable(20 if asked.quick else asked.streams, alarm, asked.river),
        "killed": lambda asked, _: killed(3 if asked.quick else 50, 2.0 if asked.quick else 60.0),
        "speed": lambda asked, _: speed(2000 if asked.quick else 20_000, trained=asked.bundles),
    }
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*parts, []], help="all")
    parser.add_argument("--river", help="the Python of an environment that has river")
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--times", type=float, default=4.0)
    parser.add_argument("--hours", type=int, default=48)
    parser.add_argument("--bundles", action="store_true", help="networks tell topics and sentiment, not words")
    parser.add_argument("--quick", action="store_true", help="small; the figures mean nothing then")
    asked = parser.parse_args()
    if not DATA.exists():
        sys.exit(f"{DATA} is not there")
    alarm = Alarm()
    print(machine())
    for name in asked.parts or list(parts):
        say(f"{name} ...")
        begun = time.perf_counter()
        parts[name](asked, alarm)
        say(f"{name}: {time.perf_counter() - begun:.0f} s")


def small_networks(folder: Path) -> dict[str, str]:
    """Bundles that tell topics and sentiment, by one epoch from nothing."""
    found, given = {}, opinions()
    labels: dict[str, list[dict[str, Any]]] = {
        "multilabel": [{"text": text, "labels": list(topics)} for text, topics, _ in given],
        "classify": [{"text": text, "label": ["ok", "bad"][bad]} for text, _, bad in given],
    }
    for task, rows in labels.items():
        path = folder / f"{task}.jsonl"
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        recipe = yaml.safe_load(init(task, str(path), model="scratch", output=folder / f"{task}.yaml").path.read_text())
        recipe["stages"]["model"]["train"]["epochs"] = 1
        run = danlu.run(recipe, root=folder / task, say=say)
        found[task] = str(Path(run["model"]) / "bundle")
    return {"topics": found["multilabel"], "sentiment": found["classify"]}


def speed(count: int, *, trained: bool) -> None:
    """Texts pushed over HTTP until all are judged, and the parts of the work by themselves."""
    rng = random.Random(0)
    texts = [text for text, _, _ in opinions()]
    rng.shuffle(texts)
    rows: list[dict[str, Any]] = [
        {"text": f"{texts[row % len(texts)]} {'' if row < len(texts) else row}", "id": row} for row in range(count)
    ]
    watch = Watch()
    watch.look()
    with tempfile.TemporaryDirectory() as folder:
        bundles = small_networks(Path(folder)) if trained else {}
        with watch.beside("speed"):
            pushed, judged, shares = served(Path(folder), rows, bundles)
    whole = sum(shares.values())
    line = [f"{count:,}", f"{pushed:.0f}", f"{judged:.0f}"]
    print(table(["texts", "pushed, a second", "pushed and judged, a second"], [line]))
    lines = [[name, f"{part / whole:.0%}"] for name, part in shares.items()]
    print(table(["part of judging", "share of its time"], lines))
    say(watch.verdict())


if __name__ == "__main__":
    main()
