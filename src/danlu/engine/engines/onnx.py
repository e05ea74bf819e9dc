"""ONNX Runtime: a graph that was exported, one core for each batch (Microsoft, 2018)."""

from pathlib import Path
from typing import Any

from pydantic import Field

from danlu.engine.engine import Engine
from danlu.engine.graph import Run, Shapes
from danlu.engine.graph_network import AGAIN, GraphNetwork, Precision, tried
from danlu.machine.door import file_inside, opened
from danlu.machine.extra import needed
from danlu.task.task import Task
from danlu.text.tokenizing.tokenizer import Tokenizer

FILE, ENCODER = "model.onnx", "encoder.onnx"
"""The graph; of an encoder-decoder that of what is written, and beside it that of what is read."""


class Onnx(Engine):
    """A graph in `model.onnx`, by ONNX Runtime on the cores of this machine."""

    precision: Precision = "float32"
    limit: int = Field(gt=0, description="the longest row that the graph takes, in tokens")

    def open(self, folder: Path, task: Task, tokenizer: Tokenizer, threads: int | None) -> GraphNetwork:
        """See `Engine.open`."""
        runtime = needed("onnxruntime", "onnx", f"{folder}: the engine onnx")
        paths = [file_inside(folder, name) for name in (FILE, ENCODER) if name == FILE or (folder / name).exists()]

        def opens(_callers: int, cores: int) -> list[tuple[Run, Shapes]]:
            return [session_of(runtime, path, cores) for path in paths]

        with opened(paths[0], "is no graph that ONNX Runtime opens", AGAIN):
            network = GraphNetwork(folder, opens, self.precision, self.limit, threads)
        return tried(network, folder, task, tokenizer)


def session_of(runtime: Any, path: Path, cores: int) -> tuple[Run, Shapes]:
    """One session, which any number of threads may ask; each computes in its own thread if it has one core."""
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = cores, 1
    options.log_severity_level = 3  # errors alone
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # who waits leaves the core to others
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    shapes = {
        each.name: tuple(size if isinstance(size, int) else -1 for size in each.shape) for each in session.get_inputs()
    }

    def run(feed: Any) -> Any:
        return dict(zip(names, session.run(names, feed), strict=True))

    return run, shapes
