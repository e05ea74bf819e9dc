"""What language models learn of documents, token by token, and what they answer: the rows of all of them."""

from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np
from pydantic import Field

from danlu.data.record import Record
from danlu.refusal import Refusal
from danlu.task.columns import text_in
from danlu.task.likelihood import Likely
from danlu.task.next_tokens import PackedTokens
from danlu.task.packing import packed_rows
from danlu.text.batching.encoded import Encoded, Ids, Row
from danlu.text.batching.flat import DocumentRows, FlatTokens, PackedRows
from danlu.text.batching.middles import before_middle, with_middles
from danlu.text.batching.windows import TooLong, beginnings, cut, documents, refuse_uncut
from danlu.text.tokenizing.tokenizer import Tokenizer


class LanguageModel(Likely, PackedTokens):
    """Predict the next token of documents.

    Every document begins with the tokenizer's begin token and ends with its end token, where it has these. A
    window of a longer document repeats one token of the last, so that every token is predicted exactly once.
    Packed documents share a row but never see each other: `segments` tell them apart, positions begin anew.
    With `fill_in_the_middle`, some documents are learnt as prefix, suffix, middle (Bavarian et al., 2022); what is
    measured is the text as it stands. A record with a `suffix` is asked for what stands between its text and that.
    Output of a row: negative log-likelihood (nats) and number of tokens, (2,).
    """

    sample: ClassVar[tuple[Record, ...]] = (
        {"text": "床前明月光，疑是地上霜。"},
        {"text": "All that glisters is not gold."},
        {"text": "举头望明月，低头思故乡。"},
    )

    too_long: TooLong = "split"
    fill_in_the_middle: float = Field(
        default=0.0, ge=0, le=1, description="share of the documents that are learnt with their middle last"
    )

    def encode(self, records: Sequence[Record], tokenizer: Tokenizer, limit: int, *, labelled: bool) -> list[Encoded]:
        """Packed rows of up to `limit` tokens where `labelled` and `pack`, else one row a window.

        The target `tokens` (T,) are the next ones, -100 at the end of a document; a packed row has the number of its
        first record.
        """
        windows = self._windows(records, tokenizer, limit, self.fill_in_the_middle if labelled else 0)
        return packed_rows(windows, min(limit, self.max_length or limit)) if labelled and self.pack else windows

    def prompts(self, records: Sequence[Record], tokenizer: Tokenizer, limit: int) -> list[Encoded]:
        """The text as the beginning of a document, which the model goes on with, up to a `suffix` if there is one."""
        texts = [text_in(record, number) for number, record in enumerate(records)]
        found = beginnings(texts, tokenizer)
        for number, record in enumerate(records):
            if record.get("suffix") is not None:
                found[number] = before_middle(texts[number], text_in(record, number, "suffix"), tokenizer)
        return [Encoded(record, (Row(ids),)) for record, ids in enumerate(found)]

    def learnable(self, records: Sequence[Record], tokenizer: Tokenizer, limit: int, room: int) -> Sequence[Encoded]:
        """Rows filled to `room` tokens with `pack`; documents longer than that are cut there under `split` alone."""
        room = self._room(room)
        windows = self.cut_at(room)._windows(records, tokenizer, limit, self.fill_in_the_middle)
        return packed_rows(windows, min(limit, self.max_length or limit, room)) if self.pack else windows

    def cut_at(self, room: int) -> Self:
        """See `Windowed.cut_at`; documents that share a row are bounded where a batch takes examples as well."""
        return super().cut_at(self._room(room))

    def _room(self, room: int) -> int:
        return room or (self.max_length or self.usual_row if self.pack else 0)

    def _windows(self, records: Sequence[Record], tokenizer: Tokenizer, limit: int, share: float) -> list[Encoded]:
        """A row a document, or a window of one; a `share` of them has its middle last."""
        limit = min(limit, self.max_length or limit)
        texts = [text_in(record, number) for number, record in enumerate(records)]
        windows = with_middles(texts, tokenizer, share, limit, self.too_long) if share else []
        for record, ids in enumerate(() if share else documents(texts, tokenizer)):
            whole = Encoded(record, (Row(ids),))
            slides_T = np.ones(len(ids), bool)  # the ends are part of what is predicted
            windows += [whole] if len(ids) <= limit else cut(whole, slides_T, limit, self.too_long, overlap=1)
        for item in windows:
            item.targets = _of_one_document(item.row)
        return windows

    def rows(self, tokens: FlatTokens, tokenizer: Tokenizer, limit: int, room: int) -> Sequence[Encoded]:
        """Rows of at most `room` tokens that go on from document to document; without `pack`, a row a window.

        Raises `Refusal` under `fill_in_the_middle`, which cuts between characters.
        """
        if self.fill_in_the_middle:
            raise Refusal(
                "task.fill_in_the_middle: flat token files hold no characters to cut between; write 'task: {kind: "
                f"{self.kind}, fill_in_the_middle: {self.fill_in_the_middle:g}}}' in the stage of kind 'shards' as well"
            )
        refuse_uncut(self.too_long, self.kind)
        longest = min(limit, self.max_length or limit, self._room(room) or limit)
        if self.pack:
            return PackedRows(tokens, longest, _of_documents)
        return DocumentRows(tokens, longest, _of_one_document, overlap=1)


def _of_one_document(row: Row) -> dict[str, Ids]:
    """The token after each, -100 at the end, (T,)."""
    return {"tokens": np.append(row.input_ids[1:], np.int32(-100))}


def _of_documents(row: Row) -> dict[str, Ids]:
    """The token after each, -100 at the end of each document of a packed row, (T,)."""
    assert row.segments is not None
    targets = _of_one_document(row)
    targets["tokens"][:-1][np.diff(row.segments) > 0] = -100
    return targets
