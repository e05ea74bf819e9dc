"""Texts with words that they must have: by the search that goes by them, and by sampling with the words in the prompt.

The writer is the one that `danlu app write --sample` trains, so anybody can measure again. It is asked for texts with
words drawn from other descriptions than the keywords, one to four of them, in both languages; the share of drafts that
have all words, how long they take, and what the model itself thinks of them (perplexity of all their tokens). Beside it
stand one sample a draft and, at the same number of rows, the best of eight. Prints a markdown table and some lines.

    .venv/bin/python benchmarks/writing.py [--quick] [--asked 50] [--place FOLDER]
"""

import argparse
import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import danlu
from danlu.apps.write.brief import brief
from danlu.apps.write.sampled import descriptions, trained
from danlu.apps.write.wish import Wish
from danlu.apps.write.writer import asking
from danlu.bundle.bundle import Bundle
from danlu.data.characters.languages import language_of
from danlu.model.must_have import has, units_of
from danlu.model.written import Written
from measuring import machine, say, table

ROWS = 8
"""Beginnings that the search keeps of a draft, and samples among which the best is kept."""
SHOWN = 2


def wishes(count: int, words: int, language: str) -> list[Wish]:
    """Keywords of one description, and words of others."""
    rows = [each for each in descriptions() if language_of(each["text"]) == language]
    pool = sorted({word for each in rows for word in each["keywords"]})
    random = np.random.default_rng(words)
    found = []
    for _ in range(count):
        keywords = rows[int(random.integers(len(rows)))]["keywords"][:2]
        others = [word for word in pool if word not in keywords]
        found.append(Wish(keywords=tuple(keywords), words=tuple(random.choice(others, words, replace=False).tolist())))
    return found


def sampled(bundle: Bundle, asked: Sequence[Wish], policy: dict[str, Any]) -> list[list[Written]]:
    """Plain samples: the words stand in the prompt, and nothing else is done."""
    records = [{"messages": [{"role": "user", "content": brief(wish)}]} for wish in asked]
    return bundle.generate(
        records, {"kind": "sample", "temperature": 0.8, "top_k": 40, "max_new_tokens": 200, **policy}
    )


def searched(bundle: Bundle, asked: Sequence[Wish], temperature: float) -> list[list[Written]]:
    """The search that goes by the words."""
    found = []
    for number, wish in enumerate(asked):
        told = asking(replace(wish, drafts=1, temperature=temperature, seed=number), bundle.predictor)
        found += list(bundle.predictor.write(told.records, told.policy))
    return found


def row(name: str, texts: Sequence[Written], asked: Sequence[Wish], seconds: float) -> list[str]:
    """How many have all words, are of the right length, end by themselves, and how likely they are to the model."""
    there = np.mean([all(has(text.text, word) for word in wish.words) for text, wish in zip(texts, asked, strict=True)])
    fits = [
        wish.bounds[0] <= units_of(text.text, wish.unit) <= wish.bounds[1]
        for text, wish in zip(texts, asked, strict=True)
    ]
    ended = np.mean([text.ended == "end" for text in texts])
    tokens = sum(len(text.ids) + (text.ended == "end") for text in texts)
    perplexity = math.exp(-sum(text.log_probability for text in texts) / tokens)
    told = [f"{there:.1%}", f"{np.mean(fits):.1%}", f"{ended:.1%}", f"{perplexity:.2f}", f"{seconds / len(texts):.2f}"]
    return [name, *told]


def most_words(group: Sequence[Written], wish: Wish) -> Written:
    """Of some samples the one with most of the words, the likelier where as many."""
    return max(group, key=lambda text: (sum(has(text.text, word) for word in wish.words), text.score))


def measure(bundle: Bundle, language: str, count: int) -> tuple[list[list[str]], list[str]]:
    """The rows of a language, and some texts."""
    rows, shown = [], []
    for words in (1, 2, 3, 4):
        asked = wishes(count, words, language)
        ways: dict[str, Any] = {
            "one sample": lambda asked=asked: [each[0] for each in sampled(bundle, asked, {})],
            f"best of {ROWS} samples": lambda asked=asked: [
                most_words(each, wish)
                for each, wish in zip(sampled(bundle, asked, {"samples": ROWS}), asked, strict=True)
            ],
            "words, drawn": lambda asked=asked: [each[0] for each in searched(bundle, asked, 0.8)],
            "words, likeliest": lambda asked=asked: [each[0] for each in searched(bundle, asked, 0.0)],
        }
        for name, write in ways.items():
            begun = time.monotonic()
            texts = write()
            rows.append([language, str(words), *row(name, texts, asked, time.monotonic() - begun)])
            say(" | ".join(rows[-1]))
            if name == "words, drawn":
                told = zip(asked[:SHOWN], texts[:SHOWN], strict=True)
                shown += [f"- {', '.join(wish.words)}: {text.text}" for wish, text in told]
    return rows, shown


def main() -> None:
    """Train, ask and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few texts, which tell little")
    parser.add_argument("--asked", type=int, default=50, help="texts of each language, number of words and way")
    parser.add_argument("--place", type=Path, help="folder of the writer that --sample has trained")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        writer, _ = trained(options.place or Path(folder), say)
        with danlu.load(writer) as bundle:
            found = [measure(bundle, language, 4 if options.quick else options.asked) for language in ("zh", "en")]
    print(f"{machine()}\n")
    header = ["language", "words", "way", "all words", "length", "ends itself", "perplexity", "s a draft"]
    print(table(header, [each for rows, _ in found for each in rows]))
    print("\n".join(line for _, lines in found for line in lines))


if __name__ == "__main__":
    main()
