"""What is forgotten where tasks are learnt in turn, by each remedy: on texts with labels, and by a language model.

Three English tasks of different kinds with MiniLM (sentiment, relations, entailment) in two orders; and a tiny language
model that has learnt stories and then learns plays, with and without stories among them. The stories are its own: it
writes them before it is tuned. Prints markdown tables; sets that are not on the machine are left out with a sentence.

    .venv/bin/python benchmarks/continual.py [--quick] [--seeds 3] [--only tasks language]

One order and one seed may be run at a time (`--order 0 --first 2 --seeds 1`), with what is found kept in a file
(`--keep FILE`), and such files be told together (`--told FILE FILE ...`).
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import danlu
from measuring import machine, say, spread, table
from task_sets import QUICK, SETS, SHARED, why_absent

ORDERS = [
    ("sst2", "semeval2010_task8", "sick_entailment"),
    ("sick_entailment", "sst2", "semeval2010_task8"),
]
REMEDIES: list[dict[str, Any]] = [
    {"kind": "replay", "budget": 200},
    {"kind": "ewc", "strength": 1000},
    {"kind": "ewc", "strength": 1000, "online": True},
    {"kind": "lwf"},
    {"kind": "olora"},
    {"kind": "averaging"},
    {"kind": "mixture", "of": [{"kind": "replay", "budget": 200}, {"kind": "lwf"}]},
]
STORIES, PLAYS = SHARED / "models" / "stories260k", SHARED / "data" / "tinyshakespeare" / "input.txt"

Results = list[dict[str, Any]]
"""What `continual.json` holds, a seed each."""


def lesson(name: str, folder: Path, most: int | None, precision: str, *, quick: bool) -> dict[str, Any]:
    """A task of `task_sets.py`, with its records in a folder."""
    chosen = SETS[name]
    folder.mkdir()
    job = {"set": name, "folder": str(folder), "rows": most} | ({"most": QUICK} if quick else {})
    subprocess.run(
        [sys.executable, Path(__file__).parent / "task_sets.py", json.dumps(job)], check=True, stdout=sys.stderr
    )
    data, test = ({"kind": "jsonl", "path": str(folder / f"{split}.jsonl")} for split in ("train", "test"))
    task = {"kind": chosen.task, "max_length": chosen.longest, "too_long": "truncate"}
    train = {"epochs": 1 if quick else chosen.epochs, "rate": chosen.rate, "batch_examples": chosen.batch}
    train |= {"precision": precision, "checkpoint_seconds": 1e6}
    return {"data": data, "test": test, "task": task, "train": train}


def in_order(names: tuple[str, ...], seed: int, asked: argparse.Namespace) -> dict[str, Any]:
    """The results of the tasks in this order; `joint` learns as many epochs as the task that learns most."""
    quick, remedies = asked.quick, REMEDIES[:1] if asked.plain else REMEDIES
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        tasks = {name: lesson(name, root / name, asked.records, asked.precision, quick=quick) for name in names}
        stage = {
            "kind": "continual",
            "tasks": tasks,
            "model": {"kind": "pretrained", "path": str(root / names[0] / "model")},
            "train": {"epochs": 1 if quick else 3, "rate": 1e-4, "batch_examples": 32, "precision": asked.precision},
            "remedies": remedies,
        }
        return results(stage, root, seed)


def stories(count: int, length: int) -> list[str]:
    """Stories as the model tells them before it is tuned."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = AutoModelForCausalLM.from_pretrained(STORIES), AutoTokenizer.from_pretrained(STORIES)
    begin = torch.tensor([[tokenizer.bos_token_id]] * 50)
    told: list[str] = []
    torch.manual_seed(0)
    while len(told) < count:
        written = model.generate(begin, do_sample=True, max_new_tokens=length, pad_token_id=tokenizer.bos_token_id)
        told += tokenizer.batch_decode(written, skip_special_tokens=True)
    return told[:count]


def plays(count: int) -> list[str]:
    """Pieces of the book of about 800 characters, cut between speeches."""
    pieces, piece = [], ""
    for speech in PLAYS.read_text(encoding="utf-8").split("\n\n"):
        piece += ("\n\n" if piece else "") + speech
        if len(piece) > 800:
            pieces.append(piece)
            piece = ""
    return pieces[:count]


