"""What computes: torch, its devices, number formats, cores and memory."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from danlu.apps.installation.finding import Finding, Words, gigabytes
from danlu.apps.installation.packages import pip

GROUPS = Path("/sys/fs/cgroup")
CARDS = (Path("/proc/driver/nvidia/gpus"), Path("/sys/class/kfd/kfd/topology/nodes"))
"""Where the drivers of NVIDIA and AMD list cards, whether torch can use them or not."""

_LITTLE = 2e9  # bytes of memory below which not even a small model is trained

_ONE = "one core, "
"""How the names of rates begin that one core has reached; see `danlu.machine.device.best_dtype`."""

AMD = "AMD"
"""How cards that need ROCm are called."""


def look_at_torch(_: Words) -> Iterator[Finding]:
    """Whether torch can be imported, and which devices it has, or lacks though they are there."""
    try:
        import torch
    except (ImportError, OSError) as error:  # libraries of the system that are missing, or a broken installation
        lost = _("torch cannot be imported: {why}").format(why=str(error).strip().partition("\n")[0])
        yield Finding("torch", "wrong", lost, f"{pip()} install --force-reinstall torch")
        return
    built = torch.version.cuda or getattr(torch.version, "hip", None)
    sort = _("torch {version}, built for {devices}")
    devices = (
        f"CUDA {torch.version.cuda}" if torch.version.cuda else f"ROCm {built}" if built else _("processors alone")
    )
    yield Finding("torch", "right", sort.format(version=torch.__version__, devices=devices))
    yield from _cards(torch, built, _)
    yield from _formats(_)


def _cards(torch: Any, built: str | None, _: Words) -> Iterator[Finding]:
    cards = _drivers_cards()
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            yield _card(torch, number, _)
    elif cards and not built:
        unused = _("a graphics card is there ({card}), and this torch is built for processors alone")
        remedy = f"{pip()} install --force-reinstall torch --index-url https://download.pytorch.org/whl/cu130"
        if cards[0].startswith(AMD):  # which version of ROCm, and whether any, depends on card and driver
            remedy = "https://pytorch.org/get-started/locally/"
        yield Finding("device", "note", unused.format(card=cards[0]), remedy)
    elif cards:
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES") == ""
        unseen = _("a graphics card is there ({card}), and torch cannot use it: its driver may be too old")
        unset = _("a graphics card is there ({card}), and CUDA_VISIBLE_DEVICES hides it")
        said = (unset if hidden else unseen).format(card=cards[0])
        tool = "rocminfo" if cards[0].startswith(AMD) else "nvidia-smi"
        yield Finding("device", "note", said, "unset CUDA_VISIBLE_DEVICES" if hidden else tool)
    else:
        yield Finding("device", "right", _("no graphics card: danlu computes on the processor"))


def _card(torch: Any, number: int, _: Words) -> Finding:
    facts = torch.cuda.get_device_properties(number)
    name = f"{facts.name}, {gigabytes(facts.total_memory)}"
    made_for = torch.cuda.get_arch_list()
    majors = {
        int(arch.rpartition("_")[2].rstrip("abcf")[:-1]) for arch in made_for if arch.startswith(("sm_", "compute_"))
    }
    if majors and facts.major < min(majors):
        old = _("{card}: torch was not built for it (compute capability {major}.{minor}; it has {built})")
        said = old.format(card=name, major=facts.major, minor=facts.minor, built=", ".join(made_for))
        remedy = f"{pip()} install --force-reinstall torch --index-url https://download.pytorch.org/whl/cu126"
        return Finding(f"device cuda:{number}", "wrong", said, remedy)
    return Finding(f"device cuda:{number}", "right", name)


def _formats(_: Words) -> Iterator[Finding]:
    from danlu.machine.device import best_dtype, best_ever

    best = str(best_dtype()).removeprefix("torch.")
    kept = best_ever({})
    of_all = {name: rate for name, rate in kept.items() if name.isalnum()}  # others are of one core, or of kernels
    of_one = {name.removeprefix(_ONE): rate for name, rate in kept.items() if name.startswith(_ONE)}
    fast = _("fastest number format here: {best} (10^9 operations a second as measured: {measured})")
    alone = _("fastest number format here: {best} (10^9 operations a second of one core as measured: {measured})")
    said, rates = (fast, of_all) if of_one.keys() <= of_all.keys() else (alone, of_one)
    measured = ", ".join(f"{name} {rate / 1e9:,.0f}" for name, rate in sorted(rates.items()))
    yield Finding("number formats", "right", said.format(best=best, measured=measured))


def look_at_cores(_: Words, groups: Path = GROUPS) -> Iterator[Finding]:
    """Cores that this process may use, and settings that leave some idle."""
    with suppress(ImportError, OSError):
        from danlu.machine.device import cores

        there, usable = os.cpu_count() or 1, cores(groups)
        told = _("{usable} of {there} cores may be used (by affinity and the limits of the container)")
        yield Finding("cores", "right", told.format(usable=usable, there=there))
        threads = os.environ.get("OMP_NUM_THREADS", "")
        if threads.isdecimal() and 0 < int(threads) < usable:
            idle = _("OMP_NUM_THREADS={threads} leaves cores idle").format(threads=threads)
            yield Finding("threads", "note", idle, "unset OMP_NUM_THREADS")


def look_at_memory(_: Words, groups: Path = GROUPS) -> Iterator[Finding]:
    """Memory that is free, within the limit of the container."""
    import psutil

    from danlu.machine.memory import memory_limit

    memory = psutil.virtual_memory()
    limit, used = memory_limit(groups)
    total = min(float(memory.total), limit)
    free = min(float(memory.available), limit - used)
    said = _("{free} of {total} memory are free").format(free=gigabytes(free), total=gigabytes(total))
    if limit < memory.total:
        said += _(" (the container's limit)")
    if free < _LITTLE:
        yield Finding("memory", "note", said + _("; trainings may end for want of it"), "ps aux --sort=-rss | head")
    else:
        yield Finding("memory", "right", said)


def _drivers_cards() -> list[str]:
    nvidia, amd = CARDS
    found = []
    with suppress(OSError):
        for information in sorted(nvidia.glob("*/information")):
            lines = information.read_text(errors="replace").splitlines()
            found += [line.partition(":")[2].strip() for line in lines if line.startswith("Model")]
    with suppress(OSError):
        units = [path.read_text().strip() for path in sorted(amd.glob("*/gpu_id"))]
        found += [f"{AMD} {unit}" for unit in units if unit not in ("", "0")]
    return found
