"""Features of a frozen trunk, computed once and read from a file in every epoch.

A row that was not computed goes through the trunk.

Legend: B rows, T tokens, D width of the trunk.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutputWithPoolingAndCrossAttentions

from danlu.model.heads import unwrapped
from danlu.text.batching.batch import Batch
from danlu.tuning.head import pooled
from danlu.tuning.kept import MASK, Kept, key_of, row_of, unpadded

_HIDDEN = "hidden"


class Features:
    """Last hidden states of all rows in one file, and the trunk they come from."""

    def __init__(self, trunk: nn.Module, batches: Iterable[Batch], file: Path) -> None:
        """Run `trunk` once over every row of `batches` and write what it gives to `file`.

        Raises:
            Refusal: the disk is full.
        """
        self.trunk = trunk
        self.compute: Callable[..., Any] = trunk
        self._kept = Kept(file)
        trunk.eval()
        with torch.no_grad():
            for batch in batches:
                kept_BT = unpadded(batch.inputs)
                hidden_BTD = trunk(**batch.inputs).last_hidden_state
                for key, hidden_TD, kept_T in zip(_keys(batch.inputs, kept_BT), hidden_BTD, kept_BT, strict=True):
                    if key not in self._kept:
                        self._kept.add(key, {_HIDDEN: hidden_TD[kept_T]})

    def hidden(self, inputs: dict[str, Tensor]) -> Tensor:
        """Hidden states (B, T, D), zero where there is padding."""
        kept_BT = unpadded(inputs)
        rows = [self._kept.find(key) for key in _keys(inputs, kept_BT)]
        known = [row[_HIDDEN] for row in rows if row is not None]
        if len(known) < len(rows):
            with torch.no_grad():
                return self.compute(**inputs).last_hidden_state  # type: ignore[no-any-return]
        found = torch.cat(known).to(kept_BT.device)
        hidden_BTD = found.new_zeros(*kept_BT.shape, found.shape[-1])
        hidden_BTD[kept_BT] = found
        return hidden_BTD

    def close(self) -> None:
        """Let go of the file."""
        self._kept.close()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Copies of a model read the same features."""
        return self


def _keys(inputs: dict[str, Tensor], kept_BT: Tensor) -> list[bytes]:
    rows = {name: value.cpu() for name, value in inputs.items()}
    return [key_of(row_of(rows, row, kept_T)) for row, kept_T in enumerate(kept_BT.cpu())]


class _Answer(BaseModelOutputWithPoolingAndCrossAttentions):
    """What a trunk gives, None for all that heads ask for beyond hidden states, such as the weights of routers."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("_"):
            raise AttributeError(name)


class CachedTrunk(nn.Module):
    """Stands where the trunk stood: gives its features, and applies its pooler, which is trained."""

    def __init__(self, features: Features) -> None:
        """Serve `features`; the trunk's pooler, if there is one, keeps its name."""
        super().__init__()
        self.features = features
        self.pooler = getattr(features.trunk, "pooler", None)
        self.pooler_activation = getattr(features.trunk, "pooler_activation", None)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, **keywords: Any
    ) -> BaseModelOutputWithPoolingAndCrossAttentions:
        """What the trunk gives for these inputs, hidden states (B, T, D)."""
        given = {"input_ids": input_ids, MASK: attention_mask, **keywords}
        inputs = {name: value for name, value in given.items() if isinstance(value, Tensor) and value.dim() > 1}
        hidden_BTD = self.features.hidden(inputs)
        return _Answer(last_hidden_state=hidden_BTD, pooler_output=pooled(self, hidden_BTD))


@contextmanager
def cached_trunk(model: nn.Module, batches: Iterable[Batch], folder: Path) -> Iterator[Features]:
    """Within the block, `model` reads the trunk's features of `batches` from a file in `folder`.

    For methods with `freezes_trunk`. The trunk is run without dropout; afterwards it stands where it stood and
    the file is gone. The parameters of the head, and of the pooler, keep their names. A model without a head is its own
    trunk: what it says is what is kept.
    """
    owner = unwrapped(model)
    alone, training = owner.base_model is owner, owner.training
    name = "forward" if alone else owner.base_model_prefix
    stood = getattr(owner, name)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="features-", dir=folder) as place:
        features = Features(owner if alone else stood, batches, Path(place) / "features")
        features.compute = stood
        cached = CachedTrunk(features)
        setattr(owner, name, cached.forward if alone else cached)
        owner.train(training)
        try:
            yield features
        finally:
            if alone:
                delattr(owner, name)
            else:
                setattr(owner, name, stood.train(owner.training))
            features.close()  # the file must be let go before it can be removed on Windows
