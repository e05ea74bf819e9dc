"""Predictions for records in the order in which they come, each core at work on batches of its own."""

import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Self

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from danlu.data.cleaning.cleaner import Rewriter
from danlu.data.record import Record
from danlu.machine.crew import Crew
from danlu.machine.seed import generator
from danlu.model.packed import packed
from danlu.model.positions import longest_row
from danlu.model.replica import replica
from danlu.refusal import Refusal
from danlu.task.rewritten import as_given, rewritten
from danlu.task.task import Output, Prediction, Task
from danlu.text.batching.batch import Batch, Slice, few_shapes, plan
from danlu.text.batching.encoded import Encoded, sizes_of
from danlu.text.tokenizing.tokenizer import Tokenizer

BATCH_TOKENS = {True: 1024, False: 16384}
"""By whether the device is a CPU, whose cache larger batches leave: MiniLM in bfloat16, 872 phrases on 2 cores:
435 a second with 1,024, 383 with 4,096, 306 with 8,192 (2026-11)."""

BLOCK = 4096  # records that are encoded and sorted together: all that is held in memory at once


class Predictor:
    """A model, its task and its tokenizer, ready to answer.

    The weights are shared with `model`, not copied: what trains `model` in place is seen here. Its own mode
    and gradients stay as they are.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        task: Task,
        tokenizer: Tokenizer,
        *,
        threads: int | None = None,
        batch_tokens: int | None = None,
        frozen: bool = False,
        rewriters: Sequence[Rewriter] = (),
    ) -> None:
        """Predict with `threads` cores (None: as many as torch may use) in batches of `batch_tokens` tokens.

        `frozen` promises that nobody trains `model` any more; its weights are then laid out for speed. Texts go
        through the `rewriters` first, as the training data did; what is predicted of their characters is said of
        the characters as they were given.
        """
        self.rewriters = list(rewriters)
        self.task = task
        self.tokenizer = tokenizer
        self.limit = longest_row(model)
        self.device = next(model.parameters()).device
        self.batch_tokens = batch_tokens or BATCH_TOKENS[self.device.type == "cpu"]
        size = (threads or torch.get_num_threads()) if self.device.type == "cpu" else 1
        first = packed(model) if frozen else replica(model)
        self._free: SimpleQueue[nn.Module] = SimpleQueue()  # several threads may ask at once: a batch, a replica
        for each in (first, *(replica(first) for _ in range(size - 1))):
            self._free.put(each.train(mode=False))
        self._size = size
        self._crew = Crew(size)
        self._company_tells: bool | None = None
        self._dtype = model.dtype

    def predict(self, records: Sequence[Record]) -> list[Prediction]:
        """One prediction a record, in order; labels are not looked at.

        Raises `Refusal` for a record that the task cannot encode, and for outputs that are not numbers.
        """
        return list(self.stream(records))

    def stream(self, records: Iterable[Record], block: int = BLOCK) -> Iterator[Prediction]:
        """One prediction a record, in order, holding no more than `block` records at once."""
        source = iter(records)
        start = 0
        while chunk := list(islice(source, block)):
            yield from self._block(chunk, start)
            start += len(chunk)

    def outputs(self, records: Iterable[Record], block: int = BLOCK) -> Iterator[tuple[list[Output], list[Encoded]]]:
        """What the model gives for the windows of each record, in order, and these windows; texts are not rewritten."""
        source = iter(records)
        start = 0
        while chunk := list(islice(source, block)):
            yield from self._read(chunk, start)
            start += len(chunk)

    def close(self) -> None:
        """End the threads."""
        self._crew.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _block(self, records: list[Record], start: int) -> list[Prediction]:
        given = records
        records = rewritten(given, self.rewriters)
        predictions = [
            self.task.decode(outputs, windows, record)
            for (outputs, windows), record in zip(self._read(records, start), records, strict=True)
        ]
        return [
            prediction if record is before else as_given(prediction, before, record, self.rewriters)
            for prediction, before, record in zip(predictions, given, records, strict=True)
        ]

    def _read(self, records: list[Record], start: int) -> list[tuple[list[Output], list[Encoded]]]:
        """The outputs and the windows of each record."""
        try:
            encoded = self.task.encode(records, self.tokenizer, self.limit, labelled=False)
        except Refusal as refusal:
            raise (Refusal(f"{refusal} (counted from record {start + 1:,})") if start else refusal) from None
        outputs = self._outputs(encoded)
        windows: defaultdict[int, list[int]] = defaultdict(list)
        for row, item in enumerate(encoded):
            windows[item.record].append(row)
            if not np.isfinite(outputs[row]).all():
                raise Refusal(
                    f"record {start + item.record + 1:,}: the model's outputs are not finite numbers; "
                    "predict in float32, and if that fails too, train again at a lower rate"
                )
        return [
            ([outputs[row] for row in windows[number]], [encoded[row] for row in windows[number]])
            for number in range(len(records))
        ]

    def _outputs(self, encoded: list[Encoded]) -> list[Output]:
        """The task's output of every row; longest rows first, so that the threads end together."""
        queue: SimpleQueue[tuple[int, Slice]] = SimpleQueue()
        padded = not self._reads_padding(encoded)
        for job in enumerate(plan(sizes_of(encoded), tokens=self.batch_tokens, longest=self.limit, padded=padded)):
            queue.put(job)
        results: dict[int, Output] = {}
        stop = threading.Event()

        def work() -> None:
            try:
                with torch.inference_mode():
                    while not stop.is_set():
                        number, piece = queue.get_nowait()
                        chosen = [encoded[example] for example in piece.examples]
                        size, width = few_shapes(piece, self.batch_tokens, self.limit if padded else piece.width)
                        chosen += chosen[-1:] * (size - len(chosen))
                        rng = generator("predict", number)  # the same masks, whichever thread takes the batch
                        batch = self.task.collate(chosen, width, self.tokenizer, rng)
                        found = self._answered(batch.to(self.device))
                        results.update(zip(piece.examples.tolist(), found, strict=False))
            except Empty:
                return
            except BaseException:
                stop.set()
                raise

        try:
            self._crew.run([work] * self._size)
        finally:
            stop.set()  # after Ctrl-C in the waiting thread, the others end with the batch they are at
        return [results[row] for row in range(len(encoded))]

    def _answered(self, batch: Batch) -> list[Output]:
        model = self._free.get()
        try:
            return self.task.answered(model, batch)
        finally:
            self._free.put(model)

    def _reads_padding(self, encoded: list[Encoded]) -> bool:
        """Whether padding changes an answer, tried once on some rows: so it is where a family mixes neighbours (FNet).

        Such rows are answered beside rows of their own length alone.
        """
        lengths = sorted({len(item) for item in encoded})
        if self._company_tells is None and len(lengths) > 1:
            tried = {lengths[0], lengths[(len(lengths) - 1) // 2], lengths[-2]}
            rows = {len(item): item for item in encoded if len(item) in tried}
            self._company_tells = any(
                self._padding_tells(row, min(2 * size + 8, lengths[-1])) for size, row in rows.items()
            )
        return bool(self._company_tells)

    def _padding_tells(self, row: Encoded, width: int) -> bool:
        rng = generator("predict", 0)
        with torch.inference_mode():
            alone, padded = (
                self._answered(self.task.collate([row], wide, self.tokenizer, rng).to(self.device))[0]
                for wide in (len(row), width)
            )
        rounding = 1e-4 if self._dtype == torch.float32 else 0.05
        return alone.shape == padded.shape and not np.allclose(padded, alone, rtol=rounding, atol=rounding)
