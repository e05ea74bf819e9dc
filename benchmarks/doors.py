"""Damaged inputs at every door: how many end in a result, in a sentence, or in what must not be.

    python benchmarks/doors.py --inputs 10000
    python benchmarks/doors.py --door format:csv --first 417 --inputs 1    # one input again

The inputs follow from their door and number alone. Exits with 1 where any ends in a traceback, a signal, a hang of more
than 10 s of computing, or more than 1 GB of memory.
"""

import argparse
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "doors"))

from watched import Ended, Watched

from doors import DOORS

SHARES = {"recipe": 12, "override": 4, "arguments": 8, "requests": 10}
"""How often a door is tried; those that are not named, once or twice for every format."""


def run(doors: list[str], first: int, inputs: int, processes: int) -> list[Ended]:
    """Open the doors in turn, each process those of its share."""
    shares = {door: SHARES.get(door, 3) for door in doors}
    counts = {door: max(1, round(inputs * share / sum(shares.values()))) for door, share in shares.items()}
    jobs = [(door, first + number) for door, count in counts.items() for number in range(count)]

    def work(lane: int) -> list[Ended]:
        with Watched() as watched:
            return [told(watched.open(*job)) for job in islice(jobs, lane, None, processes)]

    with ThreadPoolExecutor(processes) as pool:
        return [ended for part in pool.map(work, range(processes)) for ended in part]


def told(ended: Ended) -> Ended:
    """Print what must not be, at once."""
    if not ended.good:
        print(f"--- {ended.door} {ended.seed}: {ended.how} after {ended.seconds:.1f} s\n{ended.detail}", flush=True)
    return ended


def table(found: list[Ended]) -> str:
    """Counts by door."""
    kinds = ["result", "refused", *sorted({ended.how for ended in found} - {"result", "refused"})]
    counts = Counter((ended.door, ended.how) for ended in found)
    rows = [["door", "inputs", *kinds, "longest, s"]]
    for door in dict.fromkeys(ended.door for ended in found):
        own = [ended for ended in found if ended.door == door]
        longest = max(ended.seconds for ended in own)
        rows.append([door, str(len(own)), *(str(counts[door, kind]) for kind in kinds), f"{longest:.1f}"])
    total = [str(sum(ended.how == kind for ended in found)) for kind in kinds]
    rows.append(["all", str(len(found)), *total, f"{max(ended.seconds for ended in found):.1f}"])
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]])


def main() -> None:
    """Read the arguments, run, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="number of the first input of each door")
    parser.add_argument("--door", action="append", help="only this one; may be given again")
    parser.add_argument("--processes", type=int, default=1)
    given = parser.parse_args()
    found = run(given.door or list(DOORS), given.first, given.inputs, given.processes)
    print(table(found))
    sys.exit(not all(ended.good for ended in found))


if __name__ == "__main__":
    main()
