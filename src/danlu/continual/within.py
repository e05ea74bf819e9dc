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
        """See `Method.state`; what networks do not share each of them has for itself, alike in all."""
        networks, found = cast(Networks, model), dict[int, tuple[str, Tensor]]()
        for head in networks.names:
            for name, value in self.method.state(networks.of(head)).items():
                found.setdefault(id(value), (prefix(head) + name, value))
        return dict(found.values())

    def served(self, weights: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See `Method.served`."""
        return self.method.served(weights, state)

    def after_gradients(
        self, model: nn.Module, weights: Mapping[str, Tensor], gradients: Mapping[str, Tensor], step: int, total: int
    ) -> bool:
        """See `Method.after_gradients`."""
        moved = self.method.after_gradients(_first(model), self._own(weights), self._own(gradients), step, total)
        if moved:
            self._spread(cast(Networks, model))
        return moved

    def _spread(self, networks: Networks) -> None:
        """Let what the method keeps in the first of the networks be so in the others."""
        own = self.method.state(networks.first)
        for head in networks.names[1:]:
            for name, value in self.method.state(networks.of(head)).items():
                if name in own and value is not own[name]:
                    value.copy_(own[name])

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
