"""How several ranks share a training: what must be the same for all, and how it is told."""

from danlu.machine.ranks import Ranks
from danlu.model.word_rows import parameters_of
from danlu.refusal import Refusal
from danlu.stages.ready import Ready
from danlu.stages.stage import Place
from danlu.train.checkpoint import step_of
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
    count, batches = run.ranks.count, run.settings.accumulate * run.batches.parts
    cut = f", each cut in {run.batches.parts}, for there are more ranks than that" if run.batches.parts > 1 else ""
    uneven = "; a multiple of the ranks leaves none idle" if batches % count else ""
    whole = f"{run.settings.accumulate} batches" if run.settings.accumulate > 1 else "batch"
    return f"{count} ranks share the {whole} of each step{cut} ({run.settings.parallel}){uneven}"
