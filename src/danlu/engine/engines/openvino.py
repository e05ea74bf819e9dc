"""OpenVINO: a graph that was exported, one stream a core (Intel, 2018)."""

from functools import cache
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from pydantic import Field

from danlu.engine.engine import Engine
from danlu.engine.graph import Run, Shapes
from danlu.engine.graph_network import AGAIN, GraphNetwork, Precision, tried
from danlu.machine.door import file_inside, opened
from danlu.machine.extra import needed
from danlu.refusal import Refusal
from danlu.task.task import Task
from danlu.text.tokenizing.tokenizer import Tokenizer

GRAPH, ENCODER = ("openvino.xml", "openvino.weights"), ("encoder.xml", "encoder.weights")
"""The graph; of an encoder-decoder that of what is written, and beside it that of what is read. Weights are not called
`.bin`, which is how pickles are called."""


class Openvino(Engine):
    """A graph in `openvino.xml`, by OpenVINO on the cores of this machine."""

    precision: Precision = "float32"
    limit: int = Field(gt=0, description="the longest row that the graph takes, in tokens")

    def open(self, folder: Path, task: Task, tokenizer: Tokenizer, threads: int | None) -> GraphNetwork:
        """See `Engine.open`."""
        library = needed("openvino", "openvino", f"{folder}: the engine openvino")
        pairs = [names for names in (GRAPH, ENCODER) if names == GRAPH or (folder / names[0]).exists()]
        paths = [[file_inside(folder, name) for name in names] for names in pairs]
        core = core_of(library)
        refuse_format(core, self.precision, str(folder))
        format_ = "bf16" if self.precision == "bfloat16" else "f32"

        def opens(callers: int, cores: int) -> list[tuple[Run, Shapes]]:
            return [_opened(core, str(graph), str(weights), format_, callers, cores) for graph, weights in paths]

        with opened(paths[0][0], "is no graph that OpenVINO opens", AGAIN):
            network = GraphNetwork(folder, opens, self.precision, self.limit, threads)
        return tried(network, folder, task, tokenizer)


@cache
def core_of(library: Any) -> Any:
    """OpenVINO itself, opened once for as long as this process lives.

    Each one sets the stack that signals are answered on, and gives back the one it found when it goes. Where two
    overlap and the first goes first, what remains is memory that is gone, and Ctrl-C ends in a segmentation fault
    (OpenVINO 2026.4.1).
    """
    return library.Core()


def refuse_format(core: Any, precision: str, name: str) -> None:
    """Raise `Refusal` for a precision that this processor does not compute in; OpenVINO would take another."""
    if precision == "bfloat16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise Refusal(
            f"{name}: is to compute in bfloat16, and this processor has no instructions for that; export it in another "
            "precision"
        )


def _opened(core: Any, graph: str, weights: str, format_: str, callers: int, cores: int) -> tuple[Run, Shapes]:
    """Requests for so many callers, a stream each; threads are not tied to cores, which are those of this process."""
    settings = {
        "NUM_STREAMS": str(callers),
        "INFERENCE_NUM_THREADS": str(callers * cores),
        "ENABLE_CPU_PINNING": "NO",
        "INFERENCE_PRECISION_HINT": format_,
        "KV_CACHE_PRECISION": "f32",
    }
    model = core.read_model(graph, weights)
    inputs, outputs = ([port.any_name for port in ports] for ports in (model.inputs, model.outputs))
    shapes = {port.any_name: tuple(map(_size, port.partial_shape)) for port in model.inputs}
    compiled = core.compile_model(model, "CPU", settings)  # whose ports stand in the same order, but lose their names
    free = SimpleQueue[Any]()
    for _ in range(callers):
        free.put(compiled.create_infer_request())

    def run(feed: Any) -> Any:
        request = free.get()
        try:
            request.infer({place: feed[name] for place, name in enumerate(inputs)})
            return {name: request.get_output_tensor(place).data.copy() for place, name in enumerate(outputs)}
        finally:
            free.put(request)

    return run, shapes


def _size(dimension: Any) -> int:
    return int(dimension.get_length()) if dimension.is_static else -1
