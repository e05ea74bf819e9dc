"""What a task asks of a model: the tensors of its calls, and which of their sizes vary.

Legend: B rows, T tokens.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from danlu.data.record import Record
from danlu.machine.seed import generator
from danlu.refusal import Refusal
from danlu.task.task import Task
from danlu.text.tokenizing.special import ordinary_ids
from danlu.text.tokenizing.tokenizer import Tokenizer

Tensors = dict[str, Tensor]

SIZES = (1, 3, 8)
"""Rows of the batches with which an export is tried."""
WRITTEN = "decoder_input_ids"
"""What the decoder of two reads: all that is written but the last token."""
LONGEST = 1024
"""Tokens of the longest rows with which it is tried, where the model allows more."""

_UNREAD = {"loss", "pooler_output"}


@dataclass(frozen=True)
class Call:
    """How a task asks a model.

    - `inputs`, `outputs`: tensors of one call, by name.
    - `axes`: of each input those dimensions that vary, with a name for each size that varies: rows, tokens.
    - `at_places`: whether the task wants logits at some places alone.
    """

    inputs: Tensors
    outputs: Tensors
    axes: Mapping[str, Mapping[int, str]]
    at_places: bool


def call_of(task: Task, model: nn.Module, tokenizer: Tokenizer, limit: int) -> Call:
    """How `task` asks `model`, found by asking twice, with other numbers of rows and of tokens.

    What writes is asked for words wherever it is asked at all.

    Raises:
        Refusal: rows are as long as the model allows, whatever they say.
    """
    if task.auto_class in ("AutoModelForCausalLM", "AutoModelForSeq2SeqLM"):
        return _of_words(model, tokenizer, two_sided=task.auto_class == "AutoModelForSeq2SeqLM")
    record = task.tried()
    reading = task.model_copy(update={"too_long": "truncate"})
    encoded = reading.encode([record], tokenizer, limit, labelled=False)[:1]
    width = len(encoded[0])
    if width + 2 > limit:
        raise Refusal(f"the model takes rows of {limit} tokens at most, too few to tell how its sizes vary")
    small, _ = _asked(task, model, _batch(task, encoded, width + 1, tokenizer))  # padded, so that there is a mask
    large, outputs = _asked(task, model, batch := _batch(task, encoded * 3, min(limit, width + 7), tokenizer))
    names: dict[tuple[int, int], str] = {}
    axes: dict[str, dict[int, str]] = {}
    rows, tokens = ((small["input_ids"].shape[axis], large["input_ids"].shape[axis]) for axis in (0, -1))
    names |= {tokens: "tokens", rows: "rows"}
    for name, value in large.items():
        pairs = list(zip(small[name].shape, value.shape, strict=True))
        axes[name] = {
            axis: names.setdefault(pair, f"size{len(names)}") for axis, pair in enumerate(pairs) if pair[0] != pair[1]
        }
    return Call(large, outputs, axes, task.places(batch) is not None)


@torch.inference_mode()
def _of_words(model: Any, tokenizer: Tokenizer, *, two_sided: bool) -> Call:
    """A call of 3 rows of 9 tokens, of which the last two are shorter; a decoder of two reads 5 of its own."""
    ids_BT = torch.from_numpy(generator(0, "export").choice(ordinary_ids(tokenizer), (3, 9))).long()
    mask_BT = (torch.arange(9) < torch.tensor([[9], [6], [4]])).long()
    inputs = {"input_ids": ids_BT, "attention_mask": mask_BT}
    axes = {name: {0: "rows", 1: "tokens"} for name in inputs}
    if two_sided:
        inputs[WRITTEN], axes[WRITTEN] = ids_BT.flip(1)[:, :5], {0: "rows", 1: "written"}
    logits = model(**inputs, use_cache=False).logits
    return Call(inputs, {"logits": logits}, axes, at_places=True)


def _batch(task: Task, encoded: Sequence[Any], width: int, tokenizer: Tokenizer) -> Any:
    return task.collate(encoded, width, tokenizer, generator(0, "export"))


@torch.inference_mode()
def _asked(task: Task, model: nn.Module, batch: Any) -> tuple[Tensors, Tensors]:
    """The tensors that the model is called with, and those that it gives."""
    seen: list[tuple[Tensors, Tensors]] = []

    def look(_module: nn.Module, _arguments: Any, given: Mapping[str, Any], said: Any) -> None:
        inputs = {name: value for name, value in given.items() if isinstance(value, Tensor)}
        outputs = {name: value for name, value in said.items() if isinstance(value, Tensor) and name not in _UNREAD}
        seen.append((inputs, outputs))

    handle = model.register_forward_hook(look, with_kwargs=True)
    try:
        task.forward(model, batch.inputs, None)
    finally:
        handle.remove()
    return seen[0]


def tries(call: Call, tokenizer: Tokenizer, records: Sequence[Record], task: Task, limit: int) -> Iterator[Tensors]:
    """Inputs of many sizes: 1, 3 and 8 rows that are short, of middle length, and as long as the model allows.

    Tokens are drawn of those of the records; all rows but the first end earlier than their batch is wide.
    """
    reading = task.model_copy(update={"too_long": "truncate"})
    known = [
        row.input_ids for item in reading.encode(list(records), tokenizer, limit, labelled=False) for row in item.rows
    ]
    ids = np.unique(np.concatenate(known))
    rng = generator(0, "export")
    most = min(limit, LONGEST)
    for tokens in sorted({min(7, most), max(8, most // 4), most}):
        for rows in SIZES:
            yield _inputs(call, ids, rows, tokens, rng)


def _inputs(call: Call, ids: Any, rows: int, tokens: int, rng: np.random.Generator) -> Tensors:
    lengths_B = np.array([tokens, *rng.integers((tokens + 1) // 2, tokens + 1, rows - 1)])
    seen_BT = np.arange(tokens) < lengths_B[:, None]
    found: Tensors = {}
    for name, example in call.inputs.items():
        sizes = [
            {"rows": rows, "tokens": tokens}.get(call.axes[name].get(axis, ""), size)
            for axis, size in enumerate(example.shape)
        ]
        if name in ("input_ids", "attention_mask"):
            values = rng.choice(ids, (rows, tokens)) if name == "input_ids" else seen_BT
            found[name] = torch.from_numpy(values.astype(np.int64)).reshape(sizes)
        else:  # as in the call, again and again
            index = [torch.arange(size) % known for size, known in zip(sizes, example.shape, strict=True)]
            found[name] = example[torch.meshgrid(*index, indexing="ij")]
    return found
