"""Multiple choice: which of some texts answers a question (Lai et al., 2017).

An encoder gives each choice a number (Radford et al., 2018); of a decoder it is how likely it finds the choice (Brown
et al., 2020).
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from danlu.data.record import Record
from danlu.model.probe import refuse_looking_ahead
from danlu.model.shape import Shape
from danlu.refusal import Refusal
from danlu.task.choices import ANSWER, CHOICES, QUESTION, Asked, Reading, answer_in, asked_in, reading_of
from danlu.task.followed import Followed, Outcomes
from danlu.task.inputs import model_inputs
from danlu.task.task import Inputs, Output, Prediction, Truth
from danlu.text.batching.batch import Batch, pad
from danlu.text.batching.encoded import Encoded, Row
from danlu.text.batching.windows import windows_of_pairs
from danlu.text.tokenizing.special import begin_id
from danlu.text.tokenizing.tokenized import tokenized
from danlu.text.tokenizing.tokenizer import Tokenizer

CHUNK = 1024  # positions whose float32 logits are in memory at once


class Choose(Followed):
    """Choose one of the texts that a record offers, for a text and perhaps a question about it.

    Each choice is a row. An encoder reads the text beside question and choice, and a head gives the row a number. A
    decoder reads text and question, and the choice after them: the logarithm of its probability counts, divided by
    its length. The text is what is cut where a row is too long. Output of an example: the number of each choice (C,).
    """

    columns: ClassVar[dict[str, str]] = {
        "text": "text",
        CHOICES: "list of texts",
        ANSWER: "the right choice: its text, its number from 0, or its letter, in all records alike",
    }
    other_columns: ClassVar[tuple[str, ...]] = (QUESTION,)
    also_reads: ClassVar[tuple[str, ...]] = (QUESTION,)
    answer_form: ClassVar[str] = "choice"
    metrics: ClassVar[tuple[str, ...]] = ("accuracy",)
    baseline: ClassVar[str | None] = "tfidf_choice"
    sample: ClassVar[tuple[Record, ...]] = (
        {"text": "小明把伞忘在家里，出门就下雨了。", CHOICES: ["他淋湿了。", "他睡着了。", "他饿了。"], ANSWER: "A"},
        {"text": "The glass fell off the table.", CHOICES: ["It sang.", "It broke."], ANSWER: "B"},
        {
            "text": "李白生于碎叶城，后来去了长安。",
            QUESTION: "李白后来去了哪里？",
            CHOICES: ["成都", "碎叶城", "长安", "北京"],
            ANSWER: "C",
        },
    )

    shape: Literal["encoder", "decoder"] | None = Field(default=None, description="None: as the model is")
    too_long: Literal["stop", "truncate"] = "stop"
    answer_is: Reading | None = Field(default=None, description="how records name the right choice; None: as they do")
    after: str = Field(default="\n=>", min_length=1, description="what a decoder reads before a choice")
    divide_by: Literal["characters", "tokens", "nothing"] = Field(
        default="characters", description="length of a choice by which a decoder's log-likelihood is divided"
    )

    @property
    def auto_class(self) -> str:  # type: ignore[override]
        """As its shape is."""
        return "AutoModelForCausalLM" if self.shape == "decoder" else "AutoModelForMultipleChoice"

    @property
    def answers_by(self) -> Literal["forward", "likelihood", "generate"]:  # type: ignore[override]
        """As its shape is."""
        return "likelihood" if self.shape == "decoder" else "forward"

    def shaped(self, shape: Shape) -> Self:
        """See `Task.shaped`; a family without a head for choices is refused where it is built."""
        found = "decoder" if shape == "decoder" else "encoder"
        if self.shape not in (None, found):
            raise Refusal(f"task.shape is '{self.shape}', and the model is a {shape}; leave 'shape' out")
        for name in ("after", "divide_by") if found == "encoder" else ():
            if getattr(self, name) != type(self).model_fields[name].default:
                raise Refusal(f"task.{name} has an effect with a decoder alone, and this is an encoder; leave it out")
        return self.model_copy(update={"shape": found})

    def fitted(self, records: Sequence[Record]) -> Self:
        """This task, knowing how the records name the right choice.

        Raises `Refusal` for a record that does not offer choices, or names none of them.
        """
        if self.answer_is is None and records:
            return self.model_copy(update={"answer_is": reading_of(records)})
        for number, record in enumerate(records):
            answer_in(record, number, self.answer_is)
        return self

    def config(self) -> dict[str, Any]:
        """Families that can be either, such as BERT, are to be decoders where the shape says so."""
        return {"is_decoder": True} if self.shape == "decoder" else {}

    def suited(self, model: nn.Module, tokenizer: Tokenizer, say: Callable[[str], None]) -> Self:
        """This task; raises `Refusal` for a decoder that sees the choice whose likelihood it is to tell."""
        if self.shape == "decoder":
            why = "tokens whose likelihood is to be told are seen by those before them"
            refuse_looking_ahead(model, tokenizer, f"{why}; choose a decoder, or an encoder with a head for choices")
        return self

    def encode(self, records: Sequence[Record], tokenizer: Tokenizer, limit: int, *, labelled: bool) -> list[Encoded]:
        """One row a choice; the target `label` is the number of the right one.

        Of decoders there are also `starts` (C,), where in its row each choice begins, and `lengths` (C,).
        """
        limit = min(limit, self.max_length or limit)
        asked = [asked_in(record, number) for number, record in enumerate(records)]
        encoded = (self._likely if self.shape == "decoder" else self._beside)(asked, tokenizer, limit)
        for number, (item, record) in enumerate(zip(encoded, records, strict=True)):
            if labelled:
                item.targets["label"] = answer_in(record, number, self.answer_is)
        return encoded

    def collate(self, encoded: Sequence[Encoded], width: int, tokenizer: Tokenizer, rng: np.random.Generator) -> Batch:
        """The targets `label` (B,), -100 where there is none, and `choices` (B,), how many rows each example has.

        Of decoders also `tokens` (R, T), the next ones where a choice stands, and `lengths` (R,).
        """
        rows = [row for item in encoded for row in item.rows]
        label_B = torch.tensor([item.targets.get("label", -100) for item in encoded])
        targets = {"label": label_B, "choices": torch.tensor([len(item.rows) for item in encoded])}
        if self.shape == "decoder":
            starts = [int(start) for item in encoded for start in item.targets["starts"]]
            targets["tokens"] = pad([_next(row, start) for row, start in zip(rows, starts, strict=True)], width, -100)
            targets["lengths"] = torch.from_numpy(np.concatenate([item.targets["lengths"] for item in encoded]))
        return Batch(
            inputs=model_inputs(rows, width, tokenizer),
            targets=targets,
            counts={"label": int((label_B >= 0).sum())},
            examples=np.arange(len(encoded)),
            tokens=sum(map(len, rows)),
        )

    def places(self, batch: Batch) -> Tensor | None:
        """Before the tokens of the choices, for a decoder."""
        return batch.targets["tokens"] >= 0 if self.shape == "decoder" else None

    def forward(self, model: nn.Module, inputs: Inputs, places: Tensor | None = None) -> dict[str, Tensor]:
        """The number of each row (R, 1); of a decoder the logits (K, V) at the places.

        Heads for choices take (B, C, T). Every row is given as an example of one choice, so that examples may have
        unlike numbers of them.
        """
        if self.shape == "decoder":
            return super().forward(model, {**inputs, "use_cache": False}, places)
        return {"logits": model(**{name: value[:, None] for name, value in inputs.items()}).logits}

    def losses(self, said: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy over the choices of each example, summed."""
        scores_BC = pad_sequence(self._scores(said, batch), batch_first=True, padding_value=float("-inf"))
        return {"label": functional.cross_entropy(scores_BC, batch.targets["label"], reduction="sum")}

    @property
    def followed(self) -> bool:
        """Of an encoder; a decoder says how likely it finds each token, and no more."""
        return self.shape != "decoder"

    def outcomes(self, said: Mapping[str, Tensor], batch: Batch) -> Outcomes:
        """The numbers of the choices of each example."""
        return Outcomes("one", pad_sequence(self._scores(said, batch), batch_first=True, padding_value=-torch.inf))

    def outputs(self, said: Mapping[str, Tensor], batch: Batch) -> list[Output]:
        """The number of each choice (C,) of each example."""
        return [scores_C.cpu().numpy() for scores_C in self._scores(said, batch)]

    def decode(self, outputs: Sequence[Output], encoded: Sequence[Encoded], record: Record) -> Prediction:
        """`{"choice", "option", "scores"}`: the number of the choice, its text, and the probability of each."""
        (scores_C,) = outputs
        shares_C = np.exp(scores_C.astype(np.float64) - scores_C.max())
        shares_C /= shares_C.sum()
        choice = int(shares_C.argmax())
        return {"choice": choice, "option": record[CHOICES][choice], "scores": shares_C.tolist()}

    def told(self, batch: Batch, row: int, tokenizer: Tokenizer) -> tuple[str, list[Truth | None]]:
        """Whether the row is the right choice, and which of its tokens are the choice."""
        ends = batch.targets["choices"].cumsum(0)
        example = int((ends <= row).sum())
        place = row - int(ends[example] - batch.targets["choices"][example])
        label = int(batch.targets["label"][example])
        words = "" if label < 0 else f"choice {place}: " + ("right" if label == place else "wrong")
        if self.shape != "decoder":
            return words, []
        values = batch.targets["tokens"][row].tolist()
        return words, [None, *(Truth() if value >= 0 else None for value in values[:-1])]

    @property
    def reads(self) -> tuple[str, ...]:
        """The text and the choices."""
        return "text", CHOICES

    def gold(self, record: Record, number: int = 0) -> int:
        """The number of the right choice, from 0."""
        return answer_in(record, number, self.answer_is)

    def _scores(self, said: Mapping[str, Tensor], batch: Batch) -> list[Tensor]:
        """The number (C,) of each choice, example by example."""
        scores_R = said["logits"].float().reshape(-1) if self.shape != "decoder" else _likelihoods(said, batch)
        return list(torch.split(scores_R, batch.targets["choices"].tolist()))

    def _beside(self, asked: Sequence[Asked], tokenizer: Tokenizer, limit: int) -> list[Encoded]:
        """The text beside question and choice, as a head for choices reads them."""
        firsts = [each.text for each in asked for _ in each.choices]
        seconds = [
            f"{each.question}\n{choice}" if each.question else choice for each in asked for choice in each.choices
        ]
        numbers = [number for number, each in enumerate(asked) for _ in each.choices]
        found = windows_of_pairs(firsts, seconds, tokenizer, limit, self.too_long, records=numbers, second_whole=True)
        return [
            Encoded(record, tuple(item.row for item in items), cut=sum(item.cut for item in items))
            for record, items in ((record, list(group)) for record, group in groupby(found, lambda item: item.record))
        ]

    def _likely(self, asked: Sequence[Asked], tokenizer: Tokenizer, limit: int) -> list[Encoded]:
        """Text and question, and after them the choice, as a decoder reads them."""
        begin = begin_id(tokenizer)
        before = [] if begin is None else [begin]
        tails = [f"\n{each.question}{self.after}" if each.question else self.after for each in asked]
        choices = [choice for each in asked for choice in each.choices]
        sides = [tokenized(side, tokenizer, offsets=False, special=False) for side in ([e.text for e in asked], tails)]
        offered = tokenized(choices, tokenizer, offsets=False, special=False)
        found = []
        for number, (each, head, tail) in enumerate(zip(asked, *sides, strict=True)):
            ids = [next(offered).ids for _ in each.choices]
            room = limit - len(before) - len(tail.ids) - max(map(len, ids))
            cut = len(head.ids) - room
            if cut > 0:
                self._refuse_long(number, limit + cut, limit, room)
            read = [*before, *head.ids[:room], *tail.ids]
            rows = tuple(Row(np.array([*read, *choice], np.int32)) for choice in ids)
            lengths = {"characters": map(len, each.choices), "tokens": map(len, ids), "nothing": [1] * len(ids)}
            targets = {
                "starts": np.full(len(ids), len(read), np.int32),
                "lengths": np.array([max(1, length) for length in lengths[self.divide_by]], np.int32),
            }
            found.append(Encoded(number, rows, targets, cut=max(0, cut)))
        return found

    def _refuse_long(self, number: int, tokens: int, limit: int, room: int) -> None:
        if self.too_long == "stop":
            raise Refusal(
                f"record {number + 1:,}: the text has {tokens:,} tokens with its longest choice and a row takes "
                f"{limit:,}; shorten it, or set the task's 'too_long' to 'truncate'"
            )
        if room < 1:
            raise Refusal(
                f"record {number + 1:,}: question and choice leave no room for the text in a row of {limit:,} tokens; "
                "shorten them"
            )


def _next(row: Row, start: int) -> Any:
    """The token after each, -100 where it is not the choice, (T,)."""
    next_T = np.append(row.input_ids[1:], np.int32(-100))
    next_T[: max(0, start - 1)] = -100
    return next_T


def _likelihoods(said: Mapping[str, Tensor], batch: Batch) -> Tensor:
    """The log-likelihood of the choice of each row, divided by its length, (R,)."""
    tokens_RT = batch.targets["tokens"]
    tokens_K = tokens_RT[tokens_RT >= 0]
    parts = zip(torch.split(said["logits"], CHUNK), torch.split(tokens_K, CHUNK), strict=True)
    losses = [functional.cross_entropy(logits.float(), tokens, reduction="none") for logits, tokens in parts]
    loss_RT = torch.zeros(tokens_RT.shape, device=tokens_RT.device)
    loss_RT = loss_RT.masked_scatter(tokens_RT >= 0, torch.cat(losses))
    return -loss_RT.sum(1) / batch.targets["lengths"]
