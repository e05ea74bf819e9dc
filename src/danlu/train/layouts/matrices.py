"""The trained parameters of a model one by one, the matrices of its layers apart from all others.

For optimizers to which the shape of a matrix matters: Muon turns it, Adafactor keeps a row and a column of it. They lie
in flat storage all the same.
"""

from collections.abc import Sequence

from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from danlu.train.storage import Stored


class MatrixParameters(Stored):
    """Parameters for optimizers that work matrix by matrix."""

    def _matrices(self, model: nn.Module) -> frozenset[str]:
        own = matrices_of(model)
        return frozenset(name for name, parameter in self.named if id(parameter) in own)

    def _pieces_of(self, _flat: Tensor, parts: Sequence[Tensor]) -> list[Tensor]:
        return list(parts)


def matrices_of(model: nn.Module) -> set[int]:
    """The weights of the linear layers below the heads, by their `id`.

    Neither embeddings nor what answers with the vocabulary: those are what Muon is for (Jordan et al., 2024); what a
    low-rank method puts beside such a layer counts too.
    """
    networks = [module for module in model.modules() if isinstance(module, PreTrainedModel)]
    trunks = [network.base_model for network in networks] or [model]
    answers: list[nn.Module | None] = [network.get_output_embeddings() for network in networks]  # type: ignore[no-untyped-call]
    heads = [head for head in answers if head is not None]
    tables = [module for module in model.modules() if isinstance(module, nn.Embedding)]
    other = {id(parameter) for module in (*heads, *tables) for parameter in module.parameters()}
    layers = [layer for below in trunks for layer in below.modules() if isinstance(layer, nn.Linear | Conv1D)]
    return {id(layer.weight) for layer in layers} - other
