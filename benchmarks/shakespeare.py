"""Plays by character: what a few minutes of this machine teach a small model, beside nanoGPT's published figures.

The split is nanoGPT's: the first 90 % of the text to learn from, the rest to look at. The loss is that of every
character of the rest, in nats: the text is read in rows of as many characters as the model was trained on, one after
the other, and each character is predicted once, from those before it in its row. The recipes are
`examples/data/shakespeare_characters.yaml` and, with `--long`, `shakespeare_characters_long.yaml`; `gru` stands beside
them, a recurrent network, with as many minutes. Further words are overrides, such as `model.train.rate=2e-3`.

    .venv/bin/python benchmarks/shakespeare.py [--minutes 3] [--long] [--models llama gru] [--picture FILE.svg]
    .venv/bin/python benchmarks/shakespeare.py --split FILE --into FOLDER
"""

import argparse
import json
import math
import tempfile
from pathlib import Path
from typing import Any

import yaml

import danlu
from danlu.refusal import Refusal
from measuring import Watch, machine, say, table
from timed import Timed, trained_for

ROOT = Path(__file__).parent.parent
TEXT = ROOT.parent / "shared" / "data" / "tinyshakespeare" / "input.txt"
PUBLISHED = {"nanoGPT, its figure for a CPU": 1.88, "nanoGPT, its figure for a GPU": 1.4697}
SHARE = 0.9  # of the characters that are learnt from
COPIES, SHIFT = 8, 32
MODELS: dict[str, dict[str, Any]] = {
    "llama": {"architecture": "llama"},
    "gpt2": {"architecture": "gpt2"},
    "gru": {"architecture": "gru", "layers": 2, "width": 320},
}
COLOURS = ("#27c", "#2a2", "#b33")


def split(text: str, into: Path, copies: int, *, keep: float = 1.0) -> tuple[Path, Path]:
    """Write the two sides as json lines; of what is learnt from `copies`, each beginning `SHIFT` characters later."""
    border = int(len(text) * SHARE)
    learnt, rest = text[: int(border * keep)], text[border : border + int((len(text) - border) * keep)]
    sides = {"train": [learnt[number * SHIFT :] for number in range(copies)], "validation": [rest]}
    for name, texts in sides.items():
        lines = "".join(json.dumps({"text": each}) + "\n" for each in texts)
        (into / f"{name}.jsonl").write_text(lines, "utf-8")
    return into / "train.jsonl", into / "validation.jsonl"


def recipe_of(name: str, files: tuple[Path, Path], *, long: bool) -> dict[str, Any]:
    """The recipe that is in the examples, with a model of another family where that is asked for."""
    file = ROOT / "examples" / "data" / f"shakespeare_characters{'_long' if long else ''}.yaml"
    plain: dict[str, Any] = yaml.safe_load(file.read_text("utf-8"))
    clean, model = plain["stages"]["clean"], plain["stages"]["model"]["model"]
    clean["data"], clean["validation"] = ({"kind": "jsonl", "path": str(path)} for path in files)
    if name == "gru":
        plain["stages"]["model"]["train"] |= {"optimizer": "adamw", "rate": 4e-3}  # it has no matrices that muon moves
        for field in ("heads", "positions"):
            model.pop(field, None)
    plain["stages"]["model"]["model"] = model | MODELS[name]
    return plain


def loss_of(found: Timed, validation: Path) -> tuple[float, int]:
    """The mean loss in nats over all characters of the text, with the end of the text, and how many these are."""
    [record] = [json.loads(line) for line in validation.read_text("utf-8").splitlines()]
    with danlu.load(found.bundle) as bundle:
        [said] = bundle.predict([record])
    return said["negative_log_likelihood"] / said["tokens"], said["tokens"]


