"""Preferring one answer to another: DPO (Rafailov et al., 2023), IPO, ORPO, KTO and SimPO; see `task/preference.py`."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, Self

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from danlu.data.record import Record
from danlu.refusal import Refusal
from danlu.task.conversing import Conversing
from danlu.task.inputs import model_inputs
from danlu.task.judged import CHOSEN, REJECTED, Needs, TooLong, judged, rows_of
from danlu.task.likelihood import regrets
from danlu.task.preference import dpo, ipo, kl_estimate, kto, orpo, simpo
from danlu.task.task import Output, Prediction, Truth
from danlu.text.batching.batch import LOGGED, Batch, pad
from danlu.text.batching.encoded import Encoded
from danlu.text.tokenizing.tokenizer import Tokenizer

REFERENCE = "reference"
_SAYS = "log_probability"


class Prefer(Conversing):
    """Make good answers likelier than bad ones, without a judge beside the model.

    An example has two rows, the chosen answer behind what was asked and the rejected one; what counts of them is the
    answer with the token that ends it. With kto it is one answer, good or bad, and behind the same question the answer
    to another one, by which the divergence from the reference is estimated. What does not fit is cut or left out as by
    `chat`, both rows alike. The margin of a prediction is of log-probabilities, a token's mean with orpo and simpo, and
    knows no reference: what is measured of a bundle is the bundle.
    Output of an example: log-probability (nats) and number of tokens of each answer, (2, 2).

    Shapes: R rows, two an example; T tokens; N examples.
    """

    columns: ClassVar[dict[str, str]] = {
        "messages": "messages, each with a role and content, up to what is asked",
        "chosen": "the better answer (text)",
        "rejected": "the worse one (text)",
    }
    other_columns: ClassVar[tuple[str, ...]] = ("text", "chosen", "rejected")
    answers_by: ClassVar[Literal["forward", "likelihood", "generate"]] = "likelihood"
    answer_form: ClassVar[str] = "preference"
    metrics: ClassVar[tuple[str, ...]] = ("preference_accuracy", "reward_margin")
    baseline: ClassVar[str | None] = "longer"
    as_begun: ClassVar[tuple[str, ...]] = (REFERENCE,)
    sample: ClassVar[tuple[Record, ...]] = (
        {"messages": [{"role": "user", "content": "你好"}], "chosen": "请说。", "rejected": "不。"},
        {
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Sky?"}],
            "chosen": "Blue.",
            "rejected": "It is.",
        },
        {"text": "一加一？", "chosen": "二。", "rejected": "三。"},
    )

    objective: Literal["dpo", "ipo", "orpo", "kto", "simpo"] = Field(
        default="dpo", description="the loss; orpo and simpo need no reference, kto no pairs"
    )
    beta: float | None = Field(
        default=None,
        ge=1e-6,
        le=1e4,
        description="how much a difference counts; of orpo the weight of the preference; None: 0.1, or 2 with simpo",
    )
    margin: float | None = Field(
        default=None,
        ge=0,
        le=1e4,
        description="of simpo: how far the reward of the chosen answer is to be ahead; None: 1",
    )
    desirable: float | None = Field(
        default=None, ge=1e-6, le=1e6, description="of kto: weight of good answers; None: 1"
    )
    undesirable: float | None = Field(
        default=None, ge=1e-6, le=1e6, description="of kto: weight of bad answers; None: 1"
    )

    @model_validator(mode="after")
    def _nothing_without_effect(self) -> Self:
        for name, objective in (("margin", "simpo"), ("desirable", "kto"), ("undesirable", "kto")):
            if getattr(self, name) is not None and self.objective != objective:
                raise ValueError(f"'{name}' has an effect with objective: {objective} alone; leave it out")
        return self

    @property
    def roles(self) -> tuple[str, ...]:  # type: ignore[override]
        """A reference, where the objective has one."""
        return () if self._by_mean else (REFERENCE,)

    @property
    def couples_rows(self) -> bool:  # type: ignore[override]
        """Whether the divergence is estimated of a whole batch."""
        return self.objective == "kto"

    @property
    def _logged(self) -> tuple[str, ...]:
        """What is told of a step beside its loss."""
        if self.objective == "kto":
            return (f"{LOGGED}kl",)
        return tuple(LOGGED + name for name in ("preference_accuracy", "reward_margin", "reward_chosen"))

    @property
    def _by_mean(self) -> bool:
        """Whether an answer is worth what its tokens are worth on average."""
        return self.objective in ("orpo", "simpo")

    def encode(self, records: Sequence[Record], tokenizer: Tokenizer, limit: int, *, labelled: bool) -> list[Encoded]:
        """Two rows an example; the target `tokens` of both, one after the other, and `preferred` of each.

        `preferred` is 1 for a good answer, 0 for a bad one, and -100 where it is neither. Without `labelled`, nothing
        is left out: what is too long is cut, unless it stops.
        """
        limit = min(limit, self.max_length or limit)
        needs: Needs = "answers" if not labelled else "judgements" if self.objective == "kto" else "pairs"
        given = [judged(self.messages(record, number), record, number, needs) for number, record in enumerate(records)]
        jinja = self.jinja(tokenizer)
        if needs == "judgements":
            given = [each for place, one in enumerate(given) for each in one.apart(given[(place + 1) % len(given)])]
        too_long: TooLong = "truncate" if self.too_long == "drop" and not labelled else self.too_long
        found = [rows_of(each, jinja, tokenizer, limit, too_long, whole=labelled) for each in given]
        return [item for item in found if item is not None]

    def learnable(self, records: Sequence[Record], tokenizer: Tokenizer, limit: int, room: int) -> Sequence[Encoded]:
        """The rows of all that fits. Raises `Refusal` where nothing does."""
        rows = self.encode(records, tokenizer, limit, labelled=True)
        if records and not rows:
            raise Refusal(
                f"none of {len(records):,} records fits into rows of {min(limit, self.max_length or limit):,} tokens "
                "with something of each answer, so nothing is left to learn from; raise the task's 'max_length', or "
                "take a model that reads more"
            )
        return rows

    def collate(self, encoded: Sequence[Encoded], width: int, tokenizer: Tokenizer, rng: np.random.Generator) -> Batch:
        """The targets `tokens` (R, T), the next of each, and `preferred` (R,); a count of examples under `preferred`.

        With orpo, the tokens of the chosen answers count as well. Padding has a mask, so that what a reference says of
        a row is asked without it.
        """
        rows = [row for item in encoded for row in item.rows]
        tokens = [part for item in encoded for part in np.split(item.targets["tokens"], [len(item.rows[0])])]
        tokens_RT = pad(tokens, width, -100)
        counts: dict[str, float] = {"preferred": len(encoded)}
        if self.objective == "orpo":
            counts["tokens"] = int((tokens_RT[0::2] >= 0).sum())
        counts |= dict.fromkeys(self._logged, len(encoded))
        return Batch(
            inputs=model_inputs(rows, width, tokenizer),
            targets={
                "tokens": tokens_RT,
                "preferred": torch.from_numpy(np.concatenate([item.targets["preferred"] for item in encoded])).long(),
            },
            counts=counts,
            examples=np.arange(len(encoded)),
            tokens=sum(map(len, rows)),
        )

    def role_says(self, model: nn.Module, row: Batch) -> dict[str, Tensor]:
        """The log-probability (nats) of the row's targets, ()."""
        said = self.forward(model, row.inputs, self.places(row))
        return {_SAYS: -regrets(said["logits"], row.targets["tokens"])[0]}

    def losses(self, said: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """The loss of the objective, summed over examples; with orpo also the cross-entropy of the chosen answers.

        Logged are the share of pairs whose chosen answer has the larger reward, by how much, and its reward; with kto
        the estimate of the divergence (nats).
        """
        tokens_RT = batch.targets["tokens"]
        total_R = -regrets(said["logits"], tokens_RT)
        worth_R = total_R
        if self._by_mean:
            worth_R = total_R / (tokens_RT >= 0).sum(1).clamp(min=1)
        elif self.roles:
            worth_R = total_R - batch.targets[f"{REFERENCE}.{_SAYS}"].float()
        first_N, second_N = worth_R[0::2], worth_R[1::2]
        beta = self.beta or (2.0 if self.objective == "simpo" else 0.1)
        if self.objective == "kto":
            good_N, divergence = batch.targets["preferred"][0::2] == 1, kl_estimate(second_N)
            weights = (self.desirable or 1.0, self.undesirable or 1.0)
            loss = kto(first_N, good_N, divergence, beta, weights).sum()
            return {"preferred": loss, f"{LOGGED}kl": divergence * len(first_N)}
        scale = 1.0 if self.objective == "orpo" else beta
        told = ((first_N > second_N).float(), scale * (first_N - second_N), scale * first_N)
        logged = {name: value.detach().sum() for name, value in zip(self._logged, told, strict=True)}
        match self.objective:
            case "dpo":
                loss = dpo(first_N, second_N, beta).sum()
            case "ipo":
                loss = ipo(first_N, second_N, beta).sum()
            case "simpo":
                loss = simpo(first_N, second_N, beta, 1.0 if self.margin is None else self.margin).sum()
            case "orpo":
                loss = orpo(first_N, second_N, beta).sum()
                logged["tokens"] = -total_R[0::2].sum()
        return {"preferred": loss, **logged}

    def outputs(self, said: Mapping[str, Tensor], batch: Batch) -> list[Output]:
        """Log-probability and number of tokens of both rows of each example, (2, 2)."""
        tokens_RT = batch.targets["tokens"]
        found_R2 = torch.stack([-regrets(said["logits"], tokens_RT), (tokens_RT >= 0).sum(1)], 1)
        return list(found_R2.reshape(-1, 2, 2).cpu().numpy())

    def decode(self, outputs: Sequence[Output], encoded: Sequence[Encoded], record: Record) -> Prediction:
        """`{"preferred", "margin", "log_probabilities"}`; of a record with one answer its log-probability alone."""
        totals_2, counts_2 = outputs[0].astype(np.float64).T
        if "chosen" not in record:
            return {"preferred": None, "margin": None, "log_probabilities": totals_2[:1].tolist()}
        chosen, rejected = totals_2 / np.maximum(counts_2, 1) if self._by_mean else totals_2
        return {
            "preferred": "chosen" if chosen > rejected else "rejected",
            "margin": float(chosen - rejected),
            "log_probabilities": totals_2.tolist(),
        }

    def told(self, batch: Batch, row: int, tokenizer: Tokenizer) -> tuple[str, list[Truth | None]]:
        """Which answer a row has, and the tokens of it that count."""
        words = {1: "chosen", 0: "rejected"} if self.objective != "kto" else {1: "good", 0: "bad"}
        judgement = words.get(int(batch.targets["preferred"][row]), "the answer to another question")
        return judgement, super().told(batch, row, tokenizer)[1]

    def gold(self, record: Record, number: int = 0) -> float:
        """1: the chosen answer is preferred. Raises `Refusal` for a record with one answer."""
        judged(self.messages(record, number), record, number, "answers")
        if "chosen" not in record:
            raise Refusal(
                f"record {number + 1:,}: what a model prefers is measured of two answers, and there is one; give "
                "'chosen' and 'rejected', or leave out what is measured ('split' of prepare: validation: 0, test: 0)"
            )
        return 1.0

    @property
    def reads(self) -> tuple[str, ...]:
        """What is asked, and two answers."""
        return "text", CHOSEN, REJECTED

    def kept(self, record: Record) -> Record:
        """See `Task.kept`; a text is what the user says where there are no messages."""
        asked = ("messages", "tools") if "messages" in record else ("text",)
        return {name: record[name] for name in (*asked, "chosen", "rejected", "label") if name in record}
