"""Trainings that 1, 2 and 4 ranks do, in processes that are forked once all is imported: one start for all cases.

`python ranked_cases.py FOLDER` writes there, for each case and number of ranks, what each step was and the weights.
"""

import gc
import importlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from safetensors.torch import save_file
from transformers import BertConfig, BertForSequenceClassification

from danlu.machine.interrupt import Agreed
from danlu.machine.joining import joined
from danlu.machine.limit import FEWEST, limit_of
from danlu.machine.processes import free_port
from danlu.machine.ranks import ALONE, Ranks
from danlu.recipe.part import find
from danlu.stages.together import led
from danlu.text.batching.batch import Batch
from danlu.text.batching.encoded import Encoded, Row
from danlu.train.batches import Batches
from danlu.train.events import Event, Leave, Stepped, Stopped
from danlu.train.run import TrainingRun
from danlu.train.settings import Training
from danlu.train.validation import Validation
from danlu.tuning.method import Method

SIZES = (1, 2, 4)
STEPS = 6
METHODS: dict[str, dict[str, Any]] = {
    "full": {"kind": "full"},
    "groups": {"kind": "full", "layer_decay": 0.5, "unfreeze": 1},
    "lora": {"kind": "lora", "rank": 2},
}
CASES = {
    **{(parallel, method, "float32"): SIZES for parallel in ("ddp", "fsdp") for method in ("full", "lora")},
    ("fsdp", "groups", "float32"): (1, 2),
    ("fsdp", "full", "bfloat16"): (1, 2),
}


class Rows(list[Encoded]):
    """Rows that remember which of them were read."""

    def __init__(self, rows: list[Encoded]) -> None:
        super().__init__(rows)
        self.seen: set[int] = set()

    def __getitem__(self, place: Any) -> Any:
        self.seen.add(int(place))
        return super().__getitem__(place)


def rows() -> Rows:
    rng = np.random.default_rng(0)
    return Rows([Encoded(i, (Row(rng.integers(3, 60, 4 + i % 7).astype(np.int32)),)) for i in range(23)])


def collate(given: list[Encoded], width: int, rng: np.random.Generator) -> Batch:
    """About half of the rows have a label, those of some batches none; which ones is drawn."""
    ids_BT = torch.zeros(len(given), width, dtype=torch.long)
    for row, encoded in zip(ids_BT, given, strict=True):
        row[: len(encoded)] = torch.from_numpy(encoded.row.input_ids.astype(np.int64))
    labels = np.where(
        rng.random(len(given)) < (0.0 if rng.random() < 0.2 else 0.6), [e.record % 3 for e in given], -100
    )
    inputs = {"input_ids": ids_BT, "attention_mask": (ids_BT > 0).long()}
    counts = {"label": int((labels >= 0).sum())}
    return Batch(inputs, {"label": torch.from_numpy(labels)}, counts, np.arange(len(given)), int((ids_BT > 0).sum()))


