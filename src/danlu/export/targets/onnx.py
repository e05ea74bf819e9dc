"""ONNX: an open format of graphs (Microsoft, Facebook, 2017), which ONNX Runtime and many others compute."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar, Literal

from danlu.engine.engine import Network
from danlu.engine.engines.onnx import ENCODER, FILE, Onnx, session_of
from danlu.engine.graph import Arrays, Shapes
from danlu.export.feeds import feeds
from danlu.export.graphs import refuse_scales_of_two, write_graphs
from danlu.export.onnx_fused import fused
from danlu.export.onnx_weights import shrink_products, shrink_tables
from danlu.export.target import Original, Target
from danlu.machine.extra import needed

LARGEST = 2**31 - 2**20
"""Bytes of a file in the format of ONNX; of larger graphs the weights lie in a file beside it."""

PRODUCTS = ["MatMul", "Attention"]
"""Operations whose products are computed in 8 bits."""


class ToOnnx(Target):
    """A bundle whose graph ONNX Runtime computes.

    `int8_dynamic` finds the scales of activations anew for each batch, `int8_static` has learnt them of records. Both
    use 7 of the 8 bits of weights, since processors without VNNI add up two products in 16. `int8_weights` and
    `int4_weights` keep weights alone so, and sum products in 8 bits. Tables of embeddings have 8 bits in all four.
    """

    makes: ClassVar[Literal["bundle", "folder", "file"]] = "bundle"
    learns: ClassVar[tuple[str, ...]] = ("int8_static",)

    precision: Literal["float32", "int8_dynamic", "int8_static", "int8_weights", "int4_weights"] = "float32"

    def write(self, original: Original, place: Path) -> Onnx:
        """See `Target.write`."""
        needed("onnx", "onnx", "an export to ONNX")
        runtime = needed("onnxruntime", "onnx", "an export to ONNX")
        refuse_scales_of_two(original, self.precision)
        with TemporaryDirectory(prefix="danlu-", dir=place.parent) as temporary:
            call, paths = write_graphs(original, Path(temporary), FILE, ENCODER)
            for path in paths:
                changed = path
                if self.precision in ("float32", "int8_dynamic"):
                    changed = fused(path, original.bundle.model.config, call)
                if self.precision == "int8_dynamic":
                    changed = _dynamic(changed)
                elif self.precision == "int8_static":
                    changed = _static(path, original, session_of(runtime, path, original.bundle.network.cores)[1])
                _put(changed, place / path.name, self.precision)
        return self._engine(original)

    def network(self, original: Original, place: Path) -> Network:
        """See `Target.network`."""
        bundle = original.bundle
        return self._engine(original).open(place, bundle.task, bundle.tokenizer, bundle.network.cores)

    def _engine(self, original: Original) -> Onnx:
        return Onnx(precision=self.precision, limit=original.bundle.network.limit)


def _dynamic(plain: Path) -> Path:
    """The graph with products in 8 bits, whose scales follow each batch."""
    from onnx import TensorProto
    from onnxruntime.quantization import QuantType, quantize_dynamic

    path = plain.with_name(f"dynamic-{plain.name}")
    with _silent():
        quantize_dynamic(
            plain,
            path,
            op_types_to_quantize=PRODUCTS,
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
            extra_options={"DefaultTensorType": TensorProto.FLOAT, "MatMulConstBOnly": True},
            use_external_data_format=plain.stat().st_size > LARGEST,
        )
    return path


def _static(plain: Path, original: Original, shapes: Shapes) -> Path:
    """The graph with products in 8 bits, whose scales are learnt of the records."""
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    path, shown = plain.with_name("static.onnx"), feeds(original, shapes)

    class Reader:
        def get_next(self) -> Arrays | None:
            return next(shown, None)

    with _silent():
        quantize_static(
            plain,
            path,
            Reader(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            extra_options={"MatMulConstBOnly": True},
            use_external_data_format=plain.stat().st_size > LARGEST,
        )
    return path


@contextmanager
def _silent() -> Iterator[None]:
    """Without what the quantiser of ONNX Runtime advises: to optimise the graph first, which is done or of no use."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.setLevel(level)


def _put(path: Path, final: Path, precision: str) -> None:
    """The graph with weights in so many bits, in its place; weights that are too large for it beside it."""
    import onnx

    model = onnx.load(path)
    if precision.endswith("_weights"):
        shrink_products(model, 8 if precision == "int8_weights" else 4)
    if precision.startswith("int"):
        shrink_tables(model)
    if model.ByteSize() > LARGEST:
        onnx.save_model(model, final, save_as_external_data=True, location=f"{final.name}.data", size_threshold=1024)
    else:
        onnx.save_model(model, final)
