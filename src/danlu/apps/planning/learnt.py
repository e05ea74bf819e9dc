"""All the rows that a training learns from: those of its data, and those that are learnt beside them."""

from collections.abc import Sequence
from dataclasses import replace

from torch import nn

from danlu.model.heads import unwrapped
from danlu.model.positions import longest_row
from danlu.model.source import unsaid
from danlu.stages.distilling import unlabelled_rows
from danlu.stages.kinds.train import Train
from danlu.stages.ready import Learnt, Prepared, rows_of
from danlu.stages.retaining import ROWS, Retained, replayed
from danlu.stages.stage import Place
from danlu.task.followed import Followed
from danlu.text.batching.encoded import Encoded


def sources_of(stage: Train) -> list[str]:
    """The stages whose data a training learns from."""
    replayed_from = [section.data for section in stage.retain.values() if section.share]
    unlabelled = stage.teacher.unlabelled if stage.teacher is not None else None
    lists = [data if isinstance(data, list) else [data] for data in (stage.data, replayed_from, unlabelled)]
    return [source[1:].partition(":")[0] for data in lists for source in data if isinstance(source, str)]


def learnt_rows(learnt: Learnt, prepared: Prepared, model: nn.Module, stage: Train, place: Place) -> Sequence[Encoded]:
    """The rows of the data, those that are learnt once more, and those of which a teacher alone speaks."""
    encoded, task, tokenizer = rows_of(learnt, prepared, model, stage.train), prepared.task, prepared.tokenizer
    if learnt.shards:  # among which others cannot be put
        return encoded
    limit, more = longest_row(unwrapped(model)), list[Encoded]()
    sections = {name: section for name, section in stage.retain.items() if section.share}
    tokens = task.sizes(encoded, tokenizer).tokens / (1 - sum(section.share for section in sections.values()))
    for name, section in sections.items():
        asked, wanted = _asked(section, prepared), section.share * tokens
        more += replayed(name, section.data, wanted, asked, stage.train, limit, place, unsaid)
    if stage.teacher is not None and stage.teacher.unlabelled is not None and isinstance(task, Followed):
        more += unlabelled_rows(stage.teacher.unlabelled, task, prepared, limit, place, unsaid)
    return [*encoded, *more] if more else encoded


def _asked(section: Retained, prepared: Prepared) -> Prepared:
    """What rows of a retained set are made by: they share batches with the others, so the task is as good as that."""
    own, task = prepared.task, section.task
    if type(task) is type(own):
        task = own.model_copy(update={name: getattr(task, name) for name in ROWS})
    return replace(prepared, task=task or own)
