"""Readers who are made up, over real texts with real topics: what each does, day by day.

The texts are opinions about cars (bdci_car_2018), each with its subjects, of which there are ten. What is made up:

- **Items**: a share is there from the first day, the others come a night at a time, spread evenly. Each has a quality,
  exp(0.5 normal), and belongs to one of `CIRCLES` circles, of which its text says nothing.
- **Users** begin on a day of the first two thirds. Each has interests over the subjects, Dirichlet(0.25), and a circle;
  each day with a probability of `DRIFT` half of the interests are replaced by others: interests drift.
- **A day**: with a probability of `ACTIVE` a user comes, at a random time, and reads 1 + Poisson(3) items that he has
  not read, one after the other some minutes apart. An item's chance is proportional to quality x (readers of the last
  days + 1)^0.5 (what is popular becomes more popular) x exp(-age / 12 days) x exp(6 x interest in its subjects) x 3 if
  it is of his circle; one choice in ten is made blindly.
- **Actions**: each is a view; a click, a comment, a share follow with 0.5, 0.12, 0.08 times the match of interests.

Nothing of the app is used here.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

DAYS, USERS, ITEMS = 60, 450, 1_200
CIRCLES, DRIFT, ACTIVE, THERE = 12, 0.04, 0.3, 0.35
DAY = 86_400.0
BEGIN = 1_780_000_000.0 // DAY * DAY


@dataclass(frozen=True)
class Made:
    """Items as (name, text, time), deeds as (user, item, action, time)."""

    items: list[tuple[str, str, float]]
    deeds: list[tuple[str, str, str, float]]


def texts_with_subjects(file: Path, count: int, rng: np.random.Generator) -> tuple[list[str], np.ndarray]:
    """Some texts, and which subjects each has, (N, S) of sum 1."""
    found: dict[str, tuple[str, set[str]]] = {}
    with file.open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            found.setdefault(row["content_id"], (row["content"], set()))[1].add(row["subject"])
    chosen = [list(found.values())[place] for place in rng.permutation(len(found))[:count]]
    subjects = sorted({subject for _, own in chosen for subject in own})
    shares = np.array([[subject in own for subject in subjects] for _, own in chosen], float)
    return [text for text, _ in chosen], shares / shares.sum(1, keepdims=True)


def made(file: Path, seed: int, items: int = ITEMS, users: int = USERS, days: int = DAYS) -> Made:
    """Behaviour of a seed."""
    rng = np.random.default_rng(seed)
    texts, shares = texts_with_subjects(file, items, rng)
    items, subjects = shares.shape
    there = np.where(rng.random(items) < THERE, 0, rng.integers(1, days, items))
    quality, item_circle = np.exp(0.5 * rng.standard_normal(items)), rng.integers(CIRCLES, size=items)
    begins, user_circle = rng.integers(0, 2 * days // 3, users), rng.integers(CIRCLES, size=users)
    interests = rng.dirichlet(np.full(subjects, 0.25), users)
    read = np.zeros((users, items), bool)
    readers = np.zeros(items)
    deeds: list[tuple[str, str, str, float]] = []
    for day in range(days):
        readers *= 0.8
        drifting = rng.random(users) < DRIFT
        fresh = rng.dirichlet(np.full(subjects, 0.25), users)
        interests[drifting] = (interests[drifting] + fresh[drifting]) / 2
        base = quality * np.exp(-np.maximum(0, day - there) / 12) * (there <= day)
        for user in rng.permutation(np.flatnonzero((begins <= day) & (rng.random(users) < ACTIVE))):
            time = BEGIN + day * DAY + rng.uniform(0.3, 0.95) * DAY
            match = shares @ interests[user]
            own = base * np.exp(6 * match) * np.where(item_circle == user_circle[user], 3.0, 1.0)
            for _ in range(1 + rng.poisson(3)):
                chance = own * np.sqrt(readers + 1) if rng.random() < 0.9 else (there <= day).astype(float)
                chance = chance * ~read[user]
                item = int(rng.choice(items, p=chance / chance.sum()))
                read[user, item] = True
                readers[item] += 1
                time += rng.uniform(20, 240)
                follows = rng.random(3) < np.array([0.5, 0.12, 0.08]) * min(1.0, 2 * match[item])
                actions = [
                    "view",
                    *[name for name, done in zip(("click", "comment", "share"), follows, strict=True) if done],
                ]
                deeds += [(f"u{user}", f"i{item}", action, time + step) for step, action in enumerate(actions)]
    times = np.where(there == 0, BEGIN - DAY, BEGIN + there * DAY)
    return Made(
        [(f"i{n}", text, float(times[n])) for n, text in enumerate(texts)], sorted(deeds, key=lambda deed: deed[3])
    )
