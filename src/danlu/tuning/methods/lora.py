"""Low-rank updates beside frozen weights (Hu et al. 2021), scaled by the root of the rank (Kalajdzievski 2023).

With `dora` the lengths of the weight vectors are learnt apart (Liu et al. 2024); with `init: pissa` the updates begin
as the principal part of the weights (Meng et al. 2024). With `weights: nf4` the frozen layers lie in 4 bits (Dettmers
et al. 2023, QLoRA), and with `init: loftq` the updates begin as most of what that rounds off (Li et al. 2023).
"""

import json
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Self, cast

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from danlu.machine.door import read_json
from danlu.machine.files import write_text
from danlu.machine.hub import first_line
from danlu.model.four_bits import pack, packable, unpack_all
from danlu.model.replica import replica
from danlu.refusal import Refusal
from danlu.tuning.added import fill, read, write
from danlu.tuning.combining import Saved, all_stored, refuse_sum, side_by_side
from danlu.tuning.head import fresh_heads
from danlu.tuning.linear import linear_layers
from danlu.tuning.method import Method

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"  # peft's own names

START = "start"
"""What the frozen second update is called that takes off what the first began as."""

DECISIVE = ("r", "lora_alpha", "use_rslora", "use_dora", "bias", "fan_in_fan_out", "target_modules", "modules_to_save")
"""Settings that the same weights give other answers with."""

ALIKE = DECISIVE[3:]
"""Those of them in which updates that are combined must agree."""


