"""The best of several texts that are written side by side (Lowerre, 1976)."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Literal, Self

import torch
from pydantic import Field, field_validator, model_validator
from torch import Tensor

from danlu.model.beams import Beams, Candidate, Search
from danlu.model.ends import Ends
from danlu.model.hypothesis import Hypotheses
from danlu.model.policy import Policy
from danlu.model.shaping import History, shaped, shapes


class Beam(Policy):
    """Keep the best beginnings at every step, and give the best text that has ended."""

    beams: int = Field(default=4, ge=2, le=64, description="beginnings that are kept")
    length_penalty: float = Field(
        default=1.0, ge=-10, le=10, description="above 0 longer texts are favoured: score / length ** this"
    )
    early_stopping: bool | Literal["never"] = Field(
        default=False, description="true: once as many have ended; never: only when none can be better any more"
    )
    returned: int = Field(default=1, ge=1, description="texts for each prompt, the best first")

    @field_validator("beams", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        if value in (1, "1"):
            raise ValueError("one beam is the likeliest token, always: say 'kind: greedy'")
        return value

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if self.returned > self.beams:
            raise ValueError(f"returned {self.returned} is more than the {self.beams} beams; raise 'beams'")
        return self

    @property
    def rows(self) -> int:
        """A row a beam."""
        return self.beams

    @property
    def texts(self) -> int:
        """Those that are returned."""
        return self.returned

    def begin(self, prompt: Sequence[int], number: int, ends: Ends) -> Beams:
        """See `Policy.begin`."""
        search = Search(self.beams, self.length_penalty, self.early_stopping, self.returned)
        return Beams(prompt, ends, search)

    def advance(self, group: Sequence[Hypotheses], logits_BV: Tensor) -> None:
        """See `Policy.advance`."""
        log_BV = logits_BV.log_softmax(1)
        scores_BV = log_BV
        every = [each for each in group if isinstance(each, Beams)]
        assert len(every) == len(group)
        if any(shapes(self, each.ends) for each in every):
            rows = [(each, beam) for each in every for beam in each.open]
            histories = [History(each.prompt, beam.ids) for each, beam in rows]
            scores_BV = shaped(self, log_BV, histories, [each.ends for each, _ in rows])
        sums_BV = scores_BV + scores_BV.new_tensor([beam.score for each in every for beam in each.open])[:, None]
        alike: defaultdict[tuple[int, int], list[tuple[Beams, int]]] = defaultdict(list)
        place = 0
        for each in every:
            alike[len(each.open), len(each.ends.ids)].append((each, place))
            place += len(each.open)
        for (count, ends), members in alike.items():
            firsts = torch.tensor([first for _, first in members], device=sums_BV.device)
            rows_ER = firsts[:, None] + torch.arange(count, device=sums_BV.device)
            _add([each for each, _ in members], sums_BV[rows_ER], log_BV[rows_ER], self.beams * max(2, 1 + ends))


def _add(members: Sequence[Beams], sums_ERV: Tensor, log_ERV: Tensor, most: int) -> None:
    """Give each its candidates, the best first; of what may not be written there are none."""
    size = sums_ERV.shape[2]
    best_EK, places_EK = sums_ERV.flatten(1).topk(min(most, sums_ERV.shape[1] * size))
    logs = log_ERV.flatten(1).gather(1, places_EK).tolist()
    found = zip(members, best_EK.tolist(), places_EK.tolist(), logs, strict=True)
    for each, best, places, log in found:
        each.add(
            Candidate(place // size, place % size, score, log_probability)
            for score, place, log_probability in zip(best, places, log, strict=True)
            if score > float("-inf")
        )
