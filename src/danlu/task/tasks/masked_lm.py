"""Masked language modelling: guess the tokens that were hidden (Devlin et al., 2018)."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from danlu.data.record import Record
from danlu.model.heads import cross_entropy_sum
from danlu.task.columns import text_in
from danlu.task.followed import Followed, Outcomes
from danlu.task.inputs import model_inputs
from danlu.task.masking import TOKENS, Masking
from danlu.task.packing import able_to_pack, document_inputs, packed_rows, refuse_packed_tokens, room_in
from danlu.task.task import Output, Prediction, Truth
from danlu.task.windowed import Windowed
from danlu.text.batching.batch import Batch
from danlu.text.batching.encoded import Encoded
from danlu.text.batching.flat import DocumentRows, FlatTokens
from danlu.text.batching.windows import TooLong, around, refuse_other_borders, refuse_uncut, windows
from danlu.text.tokenizing.tokenizer import Tokenizer

BLANK = -101  # label of a place to be filled whose truth nobody knows; it never counts
GUESSES = 5  # words offered for each blank


@dataclass(slots=True)
class Blanks:
    """Places that the text itself leaves open, by their position in the row, and how a token number reads."""

    positions: NDArray[np.int64]
    read: Callable[[int], str]


class MaskedLm(Masking, Followed, Windowed):
    """Hide some tokens and guess them from both sides; at prediction also fill the masks that a text brings along.

    What is measured hides single tokens at `share`, whatever units and runs a training hides, so that measures compare.

    Legend: K places that count or are to be filled, V vocabulary. Output of a row: (1 + blanks, 2 * guesses),
    first the negative log-likelihood (nats) and the number of hidden tokens, then a line a blank with the
    numbers of the likeliest tokens and their log-probabilities.
    """

    auto_class: ClassVar[str] = "AutoModelForMaskedLM"
    columns: ClassVar[dict[str, str]] = {"text": "text"}
    repeats: ClassVar[bool] = False
    answers_by: ClassVar[Literal["forward", "likelihood", "generate"]] = "likelihood"
    answer_form: ClassVar[str] = "likelihood"
    metrics: ClassVar[tuple[str, ...]] = ("perplexity",)
    by_chunks: ClassVar[bool] = True
    invents_tokens: ClassVar[bool] = True
    sample: ClassVar[tuple[Record, ...]] = (
        {"text": "今天的天气很好，我们去公园散步。"},
        {"text": "The train leaves at nine in the morning."},
        {"text": "北京是中国的首都。"},
    )

    too_long: TooLong = "split"
    pack: bool = Field(default=False, description="fill the rows of training with several documents each")

    def along(self, done: float) -> Self:
        """See `Task.along`: the share that is hidden may change."""
        return self.at(done)

    def suited(self, model: nn.Module, tokenizer: Tokenizer, say: Callable[[str], None]) -> Self:
        """This task as it is; raises `Refusal` for a `pack` in a model in which documents would see each other."""
        if self.pack:
            able_to_pack(model, tokenizer, say, asked=True)
        return self

    def encode(self, records: Sequence[Record], tokenizer: Tokenizer, limit: int, *, labelled: bool) -> list[Encoded]:
        """One row a text, or one a window without overlap, so that every token is counted once.

        The target `tokens` are the token numbers, with -100 for special tokens; unlabelled rows have `blanks` where
        the text has mask tokens of its own.
        """
        self.need_mask(tokenizer)
        texts = [text_in(record, number) for number, record in enumerate(records)]
        limit, words = min(limit, self.max_length or limit), labelled and self.units == "words"
        encoded = windows(texts, tokenizer, limit, self.too_long, offsets=words, blanks=not labelled)
        if labelled:
            self.with_targets(encoded, texts, tokenizer)
            return packed_rows(encoded, limit) if self.pack else encoded
        for item in encoded:
            ids = item.row.input_ids
            if tokenizer.mask_token_id in ids:
                blanks = np.flatnonzero(ids == tokenizer.mask_token_id)
                item.targets["blanks"] = Blanks(blanks, lambda token: str(tokenizer.decode([token])).strip())
        return encoded

    def learnable(self, records: Sequence[Record], tokenizer: Tokenizer, limit: int, room: int) -> Sequence[Encoded]:
        """See `Windowed.learnable`; with `pack` rows are filled to `room` tokens, unless a document is longer."""
        longest = min(limit, self.max_length or limit)
        alone = self.cut_at(room).model_copy(update={"pack": False}).encode(records, tokenizer, limit, labelled=True)
        return packed_rows(alone, room_in(longest, room or self.max_length or 0)) if self.pack else alone

    def rows(self, tokens: FlatTokens, tokenizer: Tokenizer, limit: int, room: int) -> Sequence[Encoded]:
        """One row a document, or one a window without overlap, each with the document's special tokens.

        Raises `Refusal` under `pack`, and where words are hidden, which are told by characters.
        """
        refuse_uncut(self.too_long, self.kind)
        refuse_other_borders(tokenizer, self.kind)
        self.need_mask(tokenizer)
        self.refuse_flat(self.kind)
        if self.pack:
            refuse_packed_tokens(self.kind)
        special = np.array(tokenizer.all_special_ids, np.int32)
        return DocumentRows(
            tokens,
            min(limit, self.max_length or limit, room or limit),
            lambda row: {"tokens": np.where(np.isin(row.input_ids, special), -100, row.input_ids)},
            around=around(tokenizer),
        )

    def collate(self, encoded: Sequence[Encoded], width: int, tokenizer: Tokenizer, rng: np.random.Generator) -> Batch:
        """The target `tokens` (B, T): those that are hidden, -100 elsewhere.

        Labelled rows: a fixed share of the whole batch, chosen by `rng`, its number rounded so that the head sees
        few shapes. Unlabelled ones: the same places of a text every time, whatever is beside it in the batch.
        """
        inputs = model_inputs([item.row for item in encoded], width, tokenizer)
        if documents := document_inputs(encoded, width):
            inputs = {"input_ids": inputs["input_ids"], **documents}  # which tell of padding too
        ids_BT = inputs["input_ids"].numpy()
        if all(TOKENS in item.targets for item in encoded):
            labels_BT = self.hide(encoded, ids_BT, tokenizer, rng)
        else:
            labels_BT = np.full(ids_BT.shape, -100, np.int64)
            for row, item in enumerate(encoded):
                self._hide_in_row(item, ids_BT[row], labels_BT[row], tokenizer)
        return Batch(
            inputs=inputs,
            targets={"tokens": torch.from_numpy(labels_BT)},
            counts={"tokens": int((labels_BT >= 0).sum())},
            examples=np.arange(len(encoded)),
            tokens=sum(len(item) for item in encoded),
        )

    def places(self, batch: Batch) -> Tensor:
        """Where tokens are hidden or left open: the head runs there alone."""
        tokens_BT = batch.targets["tokens"]
        return (tokens_BT >= 0) | (tokens_BT == BLANK)

    def losses(self, said: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy of the hidden tokens, summed."""
        return {"tokens": cross_entropy_sum(said["logits"], batch.targets["tokens"][self.places(batch)])}

    def outcomes(self, said: Mapping[str, Tensor], batch: Batch) -> Outcomes:
        """The logits of the hidden tokens."""
        return Outcomes("one", said["logits"])

    def things(self, batch: Batch) -> int:
        """Hidden tokens."""
        return int((batch.targets["tokens"] >= 0).sum())

    def unlabelled(self, records: Sequence[Record], tokenizer: Tokenizer, limit: int) -> list[Encoded]:
        """Rows like all others, for a text is all that is learnt from."""
        return self.encode(records, tokenizer, limit, labelled=True)

    def outputs(self, said: Mapping[str, Tensor], batch: Batch) -> list[Output]:
        """A (1 + blanks, 2 * guesses) array of each row, as the class says."""
        keep_BT = self.places(batch)
        log_KV = torch.log_softmax(said["logits"].float(), -1)
        labels_K = batch.targets["tokens"][keep_BT]
        row_K = keep_BT.nonzero()[:, 0].cpu().numpy()
        counts_K = (labels_K >= 0).cpu().numpy()
        likelihood_K = log_KV.gather(1, labels_K.clamp(min=0)[:, None])[:, 0].cpu().numpy()
        best = log_KV[labels_K == BLANK].topk(GUESSES)
        guesses = torch.cat([best.indices.float(), best.values], 1).cpu().numpy()
        found = []
        for row in range(len(keep_BT)):
            counted = counts_K & (row_K == row)
            head = np.zeros((1, 2 * GUESSES), np.float32)
            head[0, :2] = -likelihood_K[counted].sum(), counted.sum()
            found.append(np.concatenate([head, guesses[(row_K == row)[~counts_K]]]))
        return found

    def decode(self, outputs: Sequence[Output], encoded: Sequence[Encoded], record: Record) -> Prediction:
        """`{"negative_log_likelihood", "tokens", "perplexity", "fills": [[{"text", "score"}, ...] a blank]}`.

        A text with blanks of its own is filled, not measured: its tokens are 0 and its perplexity is None.
        """
        total = float(sum(float(output[0, 0]) for output in outputs))
        tokens = int(sum(int(output[0, 1]) for output in outputs))
        fills = []
        for output, item in zip(outputs, encoded, strict=True):
            for line in output[1:]:
                words = [item.targets["blanks"].read(int(token)) for token in line[:GUESSES]]
                scores = [math.exp(value) for value in line[GUESSES:]]
                fills.append([{"text": word, "score": score} for word, score in zip(words, scores, strict=True)])
        perplexity = math.exp(min(total / tokens, 700)) if tokens else None  # exp(710) is no float64
        return {"negative_log_likelihood": total, "tokens": tokens, "perplexity": perplexity, "fills": fills}

    def told(self, batch: Batch, row: int, tokenizer: Tokenizer) -> tuple[str, list[Truth | None]]:
        """The words behind the masks, each by itself."""

        def word(token: int) -> str:
            return str(tokenizer.decode([token])).strip().removeprefix("##")

        values = batch.targets["tokens"][row].tolist()
        return "", [Truth(word(value), place) if value >= 0 else None for place, value in enumerate(values)]

    def gold(self, record: Record, number: int = 0) -> tuple[float, int]:
        """What a perfect model would say: nothing to regret."""
        return 0.0, 0

    def _hide_in_row(
        self, item: Encoded, ids_T: NDArray[np.int64], labels_T: NDArray[np.int64], tokenizer: Tokenizer
    ) -> None:
        """Hide tokens as the row's own content decides, all behind the mask token; leave rows with blanks alone."""
        if "blanks" in item.targets:
            labels_T[item.targets["blanks"].positions] = BLANK
            return
        self.hide_by_content(item.row.input_ids, ids_T, labels_T, tokenizer)
