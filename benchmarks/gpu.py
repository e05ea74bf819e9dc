"""An accelerator: how fast a GPT-2 of 124 M and a llama of about 1 B are pretrained, and whether what is fast is right.

Of each model tokens a second, the share of the measured rate of bfloat16 products, and the most memory, with packed and
with padded rows of texts of many lengths; then the loss and gradients of a small model, by the kernels and in the
precisions of a training, beside the same in float64 on the CPU. Random tokens are learnt from: speed does not depend on
which. Takes less than ten minutes; prints a markdown table, and writes it to `--into`. Without an accelerator it says
so, and ends well.

    .venv/bin/python benchmarks/gpu.py [--into FILE.md] [--seconds 60] [--quick]
"""

import argparse
import gc
import json
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from measuring import machine, say, table

LENGTHS = (32, 1024)  # tokens of a text, drawn evenly in their logarithm
VOCABULARY = 50_257
GPT2 = {"architecture": "gpt2", "layers": 12, "width": 768, "heads": 12, "positions": 1024, "dropout": 0.0}
LLAMA = {"architecture": "llama", "layers": 16, "width": 2048, "heads": 16, "feed_forward": 5632, "positions": 1024}
MODELS: dict[str, tuple[dict[str, Any], int]] = {
    "GPT-2, 124 M": (GPT2, 65_536),
    "llama, about 1 B": (LLAMA | {"dropout": 0.0}, 32_768),
}
"""Fields of a source of kind `scratch`, and tokens of a step."""

TINY = {"layers": 2, "width": 64, "heads": 4, "feed_forward": None, "positions": 128}
WARM_UP = 5  # steps
AIM = 0.5  # of the measured rate
KERNELS = 2e-2  # relative distance from float64 that bfloat16 may have


class Enough(Exception):
    """All has been measured; a checkpoint of a billion parameters would take longer than the training."""


