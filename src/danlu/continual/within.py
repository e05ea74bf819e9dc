"""A tuning method where several networks share a trunk: what it looks at lies in the first of them."""

from collections.abc import Mapping, Sequence
from typing import cast

from torch import Tensor, nn
from transformers import PreTrainedModel

from danlu.continual.networks import Networks, prefix
from danlu.tuning.group import Group
from danlu.tuning.method import Method


class Within(Method):
    """Trains what `method` trains of each network; heads beyond the first's move at the rate as it is."""

    method: Method
    first: str

    def apply(self, model: PreTrainedModel) -> nn.Module:
        """See `Method.apply`; to one of the networks."""
        return self.method.apply(model)

    def groups(self, model: nn.Module, total: int) -> Sequence[Group]:
        """See `Method.groups`."""
        found = self.method.groups(_first(model), total)
        trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
        named = [(frozenset(self._start + name for name in group.names), group.factor) for group in found]
        return [Group(names & trained, factor) for names, factor in named if names & trained]

    def state(self, model: nn.Module) -> dict[str, Tensor]:
        """See `Method.state`."""
        return {self._start + name: value for name, value in self.method.state(_first(model)).items()}

    def after_gradients(
        self, model: nn.Module, weights: Mapping[str, Tensor], gradients: Mapping[str, Tensor], step: int, total: int
    ) -> bool:
        """See `Method.after_gradients`."""
        return self.method.after_gradients(_first(model), self._own(weights), self._own(gradients), step, total)

    def after_step(self, model: nn.Module, weights: Mapping[str, Tensor], step: int) -> bool:
        """See `Method.after_step`."""
        return self.method.after_step(_first(model), self._own(weights), step)

    @property
    def _start(self) -> str:
        return prefix(self.first)

    def _own(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {
            name.removeprefix(self._start): value for name, value in tensors.items() if name.startswith(self._start)
        }


def _first(model: nn.Module) -> nn.Module:
    return cast(Networks, model).first
