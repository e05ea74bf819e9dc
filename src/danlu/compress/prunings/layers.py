"""Whole layers (Fan et al., 2020; Sajjad et al., 2023)."""

from typing import Any, Literal

from pydantic import Field

from danlu.compress.anatomy import blocks, family_of
from danlu.compress.importance import Units, by_gradient
from danlu.compress.pruning import Pruned, Pruning, Subject, share_of
from danlu.compress.smaller import others, smaller


class Layers(Pruning):
    """Those layers without which the loss would move least, or the uppermost."""

    share: float = Field(gt=0, lt=1, description="of the layers that go")
    importance: Literal["gradient", "top"] = Field(
        default="gradient", description="gradient: what the loss on data loses without one; top: the uppermost go"
    )

    def pruned(self, subject: Subject) -> Pruned:
        """See `Pruning.pruned`."""
        model = subject.model
        family = family_of(model, "layers")
        found = blocks(model)
        fewer = share_of(self.share, len(found), self.kind, "layers")
        if self.importance == "gradient":
            matters = by_gradient(subject, units_of_layers(subject))
            order = sorted(matters, key=lambda number: (float(matters[number][0]), -number))
            gone = sorted(order[:fewer])
        else:
            gone = [block.number for block in found[-fewer:]]
        left_over = others(len(found), gone)
        renamed: dict[str, str | None] = {}
        for name in model.state_dict():
            for block in found:
                if name.startswith(f"{block.name}."):
                    renamed[name] = (
                        _moved(name, block.name, left_over.index(block.number)) if (block.number in left_over) else None
                    )
        settings: dict[str, Any] = {family.layers: len(left_over)}
        kinds = getattr(model.config, "layer_types", None)
        if kinds is not None:  # which attention each layer has
            settings["layer_types"] = [kinds[number] for number in left_over]
        told = {"kind": self.kind, "importance": self.importance, "before": len(found), "after": len(left_over)}
        return Pruned(smaller(model, settings, {}, renamed), subject.tokenizer, told | {"gone": gone})


def units_of_layers(subject: Subject) -> dict[int, Units]:
    """Each block as one unit, by its number."""
    return {block.number: Units(block.name, 1, whole=True) for block in blocks(subject.model)}


def _moved(name: str, block: str, number: int) -> str:
    return f"{block.rpartition('.')[0]}.{number}{name.removeprefix(block)}"
