"""Which keys of a recipe would make a training fit, and by how much."""

from dataclasses import dataclass, replace

from pydantic import ValidationError
from torch import Tensor, nn

from danlu.apps.planning.material import Material
from danlu.apps.planning.memory import Whole, way_of
from danlu.model.four_bits import BITS, packable
from danlu.model.heads import trunk
from danlu.text.batching.batch import Slice
from danlu.train.foretold import States, weight_bytes
from danlu.tuning.method import Method

LORA = 0.01  # of the weights; `lora` trains fewer as a rule


@dataclass(frozen=True)
class Remedy:
    """Keys of the recipe that would take less, the bytes that a device then holds, and whether it has room for them."""

    keys: str
    memory: int
    fits: bool


def remedies(material: Material, whole: Whole, largest: Slice) -> tuple[Remedy, ...]:
    """What would take less: one key after the other, and, where none is enough, several together."""
    alone = _alone(material, whole, largest)
    if any(remedy.fits for remedy in alone):
        return tuple(alone)
    several, shards = whole.terms.count > 1, "train.parallel=fsdp "
    gentle = replace(whole, recompute=True, parallel="fsdp" if several else whole.parallel)
    keys = f"{shards if several else ''}train.recompute=true"
    if gentle.held > whole.terms.device.memory and (smaller := _smaller(material, gentle, largest)):
        return (*alone, _remedy(f"{keys} {smaller[0]}", smaller[1]))
    return (*alone, _remedy(keys, gentle))


def _alone(material: Material, whole: Whole, largest: Slice) -> list[Remedy]:
    found = []
    if smaller := _smaller(material, whole, largest):
        found.append(_remedy(*smaller))
    if whole.way.recomputed is not None and not whole.recompute:
        found.append(_remedy("train.recompute=true", replace(whole, recompute=True)))
    if whole.terms.precision == "float32":
        half = replace(whole, states=_halved(whole.states, material.model), way=way_of(material, largest, "bfloat16"))
        found.append(_remedy("train.precision=bfloat16", half))
    if whole.terms.count > 1 and whole.parallel != "fsdp":
        found.append(_remedy("train.parallel=fsdp", replace(whole, parallel="fsdp")))
    if material.stage.tuning.kind == "full":
        found.append(_remedy("tuning=lora", replace(whole, states=_few_trained(whole.states))))
    if _may_be_packed(material.stage.tuning) and whole.parallel != "fsdp":
        found.append(_remedy("tuning.weights=nf4", replace(whole, states=_packed(whole, material.model))))
    return found


def _remedy(keys: str, whole: Whole) -> Remedy:
    return Remedy(keys, whole.held, whole.held <= whole.terms.device.memory)


def _smaller(material: Material, whole: Whole, largest: Slice) -> tuple[str, Whole] | None:
    """The largest batches that fit, accumulated to those that were asked for; else the smallest that there are."""
    settings, found = material.settings, None
    key = "batch_tokens" if settings.batch_examples is None else "batch_examples"
    size = settings.batch_examples or settings.batch_tokens
    count, before = whole.terms.count, material.batches.parts
    for power in range(1, len(largest.examples).bit_length()):
        parts = 2**power
        more = settings.accumulate * parts
        after = -(-count // more) if count > 1 else before  # parts that a batch is cut into for the devices
        if (part := before / (parts * after)) >= 1:
            continue  # each device had no more of it before
        keys = f"train.{key}={size // parts} train.accumulate={more}"
        found = keys, replace(whole, part=part, passes=-(-more * after // count))
        if found[1].held <= whole.terms.device.memory:
            break
    return found


def _halved(held: States, model: nn.Module) -> States:
    """In bfloat16, with masters in float32 beside the weights; those in 4 bits stay so."""
    few = sum(each.nbytes for each in model.parameters() if not each.is_floating_point())
    halves = {name: getattr(held, name) // 2 for name in ("largest", "outside")}
    return replace(held, masters=held.gradients, weights=few + (held.weights - few) // 2, **halves)


def _may_be_packed(tuning: Method) -> bool:
    """Whether the tuning has plain weights, and would take them in 4 bits with its other settings."""
    plain = tuning.to_plain()
    try:
        return plain.get("weights") == "plain" and bool(type(tuning).model_validate(plain | {"weights": "nf4"}))
    except ValidationError:
        return False


def _packed(whole: Whole, model: nn.Module) -> States:
    """With linear layers that nothing trains in 4 bits."""
    layers = [layer for name, layer in trunk(model).named_modules() if packable(layer) and "pooler." not in name]
    weights: list[Tensor] = [layer.weight for layer in layers]
    count = sum(weight.numel() for weight in weights if not weight.requires_grad)
    saved = count * (weight_bytes(whole.terms.precision) - BITS / 8)
    return replace(whole.states, weights=int(whole.states.weights - saved))


def _few_trained(held: States) -> States:
    names = ("masters", "gradients", "moments", "copies")
    return replace(held, **{name: int(getattr(held, name) * LORA) for name in names})
