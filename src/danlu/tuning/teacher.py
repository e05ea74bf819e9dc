"""A student's loss: that of its task, and how far it is from a frozen teacher of the same task.

Softened logits (Hinton et al., 2015); hidden states, attention before its softmax and embeddings (TinyBERT, Jiao et
al., 2020). Each is an objective of its own, divided by its own count, so that records without a label, of which the
teacher alone speaks, make the others neither weaker nor stronger.

Legend: B rows, T tokens, D width of the student, E of the teacher, H heads, N things.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from danlu.model.documents import SEGMENTS
from danlu.refusal import Refusal
from danlu.task.followed import Followed, divergence
from danlu.text.batching.batch import Batch
from danlu.tuning.inner import Seen, seeing
from danlu.tuning.kept import unpadded
from danlu.tuning.roles import Roles

TEACHER = "teacher"
_OF = f"{TEACHER}."
LOGITS, HIDDEN, ATTENTION, EMBEDDINGS = (
    f"{TEACHER}_{name}" for name in ("logits", "hidden", "attention", "embeddings")
)
"""Names of the objectives; a projection has the name of its own."""


@dataclass(frozen=True)
class Weights:
    """What each objective weighs beside the others; `temperature` softens logits."""

    labels: float
    logits: float
    temperature: float
    hidden: float = 0.0
    attention: float = 0.0
    embeddings: float = 0.0

    @property
    def inside(self) -> bool:
        """Whether anything below the head is compared."""
        return bool(self.hidden or self.attention or self.embeddings)


@dataclass(frozen=True)
class Teaching:
    """How a student of `task` is taught by the network of a teacher, whose own task is `teaches`.

    - `layers`: of the teacher, counted from 1, which each of the student's learns from.
    - `keep`: whether what the teacher says of a row is kept, or asked anew.
    """

    task: Followed
    teaches: Followed
    weights: Weights
    layers: tuple[int, ...] = field(default=())
    keep: bool = True


class Taught(Roles):
    """The loss of a student, with a frozen teacher as its one role."""

    def __init__(self, teaching: Teaching, networks: Mapping[str, nn.Module]) -> None:
        """Ask the one of `networks`, which is not trained, in evaluation mode and watched where that is needed."""
        super().__init__(teaching.task, networks)
        self.teaching = teaching

    def over(self, networks: Mapping[str, nn.Module]) -> "Taught":
        """See `Roles.over`."""
        return Taught(self.teaching, networks)

    def counted(self, batch: Batch) -> Batch:
        """The batch with the counts of the teacher's objectives beside those of the task."""
        weights, layers = self.teaching.weights, len(self.teaching.layers)
        counts: dict[str, float] = dict(batch.counts) if weights.labels else {}
        found = {
            LOGITS: (weights.logits, self.teaching.task.things(batch)),
            HIDDEN: (weights.hidden, layers * batch.tokens),
            ATTENTION: (weights.attention, layers * batch.tokens),
            EMBEDDINGS: (weights.embeddings, batch.tokens),
        }
        return replace(batch, counts=counts | {name: count for name, (weight, count) in found.items() if weight})

    @property
    def keeps(self) -> bool:
        """See `Roles.keeps`; nothing is kept where it would be too much."""
        return self.teaching.keep and self.task.repeats

    def beforehand(self, batch: Batch) -> Batch:
        """See `Roles.beforehand`; of rows that are drawn anew the teacher is asked beside the student."""
        return self.told(batch) if self.teaching.task.repeats else batch

    def _told(self, batch: Batch) -> dict[str, Tensor]:
        """What the teacher says of a batch; of rows that are drawn anew each time, where nothing is kept, at once."""
        if self.teaching.task.repeats:
            targets = self.told(batch).targets
            return {name.removeprefix(_OF): value for name, value in targets.items() if name.startswith(_OF)}
        (network,) = self.networks.values()
        teaches, where = self.teaching.teaches, batch.inputs["input_ids"].device.type
        with torch.no_grad(), torch.autocast(where, enabled=False), self._seeing() as seen:
            said = teaches.forward(network, batch.inputs, teaches.places(batch))
        return self._followed(said, seen)

    def _seeing(self) -> AbstractContextManager[Seen]:
        return seeing(attention=bool(self.teaching.weights.attention))

    def says(self, network: nn.Module, row: Batch) -> dict[str, Tensor]:
        """What the teacher says of a row as its task has it, and of layers that are followed (T, E) and (H, T, T)."""
        with self._seeing() as seen:
            said = self.teaching.teaches.role_says(network, row)
        inside = {name: value[0] for name, value in self._followed({}, seen).items()}
        return (said if self.teaching.weights.logits else {}) | inside

    def _followed(self, said: Mapping[str, Tensor], seen: Seen) -> dict[str, Tensor]:
        """Of what a teacher has said and held what is followed."""
        weights = self.teaching.weights
        found = dict(said) if weights.logits else {}
        for layer in self.teaching.layers:
            if weights.hidden:
                found[f"{HIDDEN}.{layer}"] = seen.hidden[layer - 1]
            if weights.attention:
                found[f"{ATTENTION}.{layer}"] = seen.scores[layer - 1]
        if weights.embeddings:
            found[EMBEDDINGS] = seen.embedded[0]
        return found

    def loss(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """The weighted sums of all objectives that have a weight; see `Task.loss`."""
        task, weights = self.teaching.task, self.teaching.weights
        with self._seeing() as seen:
            said = task.said(model, batch)
        found = dict[str, Tensor]()
        if weights.labels:
            losses = task.losses(said, batch)
            found |= losses if weights.labels == 1 else {n: weights.labels * value for n, value in losses.items()}
        told = self._told(batch)
        if weights.logits:
            found[LOGITS] = weights.logits * self._logits(said, told, batch)
        if weights.inside:
            found |= self._inside(seen, said, told, batch)
        return found

    def _logits(self, said: Mapping[str, Tensor], told: Mapping[str, Tensor], batch: Batch) -> Tensor:
        own, theirs = self.teaching.task.outcomes(said, batch), self.teaching.teaches.outcomes(told, batch)
        if own.form != theirs.form or own.values.shape != theirs.values.shape:
            raise Refusal(
                "teacher.bundle: it answers in another way than the student is to, so the two cannot be compared; give "
                "a teacher whose task has the same settings"
            )
        return divergence(own, theirs, self.teaching.weights.temperature)

    def _inside(
        self, seen: Seen, said: Mapping[str, Tensor], told: Mapping[str, Tensor], batch: Batch
    ) -> dict[str, Tensor]:
        weights, kept_BT, found = self.teaching.weights, unpadded(batch.inputs), dict[str, Tensor]()
        if weights.hidden:
            pairs = [
                (hidden_BTD, told[f"{HIDDEN}.{layer}"])
                for hidden_BTD, layer in zip(seen.hidden, self.teaching.layers, strict=True)
            ]
            far = [_apart(own, theirs, kept_BT, said.get(f"own.{HIDDEN}")) for own, theirs in pairs]
            found[HIDDEN] = weights.hidden * torch.stack(far).sum()
        if weights.embeddings:
            far_embedded = _apart(seen.embedded[0], told[EMBEDDINGS], kept_BT, said.get(f"own.{EMBEDDINGS}"))
            found[EMBEDDINGS] = weights.embeddings * far_embedded
        if weights.attention:
            scores = [
                (scores_BHTT, told[f"{ATTENTION}.{layer}"])
                for scores_BHTT, layer in zip(seen.scores, self.teaching.layers, strict=True)
            ]
            seen_BTT = _seen(batch.inputs, causal=seen.causal)
            far = [_scores_apart(own, theirs, seen_BTT) for own, theirs in scores]
            found[ATTENTION] = weights.attention * torch.stack(far).sum()
        return found


def _apart(own_BTD: Tensor, theirs_BTE: Tensor, kept_BT: Tensor, projection_DE: Tensor | None) -> Tensor:
    """Squared difference of states, the mean over their width, summed over tokens."""
    own_KE = own_BTD[kept_BT] if projection_DE is None else own_BTD[kept_BT] @ projection_DE
    return (own_KE.float() - theirs_BTE[kept_BT].float()).square().mean(-1).sum()


def _seen(inputs: Mapping[str, Tensor], *, causal: bool) -> Tensor:
    """Which tokens each token sees: those of its document, and before it where that is `causal`."""
    kept_BT = unpadded(inputs)
    seen_BTT = kept_BT[:, :, None] & kept_BT[:, None, :]
    if (segments_BT := inputs.get(SEGMENTS)) is not None:
        seen_BTT &= segments_BT[:, :, None] == segments_BT[:, None, :]
    return seen_BTT.tril() if causal else seen_BTT


def _scores_apart(own_BHTT: Tensor, theirs_BHTT: Tensor, seen_BTT: Tensor) -> Tensor:
    """Squared difference of scores, the mean over heads and over the tokens that a token sees, summed over tokens."""
    far_BTT = (own_BHTT.float() - theirs_BHTT.float()).square().mean(1).masked_fill(~seen_BTT, 0.0)
    return (far_BTT.sum(-1) / seen_BTT.sum(-1).clamp(min=1)).sum()
