"""OpenVINO: Intel's graphs, for its processors and others (2018); numbers in few bits by NNCF (Kozlov et al., 2020)."""

import io
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Literal

from danlu.engine.engine import Network
from danlu.engine.engines.openvino import ENCODER, GRAPH, Openvino, core_of, refuse_format
from danlu.engine.graph import PRESENT
from danlu.engine.two_graphs import CROSS
from danlu.export.calls import Call
from danlu.export.feeds import feeds
from danlu.export.graphs import refuse_scales_of_two, write_graphs
from danlu.export.target import Original, Target
from danlu.machine.extra import needed

GROUPS = (128, 64, 32)
"""Weights of 4 bits that share a scale, the first that divides the width of the model."""


class ToOpenvino(Target):
    """A bundle whose graph OpenVINO computes.

    `bfloat16` needs a processor that multiplies such numbers. `int8_static` has learnt the scales of activations of
    records; `int8_weights` and `int4_weights` keep weights alone so, and compute in float32.
    """

    makes: ClassVar[Literal["bundle", "folder", "file"]] = "bundle"
    learns: ClassVar[tuple[str, ...]] = ("int8_static",)

    precision: Literal["float32", "bfloat16", "int8_static", "int8_weights", "int4_weights"] = "float32"

    def write(self, original: Original, place: Path) -> Openvino:
        """See `Target.write`."""
        library = needed("openvino", "openvino", "an export to OpenVINO")
        refuse_format(core_of(library), self.precision, str(original.bundle.folder))
        refuse_scales_of_two(original, self.precision)
        with TemporaryDirectory(prefix="danlu-", dir=place.parent) as temporary, _unwatched():
            call, paths = write_graphs(original, Path(temporary), "plain.onnx", "encoder.onnx")
            for path, (graph, weights) in zip(paths, (GRAPH, ENCODER), strict=False):
                model = core_of(library).read_model(str(path))
                _name(model, call)
                model = self._changed(model, original)
                saved = Path(temporary) / graph
                library.save_model(model, str(saved), compress_to_fp16=False)
                saved.replace(place / graph)
                saved.with_suffix(".bin").replace(place / weights)
        return self._engine(original)

    def network(self, original: Original, place: Path) -> Network:
        """See `Target.network`."""
        bundle = original.bundle
        return self._engine(original).open(place, bundle.task, bundle.tokenizer, bundle.network.cores)

    def _engine(self, original: Original) -> Openvino:
        return Openvino(precision=self.precision, limit=original.bundle.network.limit)

    def _changed(self, model: Any, original: Original) -> Any:
        if not self.precision.startswith("int"):
            return model
        nncf = needed("nncf", "openvino", f"an export to OpenVINO in {self.precision}")
        if self.precision == "int8_static":
            shapes = {port.any_name: tuple(map(_size, port.partial_shape)) for port in model.inputs}
            shown = list(feeds(original, shapes))
            return nncf.quantize(
                model, nncf.Dataset(shown), model_type=nncf.ModelType.TRANSFORMER, subset_size=len(shown)
            )
        if self.precision == "int8_weights":
            return nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_ASYM)
        width = int(getattr(original.bundle.model.config.get_text_config(), "hidden_size", 0) or 1)
        group = next((size for size in GROUPS if width % size == 0), -1)
        # of products that no group divides, fewer weights share a scale; where none of 32 or more does they keep 8 bits
        fewer = nncf.AdvancedCompressionParameters(group_size_fallback_mode=nncf.GroupSizeFallbackMode.ADJUST)
        return nncf.compress_weights(
            model,
            mode=nncf.CompressWeightsMode.INT4_ASYM,
            group_size=group,
            ratio=1.0,
            all_layers=False,
            advanced_parameters=fewer,
        )


def _name(model: Any, call: Call) -> None:
    """Give inputs and outputs the one name by which they are asked; the reader of ONNX leaves them several."""
    for port in model.inputs:
        port.get_tensor().set_names({port.get_node().get_friendly_name()})
    for port in model.outputs:
        port.get_tensor().set_names(
            {next(name for name in port.names if name in call.outputs or name.startswith((PRESENT, CROSS)))}
        )


def _size(dimension: Any) -> int:
    return int(dimension.get_length()) if dimension.is_static else -1


@contextmanager
def _unwatched() -> Iterator[None]:
    """Within the block NNCF, which would tell its maker what it is used for, neither tells anybody nor prints."""
    before = os.environ.get("NNCF_CI")
    os.environ["NNCF_CI"] = "1"  # its own word for machines without anybody to be asked
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
        if before is None:
            del os.environ["NNCF_CI"]
        else:
            os.environ["NNCF_CI"] = before
