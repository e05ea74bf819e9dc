"""The next line of one's own repository, by a model before and after it has learnt the repository.

The repository is this one. The base has learnt files of the standard library of the Python that runs this, from
nothing; then it goes on with the repository by the recipe of `danlu app code train`, and beside it stands a model that
has learnt the repository alone. All write lines of files that were held out: from what stands before, with what comes
behind, and with lines of another file. Beside them stands the line that followed the most similar lines of the files
that were learnt. Prints a markdown table.

    .venv/bin/python benchmarks/own_code.py [--quick] [--size mini] [--files 300] [--asked 300]
"""

import argparse
import contextlib
import shutil
import sysconfig
import tempfile
import time
from pathlib import Path

import numpy as np

import danlu
from danlu.apps.code.learn import learn, split
from danlu.apps.code.measure import measured
from danlu.apps.code.repository import read_repository
from measuring import HERE, machine, say, table

OUTSIDE = {"test", "tests", "idlelib", "lib2to3", "site-packages", "turtledemo", "encodings", "__pycache__"}


def library(folder: Path, count: int) -> None:
    """Copy files of the standard library, in an order that the file system does not decide."""
    root = Path(sysconfig.get_path("stdlib"))
    paths = sorted(path for path in root.rglob("*.py") if not OUTSIDE & set(path.relative_to(root).parts))
    order = np.random.default_rng(0).permutation(len(paths))
    for place in order[:count].tolist():
        target = folder / paths[place].relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(paths[place], target)


def main() -> None:
    """Train, ask and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few files and steps, which tell little")
    parser.add_argument("--size", default="mini", help="of the models")
    parser.add_argument("--files", type=int, default=300, help="of the standard library")
    parser.add_argument("--asked", type=int, default=300, help="lines to write")
    parser.add_argument("--repository", type=Path, default=HERE.parent / "src")
    parser.add_argument("--settings", nargs="*", default=[], help="of the recipe, as model.train.epochs=2")
    options = parser.parse_args()
    if options.quick:
        options.size, options.files, options.asked = "tiny", 12, 20
        options.settings = ["model.train.epochs=0.2", *options.settings]
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        place = Path(folder)
        library(place / "library", options.files)
        base = learn(place / "library", place / "base", options.settings, None, options.size, say)
        kept = [each for each in options.settings if not each.startswith("vocab.")]  # its tokenizer is the base's
        tuned = learn(options.repository, place / "tuned", kept, str(base), options.size, say)
        alone = learn(options.repository, place / "alone", options.settings, None, options.size, say)
        named = {"base": base, "base tuned on the repository": tuned, "the repository alone": alone}
        bundles = [(name, stack.enter_context(danlu.load(path))) for name, path in named.items()]
        sides = split(read_repository(options.repository).files)
        found = measured(bundles, sides, options.asked, 0, say)
    say(f"{time.monotonic() - begun:.0f} s")
    print(f"{machine()}; {len(sides.learnt)} files learnt, {len(sides.held_out)} held out, {options.asked} lines\n")
    rows = [[name, "{value:.1%} ({low:.1%} to {high:.1%})".format(**told)] for name, told in found.items()]
    print(table(["who writes", "next line right"], rows))


if __name__ == "__main__":
    main()
