"""The `retain:` of a training: what the model knows already, looked at while it learns, and learnt once more."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from pydantic import Field

from danlu.data.record import Record
from danlu.machine.seed import generator
from danlu.model.source import Say
from danlu.recipe.part import Part
from danlu.refusal import Refusal
from danlu.stages.memory import Kept, Memory
from danlu.stages.ready import Prepared, Ready
from danlu.stages.sources import Data, has_split, records_of, with_segmenters
from danlu.stages.stage import Place
from danlu.stages.validating import as_looked_at, askable, encoded_as_asked, encoded_to_validate
from danlu.task.next_tokens import PackedTokens
from danlu.task.task import Task
from danlu.text.batching.encoded import Encoded
from danlu.train.settings import Training

PIECE = 256
"""Records to replay that are encoded first; then twice as many, and so on."""

ROWS = {"max_length", "too_long"}
"""What two tasks may differ in although their rows share a batch: how long these are."""


class Retained(Part):
    """Data that the model knows already."""

    data: Data = Field(description="prepared data ('@stage'), looked at in its validation split; or files as they are")
    task: Task | None = Field(default=None, description="what is asked of it, by the same network; None: the same task")
    share: float = Field(
        default=0.0, ge=0, lt=1, description="share of the tokens learnt from that are of its training split (replay)"
    )


def retaining(ready: Ready, sections: Mapping[str, Retained], most: int, place: Place, say: Say) -> Ready:
    """What a training begins with, and what it is to retain; of each set at most so many records are looked at.

    Raises:
        Refusal: a set that this network cannot be asked, or that has nothing to replay.
    """
    if not sections:
        return ready
    if not ready.validation:
        raise Refusal(
            "retain: is looked at with each validation, and there is no validation data; add 'validation' to the stage"
        )
    shares = sum(section.share for section in sections.values())
    if shares and ready.learnt.shards:
        raise Refusal(
            "retain: rows of shards are read as they come, and others cannot be put among them; leave 'share' out, or "
            "learn from the prepared data that the shards were made of"
        )
    kept, encoded = list[Kept](), list(ready.encoded) if shares else ready.encoded
    tokens = ready.prepared.task.sizes(encoded, ready.prepared.tokenizer).tokens if shares else 0
    for name, section in sections.items():
        asked = replace(ready.prepared, task=_task(name, section, ready, place, say))
        cut = as_looked_at(asked, ready.settings)
        records = askable(_looked_at(name, section.data, most, place), cut, ready.limit, say)
        looked = [*encoded_to_validate(records, cut, ready.limit), *encoded_as_asked(records, cut, ready.limit)]
        kept.append(Kept(name, cut.task, records, looked, own=asked.task == ready.prepared.task))
        if section.share:
            wanted = section.share / (1 - shares) * tokens
            more = replayed(name, section.data, wanted, asked, ready.settings, ready.limit, place, say)
            encoded = [*encoded, *more]
    return replace(ready, encoded=encoded, memory=Memory(tuple(kept)))


def _task(name: str, section: Retained, ready: Ready, place: Place, say: Say) -> Task:
    """What the network is asked of a set."""
    own, prepared = ready.prepared.task, ready.prepared
    if section.task is None:
        return own
    split = "train" if has_split(section.data, "train", place) else _looked_in(name, section.data, place)
    records = records_of(section.data, split, place)  # a rare label may be lacking where it is looked
    task = with_segmenters(section.task, place).fitted(records).shaped(prepared.source.shape())
    other_head = task.auto_class != own.auto_class or task.label_names() != own.label_names()
    task = task if other_head else _suited(task, own, ready, say)
    if other_head or (task.parameters() and not _same_parameters(task, own)):
        raise Refusal(
            f"retain.{name}: '{task.kind}' is answered by another head, or with other labels, than '{own.kind}', which "
            "this training learns; name a task that the same network answers, or learn one after the other in a stage "
            "of kind 'continual'"
        )
    if section.share and not _learnt_alike(task, own):
        raise Refusal(
            f"retain.{name}.share: rows of '{task.kind}' cannot be learnt in one batch with those of '{own.kind}', for "
            "its settings, or what they came to with its data, are others; leave 'share' out, and the data is looked "
            "at alone"
        )
    return task


def _suited(task: Task, own: Task, ready: Ready, say: Say) -> Task:
    """The task as the network can do it; that documents may share a row is known, if those that are learnt do."""
    known = getattr(task, "pack", False) and getattr(own, "pack", False)  # tried before it was rounded to 16 bits
    asked = task.model_copy(update={"pack": False}) if known else task
    found = asked.suited(ready.model, ready.prepared.tokenizer, say)
    return found.model_copy(update={"pack": True}) if known else found


def _same_parameters(task: Task, own: Task) -> bool:
    return type(task) is type(own) and task.parameters().keys() == own.parameters().keys()


def _learnt_alike(task: Task, own: Task) -> bool:
    """Whether rows of both may share a batch: one loss is that of the other."""
    if isinstance(task, PackedTokens) and isinstance(own, PackedTokens):
        return True
    return type(task) is type(own) and task.model_dump(exclude=ROWS) == own.model_dump(exclude=ROWS)


def _looked_in(name: str, data: Data, place: Place) -> str:
    """The split that is looked at, if `data` names none. Raises `Refusal` where it has no validation split."""
    if isinstance(data, str) and ":" not in data and not has_split(data, "validation", place):
        raise Refusal(
            f"retain.{name}.data: {data} has no validation split to look at; let its stage split one off, or name "
            f"another split, as in {data}:test"
        )
    return "validation" if isinstance(data, str) else "train"


def _looked_at(name: str, data: Data, most: int, place: Place) -> list[Record]:
    records = records_of(data, _looked_in(name, data, place), place)
    if not records:
        raise Refusal(f"retain.{name}: holds no record to look at; give data that has some")
    chosen = generator(place.seed, f"retain {name}").permutation(len(records))[:most]
    return [records[row] for row in sorted(chosen.tolist())]


def replayed(
    name: str, data: Data, wanted: float, asked: Prepared, settings: Training, limit: int, place: Place, say: Say
) -> list[Encoded]:
    """Rows of the training split of a set, drawn by seed, until they cost a batch so many tokens.

    Raises:
        Refusal: it would be looked at, too.
    """
    if not has_split(data, "validation", place):
        raise Refusal(
            f"retain.{name}.share: what is learnt once more must not be what is looked at; give data that a stage of "
            "kind 'prepare' has split, as '@NAME', with a validation split"
        )
    drawn, tokens = list[Encoded](), 0
    for rows in _in_turn(records_of(data, "train", place), f"replay {name}", asked, settings, limit):
        for row, cost in zip(rows, asked.task.sizes(rows, asked.tokenizer).each.tolist(), strict=True):
            if tokens < wanted:
                drawn.append(row)
                tokens += cost
        if tokens >= wanted:
            break
    short = f"; that is all there is of the {wanted:,.0f} that the share asks for" if tokens < wanted else ""
    say(f"retain.{name}: {len(drawn):,} rows of {tokens:,} tokens are learnt once more{short}")
    return drawn


def _in_turn(
    records: list[Record], drawing: str, asked: Prepared, settings: Training, limit: int
) -> Iterator[list[Encoded]]:
    """The rows of records in the order that a seed gives them, of ever more at a time: most are never wanted."""
    room = 0 if settings.batch_examples else settings.batch_tokens
    order = generator(asked.seed, drawing).permutation(len(records)).tolist()
    begin, size = 0, PIECE
    while piece := order[begin : begin + size]:
        try:
            rows = asked.task.learnable([records[number] for number in piece], asked.tokenizer, limit, room)
        except Refusal:
            asked.task.learnable(records, asked.tokenizer, limit, room)  # refuses as well, by numbers in the data
            rows = []  # unless others than these fit
        if rows:  # windows of one text are drawn apart
            mixed = generator(asked.seed, f"{drawing} {begin}").permutation(len(rows)).tolist()
            yield [replace(rows[place], record=piece[rows[place].record]) for place in mixed]
        begin, size = begin + size, 2 * size
