"""Two parts of a document, and whether they are what they seem: next, and in their order.

Parts are made of whole sentences, as many as a row takes, parted where chance has it (Devlin et al., 2019).
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from danlu.data.record import Record
from danlu.model.heads import cross_entropy_sum, kept_output, unwrapped
from danlu.refusal import Refusal
from danlu.task.columns import text_in
from danlu.task.inputs import model_inputs
from danlu.task.masking import TOKENS, Masking
from danlu.task.one_label import OneLabel
from danlu.task.parted import Document, Pair, by_characters, dice, in_tokens, is_wrong
from danlu.task.task import Inputs, Truth
from danlu.task.texts import SECOND
from danlu.text.batching.batch import Batch
from danlu.text.batching.encoded import Encoded
from danlu.text.batching.windows import windows_of_pairs
from danlu.text.tokenizing.tokenizer import Tokenizer, backend_for_text

_RELATIONS = ("seq_relationship_logits", "sop_logits")
"""What models call what they say of two parts: BERT and its kin, ALBERT."""


class SentencePairs(OneLabel):
    """Say of two parts of a document whether they are as the document has them; beside that, tokens may be hidden.

    A record's text is a document; one with a `text_pair` is asked as it stands. Of a document that is measured the
    first pair counts. Output of a row: log-probabilities (2,).
    """

    columns: ClassVar[dict[str, str]] = {"text": "text"}
    other_columns: ClassVar[tuple[str, ...]] = (SECOND,)
    metrics: ClassVar[tuple[str, ...]] = ("accuracy",)

    too_long: Literal["stop", "truncate"] = "truncate"
    copies: int = Field(
        default=1, ge=1, le=1000, description="how often pairs are drawn of each document to learn from"
    )
    masking: Masking | None = Field(
        default=None, description="tokens to be guessed beside it, as masked_lm hides them; None: none"
    )

    @model_validator(mode="after")
    def _two_labels(self) -> Self:
        if len(self.labels) != 2:
            raise ValueError(
                f"'labels' names what is as in the document and what is not, and there are {len(self.labels)}"
            )
        return self

    @abstractmethod
    def drawn(
        self, document: Document, start: int, room: int, others: Sequence[Document], rng: np.random.Generator
    ) -> tuple[Pair, int]:
        """A pair of the pieces from `start` on, or of the last and the one before it, and where the next begins.

        Whether it is wrong is drawn first. `others` are other documents, `room` is what a row takes.
        """

    @property
    def auto_class(self) -> str:  # type: ignore[override]
        """A network with two heads where tokens are guessed as well."""
        return "AutoModelForPreTraining" if self.masking else "AutoModelForSequenceClassification"

    @property
    def repeats(self) -> bool:  # type: ignore[override]
        """Whether nothing is hidden, which is drawn anew."""
        return self.masking is None

    @property
    def invents_tokens(self) -> bool:  # type: ignore[override]
        """Where tokens are hidden behind others."""
        return self.masking is not None

    @property
    def kept_others(self) -> Sequence[str]:
        """Texts that stand for other documents where there are none beside."""
        return ()

    def suited(self, model: nn.Module, tokenizer: Tokenizer, say: Callable[[str], None]) -> Self:
        """This task as it is; raises `Refusal` for a model that does not tell of tokens and of pairs at once."""
        if self.masking is None:
            return self
        encoded = self.encode([self.sample[0]], tokenizer, 32, labelled=True)[:1]
        batch = self.collate(encoded, len(encoded[0]), tokenizer, np.random.default_rng(0))
        with torch.no_grad():
            given = model(**batch.inputs)
        if "prediction_logits" not in given or not any(name in given for name in _RELATIONS):
            raise Refusal(
                f"task.masking: models of the family '{unwrapped(model).config.model_type}' have no heads for tokens "
                "and pairs at once; take 'bert', or leave 'masking' out and learn masked_lm in a stage before"
            )
        return self

    def along(self, done: float) -> Self:
        """See `Task.along`: the share that is hidden may change."""
        if self.masking is None or self.masking.share_end is None:
            return self
        return self.model_copy(update={"masking": self.masking.at(done)})

    def encode(self, records: Sequence[Record], tokenizer: Tokenizer, limit: int, *, labelled: bool) -> list[Encoded]:
        """A row a pair; the target `label`, and of hidden tokens those of `Masking`.

        Without `labelled`, each document gives its first pair alone.
        """
        if self.masking:
            self.masking.need_mask(tokenizer)
        limit = min(limit, self.max_length or limit)
        room = limit - backend_for_text(tokenizer).num_special_tokens_to_add(is_pair=True)
        pairs = list(self._pairs(records, tokenizer, room, labelled=labelled))
        numbers = [number for number, _, _ in pairs]
        firsts, seconds = [pair.first for _, pair, _ in pairs], [pair.second for _, pair, _ in pairs]
        words: Any = "joined" if self.masking and self.masking.units == "words" and labelled else False
        encoded = windows_of_pairs(firsts, seconds, tokenizer, limit, self.too_long, records=numbers, offsets=words)
        if self.masking and labelled:
            texts = [f"{first}\n{second}" for first, second in zip(firsts, seconds, strict=True)]
            self.masking.with_targets(encoded, texts, tokenizer, range(len(texts)))
        for item, (_, _, label) in zip(encoded, pairs, strict=True):
            if labelled:
                item.targets = {"label": label, **item.targets}
        return encoded

    def collate(self, encoded: Sequence[Encoded], width: int, tokenizer: Tokenizer, rng: np.random.Generator) -> Batch:
        """The targets `label` (B,), -100 for rows without, and `tokens` (B, T), those that are hidden."""
        label_B = torch.tensor([item.targets.get("label", -100) for item in encoded])
        targets, counts = {"label": label_B}, {"label": int((label_B >= 0).sum())}
        inputs = model_inputs([item.row for item in encoded], width, tokenizer)
        if self.masking and all(TOKENS in item.targets for item in encoded):
            hidden_BT = self.masking.hide(encoded, inputs["input_ids"].numpy(), tokenizer, rng)
            targets[TOKENS] = torch.from_numpy(hidden_BT)
            counts[TOKENS] = int((hidden_BT >= 0).sum())
        return Batch(
            inputs=inputs,
            targets=targets,
            counts=dict(counts),
            examples=np.arange(len(encoded)),
            tokens=sum(map(len, encoded)),
        )

    def places(self, batch: Batch) -> Tensor | None:
        """Where tokens are hidden, if any may be."""
        if self.masking is None:
            return None
        hidden_BT = batch.targets.get(TOKENS)
        none_BT = torch.zeros_like(batch.inputs["input_ids"], dtype=torch.bool)
        return none_BT if hidden_BT is None else hidden_BT >= 0

    def forward(self, model: nn.Module, inputs: Inputs, places: Tensor | None = None) -> dict[str, Tensor]:
        """`logits` (B, 2) of the pairs, and with `masking` `tokens` (K, V)."""
        if self.masking is None:
            return super().forward(model, inputs)
        if places is None:
            given = model(**inputs)
            tokens = given["prediction_logits"]
        else:
            tokens, given = kept_output(model, inputs, places, "prediction_logits")
        return {"logits": next(given[name] for name in _RELATIONS if name in given), TOKENS: tokens}

    def losses(self, said: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy of the pairs, and of the hidden tokens, each summed."""
        label_B = batch.targets["label"]
        found = {"label": nn.functional.cross_entropy(said["logits"].float(), label_B, reduction="sum")}
        if TOKENS in batch.targets:
            hidden_BT = batch.targets[TOKENS]
            found[TOKENS] = cross_entropy_sum(said[TOKENS], hidden_BT[hidden_BT >= 0])
        return found

    def told(self, batch: Batch, row: int, tokenizer: Tokenizer) -> tuple[str, list[Truth | None]]:
        """The label, and the words behind the masks."""
        label, _ = super().told(batch, row, tokenizer)
        hidden_T = batch.targets[TOKENS][row].tolist() if TOKENS in batch.targets else []
        words = [str(tokenizer.decode([token])).strip().removeprefix("##") if token >= 0 else "" for token in hidden_T]
        return label, [Truth(word, place) if word else None for place, word in enumerate(words)]

    def gold(self, record: Record, number: int = 0) -> str:
        """The label, or whether the first pair of a document is as the document has it."""
        if SECOND in record:
            return super().gold(record, number)
        return self.labels[int(is_wrong(dice(text_in(record, number))))]

    def kept(self, record: Record) -> Record:
        """See `Task.kept`."""
        return {name: value for name, value in record.items() if name in ("text", SECOND, "label")}

    def pair_of(self, record: Record, number: int) -> Pair:
        """The pair that is measured of a record, for methods that know no tokens: parts of some 400 characters."""
        if SECOND in record:
            wrong = "label" in record and self.number_of(record, number) == 1
            return Pair(text_in(record, number), text_in(record, number, SECOND), wrong)
        document, *others = (by_characters(text) for text in (text_in(record, number), *self.kept_others))
        return next(self._of(document, 400, others, dice(document.text)))

    def _pairs(
        self, records: Sequence[Record], tokenizer: Tokenizer, room: int, *, labelled: bool
    ) -> Iterator[tuple[int, Pair, int]]:
        """Pairs with the numbers of their records and of their labels."""
        texts = [text_in(record, number) for number, record in enumerate(records)]
        whole = [number for number, record in enumerate(records) if SECOND not in record]
        found = in_tokens([*(texts[number] for number in whole), *self.kept_others], tokenizer) if whole else []
        own, kept = dict(zip(whole, found, strict=False)), found[len(whole) :]
        others = list(own.values()) if labelled and len(own) > 1 else kept
        for number, record in enumerate(records):
            if number not in own:
                label = self.number_of(record, number) if labelled else -100
                yield number, Pair(texts[number], text_in(record, number, SECOND), label == 1), label
                continue
            for copy in range(self.copies if labelled else 1):
                for pair in self._of(own[number], room, others, dice(texts[number], copy)):
                    yield number, pair, int(pair.wrong)
                    if not labelled:
                        break

    def _of(
        self, document: Document, room: int, others: Sequence[Document], rng: np.random.Generator
    ) -> Iterator[Pair]:
        """The pairs of a document, one at least; every piece is in one of them."""
        start, last = 0, max(1, len(document.sizes))
        while start < last:
            pair, start = self.drawn(document, start, room, others, rng)
            yield pair
