"""How several ranks share a training: what must be the same for all, and how it is told."""

from danlu.machine.ranks import Ranks
from danlu.model.word_rows import parameters_of
from danlu.refusal import Refusal
from danlu.stages.ready import Ready
from danlu.stages.stage import Place
from danlu.train.checkpoint import step_of
from danlu.train.counts import usual
from danlu.train.run import TrainingRun
from danlu.tuning.method import Method


def refuse_needless(ranks: Ranks, method: Method) -> None:
    """Raise `Refusal` where several ranks would only repeat each other's work."""
    if ranks.several and method.freezes_trunk:
        raise Refusal(
            f"tuning '{method.kind}' computes the features of a frozen trunk once and trains little on them, which "
            "several ranks would only repeat; leave out train.parallel, or take another tuning"
        )


def facts_of(ready: Ready, place: Place) -> dict[str, str]:
    """What has to be the same for all ranks before they learn together."""
    return {
        "rows to learn from": f"{len(ready.encoded):,}",
        "number format (set train.precision)": ready.precision,
        "parameters": f"{parameters_of(ready.model):,}",
        "newest checkpoint in the folder of runs": str(step_of(place.folder / "checkpoints")),
    }


def shared(run: TrainingRun) -> str:
    """How the ranks share a step."""
    count, accumulate = run.ranks.count, run.settings.accumulate
    rows = len(usual(run.batches).examples)
    parts = min(run.batches.parts, rows)
    cut = f", each cut in {parts}, for there are more ranks than that" if parts > 1 else ""
    uneven = "; a multiple of the ranks leaves none idle" if accumulate * parts % count else ""
    if (idle := count - accumulate * parts) > 0:
        uneven = (
            f"; a usual batch has too few rows ({rows}) to be cut for all, which leaves {idle} of them idle: set "
            f"accumulate to {count}, or lower the task's 'max_length' for shorter rows"
        )
    whole = f"{accumulate} batches" if accumulate > 1 else "batch"
    return f"{count} ranks share the {whole} of each step{cut} ({run.settings.parallel}){uneven}"
