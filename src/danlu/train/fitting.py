"""Whether batches fit: into the memory that there is, found with small ones, and into the data."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

import torch

from danlu.machine.peak import Peak, room
from danlu.refusal import Refusal
from danlu.text.batching.batch import Slice
from danlu.train.batches import Batches

PARTS = (8, 8, 4)  # of the largest batch that are tried before it; the first step also makes the optimizer's state
SPARE = 0.9  # of what there is, for the largest size that is proposed
CANNOT = ("can't allocate memory", "not enough memory", "out of memory")


def probes(largest: Slice) -> list[Slice]:
    """Some rows of a batch, and then twice as many; none where it has too few of them to tell."""
    rows = len(largest.examples)
    if rows < PARTS[0]:
        return []
    each = largest.tokens / rows
    return [replace(largest, examples=largest.examples[: rows // of], tokens=int(each * (rows // of))) for of in PARTS]


def tried(pieces: Sequence[Slice], largest: Slice, batches: Batches, peak: Peak) -> Iterator[Slice]:
    """Each of the pieces, of `probes`, and then whether `largest` fits, by how what is held grows with the rows.

    Raises:
        Refusal: it does not; with the largest size that does.
    """
    held = []
    for piece in pieces:
        yield piece
        held.append(peak.so_far())
    if not pieces:
        return
    few, more = (len(piece.examples) for piece in pieces[-2:])
    a_row = max(0.0, (held[-1] - held[-2]) / (more - few))
    rows = len(largest.examples)
    needed, there = held[-1] + a_row * (rows - more), room()
    if needed <= there:
        return
    fit = more + int((SPARE * there - held[-1]) / a_row) if a_row else 0
    setting = "batch_tokens" if batches.examples is None else "batch_examples"
    size = fit if batches.examples else fit * largest.tokens // rows
    raise Refusal(
        f"train.{setting}: the largest batch, {rows:,} rows of {largest.width:,} tokens, would take "
        f"{needed / 1e9:.1f} GB, and there are {there / 1e9:.1f}; "
        + (f"the largest size that fits is about {size:,}" if fit > 0 else f"{more:,} rows are too many already")
        + ", and 'recompute: true' makes room for more"
    )


def memory_refused(doing: str) -> AbstractContextManager[None]:
    """Where there is no memory for something, say so in a sentence."""
    return _without_memory(
        Refusal(
            f"{doing}: there is no memory for the batch; 'danlu check' tells the largest size that fits: lower "
            "train.batch_tokens (or batch_examples), or set train.recompute to true; the last checkpoint is kept"
        )
    )


def whole_network_refused() -> AbstractContextManager[None]:
    """The same where a network that is dealt out lies whole on the device of the first rank, to be validated."""
    return _without_memory(
        Refusal(
            "train.parallel: with 'fsdp' the first process has the whole network on its device while it validates, "
            "beside its part, and there is no memory for that; take devices with more of it, or data without a "
            "validation split; the last checkpoint is kept"
        )
    )


@contextmanager
def _without_memory(refusal: Refusal) -> Iterator[None]:
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise refusal from error
    except RuntimeError as error:  # of torch's allocator on a CPU
        if not any(words in str(error) for words in CANNOT):
            raise
        raise refusal from error


def refuse_too_few(batches: Batches) -> None:
    """Raises `Refusal` for data that do not fill a single step."""
    made = batches.reader.an_epoch()
    if made < batches.accumulate:
        raise Refusal(
            f"train.accumulate: a step is to take {batches.accumulate:,} batches, and all data make {made:,}; "
            "lower it, or make the batches smaller"
        )
