"""Each training of a recipe on given devices, or on this machine, where a few steps tell how fast it is."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import torch

from danlu.apps.planning.foretell import Foretold, foretell
from danlu.apps.planning.material import Material, materials
from danlu.apps.planning.memory import RUNTIME, Terms
from danlu.machine.accelerators import GB, Accelerator, devices
from danlu.machine.device import device, matmul_rate
from danlu.machine.hub import first_line
from danlu.machine.peak import room
from danlu.machine.quiet import quiet
from danlu.model.fast import DTYPES, resolve_precision
from danlu.model.kernels import own_choices
from danlu.model.weightless import weightless
from danlu.refusal import Refusal
from danlu.stages.recipe import Recipe
from danlu.stages.size import rehearsed
from danlu.stages.trial import RAISED
from danlu.train.settings import Precision

THIS = "this"
SHARE = 0.4  # of the highest speed, as large trainings reach it (Chowdhery et al., 2022: 46 %; Touvron et al., 2023)
HIDDEN = 0.5  # of what fsdp sends, which deals with a block while others compute; ddp sums after the last way back
HERE = 0.5  # of the measured limit of this machine: 40 to 65 % by shape (2026-11)


def planned(
    recipe: Recipe,
    root: Path = Path("runs"),
    *,
    where: str = THIS,
    only: str | None = None,
    tokens: float | None = None,
    share: float | None = None,
    overlap: float | None = None,
    link: float | None = None,
    hour_cost: float | None = None,
) -> Iterator[Foretold]:
    """Each training of `recipe`, or that of one name, on `where`: `this`, or as `devices` reads it.

    - `tokens`: of the data, once through, which is then not looked at; `link`: GB a second between devices.
    - `share`, `overlap`, `hour_cost`: see `Terms`. Without `share` it is 0.4, or on this machine what a few steps show;
      without `overlap` 0.5 with fsdp, else 0.

    Raises:
        Refusal: see `materials` and `devices`.
    """
    here = where.strip().lower() == THIS
    count, device = (1, this_machine("float32")) if here else devices(where)
    if link is not None:
        device = replace(device, link=link * GB, network=link * GB)
    for material in materials(recipe, root, only, look=tokens is None):
        precision = _precision(material.settings.precision, device, here=here)
        if here:
            device = this_machine(precision)
        runtime = _libraries() if here else 0.0 if device.name == "cpu" else RUNTIME
        reached = share or (HERE if here else SHARE)
        usually = HIDDEN if material.settings.parallel == "fsdp" else 0.0
        hidden = usually if overlap is None else overlap
        terms = Terms(count, device, precision, reached, hidden, tokens, hour_cost, runtime)
        found = _followed(material, terms)
        if here and share is None and found.fits and material.place and tokens is None:
            found = _measured(material, terms) or found
        yield found


def _followed(material: Material, terms: Terms) -> Foretold:
    try:
        return foretell(material, terms)
    except RAISED as error:
        on_meta = isinstance(error, RuntimeError) and "meta" in str(error).lower()
        values = "look at values while they compute, which a network without weights has not"
        raise Refusal(
            f"{material.name}: its network and task {values if on_meta else 'do not fit together'} "
            f"({type(error).__name__}: {first_line(error)}); look at it with `danlu check`"
        ) from error


def this_machine(precision: str) -> Accelerator:
    """The device that computes here: the memory that it has, and the speed of matrix products that was measured."""
    rate = matmul_rate(DTYPES[precision])
    fused = device().type == "cuda"
    return Accelerator(THIS, float(room()), rate, rate, GB, GB, fused)


def _precision(wanted: Precision, device: Accelerator, *, here: bool) -> str:
    if here or wanted != "auto":
        return resolve_precision(wanted)
    return "float16" if device.name == "v100" else "bfloat16"  # which came with the generation after it


def _libraries() -> float:
    """What this process holds before a network is built; of an accelerator, what its runtime takes."""
    return RUNTIME if device().type == "cuda" else float(psutil.Process().memory_info().rss)


def _measured(material: Material, terms: Terms) -> Foretold | None:
    """The same with the speed of a few steps of the network itself; None where a run would refuse it."""
    assert material.place is not None
    stage, rate = material.stage, terms.device.speed(terms.precision)
    material.place.folder.mkdir(parents=True, exist_ok=True)
    try:
        with quiet(), own_choices():
            ready = stage.ready(material.place)
            batches = ready.batches()
            frozen = {name: weightless(network) for name, network in ready.roles.networks.items()}
            own = replace(
                material, prepared=ready.prepared, model=weightless(ready.model), frozen=frozen, batches=batches
            )
            found = foretell(own, terms)
            took = rehearsed(ready, batches).seconds
    except (Refusal, torch.OutOfMemoryError):
        return None
    counted = found.computing * terms.share * rate * (found.steps or 1)
    reached = counted / (max(took, 1e-9) * rate)
    return replace(
        found,
        terms=replace(terms, share=reached, measured=True),
        computing=took / (found.steps or 1),
    )
