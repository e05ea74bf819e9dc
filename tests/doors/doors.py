"""The doors of danlu, each a function of a random generator that takes a damaged input through the command line.

What stands outside of danlu comes in through these: recipes, overrides, arguments, files of every format, requests,
and the folders that danlu itself has written. `opened` tells how it ended.
"""

import importlib
import inspect
import io
import os
import random
import shutil
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from unicodedata import bidirectional, category

import made
import model_doors
import seeds
from mutations import SIGNS, mutated

Ended = tuple[str, str]
Door = Callable[[random.Random], Ended]


def opened(*words: str, given: bytes = b"") -> Ended:
    """How a command ends: 'result', 'refused' with its sentence, or what must not be."""
    from danlu.cli.main import main

    before = sys.stdin, sys.stdout, sys.stderr
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace") for _ in range(2))
    sys.stdin, sys.stdout, sys.stderr = SimpleNamespace(buffer=io.BytesIO(given), isatty=lambda: False), out, err
    code: object = 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            main(list(words))
    except SystemExit as ended:
        code = ended.code or 0
    except BaseException:
        return "traceback", f"{words}\n{traceback.format_exc()}"
    finally:
        sys.stdin, sys.stdout, sys.stderr = before
    said, told = (stream.detach().getvalue().decode() for stream in (_flushed(out), _flushed(err)))
    if steers(said + told):
        return "steers the terminal", f"{words}\n{(said + told)[:1000]!r}"
    if "Traceback" in told:
        return "traceback", told
    if code == 2:
        return ("refused", told) if told.startswith("danlu: ") and len(told) < 5000 else ("no sentence", told)
    return ("result", "") if code in (0, 1) else ("exit", f"{words} {code}")


def steers(text: str) -> bool:
    """Whether a text holds a control character but tab and line end, or one that turns the direction."""
    turning = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    return any(
        (category(sign) in ("Cc", "Cs", "Zl", "Zp") and sign not in "\n\t") or bidirectional(sign) in turning
        for sign in set(text)
    )


