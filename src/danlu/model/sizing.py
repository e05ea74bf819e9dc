"""How deep and wide a fresh network is to be for some minutes: the scaling rule, and the shapes that it chooses among.

Hoffmann et al. (2022): a computation is spent best on 20 tokens a parameter. Muennighoff et al. (2023): up to four
passes over the same text are worth about as much as new text. So the tokens are 20 a parameter, or what four passes
over the data give where that is less, and the network is as large as the minutes allow with so many; or the recipe says
how long is trained, and then that is the number of tokens.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass

A_PARAMETER = 20  # tokens
PASSES = 4  # over the data
HEAD = 64  # width of an attention head, and width for each layer (Kaplan et al., 2020: 40 to 100 are alike)
NARROW = 256  # up to this width heads are half as wide
WIDEST = 4096


@dataclass(frozen=True)
class Depth:
    """Layers, width and heads."""

    layers: int
    width: int
    heads: int


@dataclass(frozen=True)
class Asked:
    """What is known when a size is to be chosen.

    - `tokens`: of the data, in one pass; `trained`: those that the recipe asks for, if it says how long to train.
    - `rate`: operations a second that are believed to be reached.
    - `operations`: operations of a token in training for layers, width and heads; `parameters`: their number.
    """

    tokens: float
    trained: float | None
    rate: float
    operations: Callable[[Depth], float]
    parameters: Callable[[Depth], int]


@dataclass(frozen=True)
class Chosen:
    """A shape and the tokens that it is to be trained with."""

    shape: Depth
    parameters: int
    tokens: float
    seconds: float
    bound: str

    def told(self, minutes: float) -> str:
        """One sentence."""
        shape = self.shape
        return (
            f"size auto: {shape.layers} layers of {shape.width}, {self.parameters / 1e6:.3g} M parameters, and "
            f"{self.tokens / 1e6:,.3g} M tokens, {self.bound}, which take {self.seconds / 60:.2g} of "
            f"{minutes:g} minutes at the measured speed"
        )


def shapes() -> Iterator[Depth]:
    """From the smallest: as deep as the width is a multiple of 64, two layers at least."""
    width = 64
    while width <= WIDEST:
        heads = width // (HEAD // 2 if width <= NARROW else HEAD)
        yield Depth(max(2, round(width / HEAD)), width, heads)
        width += 32 if width < NARROW else 64 if width < 1024 else 128


def chosen(asked: Asked, minutes: float) -> Chosen:
    """The largest shape that can be trained in so many minutes; the smallest, where none can."""
    every = list(shapes())
    fitting = bisect_right(every, 60 * minutes, key=lambda shape: _with(shape, asked).seconds)
    return _with(every[max(0, fitting - 1)], asked)


def _with(shape: Depth, asked: Asked) -> Chosen:
    parameters = asked.parameters(shape)
    tokens, bound = float(A_PARAMETER * parameters), f"{A_PARAMETER} a parameter (Hoffmann et al., 2022)"
    if asked.trained is not None:
        tokens, bound = asked.trained, "as many as the recipe asks for"
    elif tokens > PASSES * asked.tokens:
        tokens, bound = PASSES * asked.tokens, f"{PASSES} passes over the data (Muennighoff et al., 2023)"
    return Chosen(shape, parameters, tokens, tokens * asked.operations(shape) / asked.rate, bound)
