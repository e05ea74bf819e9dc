"""Features of a frozen trunk, computed once and read from a file in every epoch.

Rows are known by their content: a row's key is made of its inputs without padding, so equal texts share one
entry, and the order and the padding of batches do not matter. A row that was not computed goes through the trunk.

Legend: B rows, T tokens, D width of the trunk.
"""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutputWithPoolingAndCrossAttentions

from danlu.machine.files import full_disk_refused
from danlu.model.heads import unwrapped
from danlu.text.batching.batch import Batch

MASK = "attention_mask"


class Features:
    """Last hidden states (all rows' tokens, D) in one memory-mapped file, and the trunk they come from."""

    def __init__(self, trunk: nn.Module, batches: Iterable[Batch], file: Path) -> None:
        """Run `trunk` once over every row of `batches` and write what it gives to `file`.

        Raises:
            Refusal: the disk is full.
        """
        self.trunk = trunk
        self.places: dict[bytes, tuple[int, int]] = {}
        width, total, dtype = 0, 0, torch.float32
        trunk.eval()
        with full_disk_refused(file), file.open("wb") as out, torch.no_grad():
            for batch in batches:
                kept_BT, keys = _kept(batch.inputs), _keys(batch.inputs)
                hidden_BTD = trunk(**batch.inputs).last_hidden_state
                width, dtype = hidden_BTD.shape[-1], hidden_BTD.dtype
                for key, hidden_TD, kept_T in zip(keys, hidden_BTD, kept_BT, strict=True):
                    if key in self.places:
                        continue
                    row = hidden_TD[kept_T].cpu().contiguous()
                    out.write(row.view(torch.uint8).numpy().data)
                    self.places[key] = (total, total + len(row))
                    total += len(row)
        mapped = torch.from_file(str(file), shared=False, size=total * width, dtype=dtype) if total else torch.empty(0)
        self.values = mapped.view(total, width)

    def hidden(self, inputs: dict[str, Tensor]) -> Tensor:
        """Hidden states (B, T, D), zero where there is padding."""
        kept_BT = _kept(inputs)
        places = [self.places.get(key) for key in _keys(inputs)]
        known = [place for place in places if place is not None]
        if len(known) < len(places):
            with torch.no_grad():
                return self.trunk(**inputs).last_hidden_state  # type: ignore[no-any-return]
        found = torch.cat([self.values[start:stop] for start, stop in known]).to(kept_BT.device)
        hidden_BTD = found.new_zeros(*kept_BT.shape, found.shape[-1])
        hidden_BTD[kept_BT] = found
        return hidden_BTD

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Copies of a model read the same features."""
        return self


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
        if self.pooler is None:
            pooled = None
        elif self.pooler_activation is None:
            pooled = self.pooler(hidden_BTD)
        else:  # ALBERT's pooler is in two parts
            pooled = self.pooler_activation(self.pooler(hidden_BTD[:, 0]))
        return _Answer(last_hidden_state=hidden_BTD, pooler_output=pooled)


@contextmanager
def cached_trunk(model: nn.Module, batches: Iterable[Batch], folder: Path) -> Iterator[Features]:
    """Within the block, `model` reads the trunk's features of `batches` from a file in `folder`.

    For methods with `freezes_trunk`. The trunk is run without dropout; afterwards it stands where it stood and
    the file is gone. The parameters of the head, and of the pooler, keep their names.
    """
    owner = unwrapped(model)
    name = owner.base_model_prefix
    trunk = getattr(owner, name)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="features-", dir=folder) as place:
        features = Features(trunk, batches, Path(place) / "features")
        setattr(owner, name, CachedTrunk(features).train(owner.training))
        try:
            yield features
        finally:
            setattr(owner, name, trunk.train(owner.training))
            del features.values  # the file must be let go before it can be removed on Windows


def _kept(inputs: dict[str, Tensor]) -> Tensor:
    """Where there is no padding: (B, T), bool."""
    mask_BT = inputs.get(MASK)
    return torch.ones_like(inputs["input_ids"], dtype=torch.bool) if mask_BT is None else mask_BT.bool()


def _keys(inputs: dict[str, Tensor]) -> list[bytes]:
    """A key for each row, from all its inputs without padding; token types of zero are the default, so left out."""
    kept = _kept(inputs).cpu().numpy()
    values = {
        name: value.cpu().numpy()
        for name, value in sorted(inputs.items())
        if name != MASK and not (name == "token_type_ids" and not value.any())
    }
    keys = []
    for row, mask in enumerate(kept):
        digest = blake2b(digest_size=16)
        for name, value in values.items():
            digest.update(name.encode())
            digest.update(value[row][mask].tobytes())
        keys.append(digest.digest())
    return keys