class Lora(Method):
    """Train a low-rank update of each chosen linear layer, and the head where it is a fresh one."""

    rank: int = Field(default=8, ge=1, description="rank of each update")
    alpha: float = Field(default=16, gt=0, description="scale: alpha / sqrt(rank), or alpha / rank without rslora")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="dropout before each update")
    rslora: bool = Field(default=True, description="scale by the root of the rank, so that large ranks learn as well")
    dora: bool = Field(default=False, description="learn the length of each weight vector apart from its direction")
    weights: Literal["plain", "nf4"] = Field(
        default="plain", description="nf4: frozen linear layers of the trunk lie in 4 bits, for less memory (QLoRA)"
    )
    init: Literal["default", "pissa", "loftq"] = Field(
        default="default",
        description="pissa: each update begins as the principal part of its layer's weights, which is taken off again; "
        "loftq: as the principal part of what 'weights: nf4' has rounded off",
    )
    targets: Literal["auto", "all-linear"] | list[str] = Field(
        default="all-linear",
        description="layers: all-linear for every one of the trunk, auto for peft's choice, or ends of their names",
    )

    @model_validator(mode="after")
    def _one_beginning(self) -> Self:
        if self.dora and self.init == "pissa":
            raise ValueError(
                "'dora' scales one update, and 'init: pissa' takes a second one off; leave out one of them"
            )
        if self.weights == "nf4" and (self.dora or self.init == "pissa"):
            raise ValueError("'dora' and 'init: pissa' are made of whole weights, and 'weights: nf4' keeps none")
        if self.init == "loftq" and self.weights == "plain":
            raise ValueError("'init: loftq' begins as what 'weights: nf4' has rounded off; give both, or neither")
        return self

    def apply(self, model: PreTrainedModel) -> nn.Module:
        """The model inside peft's wrapper; updates have its number format.

        Nothing it says is changed yet, but with `weights: nf4` by what that rounds off.

        Raises:
            Refusal: no layer is called as `targets` says, there is none, or peft cannot update one of them.
        """
        from peft import LoraConfig, get_peft_model

        targets = linear_layers(model, self.targets, self.kind)
        to_pack = self._to_pack(model)
        config = LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,  # type: ignore[arg-type]
            lora_dropout=self.dropout,
            use_rslora=self.rslora,
            use_dora=self.dora,
            target_modules=targets,
            modules_to_save=fresh_heads(model) or None,
            fan_in_fan_out=not isinstance(model.get_submodule(targets[0]), nn.Linear),  # GPT-2 keeps them transposed
        )
        with warnings.catch_warnings():  # peft reads a name that transformers has renamed
            warnings.filterwarnings("ignore", ".*is_gradient_checkpointing", FutureWarning)
            try:
                tuned: Any = get_peft_model(model, config, autocast_adapter_dtype=False)
            except ValueError as error:  # of the layers of state spaces, say
                raise Refusal(f"tuning.targets: {first_line(error)}; name other layers, or use full") from error
        _pack(tuned, to_pack, begin=self.init == "loftq")
        return cast(nn.Module, _begin_principal(tuned, config) if self.init == "pissa" else tuned)

    def _to_pack(self, model: PreTrainedModel) -> list[nn.Module]:
        """The layers whose weights are to lie in 4 bits, updated or not."""
        if self.weights == "plain":
            return []
        layers = [model.get_submodule(name) for name in linear_layers(model, "all-linear", self.kind)]
        if found := [layer for layer in layers if packable(layer)]:
            return found
        family = model.config.model_type
        raise Refusal(
            f"tuning.weights: 'nf4' keeps plain linear layers in 4 bits, and the family '{family}' has none; take "
            "plain weights"
        )

    def state(self, model: nn.Module) -> dict[str, Tensor]:
        """Where the updates began, with `init: pissa`."""
        return {name: value for name, value in model.named_parameters() if f".{START}." in name}

    def merge(self, model: nn.Module) -> PreTrainedModel:
        """The plain model with the updates added to its weights; in float32, since sums round in bfloat16.

        Weights that lay in 4 bits are whole again, and have the values that they computed with.
        """
        wrapper: Any = model.float()
        unpack_all(wrapper)
        return cast(PreTrainedModel, wrapper.merge_and_unload().requires_grad_(requires_grad=True))

    def untouched(self, model: nn.Module) -> nn.Module | None:
        """The same layers with their updates switched off, which another module than the one that learns has to do.

        None with `init: loftq`, whose updates make up for what was rounded off.
        """
        if self.init == "loftq":
            return None
        off: Any = replica(model)
        off.base_model.disable_adapter_layers()
        return cast(nn.Module, off.requires_grad_(requires_grad=False).eval())

    def base(self, model: nn.Module) -> dict[str, Tensor]:
        """The frozen weights under the names that they had before; a head whose copy is trained is none of them."""
        return {
            name.removeprefix("base_model.model.").replace(".base_layer.", "."): weight
            for name, weight in super().base(model).items()
            if ".original_module." not in name
        }

    def save(self, model: nn.Module, folder: Path) -> None:
        """Write the updates and the heads as peft does, `adapter_config.json` and `adapter_model.safetensors`."""
        write(folder / WEIGHTS, self._joined(model), self.kind, self.base(model))
        write_text(folder / CONFIG, json.dumps(_config(model), indent=1, sort_keys=True) + "\n")

    def load(self, model: PreTrainedModel, folder: Path) -> nn.Module:
        """The base, in float32, inside peft's wrapper with the updates that `save` left in `folder`.

        Raises:
            Refusal: they belong to another base, were saved with other settings, or are damaged.
        """
        begun = self.model_copy(update={"init": "default"}) if self.init == "loftq" else self  # which is filled anyway
        tuned = begun.apply(model)
        found = read(folder / WEIGHTS, self.kind, self.base(tuned))  # which tells another base first
        written, ours = read_json(folder / CONFIG, "give the folder that lora has saved"), _config(tuned)
        other = [name for name in DECISIVE if written.get(name) != ours[name]]
        if other:
            theirs, own = written.get(other[0]), ours[other[0]]
            raise Refusal(
                f"{folder / CONFIG}: '{other[0]}' is {theirs!r:.100} there and {own!r:.100} here; "
                "give the settings of tuning that it was saved with"
            )
        if self.init == "pissa":
            fill(self._joined(tuned), found, folder / WEIGHTS)  # refuses what has other names or shapes
            for name, start in _adapter(tuned, START).items():
                found[name], second = torch.split(found[name], self.rank, _ranks(name))
                start.copy_(second)
        fill(_adapter(tuned), found, folder / WEIGHTS)
        return tuned

    def combined(self, parts: Sequence[Saved], folder: Path, *, summed: bool) -> Self:
        """All ranks of all updates, side by side, so that the updates themselves are added; see `Method.combined`.

        A mean of the factors would have products of one's first with the other's second.
        """
        configs = [read_json(part.folder / CONFIG, "give the folder that lora has saved") for part in parts]
        for part, config in zip(parts, configs, strict=True):
            config["weights"] = cast(Lora, part.method).weights
            if key := next((key for key in ("weights", *ALIKE) if config.get(key) != configs[0].get(key)), None):
                raise Refusal(f"'{parts[0].name}' and '{part.name}' differ in '{key}'; train both with the same one")
        found, base = all_stored(parts, WEIGHTS)
        if summed:
            refuse_sum(parts, [name for name in found[0] if _along(name) is None])

        def times(part: Saved, name: str) -> float:
            saved = cast(Lora, part.method)
            return part.weight * saved.alpha / saved.rank ** (0.5 if saved.rslora else 1) if ".lora_B." in name else 1.0

        joined = side_by_side(parts, found, _along, times)
        rank = next(value.shape[0] for name, value in joined.items() if ".lora_A." in name)
        write(folder / WEIGHTS, joined, self.kind, base)
        plain = {key: value for key, value in configs[0].items() if key != "weights"}
        plain |= {"r": rank, "lora_alpha": float(rank), "use_rslora": False}
        write_text(folder / CONFIG, json.dumps(plain, indent=1, sort_keys=True) + "\n")
        return self.model_copy(update={"rank": rank, "alpha": float(rank), "rslora": False, "init": "default"})

    def _joined(self, model: nn.Module) -> dict[str, Tensor]:
        """What was added as one update; what is taken off as further ranks of it, so that plain peft reads it."""
        found = _adapter(model)
        if self.init == "pissa":
            for name, start in _adapter(model, START).items():
                found[name] = torch.cat([found[name], start], _ranks(name))
        return found


