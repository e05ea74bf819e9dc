"""What a person hears of a training before its first step, and where it ended before its time."""

import json

from danlu.machine.files import write_text
from danlu.model.word_rows import word_rows
from danlu.refusal import Refusal
from danlu.stages.ready import Ready
from danlu.stages.sharing import shared
from danlu.stages.size import NAME, flops, work_of
from danlu.stages.stage import Place
from danlu.train.counts import count_parameters, size_to_plain
from danlu.train.events import Best
from danlu.train.held import bytes_a_parameter
from danlu.train.run import TrainingRun

_LOOKED_AT = 200_000
"""Examples whose batches are looked through; with more a training would begin late."""


def _tell_alone(place: Place, run: TrainingRun, ready: Ready) -> None:
    """Of examples that are learnt from one another, those that have nobody in their batch.

    Raises:
        Refusal: none has.
    """
    fewest = ready.prepared.task.lone_rows
    if not fewest or len(ready.encoded) > _LOOKED_AT:
        return
    sizes = run.batches.reader.sizes
    lone = [each.examples[0] for each in run.batches.plan(0) if len(each.examples) == 1]
    alone = sum(sizes.rows is None or sizes.rows[example] <= fewest for example in lone)
    if not alone:
        return
    told = "alone in their batch, so there is nothing to tell them from, and they teach nothing"
    remedy = "raise 'batch_tokens', or count examples with 'batch_examples' (and 'rows_at_once'), or lower 'max_length'"
    if alone == len(sizes):
        raise Refusal(f"{place.name}: all {alone:,} examples are {told}; {remedy}")
    place.say(f"{place.name}: {alone:,} of {len(sizes):,} examples are {told}; {remedy}")


def say_lost(place: Place, lost: str, step: int, best: Best) -> None:
    """Why a training ended before its time, and with which weights."""
    if best.score is None:
        raise Refusal(
            f"{place.name}: at step {step:,}, the first that was looked at, {lost}; train more gently (a lower "
            "'rate', a method that trains less, a 'share' under 'retain'), look sooner with 'evaluate', or allow more"
        )
    place.say(
        f"{place.name}: ended at step {step:,}, for {lost}; the best weights before it are those of step {best.step:,}"
    )


def tell_plan(place: Place, run: TrainingRun, ready: Ready, before: int | None) -> None:
    """What is to be trained; `before` is how many ranks have left the checkpoint that it goes on from."""
    model, settings, size = ready.model, run.settings, count_parameters(ready.model)
    work = work_of(ready, run.batches)
    write_text(place.folder / NAME, json.dumps(size_to_plain(size, work)) + "\n")
    begun = f", from step {run.state.step:,}" if run.state.step else ""
    if before is not None and before != run.ranks.count:
        now = "1 rank" if run.ranks.count == 1 else f"{run.ranks.count} ranks"
        place.say(f"{place.name}: goes on with {now} where {before} were before: other last digits")
    if run.ranks.several:
        place.say(f"{place.name}: {shared(run)}")
    narrow = [f"{len(each.kept):,} of {each.whole:,} words" for each in word_rows(model).values()]
    rows = f" ({', '.join(narrow)}, for no text has the others)" if narrow else ""
    if ready.prepared.task.couples_rows and (settings.threads > 1 or settings.accumulate > 1):
        place.say(
            f"{place.name}: the examples of a batch are learnt from one another, so each batch stays whole: "
            "'threads' has no effect, and with 'accumulate' examples see those of their own batch alone"
        )
    _tell_alone(place, run, ready)
    cost = f", {flops(work.forward)} a token forward and {flops(work.training)} in training" if work else ""
    place.say(
        f"{place.name}: {size.parameters / 1e6:.2f} M parameters ({size.embeddings / 1e6:.2f} M in embeddings), "
        f"{size.trained / 1e6:.2f} M trained{rows}{cost}, {ready.precision}, {run.total:,} steps, "
        f"{run.steps_an_epoch:,} in an epoch, {bytes_a_parameter(run, bool(ready.validation)):.3g} bytes a "
        f"parameter{begun}"
    )