def _flushed(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    stream.flush()
    return stream


def _recipe(folder: Path) -> Door:
    sound = seeds.recipes()

    def open_one(rng: random.Random) -> Ended:
        file = folder / "r.yaml"
        file.write_bytes(mutated(rng.choice(sound), "yaml", rng))
        return opened("check", str(file), "--plan", "--root", str(folder / "runs"))

    return open_one


def _override(folder: Path) -> Door:
    file = folder / "r.yaml"
    file.write_bytes(seeds.recipes()[0])
    keys = [
        "seed",
        "name",
        "clean.data",
        "clean.split.test",
        "finetune.tuning",
        "finetune.train.rate",
        "stages.clean",
        "",
    ]

    def open_one(rng: random.Random) -> Ended:
        value = mutated(rng.choice((b"1", b"{kind: lora, rank: 4}", b"[a, b]", b'"@clean"', b"x.csv")), "yaml", rng)
        word = f"{rng.choice(keys)}={os.fsdecode(value)}" if rng.random() < 0.9 else os.fsdecode(value)
        return opened("check", str(file), word.replace("\0", ""), "--plan", "--root", str(folder / "runs"))

    return open_one


def _arguments(folder: Path) -> Door:
    """Nonsense where numbers, names, folders and files are meant; nothing that runs for long is left whole."""
    from danlu.cli.main import COMMANDS

    (folder / "a.csv").write_bytes(seeds.formats()["csv"][0][2])
    (folder / "r.yaml").write_bytes(b"name: r\nstages: {a: {kind: prepare, data: {kind: csv, path: none.csv}}}\n")
    places = ["a.csv", "a.csv", "a.csv", "r.yaml", "none", ".", "/", "", "-", "/dev/null", "a.csv/x", "~", "x" * 5000,
              "https://[", "memory://x", "zip://a::b", "package:x/y", "*", "[", "@a", "../..", "/proc/self/mem", "-1",
              "--", "\udcff", "ngram", "text", "rules"]  # fmt: skip
    values = ["0", "-1", "1e9", "nan", "inf", str(2**63), str(10**30), "9" * 5000, "", "x", "\udcff", "\x1b[31m",
              "[/x]", "auto", "1", "2", "0.5", "text", "label", "jsonl", "zh", "train"]  # fmt: skip

    def open_one(rng: random.Random) -> Ended:
        os.chdir(folder)
        name = rng.choice([word for word in COMMANDS if word not in ("quickstart", "studio")])
        own = inspect.signature(importlib.import_module(f"danlu.cli.{name}").command).parameters
        options = [f"--{word.replace('_', '-')}" for word in own] + ["--format", "--json", "--help"]
        words = [rng.choice(places) for _ in range(rng.choice((0, 1, 1, 2, 3)))]
        for _ in range(rng.choice((0, 1, 1, 2))):
            words += [rng.choice(options), rng.choice((rng.choice(values), rng.choice(places)))]
        if rng.random() < 0.1:
            words.append(os.fsdecode(rng.choice(SIGNS)).replace("\0", ""))
        return opened(name, *words)

    return open_one


def _format(kind: str) -> Callable[[Path], Door]:
    """Read a file with this kind, and survey it where its suffix is known."""

    def door(folder: Path) -> Door:
        from pydantic import ValidationError

        from danlu.data.reading.format import Format
        from danlu.refusal import Refusal

        known = seeds.formats()
        sound = known.get(kind) or known["other"]

        def read(file: Path, rng: random.Random) -> Ended:
            path = folder if kind == "hub" else file
            skip = rng.choice(("skip", "stop"))
            try:
                for _ in Format.model_validate({"kind": kind, "path": str(path), "on_bad_row": skip}).read():
                    pass
            except (Refusal, ValidationError) as error:
                return "refused", str(error)
            except BaseException:
                return "traceback", f"{kind}\n{traceback.format_exc()}"
            return "result", ""

        def open_one(rng: random.Random) -> Ended:
            suffix, form, content = rng.choice(sound)
            for left in folder.iterdir():
                left.unlink()
            file = folder / f"a{suffix}"
            file.write_bytes(mutated(content, form, rng))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ended = read(file, rng)
            if ended[0] not in ("result", "refused") or rng.random() < 0.5:
                return ended
            return opened("survey", str(file))

        return open_one

    return door


def _requests(folder: Path) -> Door:
    """Lines on standard input, `--text`, and files, to a tiny classifier and a tiny tagger."""
    bundles = [str(made.bundle(folder / kind, kind)) for kind in ("classify", "tag")]
    lines = "\n".join(seeds.TEXTS).encode()
    files = [seed for kind in ("csv", "jsonl", "json", "text") for seed in seeds.formats()[kind]]

    def open_one(rng: random.Random) -> Ended:
        words = ["predict", rng.choice(bundles), "--format", rng.choice(("jsonl", "table"))]
        way = rng.randrange(4)
        if way == 0:
            return opened(*words, given=mutated(lines, "text", rng))
        if way == 1:
            return opened(
                *words, "--text", os.fsdecode(mutated(seeds.TEXTS[0].encode(), "bytes", rng)).replace("\0", "")
            )
        suffix, form, content = rng.choice(files)
        file = folder / f"a{suffix}"
        file.write_bytes(mutated(content, form, rng))
        return opened(*words, str(file), "--output", str(folder / "out"))

    return open_one


FORMS = {".json": "json", ".jsonl": "jsonl", ".yaml": "yaml", ".txt": "text", ".csv": "csv"}


def _written(make: Callable[[Path], Path], *commands: tuple[str, ...]) -> Callable[[Path], Door]:
    """A folder that danlu wrote, one file of which is damaged."""

    def door(folder: Path) -> Door:
        whole = make(folder / "whole")
        files = sorted(path.relative_to(whole) for path in whole.rglob("*") if path.is_file())

        def open_one(rng: random.Random) -> Ended:
            shutil.rmtree(folder / "copy", ignore_errors=True)
            shutil.copytree(whole, folder / "copy")
            file = folder / "copy" / rng.choice(files)
            file.write_bytes(mutated(file.read_bytes(), FORMS.get(file.suffix, "bytes"), rng))
            words = rng.choice(commands)
            return opened(
                *(word.replace("FOLDER", str(folder / "copy")).replace("WHOLE", str(whole)) for word in words)
            )

        return open_one

    return door


def _folder(name: str) -> Callable[[Path], Door]:
    """A bundle, model, tokenizer, segmenter or data set that others have made; see `model_doors`."""

    def door(folder: Path) -> Door:
        from danlu.refusal import Refusal

        folder.joinpath("given").mkdir()
        sound = model_doors.originals(folder)

        def open_one(rng: random.Random) -> Ended:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    model_doors.attempt(name, rng.randrange(2**31), sound, folder / "given")
            except Refusal as refusal:
                return "refused", str(refusal)
            except BaseException:
                return "traceback", traceback.format_exc()
            return "result", ""

        return open_one

    return door


def _kinds() -> list[str]:
    from danlu.data.reading.format import Format
    from danlu.recipe.part import kinds

    return kinds(Format)


RUN = (
    ("report", "FOLDER"),
    ("check", "FOLDER/r.yaml", "--plan", "--root", "FOLDER/.."),
    ("survey", "FOLDER/clean"),
    ("labels", "FOLDER/clean", "--folds", "2"),
)

DOORS: dict[str, Callable[[Path], Door]] = {
    "recipe": _recipe,
    "override": _override,
    "arguments": _arguments,
    **{f"format:{kind}": _format(kind) for kind in _kinds()},
    "requests": _requests,
    **{f"folder:{name}": _folder(name) for name in model_doors.DOORS},
    "evaluation": _written(made.evaluation, ("compare", "FOLDER", "WHOLE", "--resamples", "100")),
    "run": _written(made.run, *RUN),
}
"""Each door: given a folder of its own, what opens it."""
