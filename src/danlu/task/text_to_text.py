"""What all tasks have that write a text for a text, with an encoder and a decoder or with a decoder alone."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import torch
from pydantic import Field, ValidationInfo, field_validator
from torch import Tensor, nn

from danlu.data.record import Record
from danlu.model.heads import cross_entropy_sum, unwrapped
from danlu.model.policy import Policy, of_usual_kind
from danlu.model.probe import refuse_looking_ahead
from danlu.model.shape import Shape
from danlu.model.source import borders_alike
from danlu.model.written import Written
from danlu.refusal import Refusal
from danlu.task.columns import missing, text_in
from danlu.task.numbered import NUMBERS
from danlu.task.packing import able_to_pack, packed_rows, room_in
from danlu.task.task import Inputs, Output, Prediction, Task, Truth
from danlu.task.two_sides import (
    SLOT,
    TargetTooLong,
    as_batch,
    end_of,
    joined,
    language_tokens,
    languages_to_ask,
    prompts,
    refuse_spelled,
    sources,
    targets,
)
from danlu.text.batching.batch import Batch
from danlu.text.batching.encoded import Encoded
from danlu.text.tokenizing.tokenizer import Tokenizer

CHUNK = 1024  # positions whose float32 logits are in memory at once


class TextToText(Task):
    """Write a text for a text.

    An encoder-decoder reads the text on one side, and learns the other, which begins after the model's start token. A
    decoder learns what follows the text in a row, and of the row nothing else. Where there are several right texts, the
    first is learnt. Output of a row: negative log-likelihood (nats) and number of tokens, (2,).
    """

    answers_by: ClassVar[Literal["forward", "likelihood", "generate"]] = "generate"
    answer_form: ClassVar[str] = "text"
    by_chunks: ClassVar[bool] = True

    target: ClassVar[str]
    """The column of the text that is to be written."""

    after: ClassVar[str] = "\n=>"
    """What stands between the two in the row of a decoder, where no template is given."""

    shape: Literal["decoder", "encoder_decoder"] | None = Field(default=None, description="None: as the model is")
    start: Annotated[int | None, NUMBERS] = Field(
        default=None, ge=0, description="token that a decoder begins with; None: the model's own"
    )
    forced: Annotated[int | None, NUMBERS] = Field(
        default=None, ge=0, description="first token of every text; None: the model's own"
    )
    too_long: Literal["stop", "truncate"] = "stop"
    max_target: int | None = Field(
        default=None, ge=2, description="tokens to write, the end token included; None: as the model allows"
    )
    target_too_long: TargetTooLong = Field(default="stop", description="what becomes of longer ones in training")
    label_smoothing: float = Field(default=0.0, ge=0, lt=1, description="share of each token's truth that all share")
    pack: bool = Field(default=False, description="fill the rows of training with several records each")
    template: str | None = Field(
        default=None, description=f"what is read, with {SLOT} in it; None: the text, and after it a sign for decoders"
    )
    policy: Policy = Field(
        default_factory=lambda: Policy.model_validate("greedy"),
        validate_default=True,
        description="how the text is written; its 'max_new_tokens' is 'max_target' where it says nothing",
    )

    @field_validator("policy", mode="before")
    @classmethod
    def _kind_may_be_left_out(cls, value: Any) -> Any:
        return of_usual_kind(value, cls.model_fields["policy"].get_default(call_default_factory=True))

    @field_validator("policy")
    @classmethod
    def _as_long_as_what_was_learnt(cls, value: Policy, given: ValidationInfo) -> Policy:
        most = given.data.get("max_target")
        if most is None or "max_new_tokens" in value.model_fields_set:
            return value
        if value.min_new_tokens >= most:
            raise ValueError(
                f"min_new_tokens {value.min_new_tokens} is no less than max_target {most}; raise the latter"
            )
        return value.model_copy(update={"max_new_tokens": most})

    @field_validator("template")
    @classmethod
    def _has_its_slot(cls, value: str | None) -> str | None:
        if value is not None and value.count(SLOT) != 1:
            raise ValueError(f"must hold {SLOT} once, where the text is to stand, as in '{SLOT}{cls.after}'")
        return value

    @property
    def auto_class(self) -> str:  # type: ignore[override]
        """As its shape is."""
        return "AutoModelForCausalLM" if self.shape == "decoder" else "AutoModelForSeq2SeqLM"

    def shaped(self, shape: Shape) -> Self:
        """See `Task.shaped`; an encoder alone cannot write."""
        if shape == "encoder":
            raise Refusal(
                f"the task {self.kind} writes text, which an encoder alone cannot; give a decoder, an encoder-decoder, "
                "or the encoder under 'kind: encoder_decoder', which gives it a decoder"
            )
        two_sided = ("start", "forced", "source_language", "target_language")
        given = [name for name in two_sided if getattr(self, name, None) is not None]
        if shape == "decoder" and given:
            raise Refusal(
                f"task.{given[0]} is for models with an encoder and a decoder, and this is a decoder; leave it out"
            )
        if self.shape not in (None, shape):
            raise Refusal(f"task.shape is '{self.shape}', and the model is a {shape}; leave 'shape' out")
        return self.model_copy(update={"shape": shape})

    def config(self) -> dict[str, Any]:
        """Families that can be either, such as BERT, are to be decoders; what the decoder of two begins with."""
        if self.shape == "decoder":
            return {"is_decoder": True}
        return {} if self.start is None else {"decoder_start_token_id": self.start}

    def suited(self, model: nn.Module, tokenizer: Tokenizer, say: Callable[[str], None]) -> Self:
        """This task with the token by which the model's decoder begins, and the one that it is made to begin with.

        Raises `Refusal` for a model that sees what it is to write, and where nothing says what it begins or ends with.
        """
        end_of(tokenizer)
        inner = unwrapped(model)
        told = (getattr(inner, "generation_config", None), inner.config)
        start, forced = (
            next((number for each in told if (number := getattr(each, name, None)) is not None), None)
            for name in ("decoder_start_token_id", "forced_bos_token_id")
        )
        if self.shape == "decoder":
            why = "a token is seen by those before it, so that writing it teaches nothing"
            refuse_looking_ahead(model, tokenizer, f"{why}; choose a decoder, or an encoder-decoder")
            if self.pack:
                able_to_pack(model, tokenizer, say, asked=True)
            return self
        if self.start is None and start is None:
            raise Refusal("config.json names no 'decoder_start_token_id'; write the task's 'start', a token's number")
        found = {"start": start if self.start is None else self.start}
        first = self._first(tokenizer)
        asked = languages_to_ask(tokenizer)
        if asked and getattr(self, "target_language", "") is None:
            names = ", ".join([*asked.values()][:8]) + ("" if len(asked) <= 8 else ", ...")
            say(f"the model writes {names}, as 'target_language' says; without it, as it happens")
        suited = self.model_copy(update=found | {"forced": forced if first is None else first})
        borders_alike(
            inner, suited.config() | {"forced_bos_token_id": suited.forced}
        )  # as in the bundle, so that validation begins alike
        if self.pack:
            able_to_pack(model, tokenizer, say, asked=True, start=suited.start)
        return suited

    def encode(self, records: Sequence[Record], tokenizer: Tokenizer, limit: int, *, labelled: bool) -> list[Encoded]:
        """One row a record; a record whose target is too long has none under "drop".

        Where `labelled`, encoder-decoders have `target_ids`, and decoders the target `tokens` in their row. Else the
        row is what is read before anything is written, and `target_ids` what an encoder-decoder is made to begin with.
        """
        texts = [text_in(record, number) for number, record in enumerate(records)]
        first = self._first(tokenizer)
        wanted = [texts_in(record, number, self.target)[0] for number, record in enumerate(records) if labelled]
        most = min(limit, self.max_target or limit)
        learnt = targets(wanted, tokenizer, first, most, self.target_too_long)
        if self.shape == "decoder":
            room = [limit - (0 if ids is None else len(ids)) for ids, _ in learnt]
            room = room or [self._room(limit)] * len(texts)
            limits = [min(each, self.max_length or each) for each in room]
            rows = prompts(texts, tokenizer, self._read(), limits, self.too_long)
        elif self.shape == "encoder_decoder":
            source, _ = self._languages(tokenizer)
            longest = min(limit, self.max_length or limit)
            rows = sources(texts, tokenizer, self._read(), longest, self.too_long, source)
        else:
            raise Refusal(
                "task.shape: nothing says yet whether the model is a 'decoder' or an 'encoder_decoder'; write which"
            )
        if not labelled:
            for row in rows if first is not None else ():
                row.target_ids = np.array([first], np.int32)
            return rows
        found = []
        for row, (ids, lost) in zip(rows, learnt, strict=True):
            if ids is None:
                continue
            row.cut += lost
            if self.shape == "decoder":
                found.append(joined(row, ids))
            else:
                row.target_ids = ids
                found.append(row)
        return packed_rows(found, min(limit, self.max_length or limit)) if self.pack and found else found

    def learnable(self, records: Sequence[Record], tokenizer: Tokenizer, limit: int, room: int) -> Sequence[Encoded]:
        """See `Task.learnable`; with `pack` either side of a row is filled to `room` tokens, unless one is longer."""
        refuse_spelled(self._read(), tokenizer)
        longest = min(limit, self.max_length or limit)
        alone = self.model_copy(update={"pack": False}).encode(records, tokenizer, limit, labelled=True)
        return packed_rows(alone, room_in(longest, room or self.max_length or 0)) if self.pack else alone

    def collate(self, encoded: Sequence[Encoded], width: int, tokenizer: Tokenizer, rng: np.random.Generator) -> Batch:
        """The target `tokens`, -100 where nothing counts: (B, T) of decoders, else (B, U) beside `decoder_input_ids`.

        A decoder reads what it has written so far: each row is `start` and all of its target but the last token.
        """
        return as_batch(encoded, width, width, tokenizer, self._start())

    def _start(self) -> int | None:
        """What a decoder beside an encoder begins with; None for a decoder by itself."""
        assert self.shape == "decoder" or self.start is not None, "the task has to be suited to its model first"
        return None if self.shape == "decoder" else self.start

    def places(self, batch: Batch) -> Tensor:
        """Where a token counts."""
        return batch.targets["tokens"] >= 0

    def forward(self, model: nn.Module, inputs: Inputs, places: Tensor | None = None) -> dict[str, Tensor]:
        """See `Task.forward`; no cache is kept."""
        return super().forward(model, {**inputs, "use_cache": False}, places)

    def losses(self, said: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy of the tokens, summed; of its truth each shares `label_smoothing` among all (Szegedy, 2016)."""
        tokens_K = batch.targets["tokens"][self.places(batch)]
        return {"tokens": cross_entropy_sum(said["logits"], tokens_K, smoothing=self.label_smoothing)}

    def outputs(self, said: Mapping[str, Tensor], batch: Batch) -> list[Output]:
        """Negative log-likelihood and number of tokens of each row."""
        keep_BU = self.places(batch)
        loss_BU = torch.zeros(keep_BU.shape, device=keep_BU.device)
        parts = zip(
            torch.split(said["logits"], CHUNK), torch.split(batch.targets["tokens"][keep_BU], CHUNK), strict=True
        )
        losses = [nn.functional.cross_entropy(part.float(), tokens, reduction="none") for part, tokens in parts]
        loss_BU[keep_BU] = torch.cat(losses)
        return list(torch.stack([loss_BU.sum(1), keep_BU.sum(1)], 1).cpu().numpy())

    def composed(self, written: Sequence[Written], encoded: Sequence[Encoded], record: Record) -> Prediction:
        """See `Task.composed`; white space around the text is that of the row, or of the template."""
        found = super().composed(written, encoded, record)
        others = {"others": [text.strip() for text in found["others"]]} if "others" in found else {}
        return {**found, "text": found["text"].strip(), **others}

    def told(self, batch: Batch, row: int, tokenizer: Tokenizer) -> tuple[str, list[Truth | None]]:
        """What is to be written, special tokens included, and where in the row of a decoder it stands."""
        values = batch.targets["tokens"][row]
        words = str(tokenizer.decode(values[values >= 0].tolist()))
        if self.shape != "decoder":
            return words, []
        return words, [None, *(Truth() if value >= 0 else None for value in values.tolist()[:-1])]

    def gold(self, record: Record, number: int = 0) -> tuple[str, ...]:
        """All texts that are right."""
        return texts_in(record, number, self.target)

    def _read(self) -> str:
        """The template of what is read."""
        return self.template or (SLOT + self.after if self.shape == "decoder" else SLOT)

    def _room(self, limit: int) -> int:
        """Tokens that a decoder may read so that there is room to write, half of the row at most."""
        return limit - min(self.policy.max_new_tokens, limit // 2) if self.too_long == "truncate" else limit

    def _languages(self, tokenizer: Tokenizer) -> tuple[int | None, int | None]:
        """The tokens of languages: what is read before a text, and what the text begins with that is written."""
        source, target = (getattr(self, name, None) for name in ("source_language", "target_language"))
        return language_tokens(tokenizer, source, target)

    def _first(self, tokenizer: Tokenizer) -> int | None:
        """The token that each text of an encoder-decoder begins with."""
        _, language = self._languages(tokenizer)
        return (self.forced if language is None else language) if self.shape == "encoder_decoder" else None


def texts_in(record: Record, number: int, column: str) -> tuple[str, ...]:
    """The texts in a column that holds one, or a list of some.

    Raises `Refusal` naming the record and the column where there is none.
    """
    value = record.get(column)
    if column not in record:
        raise Refusal(missing(record, number, column, "text, or a list of texts"))
    if isinstance(value, list) and value and all(isinstance(text, str) for text in value):
        found = tuple(text for text in value if text.strip())
    else:
        found = (text_in(record, number, column),)
    if not found or not found[0].strip():
        raise Refusal(f"record {number + 1:,}: column '{column}' is empty; write the text, or leave the record out")
    return found