def language(seed: int, *, quick: bool) -> dict[str, Any]:
    """The results of stories, and plays after them."""
    texts = {"stories": stories(60 if quick else 1000, 120 if quick else 240), "plays": plays(60 if quick else 1200)}
    with tempfile.TemporaryDirectory() as place:
        root, tasks = Path(place), {}
        for name, told in texts.items():
            held = len(told) // 5
            files = {"data": told[held:], "test": told[:held]}
            for split, own in files.items():
                (root / f"{name}-{split}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in own))
            paths = {split: {"kind": "jsonl", "path": str(root / f"{name}-{split}.jsonl")} for split in files}
            tasks[name] = paths | {"task": {"kind": "causal_lm", "too_long": "truncate"}}
        shares = [{"kind": "replay", "budget": 200, "share": share} for share in (0.05, 0.25)]
        stage = {
            "kind": "continual",
            "tasks": tasks,
            "scenario": "domain-incremental",
            "model": {"kind": "pretrained", "path": str(STORIES)},
            "train": {"epochs": 1 if quick else 3, "rate": 1e-3, "batch_tokens": 4096},
            "remedies": [*shares, {"kind": "ewc", "strength": 1000}, {"kind": "lwf"}, {"kind": "averaging"}],
        }
        return results(stage, root, seed)


def results(stage: dict[str, Any], root: Path, seed: int) -> dict[str, Any]:
    """What `continual.json` says of a stage that is run here."""
    recipe = {"name": "continual", "seed": seed, "stages": {"turn": stage}}
    run = danlu.run(recipe, root=root / "runs", say=lambda line: print(line, file=sys.stderr))
    found: dict[str, Any] = json.loads((run["turn"] / "continual.json").read_text(encoding="utf-8"))
    return found


def show(title: str, found: Results, scale: float) -> None:
    """A row a remedy: its last row of the matrix, and what that says; then the whole matrices, of the seeds' mean."""
    first = found[0]
    heads = [
        f"{name}: {task['metric']}{'' if task['higher_is_better'] else ' ↓'}" for name, task in first["tasks"].items()
    ]
    told = ["average", "forgetting", "backward", "forward"]
    rows, matrices = [], []
    for name, remedy in first["remedies"].items():
        each = [result["remedies"][name] for result in found]
        lasts = [spread([one["matrix"][-1][place] for one in each], scale) for place in range(len(heads))]
        means = ["–" if remedy[key] is None else spread([one[key] for one in each], scale) for key in told]
        rows.append([_named(name, remedy), *lasts, *means])
        for number, row in enumerate(remedy["rows"]):
            values = [spread([one["matrix"][number][place] for one in each], scale) for place in range(len(heads))]
            matrices.append([name, row["after"][-1] if row["after"] else "before", *values])
    print(f"**{title}**\n\n{table(['remedy', *heads, *told], rows)}\n")
    print(f"{table(['remedy', 'after', *heads], matrices)}\n")


def _named(name: str, remedy: dict[str, Any]) -> str:
    plain = remedy["remedy"]
    told = [f"{key} {plain[key]}" for key in ("budget", "share", "strength", "online") if plain.get(key)]
    return f"{name} ({', '.join(told)})" if told else name


def main() -> None:
    """Learn in turn, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few records and one seed, to see that every part works")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--order", type=int, nargs="+", choices=range(len(ORDERS)), default=[*range(len(ORDERS))])
    parser.add_argument("--records", type=int, help="of each task at most, drawn from all")
    parser.add_argument("--only", nargs="+", choices=("tasks", "language"), default=["tasks", "language"])
    parser.add_argument("--plain", action="store_true", help="naive, joint and replay of 200 records alone")
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16"), default="auto")
    parser.add_argument("--keep", type=Path, help="a file for what is found")
    parser.add_argument("--told", type=Path, nargs="+", help="files of --keep, to be told together")
    options = parser.parse_args()
    begin = time.monotonic()
    found = [json.loads(path.read_text("utf-8")) for path in options.told] if options.told else [learnt(options)]
    together: dict[str, Results] = {}
    for each in found:
        for title, results in each.items():
            together.setdefault(title, []).extend(results)
    if not options.told:  # which may be of another machine
        print(f"{machine()}; {time.monotonic() - begin:.0f} s\n")
    for title, results in together.items():
        show(f"{title}; {len(results)} seed(s)", results, 1 if title.startswith("stories") else 100)
    if options.keep:
        options.keep.write_text(json.dumps(together), "utf-8")


def learnt(options: argparse.Namespace) -> dict[str, Results]:
    """What is found of each order, by its title."""
    seeds = range(options.first, options.first + (1 if options.quick else options.seeds))
    found: dict[str, Results] = {}
    for names in [ORDERS[place] for place in options.order] if "tasks" in options.only else []:
        absent = [sentence for name in names if (sentence := why_absent(name))]
        if absent:
            say(absent[0])
            continue
        each = [in_order(names, seed, options) for seed in seeds]
        found[" → ".join(names)] = each
    if "language" in options.only and STORIES.is_dir() and PLAYS.is_file():
        found["stories → plays, stories260k"] = [language(seed, quick=options.quick) for seed in seeds]
    elif "language" in options.only:
        say(f"the language model is left out: {STORIES} or {PLAYS} is not there.")
    return found


if __name__ == "__main__":
    main()
