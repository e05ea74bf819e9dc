"""Song ci to order: a small llama that has read some seven thousand writes one to the name of a tune.

A tune fixes how many characters each line has. One poem of each of the commonest tunes is held out, and one is written
to the name of each. Of both it is told: the share of lines whose length is one that lines of the tune have in the
training set at that place, the share of poems with all lines so, how many characters and pairs of them differ
(distinct-1 and distinct-2), and the share of lines that stand in the training set to the letter. Prints a markdown
table and some poems.

    .venv/bin/python benchmarks/songci.py --data 'FOLDER/ci.song.*.json' [--epochs 5]
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import yaml

import danlu
from danlu.data.reading.format import Format
from measuring import machine, table

RECIPE = Path(__file__).parent.parent / "examples" / "data" / "songci_to_order.yaml"
MARKS = "，。、！？；：□“”‘’《》 "
ORDERED = 60  # tunes
SHOWN = ("浣溪沙", "如梦令", "水调歌头")

Poems = list[tuple[str, str]]
Lengths = dict[tuple[str, int], set[int]]


def lengths_of(poems: Poems) -> Lengths:
    """How many characters a line of a tune may have, by its place."""
    found: Lengths = defaultdict(set)
    for tune, poem in poems:
        for place, line in enumerate(poem.splitlines()):
            found[tune, place].add(_length(line))
    return found


def _length(line: str) -> int:
    return sum(character not in MARKS for character in line)


def held_out(poems: Poems) -> tuple[Poems, Poems]:
    """All poems but one of each of the commonest tunes, and these."""
    count = Counter(tune for tune, _ in poems)
    wanted = {tune for tune, _ in count.most_common(ORDERED)}
    last = {tune: place for place, (tune, _) in enumerate(poems) if tune in wanted}
    kept = [poem for place, poem in enumerate(poems) if place not in set(last.values())]
    return kept, [poems[place] for place in last.values()]


def measured(poems: Poems, known: Lengths, read: set[str]) -> dict[str, float]:
    """What can be counted of some poems."""
    fitting = [[_length(line) in known[tune, place] for place, line in enumerate(p.splitlines())] for tune, p in poems]
    lines = [line for _, poem in poems for line in poem.splitlines()]
    texts = ["".join(character for character in line if character not in MARKS) for line in lines]
    pairs = [text[place : place + 2] for text in texts for place in range(len(text) - 1)]
    characters = "".join(texts)
    return {
        "lines of a right length": sum(map(sum, fitting)) / max(1, len(lines)),
        "poems with all lines so": sum(map(all, fitting)) / len(poems),
        "distinct-1": len(set(characters)) / max(1, len(characters)),
        "distinct-2": len(set(pairs)) / max(1, len(pairs)),
        "lines that were read": sum(line in read for line in lines) / max(1, len(lines)),
    }


def main() -> None:
    """Train, order and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--epochs", type=float, default=5)
    parser.add_argument("--size", default="mini", help="of the llama")
    options = parser.parse_args()
    plain: dict[str, Any] = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))
    clean, model = plain["stages"]["clean"], plain["stages"]["model"]
    records = Format.model_validate(clean["data"] | {"path": options.data}).read()
    train, test = held_out([(record["text"], record["target"]) for record in records])
    model["train"]["epochs"], model["model"]["size"] = options.epochs, options.size
    del plain["stages"]["test"]
    known, read = lengths_of(train), {line for _, poem in train for line in poem.splitlines()}
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "poems.jsonl"
        rows = (json.dumps({"text": tune, "target": poem}, ensure_ascii=False) for tune, poem in train)
        place.write_text("\n".join(rows) + "\n", encoding="utf-8")
        clean["data"], clean["split"] = {"kind": "jsonl", "path": str(place)}, {"validation": 0.01}
        run = danlu.run(plain, root=Path(folder), say=lambda line: print(line, file=sys.stderr))
        seconds = time.monotonic() - begin
        with danlu.load(run["model"]) as bundle:
            said = [each["text"] for each in bundle.predict([{"text": tune} for tune, _ in test])]
            shown = bundle.predict([{"text": tune} for tune in SHOWN])
    ours = [(tune, poem) for (tune, _), poem in zip(test, said, strict=True)]
    sides = {"written": measured(ours, known, read), "poems that were held out": measured(test, known, read)}
    shares = [[name, *(f"{value:.1%}" for value in found.values())] for name, found in sides.items()]
    print(f"{machine()}; {len(train):,} poems read, {options.epochs:g} epochs, {seconds:.0f} s; {len(test)} ordered\n")
    print(table(["", *sides["written"]], shares))
    for tune, each in zip(SHOWN, shown, strict=True):
        print(f"- {tune}: {' '.join(each['text'].splitlines())}")


if __name__ == "__main__":
    main()
