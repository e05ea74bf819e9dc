"""What a network is made of and what a token of it costs: parameters, and operations by counting those that would run.

A product of (n, k) and (k, m) is 2 n k m operations (Kaplan et al., 2020); what is no matrix product is left out.
"""

from dataclasses import asdict, dataclass

import torch
from torch import nn

from danlu.machine.meter import Meter
from danlu.model.weightless import weightless
from danlu.model.word_rows import WordRows, parameters_of
from danlu.text.batching.batch import Batch, Slice
from danlu.train.batches import Batches
from danlu.train.loop import Loss

TRIED = 8  # steps, among whose batches one of usual width is looked for


@dataclass(frozen=True)
class Size:
    """How many parameters a network has.

    - `parameters`, `trained`: each once, however many modules share it.
    - `embeddings`: those of tables in which tokens, positions and types are looked up, also where a head shares one.
    """

    parameters: int
    trained: int
    embeddings: int


@dataclass(frozen=True)
class Work:
    """Operations a token, padding included: of a forward pass, and of it with the way back; `width` is that of a row.

    The head counts where the task runs it.
    """

    forward: float
    training: float
    width: int


def count_parameters(model: nn.Module) -> Size:
    """The parameters of `model`; rows of a vocabulary that are not there for now count among all."""
    tables: dict[int, int] = {}
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            rows = module.whole if isinstance(module, WordRows) else module.num_embeddings
            tables[id(module.weight)] = rows * module.embedding_dim
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    return Size(parameters_of(model), trained, sum(tables.values()))


def count_work(model: nn.Module, loss: Loss, batch: Batch, tokens: int, width: int) -> Work:
    """Operations of `loss` on a batch of so many tokens, which lies on the CPU; nothing is computed.

    `model` may be without weights; `loss` must then read no others.
    """
    bare = weightless(model).eval()
    trained = [parameter for parameter in bare.parameters() if parameter.requires_grad]
    with torch.random.fork_rng(devices=[]), torch.enable_grad(), Meter() as meter:
        sums = [value for value in loss(bare, batch).values() if value.requires_grad]
        forward = meter.operations
        if sums:
            torch.autograd.grad(sums, trained, [torch.ones_like(value) for value in sums], allow_unused=True)
    return Work(forward / tokens, meter.operations / tokens, width)


def usual(batches: Batches) -> Slice:
    """A batch of usual width, out of the first steps."""
    steps = range(min(TRIED, batches.an_epoch()))
    pieces = [piece for step in steps for piece in batches.reader.step(step, batches.accumulate)]
    return sorted(pieces, key=lambda piece: (piece.width, piece.tokens))[len(pieces) // 2]


def usual_work(model: nn.Module, batches: Batches, loss: Loss) -> Work:
    """Operations a token of a batch of usual width."""
    piece = usual(batches)
    batch = next(batches.micro_batches(piece, (0, 0), torch.device("cpu")))
    return count_work(model, loss, batch, piece.tokens * len(batch.examples) // len(piece.examples), piece.width)


def size_to_plain(size: Size, work: Work | None) -> dict[str, float]:
    """What `size.json` holds; without a count of operations where a network cannot be followed without weights."""
    told: dict[str, float] = asdict(size)
    if work is None:
        return told
    return told | {
        "forward_flops_a_token": work.forward,
        "training_flops_a_token": work.training,
        "row_width": work.width,
    }
