"""What a frozen network says of a row, kept by the content of that row in a file that grows.

Rows are known by their inputs without padding, so equal texts share one entry, and the order and the padding of
batches do not matter.

Legend: B rows, T tokens.
"""

import math
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from threading import Lock
from typing import Any, Self

import torch
from torch import Tensor

from danlu.machine.files import full_disk_refused
from danlu.model.documents import SEGMENTS

MASK = "attention_mask"
_TYPES = "token_type_ids"

_Layout = tuple[tuple[str, tuple[int, ...], torch.dtype], ...]


class Kept:
    """Named tensors by a key, with the bits that they came with; several threads may ask and add at once."""

    def __init__(self, file: Path) -> None:
        """Keep them in `file`, which is made anew."""
        self._path = file
        self._file = file.open("w+b")
        self._size = 0
        self._places: dict[bytes, tuple[int, _Layout]] = {}
        self._layouts: dict[_Layout, _Layout] = {}  # one object for rows of one shape
        self._changing = Lock()

    def __contains__(self, key: bytes) -> bool:
        return key in self._places

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Copies of a model read the same file."""
        return self

    def add(self, key: bytes, tensors: Mapping[str, Tensor]) -> None:
        """Keep tensors, once a key.

        Raises:
            Refusal: the disk is full.
        """
        layout = tuple((name, tuple(value.shape), value.dtype) for name, value in sorted(tensors.items()))
        data = b"".join(_bytes(tensors[name]) for name, _, _ in layout)
        with self._changing, full_disk_refused(self._path):
            if key in self._places:
                return
            self._file.seek(self._size)
            self._file.write(data)
            self._file.flush()
            self._places[key] = self._size, self._layouts.setdefault(layout, layout)
            self._size += len(data)

    def find(self, key: bytes) -> dict[str, Tensor] | None:
        """The tensors of a key, on the CPU; None where there are none."""
        place = self._places.get(key)
        if place is None:
            return None
        start, layout = place
        sizes = [math.prod(shape) * dtype.itemsize for _, shape, dtype in layout]
        data = bytearray(sum(sizes))
        with self._changing:
            self._file.seek(start)
            self._file.readinto(data)
        found: dict[str, Tensor] = {}
        begin = 0
        for (name, shape, dtype), size in zip(layout, sizes, strict=True):
            piece = data[begin : begin + size]
            found[name] = (torch.frombuffer(piece, dtype=dtype) if size else torch.empty(0, dtype=dtype)).view(shape)
            begin += size
        return found

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def unpadded(inputs: Mapping[str, Tensor]) -> Tensor:
    """Where there is no padding: (B, T), bool; known by the mask, or by the documents that share a row."""
    if (mask_BT := inputs.get(MASK)) is not None:
        return mask_BT.bool()
    segments_BT = inputs.get(SEGMENTS)
    return torch.ones_like(inputs["input_ids"], dtype=torch.bool) if segments_BT is None else segments_BT >= 0


def row_of(tensors: Mapping[str, Tensor], row: int, kept_T: Tensor) -> dict[str, Tensor]:
    """One row of a batch without padding, (T,) where it was (B, T); what is the default for any row is left out."""
    found = {}
    for name, value in tensors.items():
        one = value[row]
        one = one[kept_T] if one.shape == kept_T.shape else one
        if name != MASK and not (name == _TYPES and not one.any()):
            found[name] = one
    return found


def key_of(row: Mapping[str, Tensor], about: Sequence[str] = ()) -> bytes:
    """A key for the content of a row, and what is said `about` it."""
    digest = blake2b("\n".join(about).encode(), digest_size=16)
    for name, value in sorted(row.items()):
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}\n".encode())
        digest.update(_bytes(value))
    return digest.digest()


def _bytes(value: Tensor) -> bytes:
    return value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
