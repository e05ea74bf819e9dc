"""Replaced token detection: tell which tokens a small network has made up (Clark et al., 2020, ELECTRA)."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Literal, Self

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from danlu.data.record import Record
from danlu.machine.seed import generator
from danlu.model.beside import beside
from danlu.model.heads import cross_entropy_sum, kept_logits, unwrapped
from danlu.model.probe import at_rest
from danlu.model.shape import Shape
from danlu.model.source import Source
from danlu.refusal import Refusal
from danlu.task.columns import text_in
from danlu.task.inputs import lengths_of, model_inputs
from danlu.task.likelihood import likelihood_of
from danlu.task.task import Output, Prediction, Truth
from danlu.task.windowed import Windowed
from danlu.text.batching.batch import Batch, pad
from danlu.text.batching.encoded import Encoded, Row
from danlu.text.batching.flat import DocumentRows, FlatTokens
from danlu.text.batching.windows import TooLong, around, refuse_other_borders, refuse_uncut, windows
from danlu.text.tokenizing.special import ordinary_ids
from danlu.text.tokenizing.tokenizer import Tokenizer

GENERATOR = "generator"
DOUBTED = 0.5  # from this probability on a token is told as replaced


class ReplacedToken(Windowed):
    """A small generator guesses hidden tokens, and the network that serves tells which of all are not the text's own.

    Both learn at once: the generator as masked_lm does, the other from what is drawn of its guesses, through which no
    gradient goes. What is drawn depends on the guesses and on numbers of the batch alone, so a training that goes on
    draws what an unbroken one would have.
    Asked, the network tells which tokens of a text look replaced; how good it is at that is measured on a copy of the
    text in which some tokens, chosen by its content, are any others.
    Legend: B rows, T tokens, K hidden tokens, V vocabulary. Output of a row: (1 + T, 2), first the negative
    log-likelihood (nats) of what was replaced in the copy and the number of its tokens, then for each token the
    probability that it was replaced, and 0.
    """

    auto_class: ClassVar[str] = "AutoModelForPreTraining"
    columns: ClassVar[dict[str, str]] = {"text": "text"}
    repeats: ClassVar[bool] = False
    answers_by: ClassVar[Literal["forward", "likelihood", "generate"]] = "likelihood"
    answer_form: ClassVar[str] = "likelihood"
    metrics: ClassVar[tuple[str, ...]] = ("perplexity",)
    invents_tokens: ClassVar[bool] = True
    learners: ClassVar[dict[str, str]] = {GENERATOR: "masked_lm"}
    sample: ClassVar[tuple[Record, ...]] = (
        {"text": "昨晚下了一场大雪，屋顶全白了。"},
        {"text": "He closed the window because it was cold."},
        {"text": "火车晚点了两个小时。"},
    )

    too_long: TooLong = "split"
    share: float = Field(default=0.15, gt=0, lt=1, description="share of the tokens that the generator guesses")
    weight: float = Field(default=50.0, ge=0, le=1e4, description="of telling tokens apart, beside the guesses")
    generator_size: float = Field(
        default=0.25, gt=0, le=1, description="width of the generator beside the network's, where 'roles' gives none"
    )

    def shaped(self, shape: Shape) -> Self:
        """See `Task.shaped`; what is replaced is told from both sides."""
        if shape != "encoder":
            raise Refusal(
                f"the task {self.kind} tells tokens apart by both sides of them, which a {shape.replace('_', '-')} "
                "cannot; give an electra"
            )
        return self

    def suited(self, model: nn.Module, tokenizer: Tokenizer, say: Callable[[str], None]) -> Self:
        """This task as it is; raises `Refusal` for a family without a head that tells replaced tokens."""
        ids = generator(0, "probe").choice(ordinary_ids(tokenizer), 4)
        with at_rest(model):
            shape = getattr(getattr(model(input_ids=torch.from_numpy(ids)[None]), "logits", None), "shape", None)
        if shape != (1, 4):
            raise Refusal(
                f"models of the family '{unwrapped(model).config.model_type}' have no head that tells which tokens "
                "were replaced; give an electra, or choose the task masked_lm"
            )
        return self

    def learner(self, name: str, source: Source) -> Source:
        """See `Task.learner`: a narrower network of the same family."""
        return source.narrower(self.generator_size)

    def encode(self, records: Sequence[Record], tokenizer: Tokenizer, limit: int, *, labelled: bool) -> list[Encoded]:
        """One row a text, or one a window without overlap; where not `labelled`, another one for the copy of it.

        The target `tokens` are the token numbers, with -100 for special tokens.
        """
        self._need_mask(tokenizer)
        texts = [text_in(record, number) for number, record in enumerate(records)]
        encoded = windows(texts, tokenizer, min(limit, self.max_length or limit), self.too_long)
        for item in encoded:
            if labelled:
                item.targets["tokens"] = _ordinary(item.row, tokenizer)
            else:
                tokens = tokenizer.convert_ids_to_tokens(item.row.input_ids.tolist())
                item.targets["words"] = [str(tokenizer.convert_tokens_to_string([token])).strip() for token in tokens]
                item.rows = (item.row, item.row)
        return encoded

    def rows(self, tokens: FlatTokens, tokenizer: Tokenizer, limit: int, room: int) -> Sequence[Encoded]:
        """One row a document, or one a window without overlap, each with the document's special tokens."""
        refuse_uncut(self.too_long, self.kind)
        refuse_other_borders(tokenizer, self.kind)
        self._need_mask(tokenizer)
        longest = min(limit, self.max_length or limit, room or limit)
        return DocumentRows(
            tokens, longest, lambda row: {"tokens": _ordinary(row, tokenizer)}, around=around(tokenizer)
        )

    def collate(self, encoded: Sequence[Encoded], width: int, tokenizer: Tokenizer, rng: np.random.Generator) -> Batch:
        """Targets (B, T): `tokens` those that are hidden, `draw` which of its guesses the generator gives (0 to 1).

        `replaced` is 0 for each token that is to be told apart, padding alone is not; of rows that are asked it is
        what was replaced in the copy. -100 elsewhere.
        """
        rows = [row for item in encoded for row in item.rows]
        inputs = model_inputs(rows, width, tokenizer)
        ids_BT = inputs["input_ids"].numpy()
        tokens_BT, replaced_BT = np.full(ids_BT.shape, -100, np.int64), np.full(ids_BT.shape, -100, np.int64)
        training = all("tokens" in item.targets for item in encoded)
        if training:
            ordinary = np.flatnonzero(pad([item.targets["tokens"] for item in encoded], width, -100).numpy() >= 0)
            hidden = rng.choice(ordinary, self._how_many(len(ordinary)), replace=False, shuffle=False)
            tokens_BT.flat[hidden] = ids_BT.flat[hidden]
            ids_BT.flat[hidden] = tokenizer.mask_token_id
        for number, row in enumerate(rows):
            if training:
                replaced_BT[number, : len(row)] = 0
            elif number % 2:
                replaced_BT[number, : len(row)] = self._replace(row, ids_BT[number], tokenizer)
        draw_BT = rng.random(ids_BT.shape, dtype=np.float32) if training else np.zeros(ids_BT.shape, np.float32)
        targets = {"tokens": tokens_BT, "replaced": replaced_BT, "draw": draw_BT}
        return Batch(
            inputs=inputs,
            targets={name: torch.from_numpy(value) for name, value in targets.items()},
            counts={"tokens": int((tokens_BT >= 0).sum()), "replaced": int((replaced_BT >= 0).sum())},
            examples=np.arange(len(encoded)),
            tokens=sum(map(len, rows)),
        )

    def loss(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """See `Task.loss`: the generator guesses, what is drawn of that takes the place of what was hidden."""
        tokens_BT = batch.targets["tokens"]
        hidden_BT = tokens_BT >= 0
        guesses_KV = kept_logits(beside(model)[GENERATOR], batch.inputs, hidden_BT)
        ids_BT = batch.inputs["input_ids"].clone()
        ids_BT[hidden_BT] = drawn(guesses_KV.detach(), batch.targets["draw"][hidden_BT])
        said = self.forward(model, {**batch.inputs, "input_ids": ids_BT})
        replaced_BT = (hidden_BT & (ids_BT != tokens_BT)).float()
        return self.losses({**said, "guesses": guesses_KV, "replaced": replaced_BT}, batch)

    def losses(self, said: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy of the guesses, and `weight` times that of what was replaced, over all tokens, summed."""
        tokens_BT, told_BT = batch.targets["tokens"], batch.targets["replaced"] >= 0
        wrong = nn.functional.binary_cross_entropy_with_logits(
            said["logits"][told_BT].float(), said["replaced"][told_BT], reduction="sum"
        )
        return {
            "tokens": cross_entropy_sum(said["guesses"], tokens_BT[tokens_BT >= 0]),
            "replaced": self.weight * wrong,
        }

    def outputs(self, said: Mapping[str, Tensor], batch: Batch) -> list[Output]:
        """An array (1 + T, 2) of each example, as the class says."""
        logits_BT, replaced_BT = said["logits"].float(), batch.targets["replaced"]
        told_BT = replaced_BT >= 0
        wrong_BT = nn.functional.binary_cross_entropy_with_logits(
            logits_BT, replaced_BT.clamp(min=0).float(), reduction="none"
        )
        sums = torch.stack([(wrong_BT * told_BT).sum(1), told_BT.sum(1)], 1)[1::2].cpu().numpy()
        doubts, lengths = logits_BT[::2].sigmoid().cpu().numpy(), lengths_of(batch.inputs)[::2]
        return [
            np.concatenate([first[None], np.stack([doubt[:length], np.zeros(length)], 1)]).astype(np.float32)
            for first, doubt, length in zip(sums, doubts, lengths, strict=True)
        ]

    def decode(self, outputs: Sequence[Output], encoded: Sequence[Encoded], record: Record) -> Prediction:
        """See `likelihood_of`; and `"replaced": [{"text", "score"}, ...]`, the tokens that look replaced, in order."""
        found = []
        for output, item in zip(outputs, encoded, strict=True):
            words = item.targets.get("words", ())
            for word, (score, _) in zip(words, output[1:], strict=False):
                if score >= DOUBTED:
                    found.append({"text": word, "score": float(score)})
        return {**likelihood_of([output[0] for output in outputs]), "replaced": found}

    def told(self, batch: Batch, row: int, tokenizer: Tokenizer) -> tuple[str, list[Truth | None]]:
        """The words behind the masks, which the generator guesses; its guesses are then told apart from the others."""
        values = batch.targets["tokens"][row].tolist()
        words = [str(tokenizer.decode([value])).strip().removeprefix("##") if value >= 0 else "" for value in values]
        pairs = enumerate(zip(values, words, strict=True))
        return "", [Truth(word, place) if value >= 0 else None for place, (value, word) in pairs]

    def gold(self, record: Record, number: int = 0) -> tuple[float, int]:
        """What a perfect model would say: nothing to regret."""
        return 0.0, 0

    def _need_mask(self, tokenizer: Tokenizer) -> None:
        if tokenizer.mask_token_id is None:
            raise Refusal(
                "the tokenizer has no mask token, which hides what the generator guesses; train a 'wordpiece' one"
            )

    def _how_many(self, tokens: int) -> int:
        """How many of so many tokens are hidden, as masked_lm has it: few numbers, so that the head sees few shapes."""
        count = max(1, round(self.share * tokens))
        return min(count if count < 128 else round(count / 16) * 16, tokens)

    def _replace(self, row: Row, ids_T: np.ndarray, tokenizer: Tokenizer) -> np.ndarray:
        """Put any other tokens in the places of some, as the row's own content decides; which were replaced, (T,)."""
        own = row.input_ids
        rng, ordinary = np.random.default_rng(zlib.crc32(own.tobytes())), ordinary_ids(tokenizer)
        places = np.flatnonzero(np.isin(own, ordinary))
        chosen = rng.choice(places, self._how_many(len(places)), replace=False)
        ids_T[chosen] = rng.choice(ordinary, len(chosen))
        replaced: np.ndarray = (ids_T[: len(own)] != own).astype(np.int64)
        return replaced


def drawn(logits_KV: Tensor, draw_K: Tensor) -> Tensor:
    """A token of each row, as likely as its logits say; which one, a number from 0 to 1 tells."""
    sums_KV = torch.softmax(logits_KV.float(), -1).cumsum(-1)
    wanted_K1 = (draw_K * sums_KV[:, -1])[:, None].contiguous()
    return torch.searchsorted(sums_KV.contiguous(), wanted_K1, right=True)[:, 0].clamp(max=logits_KV.shape[1] - 1)


def _ordinary(row: Row, tokenizer: Tokenizer) -> np.ndarray:
    ids = row.input_ids
    return np.where(np.isin(ids, np.array(tokenizer.all_special_ids, np.int32)), np.int32(-100), ids)