def tokenizer_in(folder: Path, size: int) -> str:
    """The folder of a tokenizer of so many tokens, one a word, which texts of random tokens are written in."""
    from tokenizers import Tokenizer as Backend
    from tokenizers import models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = {"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3} | {f"w{number}": number for number in range(4, size)}
    backend = Backend(models.WordLevel(words, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    names = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=backend, **names).save_pretrained(folder)
    return str(folder)


def texts_in(path: Path, tokens: int, vocabulary: int, longest: int) -> dict[str, Any]:
    """A file of random texts of so many tokens in all, as data of a recipe."""
    rng, left = np.random.default_rng(0), tokens
    with path.open("w", encoding="utf-8") as file:
        while left > 0:
            length = int(np.exp(rng.uniform(np.log(LENGTHS[0]), np.log(min(longest, LENGTHS[1]) - 2))))
            words = (f"w{number}" for number in rng.integers(4, vocabulary, length).tolist())
            file.write(json.dumps({"text": " ".join(words)}) + "\n")
            left -= length
    return {"kind": "jsonl", "path": str(path)}


def pretrained_for(
    seconds: float, model: dict[str, Any], batch: int, *, pack: bool, compiled: bool, folder: Path
) -> dict[str, float]:
    """Tokens a second, share of the measured rate and the most memory of a pretraining of so many seconds."""
    import torch

    import danlu
    from danlu.machine.device import measured_rate
    from danlu.train.events import Event, Stepped
    from danlu.train.flops import flops_a_token

    where, marks = torch.device("cuda" if torch.cuda.is_available() else "cpu"), list[tuple[float, int]]()

    def watch(_stage: str, event: Event) -> None:
        if not isinstance(event, Stepped):
            return
        if where.type == "cuda":
            torch.cuda.synchronize()
        marks.append((time.perf_counter(), event.step.tokens))
        if len(marks) > 2 * WARM_UP and marks[-1][0] - marks[WARM_UP][0] > seconds:
            raise Enough

    train = {"steps": 10**6, "batch_tokens": batch, "rate": 1e-4, "checkpoint_seconds": 1e6, "compile": compiled}
    stage = {
        "kind": "train",
        "data": {"kind": "jsonl", "path": str(folder / "texts.jsonl")},
        "tokenizer": {"kind": "pretrained", "path": str(folder / "tokenizer")},
        "model": {"kind": "scratch", **model},
        "task": {"kind": "causal_lm", "pack": pack, "max_length": model["positions"]},
        "train": train,
    }
    if where.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    with tempfile.TemporaryDirectory() as root, suppress(Enough):
        danlu.run({"name": "gpu", "stages": {"model": stage}}, root=root, say=say, watch=watch)
    gc.collect()
    spent = marks[-1][0] - marks[WARM_UP][0]
    speed = sum(tokens for _, tokens in marks[WARM_UP + 1 :]) / spent
    network = built(model, folder)
    width = float(np.mean([LENGTHS[1] / 2 if pack else LENGTHS[1] / 4]))
    needed = flops_a_token(network, min(width, model["positions"])) + 6.0 * model["width"] * int(
        network.config.vocab_size
    )
    limit = measured_rate(torch.bfloat16, 0.5)
    return {
        "speed": speed,
        "share": speed * needed / limit,
        "limit": limit,
        "gib": torch.cuda.max_memory_allocated() / 2**30 if where.type == "cuda" else 0.0,
        "parameters": float(sum(each.numel() for each in network.parameters())),
    }


def built(model: dict[str, Any], folder: Path) -> Any:
    """The network with random weights."""
    from transformers import AutoTokenizer

    from danlu.model.sources.scratch import Scratch

    return Scratch(**model).build("AutoModelForCausalLM", AutoTokenizer.from_pretrained(str(folder / "tokenizer")), {})


def beside_float64(model: dict[str, Any], folder: Path, precision: str) -> tuple[float, float]:
    """The relative distance of loss and gradients from those in float64: of our kernels, in a precision."""
    import copy

    import torch

    from danlu.machine.device import device
    from danlu.model.fast import prepare_for_training

    plain = built(model, folder).eval()
    ids_BT = torch.from_numpy(np.random.default_rng(1).integers(4, 200, (2, 64)))
    exact = copy.deepcopy(plain).double()
    truth = exact(input_ids=ids_BT, labels=ids_BT).loss
    truth.backward()
    fast = prepare_for_training(plain, precision).to(device()).eval()
    ids = ids_BT.to(device())
    logits = fast(input_ids=ids).logits.float()
    flat = logits[:, :-1].reshape(-1, logits.shape[-1])
    loss = torch.nn.functional.cross_entropy(flat, ids[:, 1:].reshape(-1))
    loss.backward()
    pairs = [
        (one.grad.double().cpu(), other.grad)
        for one, other in zip(fast.parameters(), exact.parameters(), strict=True)
        if one.grad is not None and other.grad is not None
    ]
    apart = sum(float(((one - other) ** 2).sum()) for one, other in pairs) ** 0.5
    whole = sum(float((other**2).sum()) for _, other in pairs) ** 0.5
    return abs(loss.item() - truth.item()) / abs(truth.item()), apart / whole


def told(run: Callable[[], list[list[str]]]) -> list[list[str]]:
    """The rows of a part; a part that fails, as where memory does not suffice, is a row that says so."""
    try:
        return run()
    except RuntimeError as error:
        say(str(error))
        return [[f"not measured: {str(error).splitlines()[0][:120]}"]]


def main() -> None:
    """Measure and print; without an accelerator say so."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path, help="a file for the table")
    parser.add_argument("--seconds", type=float, default=60, help="of each of the six trainings")
    parser.add_argument("--quick", action="store_true", help="tiny models, on whatever device there is")
    asked = parser.parse_args()
    import torch

    if not torch.cuda.is_available() and not asked.quick:
        print("no accelerator: there is nothing to measure here")
        return
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else "no accelerator"
    speeds, kernels = list[list[str]](), list[list[str]]()
    vocabulary = 500 if asked.quick else VOCABULARY
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root)
        tokenizer_in(folder / "tokenizer", vocabulary)
        texts_in(folder / "texts.jsonl", 20_000 if asked.quick else 6_000_000, vocabulary, 128 if asked.quick else 1024)
        for title, (fields, tokens) in MODELS.items():
            model, batch = (fields | TINY, 512) if asked.quick else (fields, tokens)
            for pack, compiled in ((True, False), (True, True), (False, False)):

                def measured(
                    title: str = title,
                    model: dict[str, Any] = model,
                    batch: int = batch,
                    pack: bool = pack,
                    compiled: bool = compiled,
                ) -> list[list[str]]:
                    seconds = 0.1 if asked.quick else asked.seconds
                    found = pretrained_for(seconds, model, batch, pack=pack, compiled=compiled, folder=folder)
                    share = f"{found['share']:.0%} of {found['limit'] / 1e12:.0f} TFLOP/s"
                    size = f"{found['parameters'] / 1e6:.0f} M"
                    rows = ("packed" if pack else "padded") + (", compiled" if compiled else "")
                    return [[title, size, rows, f"{found['speed']:,.0f}", share, f"{found['gib']:.1f}"]]

                speeds += told(measured)
            for precision in ("float32", "bfloat16"):
                small = {**fields, **TINY}
                loss, gradients = beside_float64(small, folder, precision)
                right = "yes" if max(loss, gradients) < (KERNELS if precision == "bfloat16" else 1e-3) else "**no**"
                kernels.append([small["architecture"], precision, f"{loss:.1e}", f"{gradients:.1e}", right])
    header = ["model", "parameters", "rows", "tokens/s, no padding", "share of bf16 products", "GiB"]
    page = (
        f"## An accelerator\n\n{machine()}, {name}. Aim: {AIM:.0%} of the measured rate of bfloat16 products.\n\n"
        f"{table(header, [row + [''] * (len(header) - len(row)) for row in speeds])}\n\n"
        "A small model, its loss and gradients beside float64, relative distance:\n\n"
        f"{table(['family', 'precision', 'loss', 'gradients', 'right'], kernels)}\n"
    )
    print(page)
    if asked.into:
        asked.into.write_text(page, "utf-8")
    if any("no" in row[-1] for row in kernels):
        sys.exit("a kernel is further from float64 than its precision allows")


if __name__ == "__main__":
    main()
