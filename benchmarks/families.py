"""Which families of transformers run with which tasks and tuning methods: trains each, and writes docs/families.md.

Every family is tiny and random (`tiny_families.py`). "Runs" means: a step is trained, the result is merged, saved,
opened again by plain transformers, and gives the same logits there. 468 pairs, three methods: some ten minutes.

    .venv/bin/python benchmarks/families.py [FAMILY ...]
"""

import re
import sys
import tempfile
import textwrap
import warnings
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
import transformers

from danlu.machine.hub import first_line
from danlu.machine.quiet import quiet
from danlu.model.fast import prepare_for_training
from danlu.model.padding import pad_alike
from danlu.model.positions import longest_row
from danlu.recipe.part import find
from danlu.refusal import Refusal
from danlu.stages.trial import suited, try_a_step
from danlu.task.task import Task
from danlu.text.batching.batch import Slice
from danlu.train.batches import Batches
from danlu.tuning.method import Method
from tiny_families import FAMILIES, HEADS, build, records, tokenizer

PAGE = Path(__file__).parents[1] / "docs" / "families.md"
METHODS = ["full", "head", "lora"]
TOLD: list[str] = []
SEPARATE: set[str] = set()
HEADER = """# Families of models

Written by `benchmarks/families.py` with transformers {version}; a test compares it. Every text family of
transformers, tiny and random, was tried with every task and tuning method: a step is trained, the result is merged,
saved, opened by plain transformers, and has the same logits there. What is named runs; a number says why the rest is
refused, which is told before anything is trained; `-`: transformers has no such model. For a family that is not here
the same is tried at the start of its training.

| family | causal_lm | masked_lm | classify | tag |
|---|---|---|---|---|"""
PACKING = (
    "Documents that share a row (`pack`) would see each other, or stand at wrong positions, in these families; each "
    "document has a row of its own there: "
)


def outcome(family: str, kind: str, method_kind: str, folder: Path) -> str:
    """Empty where the family runs, else why not."""
    words, method = tokenizer(), Method.model_validate({"kind": method_kind})
    rows = records(kind)
    task = find(Task, kind)().fitted(rows)
    TOLD.clear()
    try:
        network = build(family, kind, **task.config())
    except Exception as error:
        return f"not tried: {type(error).__name__}: {first_line(error)}"
    try:
        pad_alike(network, words, family)
        model = method.apply(network)
        task = suited(model, task, words, TOLD.append)
        model = prepare_for_training(model, "float32")
        encoded = task.encode(rows, words, min(longest_row(network), 64), labelled=True)
        batches = Batches(encoded, lambda r, w, g: task.collate(r, w, words, g), 0, 4096, None, 1, 1)
        try_a_step(batches, model, task, method, folder)
        everything = Slice(np.arange(len(encoded)), max(map(len, encoded)), 0)
        (batch,) = batches.micro_batches(everything, (0, 0), torch.device("cpu"))
    except Refusal as refusal:
        return str(refusal)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    sum(value / batch.counts[name] for name, value in task.loss(model, batch).items()).backward()
    optimizer.step()
    merged = method.merge(model).eval()
    inputs = {name: value for name, value in batch.inputs.items() if name in {"input_ids", "attention_mask"}}
    cache = {"use_cache": False} if kind == "causal_lm" else {}
    merged.save_pretrained(folder)
    again, told = getattr(transformers, HEADS[kind][0]).from_pretrained(folder, output_loading_info=True)
    assert not told["missing_keys"], f"{family}: {told['missing_keys']}"
    with torch.inference_mode():
        ours, theirs = (each(**inputs, **cache).logits for each in (merged, again.eval()))
    keep = inputs["attention_mask"].bool() if "attention_mask" in inputs and ours.shape[1] == everything.width else ...
    assert (ours[keep] - theirs[keep]).abs().max() < 1e-3 * theirs[keep].std(), f"{family} {kind}: plain logits differ"
    return ""


def written(table: dict[str, dict[str, dict[str, str]]]) -> str:
    """The page: a line a family, and below why some are refused."""
    reasons: dict[str, int] = {}

    def cell(found: dict[str, str] | None) -> str:
        if found is None:
            return "-"
        runs = [method for method in METHODS if not found[method]]
        notes = [why for method in METHODS if (why := found[method])]
        numbers = sorted({reasons.setdefault(_general(why), len(reasons) + 1) for why in notes})
        return " ".join([", ".join(runs), *(f"[{number}]" for number in numbers)]).strip()

    lines = [" | ".join([f"| {family}", *(cell(table[family].get(kind)) for kind in HEADS)]) + " |" for family in table]
    told = [f"{number}. {why}" for why, number in reasons.items()]
    packing = _wrapped(PACKING + ", ".join(sorted(SEPARATE)) + ".")
    head = HEADER.format(version=transformers.__version__)
    return "\n".join([head, *lines, "", "## Packing", "", *packing, "", "## Why not", "", *told, ""])


def main(families: list[str]) -> None:
    """Try all of them, and write the page if all families were asked for."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    table: dict[str, dict[str, dict[str, str]]] = defaultdict(lambda: defaultdict(dict))
    for family in families or FAMILIES:
        for kind in HEADS:
            if family not in HEADS[kind][1]:
                continue
            for method in METHODS:
                with tempfile.TemporaryDirectory() as folder, quiet():
                    try:
                        found = outcome(family, kind, method, Path(folder))
                    except Exception as error:
                        found = f"breaks only at the end: {type(error).__name__}: {first_line(error)}"
                table[family][kind][method] = found
                SEPARATE.update({family} if TOLD else ())
                if found or TOLD:
                    print(family, kind, method, found, *TOLD, sep=" | ", flush=True)
    if not families:
        PAGE.write_text(written(table), "utf-8")


def _general(why: str) -> str:
    """A reason without the names and numbers that are of one family."""
    why = re.sub(r"\bfamily '[^']+'", "family", why)
    why = re.sub(r"\b\w+For\w+ does", "it does", re.sub(r"in \w+For\w+:", "here:", why))
    return re.sub(r"size of tensor a .*? at", "sizes of tensors differ at", why).replace("|", "/")


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 118, break_long_words=False, break_on_hyphens=False)


if __name__ == "__main__":
    main(sys.argv[1:])