def loss(model: torch.nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
    """Where nothing has a label, the loss is a constant."""
    logits = model(**batch.inputs).logits.float()
    if not batch.counts["label"] and batch.tokens:
        return {"label": torch.zeros(())}
    labels = batch.targets["label"]
    return {"label": torch.nn.functional.cross_entropy(logits, labels, reduction="sum", ignore_index=-100)}


def training(parallel: str, method: str, precision: str, folder: Path, ranks: Ranks, data: Rows) -> TrainingRun:
    torch.manual_seed(3)
    layers = 1 if method == "lora" else 2
    sizes = {"hidden_size": 16, "num_hidden_layers": layers, "num_attention_heads": 2, "intermediate_size": 24}
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    model = BertForSequenceClassification(BertConfig(vocab_size=60, num_labels=3, **sizes, **still))
    tuning = find(Method, METHODS[method]["kind"])(**{k: v for k, v in METHODS[method].items() if k != "kind"})
    tuned = tuning.apply(model).to(torch.bfloat16 if precision == "bfloat16" else torch.float32)
    settings = Training(
        parallel=parallel, rate=1e-2, clip=0.5, steps=STEPS, accumulate=4, average=0.5, evaluate=2, precision=precision
    )
    batches = Batches(
        data, collate, 0, tokens=40, examples=None, accumulate=4, parts=1, rank=ranks.rank, ranks=ranks.count
    )
    given = {"precision": precision, "folder": folder, "fingerprint": "one", "seed": 0, "ranks": ranks}
    return TrainingRun(tuned.train(), batches, loss, settings, tuning, **given)


def trained(run: TrainingRun, stop: int | None = None) -> tuple[list[Any], dict[str, torch.Tensor]]:
    """What each step was, and the best weights; with `stop` it is stopped after so many."""
    told: list[Any] = []

    def watch(event: Event) -> Leave | None:
        if isinstance(event, Stepped):
            told.append((event.step.loss, event.step.gradient_norm, event.step.tokens))
        return "checkpoint" if stop and len(told) >= stop and run.ranks.first else None

    def measure() -> dict[str, float]:
        with torch.no_grad():
            ids = torch.arange(3, 43).view(4, 10)
            return {"sum": float(run.model(input_ids=ids).logits.float().square().sum())}

    try:
        best = run.train("x", Validation(measure, "sum", higher_is_better=True), watch)
    except Stopped:
        return told, {}
    told.append(best.score)
    return told, {name: value.clone().float() for name, value in best.weights.items()}


def subgroups(ranks: Ranks) -> Iterator[Ranks]:
    for size in SIZES:
        group, beside = (dist.new_group(list(range(size)), backend="gloo") for _ in range(2))
        if ranks.rank < size:
            yield Ranks(ranks.rank, size, ranks.rank, group, dist.PrefixStore(f"of {size}", ranks.store), beside)


def work(out: Path, everyone: Ranks) -> None:
    several = list(subgroups(everyone))
    for case, sizes in CASES.items():
        name = "-".join(case)
        for ranks in (each for each in several if each.count in sizes):
            data = rows()
            run = training(*case, out / f"{name}-{ranks.count}", ranks, data)
            data.seen.clear()
            told, weights = trained(run)
            keep(out / f"{name}-{ranks.count}", ranks, told, weights, sorted(data.seen))
    for parallel in ("ddp", "fsdp"):
        begun = out / f"{parallel}-begun"
        for ranks in several:
            if ranks.count == 2:
                trained(training(parallel, "full", "float32", begun, ranks, rows()), stop=3)
        dist.barrier()
        for ranks in several:
            folder = out / f"{parallel}-resumed-{ranks.count}"
            if ranks.first:
                shutil.copytree(begun, folder)
            ranks.choice(0)
            keep(folder, ranks, *trained(training(parallel, "full", "float32", folder, ranks, rows())), [])


def interrupt(ranks: Ranks) -> None:
    """The first rank is interrupted, and the others, which are slow, still learn that they may go."""
    with led(ranks) if ranks.first else nullcontext():
        if ranks.first:
            raise Agreed
    for _ in range(100):
        torch.ones(500, 500) @ torch.ones(500, 500)
    assert ranks.hear() is None


def keep(folder: Path, ranks: Ranks, told: list[Any], weights: dict[str, torch.Tensor], seen: list[int]) -> None:
    (folder / f"told-{ranks.rank}.json").write_text(json.dumps({"told": told, "seen": seen}))
    if ranks.first:
        save_file({key: value.contiguous() for key, value in weights.items()}, folder / "weights.safetensors")


def main(out: Path) -> None:
    torch.set_num_threads(1)
    for name in ("danlu.tuning.methods.lora", "peft", "torch._dynamo", "danlu.train.shards"):  # once for all
        importlib.import_module(name)
    for dtype in (torch.float32, torch.bfloat16):  # each rank would measure how fast the machine is
        for _ in range(FEWEST):
            limit_of(dtype).beside(0.0, 0.0)
    gc.freeze()  # else what the ranks look through in vain is copied for each of them
    os.environ |= {"WORLD_SIZE": "4", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port(), "OMP_NUM_THREADS": "2"}
    children = []
    for rank in range(max(SIZES)):
        child = os.fork()
        if child == 0:
            os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
            torch.set_num_threads(1)
            with suppress(Agreed), joined(120.0) as ranks:
                work(out, ranks)
                interrupt(ranks)
            os._exit(0)
        children.append(child)
    failed = [rank for rank, child in enumerate(children) if os.waitpid(child, 0)[1]]
    sys.exit(f"ranks failed: {failed}" if failed else 0)


if __name__ == "__main__":
    assert not ALONE.several
    main(Path(sys.argv[1]))
