"""Predictions for records in the order in which they come."""

import weakref
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from itertools import islice
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self, TypeVar

from danlu.data.cleaning.cleaner import Rewriter
from danlu.data.record import Record, refuse_halves
from danlu.engine.engine import Network
from danlu.engine.queue import Asked, Queue
from danlu.engine.reading import Reading
from danlu.model.policy import Policy
from danlu.model.written import Written
from danlu.refusal import Refusal
from danlu.task.conversing import Conversing
from danlu.task.rewritten import as_given, rewritten
from danlu.task.task import Output, Prediction, Task
from danlu.text.batching.encoded import Encoded
from danlu.text.tokenizing.tokenizer import Tokenizer

WRITTEN = 256  # records that are written after together, which takes long enough
BLOCK = 4096  # records that are encoded and sorted together: all that is held in memory at once

Found = TypeVar("Found")


class Predictor:
    """A network, its task and its tokenizer, ready to answer; several threads may ask at once."""

    def __init__(
        self,
        network: Network,
        task: Task,
        tokenizer: Tokenizer,
        *,
        batch_tokens: int | None = None,
        rewriters: Sequence[Rewriter] = (),
        beside: "Predictor | None" = None,
    ) -> None:
        """Predict in batches of `batch_tokens` tokens; None: what is best for the device.

        Texts go through the `rewriters` first, as the training data did; what is predicted of their characters is
        said of the characters as they were given. `beside` is a predictor whose queue and threads are used, which
        stay as long as one of the two.
        """
        self.rewriters = list(rewriters)
        self.task = task
        self.tokenizer = tokenizer
        self.network = network
        self._asked = Asked(network, task, tokenizer)
        self._beside = beside
        self._queue: Queue = Queue(network, batch_tokens) if beside is None else beside._queue
        self.close: Callable[[], object] = weakref.finalize(self, self._queue.close) if beside is None else beside.close
        """End the threads; whoever lets go of a predictor without it ends them as well."""

    def predict(self, records: Sequence[Record]) -> list[Prediction]:
        """One prediction a record, in order; labels are not looked at.

        Raises `Refusal` for a record that the task cannot encode, and for outputs that are not numbers.
        """
        return list(self.stream(records))

    def stream(
        self, records: Iterable[Record], block: int = BLOCK, heard: Callable[[Reading], object] | None = None
    ) -> Iterator[Prediction]:
        """One prediction a record, in order, holding no more than `block` records at once; `heard` is told of each."""
        block = min(block, WRITTEN) if self.task.answers_by == "generate" else block
        source = iter(records)
        start = 0
        while chunk := list(islice(source, block)):
            reading = self.read(chunk, start)
            if heard is not None:
                heard(reading)
            yield from self.told(reading, _waited(self.ask(reading)))
            start += len(chunk)

    def outputs(self, records: Iterable[Record], block: int = BLOCK) -> Iterator[tuple[list[Output], list[Encoded]]]:
        """What the model gives for the windows of each record, in order, and these windows; texts are not rewritten."""
        source = iter(records)
        start = 0
        while chunk := list(islice(source, block)):
            reading = self._reading(chunk, chunk, start)
            outputs = _waited(self._queue.submit(self._asked, reading.encoded))
            yield from reading.windows(outputs)
            start += len(chunk)

    @property
    def policy(self) -> Policy:
        """How it writes where nobody says otherwise: as the task has it, or the likeliest token, always."""
        policy: Policy = getattr(self.task, "policy", None) or Policy.model_validate("greedy")
        return policy

    def write(
        self, records: Iterable[Record], policy: Policy, block: int = WRITTEN, *, first: int = 0
    ) -> Iterator[list[Written]]:
        """What is written after each record, the best first, in order, holding no more than `block` at once.

        `first` is the number of the first record, by which random numbers are drawn.

        Raises `Refusal` where the model writes no text, and for a record that leaves no room to write.
        """
        source, start = iter(records), first
        while chunk := list(islice(source, block)):
            with _counted_from(start):
                encoded = self.prompts(chunk, policy)
                written = _waited(self.writing(encoded, policy, first=start))
            for number in range(len(chunk)):
                yield [text for row, item in enumerate(encoded) if item.record == number for text in written[row]]
            start += len(chunk)

    def prompts(self, records: Sequence[Record], policy: Policy, *, whole: bool = False) -> list[Encoded]:
        """What is read of each record before it is written on by a policy; `whole`: a task that can leaves nothing out.

        Raises `Refusal` where the model writes no text, and for a record that the task cannot read.
        """
        task = self.task
        if "policy" in type(task).model_fields:  # it leaves room for as much as is to be written
            task = task.model_copy(update={"policy": policy})
        given = rewritten(list(records), self.rewriters)
        for number, record in enumerate(given):
            refuse_halves(record, number)
        prompts = task.whole_prompts if whole and isinstance(task, Conversing) else task.prompts
        return prompts(given, self.tokenizer, self.network.limit)

    def write_stream(self, record: Record, policy: Policy) -> Generator[str, None, Written]:
        """The text that is written after a record, piece by piece as it comes; the pieces joined are the text.

        Raises `Refusal` as `write` does, and for a policy that writes several texts.
        """
        if policy.rows > 1:
            raise Refusal(
                "a stream is of one text as it comes; stream with 'kind: greedy', or 'sample' with one sample"
            )
        encoded = self.prompts([record], policy)
        if len(encoded) > 1:
            raise Refusal(f"the record is read in {len(encoded)} windows, and a stream is of one text; shorten it")
        return self._streamed(encoded, policy)

    def writing(
        self,
        encoded: Sequence[Encoded],
        policy: Policy,
        take: Callable[[int, str], object] | None = None,
        *,
        first: int = 0,
        likeliest: int | None = None,
    ) -> "Future[list[list[Written]]]":
        """What is written after `prompts` by a policy, once all is; cancelled, the rest is not.

        `take` hears the texts after one prompt piece by piece, each piece with the number of its text. `first` is how
        many prompts came before these. With `likeliest` what is written tells how likely each token was, and so many
        of the likeliest in its place.
        """
        return self._queue.writer.submit(self.network, self.tokenizer, policy, encoded, take, first, likeliest)

    def _streamed(self, encoded: list[Encoded], policy: Policy) -> Generator[str, None, Written]:
        pieces: SimpleQueue[str | None] = SimpleQueue()
        future = self.writing(encoded, policy, lambda _, piece: pieces.put(piece))
        future.add_done_callback(lambda _: pieces.put(None))
        try:
            while (piece := pieces.get()) is not None:
                yield piece
            return future.result()[0][0]
        finally:
            future.cancel()  # whoever lets go of the stream lets go of what is left

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def read(self, records: Sequence[Record], start: int = 0) -> Reading:
        """The records in tokens, as the task reads them; `start` is the number of the first.

        Raises `Refusal` for a record that the task cannot encode.
        """
        given = list(records)
        return self._reading(given, rewritten(given, self.rewriters), start)

    def ask(self, reading: Reading) -> "Future[Any]":
        """What `told` makes predictions of, once it is computed; cancelled, the rest is not."""
        if self.task.answers_by == "generate":
            return self.writing(reading.encoded, self.policy, first=reading.start)
        return self._queue.submit(self._asked, reading.encoded)

    def told(self, reading: Reading, found: Sequence[Any]) -> list[Prediction]:
        """One prediction a record of what `ask` has found; raises `Refusal` for outputs that are not numbers."""
        predictions = reading.predictions(found)
        form, column, apart = self.task.form, self.task.characters_of, self.task.words_apart
        return [
            prediction
            if record is before
            else as_given(prediction, before, record, self.rewriters, form, column, words_apart=apart)
            for prediction, before, record in zip(predictions, reading.given, reading.records, strict=True)
        ]

    def _reading(self, given: list[Record], records: list[Record], start: int) -> Reading:
        with _counted_from(start):
            for number, record in enumerate(records):
                refuse_halves(record, number)
            encoded = self.task.encode(records, self.tokenizer, self.network.limit, labelled=False)
        return Reading(self.task, given, records, encoded, start)


@contextmanager
def _counted_from(start: int) -> Iterator[None]:
    """What is refused in here of a record of this chunk tells where the chunk begins."""
    try:
        yield
    except Refusal as refusal:
        if not start or not str(refusal).startswith("record "):
            raise
        raise Refusal(f"{refusal} (counted from record {start + 1:,})") from None


def _waited(future: "Future[Found]") -> Found:
    try:
        return future.result()
    finally:
        future.cancel()  # after Ctrl-C in the waiting thread, what is left of it is not computed
