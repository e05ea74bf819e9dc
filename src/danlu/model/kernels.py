"""Which kernel of attention is the fastest for long rows here, measured once for each length and direction.

Plain products won by two to seven times in rows of up to 256 tokens on every CPU that was looked at (2026-11), so
shorter rows than `FROM` are never measured. From there on their scores no longer fit into a cache, and torch's fused
kernel may win. What was measured is kept in the user's cache; what a training has chosen stays beside it, so that it
goes on with the same bits.

Legend: B rows, H heads, L tokens, D width of a head.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor

from danlu.machine.device import best_ever
from danlu.machine.files import write_text
from danlu.refusal import Refusal

Kernel = Literal["plain", "fused"]
Sight = Literal["all", "causal", "mask"]
"""What a token sees: every other one, those before it, or what a mask says, as of packed documents."""
Compute = Callable[[Tensor, Tensor, Tensor, Sight], Tensor]
"""Values (B, H, L, D) of queries, keys and values (B, H, L, D)."""

FILE = "kernels.json"
FROM = 512
TOKENS = 2048  # of a measured batch
TIMES = 3

_lock = threading.RLock()
_known: dict[str, Kernel] = {}
_kept: dict[str, Kernel] = {}
_file: list[Path] = []


@dataclass(frozen=True)
class Asked:
    """For what a kernel is wanted; `length` is rounded up to 2^n, `learns` says that gradients are needed too."""

    dtype: torch.dtype
    heads: int
    width: int
    length: int
    sight: Sight
    learns: bool

    @classmethod
    def of(cls, query_BHLD: Tensor, keys: int, sight: Sight) -> "Asked":
        """For these queries and so many keys."""
        _, heads, queries, width = query_BHLD.shape
        length = 1 << (max(queries, keys) - 1).bit_length()
        return cls(query_BHLD.dtype, heads, width, length, sight, torch.is_grad_enabled())

    @property
    def name(self) -> str:
        """What its measurements are kept under."""
        direction = "forward and backward" if self.learns else "forward"
        dtype = str(self.dtype).removeprefix("torch.")
        return f"attention, {dtype}, {self.heads} x {self.width}, {self.length} tokens, {self.sight}, {direction}"


def chosen(asked: Asked, kernels: Mapping[Kernel, Compute]) -> Kernel:
    """The fastest kernel, which is the same from then on in this process, and in trainings that have kept it."""
    with _lock:
        if asked.name not in _known:
            rates = _rates(asked, kernels)
            _known[asked.name] = max(rates, key=lambda kernel: rates[kernel])
        found = _known[asked.name]
        if _file and _kept.get(asked.name) != found:
            _kept[asked.name] = found
            write_text(_file[0], json.dumps(_kept, indent=1) + "\n")
        return found


def keep_choices(folder: Path, rank: int = 0) -> None:
    """Take over the choices that a training has kept in its `folder`, and keep there what is chosen from now on.

    Each `rank` has its own.

    Raises:
        Refusal: the file is damaged.
    """
    file = folder / (f"kernels-rank-{rank}.json" if rank else FILE)
    with _lock:
        _kept.clear()
        if file.exists():
            try:
                plain = json.loads(file.read_text(encoding="utf-8"))
                _kept.update({str(name): kernel for name, kernel in plain.items() if kernel in get_args(Kernel)})
            except (OSError, ValueError, AttributeError) as error:
                raise Refusal(f"{file}: is damaged, so what it was begun with is not known; remove {folder}") from error
        _known.update(_kept)
        _file[:] = [file]


@contextmanager
def own_choices() -> Iterator[None]:
    """Within the block, or a function that this decorates, choices may be kept; once it is over, no more are."""
    try:
        yield
    finally:
        with _lock:
            _file.clear()


def _rates(asked: Asked, kernels: Mapping[Kernel, Compute]) -> dict[Kernel, float]:
    """Tokens a second of each, in turn: the best that was ever measured, for others only take time away."""
    names: dict[Kernel, str] = {kernel: f"{asked.name}: {kernel}" for kernel in kernels}
    before = best_ever({})
    if not all(name in before for name in names.values()):
        seconds = measured(asked, kernels)
        before = best_ever({names[kernel]: TOKENS / each for kernel, each in seconds.items()})
    return {kernel: before[name] for kernel, name in names.items()}


def measured(asked: Asked, kernels: Mapping[Kernel, Compute]) -> dict[Kernel, float]:
    """The least seconds of each of a few calls, the first of which does not count."""
    rows = max(1, TOKENS // asked.length)
    shape = (rows, asked.heads, asked.length, asked.width)
    generator = torch.Generator().manual_seed(0)
    given = [torch.randn(shape, generator=generator).to(asked.dtype) for _ in range(3)]
    found: dict[Kernel, float] = {}
    for turn in range(TIMES + 1):
        for kernel, compute in kernels.items():
            begin = time.perf_counter()
            _once(compute, given, asked)
            taken = max(time.perf_counter() - begin, 1e-9)
            if turn:
                found[kernel] = min(found.get(kernel, taken), taken)
    return found


def _once(compute: Compute, given: Sequence[Tensor], asked: Asked) -> None:
    with torch.set_grad_enabled(asked.learns):
        query, key, value = (each.detach().requires_grad_(asked.learns) for each in given)
        found = compute(query, key, value, asked.sight)
        if asked.learns:
            torch.autograd.grad(found.sum(), [query, key, value])
