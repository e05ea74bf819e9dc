"""Permuted language modelling: guess some tokens one after the other, in any order (Yang et al., 2019, XLNet)."""

import inspect
import zlib
from collections.abc import Callable, Sequence
from typing import ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from danlu.data.record import Record
from danlu.machine.seed import generator
from danlu.model.heads import kept_logits, unwrapped
from danlu.model.positions import longest_row
from danlu.model.shape import Shape
from danlu.refusal import Refusal
from danlu.task.columns import text_in
from danlu.task.inputs import model_inputs
from danlu.task.likelihood import Likely
from danlu.task.task import Inputs, Truth
from danlu.text.batching.batch import Batch, pad, rounded_count
from danlu.text.batching.encoded import Encoded, Ids, Row
from danlu.text.batching.flat import DocumentRows, FlatTokens
from danlu.text.batching.windows import TooLong, around, refuse_other_borders, refuse_uncut, windows
from danlu.text.tokenizing.special import ordinary_ids
from danlu.text.tokenizing.tokenizer import Tokenizer


class PermutedLm(Likely):
    """Guess some tokens of a row, each from all that is shown and from those that were guessed before it.

    The content stream reads the tokens as they are, and the query stream only where one is to be guessed; so nothing
    is masked. The input `order` is the place of each guessed token in the order of guessing, -1 for shown ones.
    Legend: B rows, T tokens, K guessed tokens of a row, V vocabulary. Output of a row: negative log-likelihood (nats)
    and number of guessed tokens, (2,).
    """

    auto_class: ClassVar[str] = "AutoModelForCausalLM"
    repeats: ClassVar[bool] = False
    sample: ClassVar[tuple[Record, ...]] = (
        {"text": "春天来了，河边的柳树都绿了。"},
        {"text": "She put the letters back into the drawer."},
        {"text": "图书馆星期一不开门。"},
    )

    too_long: TooLong = "split"
    share: float = Field(default=1 / 6, gt=0, lt=1, description="share of the tokens that are guessed")
    longest_span: int = Field(default=5, ge=1, le=100, description="neighbours that are guessed together, at most")

    def shaped(self, shape: Shape) -> Self:
        """See `Task.shaped`; what reads a row from left to right has no other order."""
        if shape != "encoder":
            raise Refusal(
                f"the task {self.kind} guesses tokens in any order, which a {shape.replace('_', '-')} cannot; give an "
                "xlnet, or choose the task causal_lm"
            )
        return self

    def suited(self, model: nn.Module, tokenizer: Tokenizer, say: Callable[[str], None]) -> Self:
        """This task as it is; weights of `model` that no guess can reach, such as those of second texts, are frozen.

        They would get no gradient, weight decay would wear them away, and other ranks would wait for them.
        Raises `Refusal` for a family without two streams.
        """
        inner = unwrapped(model)
        if not {"perm_mask", "target_mapping"} <= inspect.signature(inner.forward).parameters.keys():
            raise Refusal(
                f"models of the family '{inner.config.model_type}' have no second stream to guess tokens in any order "
                "with; give an xlnet, or choose the task masked_lm"
            )
        size = min(16, longest_row(inner))
        ids = generator(0, "probe").choice(ordinary_ids(tokenizer), size).astype(np.int32)
        row = Encoded(0, (Row(ids),), {"tokens": ids})
        batch = self.collate([row], size, tokenizer, generator(1, "probe"))
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        loss = self.loss(model, batch)["tokens"]
        reached = torch.autograd.grad(loss, trained, allow_unused=True) if loss.requires_grad else ()
        for parameter, gradient in zip(trained, reached, strict=bool(reached)):
            parameter.requires_grad_(gradient is not None)
        return self

    def encode(self, records: Sequence[Record], tokenizer: Tokenizer, limit: int, *, labelled: bool) -> list[Encoded]:
        """One row a text, or one a window without overlap, so that every token may be guessed once.

        The target `tokens` are the token numbers, with -100 for special tokens.
        """
        texts = [text_in(record, number) for number, record in enumerate(records)]
        encoded = windows(texts, tokenizer, min(limit, self.max_length or limit), self.too_long)
        special = np.array(tokenizer.all_special_ids, np.int32)
        for item in encoded if labelled else ():
            item.targets = _ordinary(item.row, special)
        return encoded

    def rows(self, tokens: FlatTokens, tokenizer: Tokenizer, limit: int, room: int) -> Sequence[Encoded]:
        """One row a document, or one a window without overlap, each with the document's special tokens."""
        refuse_uncut(self.too_long, self.kind)
        refuse_other_borders(tokenizer, self.kind)
        special = np.array(tokenizer.all_special_ids, np.int32)
        longest = min(limit, self.max_length or limit, room or limit)
        return DocumentRows(tokens, longest, lambda row: _ordinary(row, special), around=around(tokenizer))

    def collate(self, encoded: Sequence[Encoded], width: int, tokenizer: Tokenizer, rng: np.random.Generator) -> Batch:
        """The input `order` and the target `tokens` (B, T): those that are guessed, -100 elsewhere.

        Those of labelled rows are drawn by `rng`, those of others by what the row holds, the same every time.
        """
        inputs = model_inputs([item.row for item in encoded], width, tokenizer)
        special = np.array(tokenizer.all_special_ids, np.int32)
        orders = []
        for item in encoded:
            ids = item.row.input_ids
            own = rng if "tokens" in item.targets else np.random.default_rng(zlib.crc32(ids.tobytes()))
            orders.append(self._order(_ordinary(item.row, special)["tokens"] >= 0, own))
        inputs["order"] = pad(orders, width, -1)
        tokens_BT = torch.where(inputs["order"] >= 0, inputs["input_ids"], -100)
        return Batch(
            inputs=inputs,
            targets={"tokens": tokens_BT},
            counts={"tokens": int((tokens_BT >= 0).sum())},
            examples=np.arange(len(encoded)),
            tokens=sum(len(item) for item in encoded),
        )

    def places(self, batch: Batch) -> Tensor:
        """Where a token is guessed: the head, and the second stream, run there alone."""
        return batch.targets["tokens"] >= 0

    def forward(self, model: nn.Module, inputs: Inputs, places: Tensor | None = None) -> dict[str, Tensor]:
        """`logits` of all guessed tokens, in the order of rows and of their positions."""
        given = {name: value for name, value in inputs.items() if name != "order"}
        dtype = next(model.parameters()).dtype
        guessed_BT = inputs["order"] >= 0
        targets_BKT, keep_BK = _target_mapping(guessed_BT)
        streams = {"perm_mask": unseen(inputs["order"]).to(dtype), "target_mapping": targets_BKT.to(dtype)}
        return {"logits": kept_logits(model, {**given, **streams, "use_mems": False}, keep_BK)}

    def told(self, batch: Batch, row: int, tokenizer: Tokenizer) -> tuple[str, list[Truth | None]]:
        """Which tokens are guessed, each with its place in the order."""
        places = batch.inputs["order"][row].tolist()
        return "", [Truth(f"{place + 1}", number) if place >= 0 else None for number, place in enumerate(places)]

    def _order(self, ordinary_T: NDArray[np.bool_], rng: np.random.Generator) -> Ids:
        """The place of each token in the order of guessing, -1 for those that are shown, (T,).

        Spans of 1 to `longest_span` tokens, each anywhere in a stretch of so many more that their share is right, as in
        transformers' DataCollatorForPermutationLanguageModeling. One token at least is guessed where there is another
        one to be shown, and one at least is shown.
        """
        count, start = len(ordinary_T), 0
        guessed_T = np.zeros(count, bool)
        while start < count:
            span = int(rng.integers(1, self.longest_span, endpoint=True))
            stretch = int(span / self.share)
            first = start + int(rng.integers(0, stretch - span, endpoint=True))
            guessed_T[first : first + span] = True
            start += stretch
        guessed_T &= ordinary_T
        if not guessed_T.any() and ordinary_T.any():
            guessed_T[rng.choice(np.flatnonzero(ordinary_T))] = True
        if guessed_T.all() and count:
            guessed_T[rng.integers(0, count)] = False
        order_T = np.full(count, -1, np.int32)
        order_T[guessed_T] = rng.permutation(int(guessed_T.sum()))
        return order_T


def unseen(order_BT: Tensor) -> Tensor:
    """Which tokens (last) those of a row do not see (before), (B, T, T): guessed ones, until they have been guessed."""
    return (order_BT[:, :, None] <= order_BT[:, None, :]) & (order_BT[:, None, :] >= 0)


def _target_mapping(guessed_BT: Tensor) -> tuple[Tensor, Tensor]:
    """Which token each place of the query stream is to guess, (B, K, T), and which of these are not padding, (B, K)."""
    count_B = guessed_BT.sum(1)
    most = max(1, rounded_count(int(count_B.max())))
    rank_BT = torch.where(guessed_BT, guessed_BT.cumsum(1) - 1, -1)
    places_K = torch.arange(most, device=guessed_BT.device)
    return rank_BT[:, None, :] == places_K[None, :, None], places_K < count_B[:, None]


def _ordinary(row: Row, special: Ids) -> dict[str, Ids]:
    """The numbers of the tokens of a row, -100 for special ones, (T,)."""
    return {"tokens": np.where(np.isin(row.input_ids, special), np.int32(-100), row.input_ids)}
