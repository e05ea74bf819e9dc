"""Denoising: write what is missing in a corrupted text (BART, T5, UL2)."""

import zlib
from collections.abc import Callable, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field
from torch import Tensor, nn

from danlu.data.record import Record
from danlu.model.heads import unwrapped
from danlu.model.probe import refuse_looking_ahead
from danlu.model.shape import Shape
from danlu.model.source import borders_alike
from danlu.refusal import Refusal
from danlu.task.columns import text_in
from danlu.task.corruption import Corruption
from danlu.task.framed import Frame
from danlu.task.likelihood import Likely
from danlu.task.numbered import NUMBERS
from danlu.task.packing import (
    able_to_pack,
    in_a_row,
    lengths_of,
    packed_rows,
    parts_of,
    refuse_packed_tokens,
    room_in,
)
from danlu.task.task import Inputs, Truth
from danlu.task.two_sides import as_batch, few_widths, joined
from danlu.text.batching.batch import Batch
from danlu.text.batching.encoded import Encoded, Ids, Row, Sizes, sizes_of
from danlu.text.batching.flat import DocumentRows, FlatTokens
from danlu.text.batching.windows import TooLong, cut, documents, refuse_uncut, windows
from danlu.text.tokenizing.tokenizer import Tokenizer

TEXT = "text"
"""The target of a row that is corrupted when it is collated: the tokens of the text, -100 for those around it."""


