"""What calibration shows a graph: the inputs of real records, in the batches in which they would be answered."""

from collections.abc import Iterator

import numpy as np
import torch

from danlu.data.record import Record
from danlu.engine.graph import PLACES, Arrays, Graph, Shapes
from danlu.export.target import Original
from danlu.machine.seed import drawn, generator
from danlu.model.ends import Endings
from danlu.task.rewritten import rewritten

SAMPLES = 256
"""Records at most: ranges of activations do not move with more (NNCF takes 300)."""

TOKENS = 1024
"""Of a batch, with padding."""


class _Seen(Exception):
    """Nothing is to be computed: the inputs are known."""


@torch.inference_mode()
def feeds(original: Original, shapes: Shapes) -> Iterator[Arrays]:
    """All inputs of the graph with these `shapes`, batch after batch, longest first.

    Records that are too long are truncated, as calibration needs no answer of them.
    """
    bundle = original.bundle
    task = bundle.task.model_copy(update={"too_long": "truncate"})
    seen: list[Arrays] = []

    def look(feed: Arrays) -> Arrays:
        seen.append({name: np.array(value) for name, value in feed.items()})
        raise _Seen

    graph = Graph(bundle.folder, look, shapes)  # type: ignore[arg-type]
    records = rewritten(_shown(original), bundle.rewriters)
    if task.answers_by == "generate":
        yield from _prompts(original, graph)
        return
    encoded = task.encode(records, bundle.tokenizer, bundle.network.limit, labelled=False)
    encoded.sort(key=len, reverse=True)
    while encoded:
        width = len(encoded[0])
        rows, encoded = encoded[: max(1, TOKENS // width)], encoded[max(1, TOKENS // width) :]
        batch = task.collate(rows, width, bundle.tokenizer, generator(0, "calibrate"))
        try:
            task.forward(graph, batch.inputs, task.places(batch))
        except _Seen:
            yield seen.pop()


def _shown(original: Original) -> list[Record]:
    return drawn(original.records, SAMPLES, 0, "calibrate")


def _prompts(original: Original, graph: Graph) -> Iterator[Arrays]:
    """Of a model that writes what it reads before, one by one."""
    bundle = original.bundle
    task = bundle.task.model_copy(update={"too_long": "truncate"})
    records = rewritten(_shown(original), bundle.rewriters)
    encoded = task.encode(records, bundle.tokenizer, bundle.network.limit, labelled=False)
    endings = Endings(graph, bundle.tokenizer, bundle.network.limit)
    for prompt in endings.prompts(encoded):
        ids_1T = np.array([prompt.ids], np.int64)
        yield graph.fed({"input_ids": ids_1T}) | {PLACES: np.array([[ids_1T.shape[1] - 1]], np.int64)}