def picture(curves: dict[str, list[tuple[float, float]]]) -> str:
    """The loss by minutes, with the published figures as lines."""
    wide, tall, left = 640, 360, 50
    last = max((second for curve in curves.values() for second, _ in curve), default=1.0)
    every = [*PUBLISHED.values(), *(value for curve in curves.values() for _, value in curve)]
    low, high = min(every) - 0.1, max(every) + 0.1

    def up(value: float) -> float:
        return tall - 40 - (value - low) / (high - low) * (tall - 60)

    pieces = [f'<text x="{left}" y="16">validation loss, nats a character, by minutes</text>']
    for name, value in PUBLISHED.items():
        pieces.append(f'<path d="M{left} {up(value):.1f}H{wide - 20}" stroke="#999" stroke-dasharray="4"/>')
        pieces.append(f'<text x="{left + 4}" y="{up(value) - 4:.1f}" fill="#777">{name}: {value}</text>')
    for number, (name, curve) in enumerate(curves.items()):
        points = [(left + second / last * (wide - left - 30), up(value)) for second, value in curve]
        colour = COLOURS[number % len(COLOURS)]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        pieces.append(f'<path d="M{path}" stroke="{colour}" fill="none" stroke-width="2"/>')
        pieces.append(f'<text x="{left + number * 120}" y="{tall - 6}" fill="{colour}">{name}</text>')
        for second, value in (curve[0], curve[-1]):
            x = left + second / last * (wide - left - 30)
            pieces.append(f'<text x="{x - 20:.0f}" y="{up(value) - 8:.0f}" fill="{colour}">{value:.2f}</text>')
    for part in range(5):
        x = left + part / 4 * (wide - left - 30)
        pieces.append(f'<text x="{x - 8:.0f}" y="{tall - 24}">{last * part / 240:.1f}</text>')
    style = 'font-family="sans-serif" font-size="12"'
    body = "\n".join(pieces)
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{tall}" {style}>\n{body}\n</svg>\n'


def main() -> None:
    """Train each for as many minutes and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", help="of the recipe, such as model.train.rate=2e-3")
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--models", nargs="+", choices=[*MODELS], default=["llama", "gru"])
    parser.add_argument("--long", action="store_true", help="the recipe that takes as long as it takes")
    parser.add_argument("--text", type=Path, default=TEXT)
    parser.add_argument("--split", type=Path, help="write the two sides of this text and do nothing else")
    parser.add_argument("--into", type=Path, default=Path())
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--quick", action="store_true", help="a piece of the text: to see that it works")
    asked = parser.parse_args()
    if asked.split:
        split(asked.split.read_text("utf-8"), asked.into, COPIES)
        return
    if not asked.text.is_file():
        say(f"{asked.text} is not there; give the file of the plays with --text")
        return
    watch = Watch()
    watch.look(0.2 if asked.quick else 2.0)
    rows, curves = list[list[str]](), dict[str, list[tuple[float, float]]]()
    for name in asked.models:
        with tempfile.TemporaryDirectory() as folder:
            text = asked.text.read_text("utf-8")
            files = split(text, Path(folder), COPIES if asked.long else 1, keep=0.02 if asked.quick else 1.0)
            recipe = recipe_of(name, files, long=asked.long)
            overrides = {
                key: yaml.safe_load(value) for key, _, value in (each.partition("=") for each in asked.overrides)
            }
            try:
                with watch.beside(name):
                    found = trained_for(asked.minutes, recipe, "model", Path(folder), validations=3, **overrides)
            except Refusal as refused:
                rows.append([name, f"not there: {refused}", "", "", "", ""])
                continue
            loss, characters = loss_of(found, files[1])
            size = json.loads((found.bundle.parent / "size.json").read_text("utf-8"))["parameters"]
        curves[name] = [(second, math.log(values["perplexity"])) for second, values in found.curve]
        say(
            f"{name}: {loss:.4f} after {found.seconds:.0f} s; " + ", ".join(f"{value:.3f}" for _, value in curves[name])
        )
        told = [f"{size / 1e6:.2f} M", f"{found.steps:,}", f"{found.seconds:.0f} s", f"{characters:,}", f"{loss:.4f}"]
        rows.append([name, *told])
    rows += [[name, "", "", "", "", f"{value}"] for name, value in PUBLISHED.items()]
    print(f"## Plays by character\n\n{machine()}. {watch.verdict()}\n")
    print(table(["", "parameters", "steps", "time", "characters looked at", "validation loss, nats"], rows))
    for name, curve in curves.items():
        print(f"\n{name}, loss by seconds: " + ", ".join(f"{second:.0f} s {value:.3f}" for second, value in curve))
    if asked.picture and curves:
        asked.picture.write_text(picture(curves), "utf-8")


if __name__ == "__main__":
    main()
