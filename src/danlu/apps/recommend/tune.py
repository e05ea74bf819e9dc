"""An embedder tuned on behaviour: items that users read together are pairs that fit, and a recipe learns from them."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any

from danlu.apps.recommend.deed import Deed
from danlu.apps.recommend.item import Item
from danlu.machine.files import write_text
from danlu.machine.located import at_home
from danlu.refusal import Refusal
from danlu.stages.recipe import read
from danlu.stages.run import run

GAP = 86_400.0
"""Seconds within which what a user read one after the other was read together."""
AN_ITEM = 12
"""Pairs of an item at most, those first that were read together most often for how much each is read."""
FEWEST = 50
LONGEST = 2_000
"""Characters of an item's text."""
PAIRS, RECIPE, TOLD = "pairs.jsonl", "recipe.json", "tuned.json"


@dataclass(frozen=True)
class Tuned:
    """The bundle, from how many pairs, and up to which moment behaviour was looked at for them."""

    bundle: Path
    pairs: int
    until: float


def pairs_of(deeds: Sequence[Deed], until: float) -> list[tuple[str, str]]:
    """Items that were read together before a moment, each pair once, the closest first."""
    last: dict[str, tuple[str, float]] = {}
    together: Counter[tuple[str, str]] = Counter()
    readers: dict[str, set[str]] = defaultdict(set)
    for deed in sorted(deeds, key=lambda each: (each.time, each.user, each.item)):
        if deed.time >= until:
            break
        before = last.get(deed.user)
        if before is not None and before[0] != deed.item and deed.time - before[1] <= GAP:
            together[min(before[0], deed.item), max(before[0], deed.item)] += 1
        last[deed.user] = (deed.item, deed.time)
        readers[deed.item].add(deed.user)
    close = {
        pair: (count + 0.0) / (sqrt(len(readers[pair[0]]) * len(readers[pair[1]])) + 2)
        for pair, count in together.items()
    }
    own: Counter[str] = Counter()
    found = []
    for pair in sorted(close, key=lambda each: (-close[each], each)):
        if max(own[pair[0]], own[pair[1]]) < AN_ITEM:
            own.update(pair)
            found.append(pair)
    return found


def tune(
    items: Mapping[str, Item],
    deeds: Sequence[Deed],
    model: str,
    folder: Path,
    *,
    until: float,
    settings: Sequence[str] = (),
    say: Callable[[str], None] = print,
) -> Tuned:
    """Write pairs and a recipe to a folder, and run it; what is done there already is skipped.

    `model` is a bundle of `embed`, or a folder of a pretrained encoder; `settings` are values that replace the
    recipe's, such as `model.train.epochs=2`.

    Raises:
        Refusal: there are too few pairs, or the recipe cannot be run.
    """
    pairs = [pair for pair in pairs_of(deeds, until) if pair[0] in items and pair[1] in items]
    texts = {name: " ".join(items[name].words.split())[:LONGEST] for pair in pairs for name in pair}
    pairs = [pair for pair in pairs if texts[pair[0]] != texts[pair[1]]]
    if len(pairs) < FEWEST:
        raise Refusal(
            f"there are {len(pairs)} pairs of items that users read one after the other; {FEWEST} are needed to tune"
        )
    known = max(until, _known_by(model) or 0.0)  # what is tuned further knows what it was tuned on before
    latest = max(known, _told(folder) or 0.0)  # models of earlier tunings stay in the folder
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        json.dumps({"text": texts[one], "text_pair": texts[other]}, ensure_ascii=False) + "\n" for one, other in pairs
    ]
    write_text(folder / PAIRS, "".join(lines))
    plain = recipe_of(model, str(folder / PAIRS))
    recipe = read(plain, list(settings))
    write_text(folder / RECIPE, json.dumps(plain, indent=1, ensure_ascii=False) + "\n")
    say(f"{len(pairs):,} pairs of items that were read together; the recipe is {folder / RECIPE}")
    told = {"until": known, "pairs": len(pairs), "model": model}
    # before the run, as a kill leaves what it has learnt; beside the bundle once it is known which that is
    write_text(folder / TOLD, json.dumps(told | {"until": latest}) + "\n")
    done = run(recipe, folder / "runs", say=say)
    write_text(done["model"] / TOLD, json.dumps(told) + "\n")
    return Tuned(done["model"] / "bundle", len(pairs), until)


def recipe_of(model: str, pairs: str) -> dict[str, Any]:
    """The recipe: pairs that fit, each looking for the other among those of its batch."""
    return {
        "name": "together",
        "stages": {
            "clean": {
                "kind": "prepare",
                "data": {"kind": "jsonl", "path": pairs},
                "dedup": "none",
                "conflicts": "keep",
                "split": {"validation": 0.1, "test": 0},
            },
            "model": {
                "kind": "train",
                "data": "@clean",
                "model": {"kind": "pretrained", "path": model},
                "task": {"kind": "embed", "symmetric": True, "max_length": 128},
                "train": {"epochs": 1, "rate": 3e-5, "batch_examples": 32},
            },
        },
    }


def refuse_tuned_later(bundle: str, split: float) -> None:
    """Raises `Refusal` for an embedder that was tuned on behaviour after the split, and would know what is asked."""
    until = _known_by(bundle)
    if until is not None and until > split:
        raise Refusal(
            f"--embedder {bundle}: was tuned on behaviour up to {until:.0f}, and the split is at {split:.0f}; "
            f"tune one with --until {split:.0f}"
        )


def _known_by(bundle: str) -> float | None:
    """Up to when a bundle may know behaviour, as is told nearest to it; None where nothing is."""
    told = (_told(folder) for folder in at_home(bundle).resolve().parents)
    return next((until for until in told if until is not None), None)


def _told(folder: Path) -> float | None:
    """Up to when models in a folder may know behaviour; None where nothing is told of that."""
    if not (folder / TOLD).is_file():
        return None
    try:
        return float(json.loads((folder / TOLD).read_text(encoding="utf-8"))["until"])
    except (ValueError, KeyError, TypeError):
        raise Refusal(f"{folder / TOLD}: cannot be read; tune an embedder anew, in another folder") from None