@torch.no_grad()
def _begin_principal(tuned: Any, config: Any) -> Any:
    """Let each update begin as the principal part of its layer's weights (Meng et al. 2024, PiSSA).

    The weights stay as they are: what the updates began as is taken off by a second, frozen one.
    """
    tuned.add_adapter(START, replace(config, modules_to_save=None), autocast_adapter_dtype=False)
    for layer in tuned.modules():
        if START not in getattr(layer, "lora_A", ()):
            continue
        weight = layer.get_base_layer().weight.float()
        if weight.is_meta:
            continue
        left, values, right = torch.linalg.svd(weight.T if config.fan_in_fan_out else weight, full_matrices=False)
        root = (values[: config.r] / layer.scaling["default"]).sqrt()
        rank = len(root)  # a small layer may have fewer
        for name, sign in (("default", 1), (START, -1)):
            down, up = layer.lora_A[name].weight, layer.lora_B[name].weight
            up.zero_()
            down[:rank], up[:, :rank] = root[:, None] * right[:rank], sign * left[:, :rank] * root
            if name == START:
                down[rank:] = layer.lora_A["default"].weight[rank:]
    tuned.base_model.set_adapter(["default", START])
    for name, parameter in tuned.named_parameters():
        if f".{START}." in name:
            parameter.requires_grad_(requires_grad=False)
    return tuned


@torch.no_grad()
def _pack(tuned: Any, layers: Sequence[nn.Module], *, begin: bool) -> None:
    """Let frozen layers keep their weights in 4 bits; with `begin`, updates begin as most of what that rounds off."""
    updated = {id(each.get_base_layer()): each for each in tuned.modules() if "default" in getattr(each, "lora_A", ())}
    for layer in layers:
        before = cast(Tensor, layer.weight)
        pack(layer)
        if not begin or id(layer) not in updated or before.is_meta:
            continue
        lost = before.float() - cast(Any, layer).whole()
        left, values, right = torch.linalg.svd(lost.T if isinstance(layer, Conv1D) else lost, full_matrices=False)
        update: Any = updated[id(layer)]
        down, up = update.lora_A["default"].weight, update.lora_B["default"].weight
        root = (values[: down.shape[0]] / update.scaling["default"]).sqrt()
        rank = len(root)  # a small layer may have fewer
        down[:rank], up[:, :rank] = root[:, None] * right[:rank], left[:, :rank] * root


def _along(name: str) -> int | None:
    """The dimension of the ranks; None: it has none."""
    return _ranks(name) if ".lora_A." in name or ".lora_B." in name else None


def _ranks(name: str) -> int:
    return 0 if ".lora_A." in name else 1


def _adapter(model: nn.Module, which: str = "default") -> dict[str, Tensor]:
    """What was added, under peft's names; no copies."""
    from peft import get_peft_model_state_dict

    # peft looks for embeddings by their names, and would ask the hub whether they have grown
    found: dict[str, Tensor] = get_peft_model_state_dict(model, adapter_name=which, save_embedding_layers=False)
    return found


def _config(model: nn.Module) -> dict[str, Any]:
    """What peft writes of an adapter, without the path of the base: it may lie elsewhere, and its hash tells it."""
    wrapper: Any = model
    plain = wrapper.peft_config["default"].to_dict()
    if START in wrapper.peft_config:  # the scale of each rank stays
        scale = 2**0.5 if plain["use_rslora"] else 2
        plain |= {"r": 2 * plain["r"], "lora_alpha": scale * plain["lora_alpha"]}
    plain |= {"base_model_name_or_path": None, "inference_mode": True, "peft_type": plain["peft_type"].value}
    return {name: sorted(value) if isinstance(value, set) else value for name, value in plain.items()}
