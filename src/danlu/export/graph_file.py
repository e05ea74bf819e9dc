"""A model of transformers as an ONNX graph, by torch's tracer.

Legend: B rows, T tokens, K places, P tokens before, D width.
"""

import copy
import inspect
import warnings
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache, PreTrainedModel

from danlu.engine.graph import PAST, PLACES, PRESENT
from danlu.export.calls import Call, Tensors
from danlu.machine.door import in_brief
from danlu.machine.quiet import quiet
from danlu.model.heads import trunk
from danlu.refusal import Refusal

OPSET = 17
"""Of 2022: layer norms are one operation, and every runtime of these years reads it."""


class _Plain(nn.Module):
    """The model with its inputs and outputs in a row, as a tracer wants them."""

    def __init__(self, model: PreTrainedModel, inputs: list[str], outputs: list[str], layers: int) -> None:
        super().__init__()
        self.model = model
        self.inputs, self.outputs, self.layers = inputs, outputs, layers

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Outputs by `outputs`, and what each layer keeps."""
        given: dict[str, Any] = dict(zip(self.inputs, tensors, strict=False))
        places_BK = given.pop(PLACES, None)
        cache = None
        if self.layers:
            cache = DynamicCache()
            past = tensors[len(self.inputs) :]
            for layer in range(self.layers):
                cache.update(past[2 * layer], past[2 * layer + 1], layer)
            given |= {"past_key_values": cache, "use_cache": True}
        with kept_at(self.model, places_BK) as kept:
            said = self.model(**given, return_dict=True)
        found = [said[name] for name in self.outputs]
        if places_BK is not None and not kept:  # of a family that goes by its trunk
            found[0] = gathered(found[0], places_BK)
        return (*found, *(() if cache is None else parts_of(cache)))


def parts_of(cache: Any) -> tuple[Tensor, ...]:
    """Keys and values of all layers, in a row."""
    return tuple(part for layer in cache.layers for part in (layer.keys, layer.values))


def by_name(cache: Any, start: str) -> Tensors:
    """The same by name, such as past.003.keys."""
    return {
        f"{start}{number:03}.{name}": getattr(layer, name)
        for number, layer in enumerate(cache.layers)
        for name in ("keys", "values")
    }


def gathered(hidden_BTD: Tensor, places_BK: Tensor) -> Tensor:
    """What stands at some places of each row."""
    return hidden_BTD.gather(1, places_BK[..., None].expand(-1, -1, hidden_BTD.shape[-1]))


@contextmanager
def kept_at(model: nn.Module, places_BK: Tensor | None) -> Any:
    """Within the block the trunk gives hidden states at these places alone; a list that is filled if it does."""
    kept: list[bool] = []

    def keep(_module: nn.Module, _arguments: Any, said: Any) -> Any:
        if getattr(said, "last_hidden_state", None) is None:  # it has its head within
            return said
        said.last_hidden_state = gathered(said.last_hidden_state, places_BK)  # type: ignore[arg-type]
        kept.append(True)
        return said

    handle = None if places_BK is None else trunk(model).register_forward_hook(keep)
    try:
        yield kept
    finally:
        if handle is not None:
            handle.remove()


def traced(model: PreTrainedModel, call: Call, path: Path, *, writes: bool) -> None:
    """Write the graph of a model to an ONNX file; what is larger than 2 GB lies in files beside it.

    With `writes` it takes what it has kept of tokens before, and gives what it is to keep.

    Raises:
        Refusal: the model does what a graph cannot; names the operation, and the layer where that is told.
    """
    plain = plain_copy(model)
    inputs = {name: value if value.is_floating_point() else value.long() for name, value in call.inputs.items()}
    axes: dict[str, Mapping[int, str]] = dict(call.axes)
    if writes:
        inputs, axes = _decoder_inputs(plain, call)
    if call.at_places:
        inputs[PLACES] = torch.tensor([[0, 1]]).repeat(len(inputs["input_ids"]), 1)
        axes[PLACES] = {0: "rows", 1: "places"}
    layers = _layers(plain) if writes else 0
    past = _past(plain, inputs, layers)
    row = _Plain(plain, list(inputs), list(call.outputs), layers)
    axes |= outputs_vary(call) | past_varies(past)
    to_file(row, inputs | past, [*call.outputs, *(name.replace(PAST, PRESENT) for name in past)], axes, path)


def plain_copy(model: PreTrainedModel) -> Any:
    """The model as a tracer takes it: at rest, with attention in plain operations."""
    plain: Any = copy.deepcopy(model)
    plain.train(mode=False)
    plain.set_attn_implementation("eager")
    return plain


def outputs_vary(call: Call) -> dict[str, Mapping[int, str]]:
    """All sizes of what the model says."""
    return {name: {axis: f"{name}{axis}" for axis in range(value.dim())} for name, value in call.outputs.items()}


def past_varies(past: Tensors) -> dict[str, Mapping[int, str]]:
    """Rows and tokens of what layers have kept, and are to keep."""
    before: dict[str, Mapping[int, str]] = {name: {0: "rows", 2: "before"} for name in past}
    return before | {name.replace(PAST, PRESENT): {0: "rows", 2: "after"} for name in past}


def to_file(row: Any, inputs: Tensors, outputs: list[str], axes: Mapping[str, Mapping[int, str]], path: Path) -> None:
    """Trace a module, whose `model` is that of transformers and which takes its inputs in a row.

    Raises:
        Refusal: it does what a graph cannot; names the operation, and the layer where that is told.
    """
    try:
        with quiet(), warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # the tracer's own: it is asked for on purpose
            torch.onnx.export(
                row.eval(),
                tuple(inputs.values()),
                str(path),
                input_names=[*inputs],
                output_names=outputs,
                dynamic_axes=axes,
                opset_version=OPSET,
                dynamo=False,
            )
    except Exception as error:
        raise without_graph(row.model, error) from error


def without_graph(model: PreTrainedModel, error: Exception) -> Refusal:
    """What is said of a family that does what a graph cannot."""
    return Refusal(
        f"a network of the family '{model.config.model_type}' cannot be made a graph "
        f"({_place(error, model)}{in_brief(error)}); keep its bundle, which torch computes"
    )


def _decoder_inputs(model: PreTrainedModel, call: Call) -> tuple[Tensors, dict[str, Mapping[int, str]]]:
    """Ids, the mask of all tokens and the positions of the new ones, where two tokens were before."""
    ids_BT = call.inputs["input_ids"]
    ids_BT = ids_BT.long()
    rows, tokens = ids_BT.shape
    mask_BS = torch.ones(rows, tokens + 2, dtype=torch.long)
    mask_BS[0, 0] = 0
    inputs = {"input_ids": ids_BT, "attention_mask": mask_BS}
    axes: dict[str, Mapping[int, str]] = {
        "input_ids": {0: "rows", 1: "tokens"},
        "attention_mask": {0: "rows", 1: "all"},
    }
    if "position_ids" in inspect.signature(model.forward).parameters:
        inputs["position_ids"] = torch.arange(2, tokens + 2).repeat(rows, 1)
        axes["position_ids"] = {0: "rows", 1: "tokens"}
    return inputs, axes


def _layers(model: PreTrainedModel) -> int:
    return int(getattr(model.config.get_text_config(), "num_hidden_layers", 0))


@torch.no_grad()
def _past(model: PreTrainedModel, inputs: Tensors, layers: int) -> Tensors:
    """What the layers keep of two tokens, by name.

    Raises:
        Refusal: they keep something else than keys and values of all tokens.
    """
    if not layers:
        return {}
    cache = DynamicCache()
    try:
        model(input_ids=inputs["input_ids"][:, :2], past_key_values=cache, use_cache=True)
        found = by_name(cache, PAST)
    except Exception as error:
        raise without_cache(model) from error
    if len(cache.layers) != layers or any(value is None or value.dim() != 4 for value in found.values()):
        raise without_cache(model)
    return found


def without_cache(model: PreTrainedModel) -> Refusal:
    """What is said of a family that no graph of ours can write with."""
    return Refusal(
        f"a network of the family '{model.config.model_type}' keeps something else than keys and values of what it has "
        "read, so no graph of it can write; keep its bundle, which torch computes"
    )


def _place(error: BaseException, model: nn.Module) -> str:
    """The innermost layer of the model in which an error arose."""
    names = {id(module): name for name, module in model.named_modules()}
    found, step = "", error.__traceback__
    while step is not None:
        found = names.get(id(step.tb_frame.f_locals.get("self")), found) or found
        step = step.tb_next
    return f"layer {found}: " if found else ""
