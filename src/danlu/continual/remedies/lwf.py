"""Old heads go on saying of new rows what they said before, softened by a temperature (Li and Hoiem, 2016)."""

from collections.abc import Mapping, Sequence

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import log_softmax

from danlu.continual.networks import Networks
from danlu.continual.remedy import Earlier, Kept, Remedy
from danlu.continual.several import Added
from danlu.model.documents import SEGMENTS
from danlu.refusal import Refusal
from danlu.task.task import Task
from danlu.text.batching.batch import Batch
from danlu.tuning.kept import MASK, unpadded

SOFT = ("classify", "relate", "tag", "tag_words", "causal_lm", "masked_lm")
"""Tasks whose heads choose by a softmax, for each row or each of its tokens."""


class Lwf(Remedy):
    """Keep what the heads of earlier tasks say of the rows of the next one."""

    temperature: float = Field(default=2.0, gt=0, description="what logits are divided by before they are compared")
    strength: float = Field(default=1.0, ge=0, description="weight of each old head beside the loss of an example")

    @property
    def looks_back(self) -> bool:
        """See `Remedy.looks_back`."""
        return self.strength > 0

    @property
    def trains_old_heads(self) -> bool:
        """See `Remedy.trains_old_heads`."""
        return self.strength > 0

    def suits(self, name: str, task: Task) -> None:
        """See `Remedy.suits`."""
        if getattr(task, "pooling", None) is not None:
            raise Refusal(
                f"tasks.{name}: lwf asks the heads of networks about new rows, and with 'pooling' the head is the "
                "task's own; leave 'pooling' out, or take replay or ewc"
            )
        if task.kind not in SOFT:
            raise Refusal(
                f"tasks.{name}: lwf asks old heads about new rows, which tasks with a softmax over a row or its tokens "
                f"allow ({', '.join(SOFT)}), and this is {task.kind}; take replay or ewc"
            )

    def added(self, kept: Kept, earlier: Earlier) -> list[Added]:
        """What each old head says now beside what it said, of each new row."""
        if earlier.networks is None or not earlier.tasks:
            return []
        before = earlier.networks

        def added(networks: Networks, parts: Mapping[str, Batch], _rows: int) -> Tensor:
            return self.strength * self._of_new_rows(networks, before, earlier, parts)

        return [added]

    def _of_new_rows(
        self, networks: Networks, before: Networks, earlier: Earlier, parts: Mapping[str, Batch]
    ) -> Tensor:
        total = next(networks.parameters()).new_zeros((), dtype=torch.float32)
        for head in dict.fromkeys(earlier.heads[name] for name in earlier.tasks):
            task = next(task for name, task in earlier.tasks.items() if earlier.heads[name] == head)
            for name, part in parts.items():
                if name in earlier.tasks:
                    continue
                with torch.no_grad():
                    said = task.forward(before.of(head), part.inputs)["logits"]
                now = task.forward(networks.of(head), part.inputs)["logits"]
                lost = softened(now, said, self.temperature, earlier.labels.get(head))
                if lost.dim() == 2:  # of a row, the mean over its tokens
                    kept_BT = _read(part).to(lost.device)
                    lost = (lost * kept_BT).sum(1) / kept_BT.sum(1).clamp(min=1)
                total = total + lost.sum()
        return total


def _read(part: Batch) -> Tensor:
    """Where there are tokens of a text: (B, T), bool; of rows without a mask it shows where a next token counts."""
    told = MASK in part.inputs or SEGMENTS in part.inputs or "tokens" not in part.targets
    return unpadded(part.inputs) if told else part.targets["tokens"] >= 0


def softened(now: Tensor, said: Tensor, temperature: float, labels: Sequence[int] | None = None) -> Tensor:
    """The cross-entropy of what was said, with what is said now, both softened: (..., C) to (...).

    `labels` are the outputs that count, where not all do.
    """
    if labels is not None:
        now, said = now[..., labels], said[..., labels]
    soft = torch.softmax(said.float() / temperature, -1)
    return -(soft * log_softmax(now.float() / temperature, -1)).sum(-1)
