"""The trained parameters of a model as a few flat tensors: those that decay, and those that do not."""

from collections.abc import Sequence

from torch import Tensor, nn

from danlu.train.storage import Stored


class FlatParameters(Stored):
    """Parameters for optimizers that work value by value: a handful of operations a step, however many layers."""

    def _matrices(self, _model: nn.Module) -> frozenset[str]:
        return frozenset()

    def _pieces_of(self, flat: Tensor, _parts: Sequence[Tensor]) -> list[Tensor]:
        return [flat]
