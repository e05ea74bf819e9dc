"""Products in float16, as torch's autocast has them, of tensors without values, which it passes by."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_PRODUCTS = {
    *("linear", "matmul", "__matmul__", "mm", "bmm", "addmm", "baddbmm", "einsum", "conv1d", "conv2d"),
    *("conv3d", "conv_transpose1d", "conv_transpose2d", "bilinear", "lstm", "gru", "rnn_tanh", "rnn_relu"),
    *("scaled_dot_product_attention", "_scaled_dot_product_flash_attention"),
    "_scaled_dot_product_efficient_attention",
}


class Halved(TorchFunctionMode):
    """Within it, products and attention take what they read in float16; each parameter is rounded once."""

    def __init__(self) -> None:
        """Nothing rounded yet."""
        super().__init__()
        self._rounded: dict[int, Tensor] = {}

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """One function, called with other tensors where it is a product."""
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in _PRODUCTS:
            args = tuple(map(self._half, args))
            kwargs = {name: self._half(value) for name, value in kwargs.items()}
        return func(*args, **kwargs)

    def _half(self, value: Any) -> Any:
        if not isinstance(value, Tensor) or value.dtype != torch.float32:
            return value
        if not isinstance(value, nn.Parameter):
            return value.to(torch.float16)
        if id(value) not in self._rounded:
            self._rounded[id(value)] = value.to(torch.float16)
        return self._rounded[id(value)]
