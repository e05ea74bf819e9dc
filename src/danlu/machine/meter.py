"""What a computation multiplies and holds, found without doing it.

Its large tensors lie on torch's meta device, where they have a shape and no values; what is made of data alone (masks,
positions) stays on the CPU and keeps its values, so that whatever looks at them goes the way that it would go.

Torch finds the shapes of most operations in Python, which takes it up to a millisecond each; the layers of a network,
and networks that are compared, do the same again and again, so what came out of the same shapes is kept.
"""

import weakref
from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

META = torch.device("meta")

_aten = torch.ops.aten
_CHOOSES = {_aten.index, _aten.index_put, _aten.index_put_, _aten._unsafe_index, _aten._unsafe_index_put}
_MASKS = {_aten.arange, _aten.ones, _aten.full}
_WHOLE = (torch.bool, torch.uint8, torch.int16, torch.int32, torch.int64)

_MOST = 20_000  # operations that are kept: some megabytes


class Meter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Within it, every operation of the calling thread is counted.

    - `operations`: of matrix products and convolutions, a multiplication with its addition being two.
    - `held`: bytes of all that was made since it was entered and is still referred to, views counted once; `peak`: the
      most that was held at a time.
    """

    def __init__(self) -> None:
        """Nothing counted yet."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations = 0
        self.held = self.peak = 0
        self._known: dict[int, weakref.ref[Any]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """One operation, counted."""
        kwargs, packet = kwargs or {}, func._overloadpacket
        shapeless = any(tensor.device == META for tensor in _tensors((*args, *kwargs.values())))
        moved = kwargs.get("device") is not None
        if shapeless:
            if packet in _CHOOSES:
                args = (args[0], _places(args[1]), *args[2:])
            args = tuple(map(_without_values, args))
            kwargs = {name: _without_values(value) for name, value in kwargs.items()}
            if moved:  # nothing leaves the meta device
                kwargs["device"] = META
        elif moved and torch.device(kwargs["device"]) == META and _of_data(packet, args, kwargs):
            kwargs = {**kwargs, "device": torch.device("cpu")}
        found, operations = _known(func, args, kwargs) if shapeless else _done(func, args, kwargs)
        self.operations += operations
        for tensor in _tensors((found,)):
            self._hold(tensor)
        return found

    def _hold(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._known:
            return
        self._known[key] = weakref.ref(storage, self._let_go(key, storage.nbytes()))
        self.held += storage.nbytes()
        self.peak = max(self.peak, self.held)

    def _let_go(self, key: int, size: int) -> Callable[[object], None]:
        def gone(_: object) -> None:
            del self._known[key]
            self.held -= size

        return gone


_kept: dict[Hashable, tuple[Any, int]] = {}


def _known(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, int]:
    """See `_done`; what new tensors come out of the same operation on the same shapes is looked up."""
    if not _makes_anew(func):
        return _done(func, args, kwargs)
    key = func, _shapes(args), tuple((name, _shapes(value)) for name, value in kwargs.items())
    try:
        outline, operations = _kept[key]
    except KeyError:
        found, operations = _done(func, args, kwargs)
        there = {tensor.untyped_storage()._cdata for tensor in _tensors((*args, *kwargs.values()))}
        if not any(tensor.untyped_storage()._cdata in there for tensor in _tensors((found,))):
            if len(_kept) >= _MOST:
                _kept.clear()
            _kept[key] = _shapes(found), operations
        return found, operations
    except TypeError:  # an argument without a hash
        return _done(func, args, kwargs)
    return _empty(outline), operations


def _done(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, int]:
    """What comes out of an operation, and how many operations of products it is."""
    found, packet = func(*args, **kwargs), func._overloadpacket
    return found, flop_registry[packet](*args, **kwargs, out_val=found) if packet in flop_registry else 0


@cache
def _makes_anew(func: Any) -> bool:
    """Whether its schema says that it changes nothing and that what comes out is no view."""
    return not any(value.alias_info for value in (*func._schema.arguments, *func._schema.returns))


class _Shape(tuple[Any, ...]):
    """Shape, strides and type of a tensor."""


def _shapes(value: Any) -> Any:
    """A value with the shape of each tensor in its place; 1, 1.0 and True are told apart."""
    if isinstance(value, Tensor):
        return _Shape((value.shape, value.stride(), value.dtype))
    if isinstance(value, list | tuple):
        return list if isinstance(value, list) else tuple, tuple(map(_shapes, value))
    return type(value), value


def _empty(outline: Any) -> Any:
    """What `_shapes` was told of, with new tensors."""
    if isinstance(outline, _Shape):
        shape, strides, dtype = outline
        return torch.empty_strided(shape, strides, dtype=dtype, device=META)
    sort, value = outline
    return sort(map(_empty, value)) if sort in (list, tuple) else value


def _tensors(values: Sequence[Any]) -> Iterator[Tensor]:
    """All tensors in the arguments or results of an operation; these are nested in lists and tuples alone."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


def _without_values(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value if value.device == META else torch.empty_like(value, device=META)
    return [_without_values(each) for each in value] if isinstance(value, list | tuple) else value


def _places(indices: Sequence[Tensor | None]) -> list[Tensor | None]:
    """Indices whose shapes are known: a mask of the CPU as the numbers of what it chooses."""
    found: list[Tensor | None] = []
    for index in indices:
        masks = index is not None and index.dtype in (torch.bool, torch.uint8) and index.device != META
        found += list(index.nonzero().unbind(1)) if masks and index is not None else [index]
    return found


def _of_data(packet: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether what is made of nothing, or is moved, belongs to the data: whole numbers, and masks are."""
    if packet is _aten._to_copy:
        return (kwargs.get("dtype") or args[0].dtype) in _WHOLE
    return packet in _MASKS or kwargs.get("dtype") in _WHOLE
