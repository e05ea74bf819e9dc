"""A network that computes by an exported graph: the same for every engine of graphs."""

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from danlu.engine.engine import Network
from danlu.engine.graph import Graph, Run, Shapes
from danlu.engine.two_graphs import graph_of, reader_of
from danlu.machine.door import opened
from danlu.machine.seed import generator
from danlu.model.ends import Endings
from danlu.model.generate import Session
from danlu.model.policy import Policy, changed
from danlu.refusal import Refusal
from danlu.task.task import Task
from danlu.text.batching.batch import Batch
from danlu.text.tokenizing.special import padding_id
from danlu.text.tokenizing.tokenizer import Tokenizer

Precision = Literal["float32", "bfloat16", "int8_dynamic", "int8_static", "int8_weights", "int4_weights"]

FORMATS: Mapping[str, tuple[str, float]] = {
    "float32": ("float32", 1e-4),
    "bfloat16": ("bfloat16", 0.05),
    "int8_dynamic": ("int8", 0.5),
    "int8_static": ("int8", 0.1),
    "int8_weights": ("int8_weights", 0.1),
    "int4_weights": ("int4_weights", 0.1),
}
"""By precision: the number format, by which golden outputs are compared, and how far numbers may differ that should be
equal. Scales of `int8_dynamic` are of a whole batch, so the company of a row tells in its answers."""

Opens = Callable[[int, int], list[tuple[Run, Shapes]]]
"""Opens the graph, and that of its encoder if it has one, for so many callers at once, with so many cores each."""

AGAIN = "copy or export the bundle again"


class GraphNetwork(Network):
    """A graph that is opened: one batch a core side by side, and all cores for what is written."""

    def __init__(self, folder: Path, opens: Opens, precision: str, limit: int, threads: int | None) -> None:
        self.device = torch.device("cpu")
        self.cores = threads or torch.get_num_threads()
        self.limit = limit
        self.number_format, self.rounding = FORMATS[precision]
        self._folder, self._opens = folder, opens
        self._graph = graph_of(folder, opens(self.cores, 1))

    @property
    def model(self) -> Graph:
        """What tasks ask."""
        return self._graph

    def forward(self, task: Task, batch: Batch) -> dict[str, Tensor]:
        """See `Network.forward`."""
        return task.forward(self._graph, batch.inputs, task.places(batch))

    def session(self, tokenizer: Tokenizer) -> Session:
        """See `Network.session`.

        Raises:
            Refusal: the graph keeps nothing of what it has read, so that each token would read all before it anew.
        """
        if not self._graph.past:
            raise Refusal(
                "the graph was exported to answer, not to write; export a bundle whose task writes, or open "
                "the bundle that it was made of"
            )
        return Session(reader_of(self._writing, padding_id(tokenizer)), Endings(self._graph, tokenizer, self.limit))

    @cached_property
    def _writing(self) -> Graph:
        """The graph once more, with all cores for one caller: steps of writing follow one another."""
        return self._graph if self.cores == 1 else graph_of(self._folder, self._opens(1, self.cores))

    def __getstate__(self) -> dict[str, Any]:
        """Graphs stay in the process that has opened them."""
        raise Refusal("a network of an exported graph cannot be sent to another process; load its bundle there")


@torch.inference_mode()
def tried(network: GraphNetwork, folder: Path, task: Task, tokenizer: Tokenizer) -> GraphNetwork:
    """The network, once it has answered: a graph may be well-formed, and not that of this task.

    Raises:
        Refusal: it does not answer, or its labels are not those of the task.
    """
    labels = task.config().get("id2label")
    if labels is not None and labels != network.model.config.id2label:
        raise Refusal(f"{folder}: the labels of 'task' are not those of config.json, so one was changed; {AGAIN}")
    with opened(folder, "the model does not answer", AGAIN):
        record = task.tried()
        task = task.model_copy(update={"too_long": "truncate"})
        encoded = task.encode([record], tokenizer, network.limit, labelled=False)
        if task.answers_by == "generate":
            policy = changed(Policy.model_validate("greedy"), None, {"max_new_tokens": 2})
            (written,) = network.generate(encoded[:1], tokenizer, policy)
            task.composed(written, encoded[:1], record)
        else:
            batch = task.collate(encoded, max(map(len, encoded)), tokenizer, generator(0, "try"))
            task.decode(task.outputs(network.forward(task, batch), batch), encoded, record)
    return network