class Denoise(Likely):
    """Write what a corruption has hidden of a text, or the whole text.

    An encoder-decoder reads the corrupted text on one side; a decoder goes on with it in its row. Rows to learn from
    are whole texts, or windows as long as their corrupted sides may be; each time they are collated they are corrupted
    anew. Others are corrupted by their content, the same way every time.
    Legend: B rows, T tokens read, U tokens written. Output of a row: negative log-likelihood (nats) and tokens, (2,).
    """

    repeats: ClassVar[bool] = False
    sample: ClassVar[tuple[Record, ...]] = (
        {"text": "雨停了。孩子们跑到院子里玩。"},
        {"text": "The shop opens at ten. Nobody was there yet."},
        {"text": "他把信放在桌上，然后关灯出门。"},
    )

    corruption: Corruption = Field(
        default_factory=lambda: Corruption.model_validate("bart"), validate_default=True, description="of the text"
    )
    shape: Literal["decoder", "encoder_decoder"] | None = Field(default=None, description="None: as the model is")
    start: Annotated[int | None, NUMBERS] = Field(
        default=None, ge=0, description="token that a decoder begins with; None: the model's own"
    )
    too_long: TooLong = "split"
    pack: bool = Field(default=False, description="fill the rows of training with several documents each")

    @property
    def auto_class(self) -> str:  # type: ignore[override]
        """As its shape is."""
        return "AutoModelForCausalLM" if self.shape == "decoder" else "AutoModelForSeq2SeqLM"

    def shaped(self, shape: Shape) -> Self:
        """See `Task.shaped`; an encoder alone cannot write."""
        if shape == "encoder":
            raise Refusal(
                f"the task {self.kind} writes what is missing, which an encoder alone cannot; give an encoder-decoder "
                "(bart, t5, marian), or choose the task masked_lm"
            )
        if shape == "decoder" and not self.corruption.tells_apart:
            raise Refusal(
                f"task.corruption '{self.corruption.kind}' is for models with an encoder and a decoder, for in one row "
                "nothing tells where the corrupted text ends; choose t5 or ul2"
            )
        if shape == "decoder" and self.start is not None:
            raise Refusal("task.start is for models with an encoder and a decoder, and this is a decoder; leave it out")
        if self.shape not in (None, shape):
            raise Refusal(f"task.shape is '{self.shape}', and the model is a {shape}; leave 'shape' out")
        return self.model_copy(update={"shape": shape})

    def config(self) -> dict[str, Any]:
        """Families that can be either, such as BERT, are to be decoders; what the decoder of two begins with."""
        if self.shape == "decoder":
            return {"is_decoder": True}
        return {} if self.start is None else {"decoder_start_token_id": self.start}

    def suited(self, model: nn.Module, tokenizer: Tokenizer, say: Callable[[str], None]) -> Self:
        """This task with the token by which the model's decoder begins.

        Raises `Refusal` for a decoder that sees what it is to write, and where nothing says what it begins or ends
        with.
        """
        Frame.of(tokenizer)
        if self.shape == "decoder":
            why = "a token is seen by those before it, so that writing it teaches nothing"
            refuse_looking_ahead(model, tokenizer, f"{why}; choose a decoder, or an encoder-decoder")
            if self.pack:
                able_to_pack(model, tokenizer, say, asked=True)
            return self
        inner = unwrapped(model)
        told = (getattr(inner, "generation_config", None), inner.config)
        found = (self.start, *(getattr(each, "decoder_start_token_id", None) for each in told))
        start = next((number for number in found if number is not None), None)
        if start is None:
            raise Refusal("config.json names no 'decoder_start_token_id'; write the task's 'start', a token's number")
        suited = self.model_copy(update={"start": start})
        borders_alike(inner, suited.config())
        if self.pack:
            able_to_pack(model, tokenizer, say, asked=True, start=start)
        return suited

    def encode(self, records: Sequence[Record], tokenizer: Tokenizer, limit: int, *, labelled: bool) -> list[Encoded]:
        """One row a text, or one a window without overlap; where `labelled` the text itself, else corrupted.

        Several share a row under `pack`. Corrupted ones have `target_ids` for a decoder beside an encoder, and the
        target `tokens` for one alone.
        """
        frame, texts = Frame.of(tokenizer), [text_in(record, number) for number, record in enumerate(records)]
        read = documents(texts, tokenizer)
        longest, found = self._longest(frame, limit, max(map(len, read), default=0)), list[Encoded]()
        for record, ids in enumerate(read):
            whole = Encoded(record, (Row(ids),))
            slides_T = np.zeros(len(ids), bool)
            slides_T[frame.lead : len(ids) - frame.trail] = True
            found += [whole] if len(ids) <= longest else cut(whole, slides_T, longest, self.too_long, overlap=0)
        self._look_at(tokenizer, frame, max(map(len, found), default=0))
        for item in found:
            if labelled:
                item.targets = self._labels(frame, item.row)
            else:
                ids = item.row.input_ids
                sides = self._corrupted(ids, frame, tokenizer, np.random.default_rng(zlib.crc32(ids.tobytes())))
                self._lay_out(item, *sides, frame)
        if not (self.pack and labelled):
            return found
        return self._packed(found, min(limit, self.max_length or limit), frame)

    def prompts(self, records: Sequence[Record], tokenizer: Tokenizer, limit: int) -> list[Encoded]:
        """The text as it stands, its mask tokens as what the corruption hides with; what is missing is written."""
        frame, found = Frame.of(tokenizer), []
        texts = [text_in(record, number) for number, record in enumerate(records)]
        for item in windows(texts, tokenizer, limit, "stop", blanks=True):
            ids = item.row.input_ids
            inside = ids[len(frame.before) :]
            last = len(inside) - (len(frame.after) if inside[-1:].tolist() == frame.after[-1:].tolist() else 0)
            read = self.corruption.asked(inside[:last], tokenizer)
            item.rows = (Row(frame.source(read) if self.shape != "decoder" else np.r_[frame.begin, read]),)
            found.append(item)
        return found

    def learnable(self, records: Sequence[Record], tokenizer: Tokenizer, limit: int, room: int) -> Sequence[Encoded]:
        """Texts, or windows of what a batch has room for under `split`, where a model takes rows of any length.

        With `pack` either side of a row is filled to `room` tokens, unless a document is longer.
        """
        found = self.cut_at(room).model_copy(update={"pack": False}).encode(records, tokenizer, limit, labelled=True)
        if not self.pack:
            return found
        size = room_in(min(limit, self.max_length or limit), room or self.max_length or 0)
        return self._packed(found, size, Frame.of(tokenizer))

    def _packed(self, found: list[Encoded], size: int, frame: Frame) -> list[Encoded]:
        """Documents side by side, so that no side gets longer than `size` tokens, but of one that is longer alone."""
        sides = self._sides(np.array([len(item) for item in found]) - frame.lead - frame.trail, frame)
        taken = (sides.widths if sides.targets is None else np.maximum(sides.widths, sides.targets)).tolist()
        return packed_rows(found, size, taken)

    def rows(self, tokens: FlatTokens, tokenizer: Tokenizer, limit: int, room: int) -> Sequence[Encoded]:
        """One row a document, or one a window without overlap, each with the document's special tokens.

        Raises `Refusal` under `pack`.
        """
        refuse_uncut(self.too_long, self.kind)
        if self.pack:
            refuse_packed_tokens(self.kind)
        frame = Frame.of(tokenizer)
        most = max(int(np.diff(ends, prepend=0).max()) for ends in tokens.ends)
        longest = self._longest(frame, min(limit, room or limit), most)
        found = DocumentRows(tokens, longest, lambda row: self._labels(frame, row), around=(frame.lead, frame.trail))
        self._look_at(tokenizer, frame, int(found.lengths.max()))
        return found

    def sizes(self, encoded: Sequence[Encoded], tokenizer: Tokenizer) -> Sizes:
        """See `Task.sizes`: both sides as long as they can get."""
        frame = Frame.of(tokenizer)
        if not self.pack:
            return self._sides(np.asarray(sizes_of(encoded).widths, np.int64) - frame.lead - frame.trail, frame)
        if getattr(encoded, "depot", None) is not None:
            raise Refusal(
                "task.pack: how long rows of several documents get is known when they are read, and here they are "
                "fetched as they are wanted; leave 'pack' out in the stage of kind 'shards', or 'held' in that of kind "
                "'fetch'"
            )
        lengths = [lengths_of(item) for item in encoded]
        if not lengths:
            return sizes_of(encoded)
        sides = self._sides(np.concatenate(lengths) - frame.lead - frame.trail, frame)
        begins_N = np.cumsum([0, *map(len, lengths[:-1])])
        targets = None if sides.targets is None else np.add.reduceat(sides.targets, begins_N)
        return Sizes(np.add.reduceat(sides.widths, begins_N), targets=targets)

    def collate(self, encoded: Sequence[Encoded], width: int, tokenizer: Tokenizer, rng: np.random.Generator) -> Batch:
        """The target `tokens`, -100 where nothing counts: (B, T) of decoders, else (B, U) beside `decoder_input_ids`.

        Rows are padded to what they come to, not to `width`, for most get shorter.
        """
        frame = Frame.of(tokenizer)
        laid = [self._anew(item, frame, tokenizer, rng) if TEXT in item.targets else item for item in encoded]
        assert self.shape == "decoder" or self.start is not None, "the task has to be suited to its model first"
        start = None if self.shape == "decoder" else self.start
        return as_batch(laid, few_widths(max(map(len, laid)), width), width, tokenizer, start)

    def places(self, batch: Batch) -> Tensor:
        """Where a token counts."""
        return batch.targets["tokens"] >= 0

    def forward(self, model: nn.Module, inputs: Inputs, places: Tensor | None = None) -> dict[str, Tensor]:
        """See `Task.forward`; no cache is kept."""
        return super().forward(model, {**inputs, "use_cache": False}, places)

    def told(self, batch: Batch, row: int, tokenizer: Tokenizer) -> tuple[str, list[Truth | None]]:
        """What is to be written, special tokens included, and where in the row of a decoder it stands."""
        values = batch.targets["tokens"][row]
        words = str(tokenizer.decode(values[values >= 0].tolist()))
        if self.shape != "decoder":
            return words, []
        return words, [None, *(Truth() if value >= 0 else None for value in values.tolist()[:-1])]

    def _longest(self, frame: Frame, limit: int, most: int) -> int:
        """Tokens of a document, or of a window of one, whose sides fit `limit`; documents have `most` or fewer."""
        limit = min(limit, self.max_length or limit)
        lengths_N = np.arange(1, min(2 * limit, max(most, 1) + 1))
        sides = self._sides(lengths_N, frame)
        fits_N = (sides.widths <= limit) & (True if sides.targets is None else sides.targets <= limit)
        longest = int(lengths_N[fits_N][-1]) if fits_N.any() else 1
        return longest + frame.lead + frame.trail

    def _look_at(self, tokenizer: Tokenizer, frame: Frame, longest: int) -> None:
        """Raise `Refusal` where the tokenizer lacks what the longest row needs."""
        self.corruption.look_at(tokenizer, longest - frame.lead - frame.trail)

    def _sides(self, lengths_N: Any, frame: Frame) -> Sizes:
        """What texts of these lengths cost, ends included."""
        read_N, written_N = self.corruption.lengths(lengths_N)
        if self.shape == "decoder":
            return Sizes(read_N + written_N + len(frame.begin) + 1)
        return Sizes(read_N + len(frame.before) + len(frame.after), targets=written_N + 1)

    def _corrupted(self, ids_T: Ids, frame: Frame, tokenizer: Tokenizer, rng: np.random.Generator) -> tuple[Ids, Ids]:
        return self.corruption.corrupted(frame.content(ids_T), tokenizer, rng)

    def _anew(self, item: Encoded, frame: Frame, tokenizer: Tokenizer, rng: np.random.Generator) -> Encoded:
        """A row of whole texts, each corrupted by itself."""
        found = [Encoded(item.record, (row,)) for row in parts_of(item)]
        for part in found:
            self._lay_out(part, *self._corrupted(part.row.input_ids, frame, tokenizer, rng), frame)
        return in_a_row(found) if len(found) > 1 else found[0]

    def _lay_out(self, item: Encoded, read: Ids, written: Ids, frame: Frame) -> None:
        """Put both sides of a corrupted text where the network has them."""
        if self.shape == "decoder":
            made = joined(
                Encoded(item.record, (Row(np.r_[frame.begin, read].astype(np.int32)),)), frame.target(written)
            )
            item.rows, item.targets = made.rows, made.targets
        else:
            item.rows, item.targets, item.target_ids = (Row(frame.source(read)),), {}, frame.target(written)

    @staticmethod
    def _labels(frame: Frame, row: Row) -> dict[str, Ids]:
        """The tokens of the text, -100 around it."""
        labels_T = np.full(len(row), -100, np.int32)
        labels_T[frame.lead : len(row) - frame.trail] = frame.content(row.input_ids)
        return {TEXT: labels_T}
