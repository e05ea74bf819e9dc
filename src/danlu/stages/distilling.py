"""The `teacher:` of a training: a bundle that has learnt the same task, which a smaller student follows."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from danlu.bundle import manifest
from danlu.data.cleaning.clean import rewriters_of
from danlu.machine.seed import generator
from danlu.model.depth import spaced
from danlu.model.fast import prepare_for_training, use_our_attention
from danlu.model.heads import unwrapped
from danlu.model.own import inside, put_in
from danlu.model.positions import VIRTUAL, longest_row
from danlu.model.recomputed_layers import recomputes
from danlu.model.source import Say, unsaid
from danlu.model.sources.pretrained import Pretrained
from danlu.recipe.part import Part
from danlu.refusal import Refusal
from danlu.stages.ready import Prepared, Ready
from danlu.stages.sources import Data, as_rewritten, bundle_folder
from danlu.stages.stage import Place
from danlu.stages.validating import cut_as_learnt
from danlu.task.followed import Followed, can_be_followed
from danlu.task.task import Task
from danlu.text.batching.encoded import Encoded, sizes_of
from danlu.text.tokenizing.folder import open_tokenizer
from danlu.text.tokenizing.tokenizer import fingerprint
from danlu.tuning.inner import Inside, watch
from danlu.tuning.teacher import EMBEDDINGS, HIDDEN, TEACHER, Taught, Teaching, Weights

MEGABYTE = 2**20


class Teacher(Part):
    """A teacher, and what of it is followed; all weights are of means, beside that of the labels."""

    bundle: str = Field(description="'@stage', or the folder of a bundle of the same task, labels and tokenizer")
    labels: float = Field(default=1.0, ge=0, description="weight of the truth, where records have a label")
    logits: float = Field(default=1.0, ge=0, description="weight of the teacher's answers, softened (Hinton, 2015)")
    temperature: float = Field(default=2.0, ge=0.1, le=100, description="by which both answers are softened")
    hidden: float = Field(default=0.0, ge=0, description="weight of hidden states, layer by layer (TinyBERT)")
    attention: float = Field(default=0.0, ge=0, description="weight of the scores of attention before their softmax")
    embeddings: float = Field(default=0.0, ge=0, description="weight of what enters the first layer")
    layers: tuple[int, ...] | None = Field(
        default=None,
        description="of the teacher, from 1, that each layer of the student follows; None: as far apart as may be",
    )
    unlabelled: Data | list[Data] | None = Field(default=None, description="records of which the teacher alone speaks")
    cache: int = Field(
        default=2048, ge=0, description="megabytes on disk that the teacher's words may take; beyond, it is asked anew"
    )

    @property
    def weights(self) -> Weights:
        """What each objective weighs."""
        return Weights(self.labels, self.logits, self.temperature, self.hidden, self.attention, self.embeddings)

    @property
    def speaks(self) -> bool:
        """Whether anything of it is followed."""
        return bool(self.logits or self.weights.inside)

    @model_validator(mode="after")
    def _teaches_something(self) -> Self:
        if not self.speaks and not self.labels:
            raise ValueError("all weights are 0, so there is nothing to learn; give 'logits' or 'labels' a weight")
        if self.unlabelled is not None and not self.speaks:
            raise ValueError(
                "'unlabelled' is learnt from the teacher alone, of which nothing has a weight; give 'logits' one, or "
                "leave 'unlabelled' out"
            )
        if self.layers is not None and not (self.hidden or self.attention):
            raise ValueError("'layers' are those of 'hidden' and 'attention', which have no weight; leave it out")
        if self.temperature != type(self).model_fields["temperature"].default and not self.logits:
            raise ValueError("'temperature' softens 'logits', which have no weight; leave it out")
        return self

    def inputs(self) -> list[str]:
        """The bundle's folder, where it is no stage's; see `Part.inputs`."""
        return [] if self.bundle.startswith("@") else [self.bundle]


@dataclass(frozen=True)
class _Opened:
    """The bundle of a teacher.

    - `size`, `student`: what is inside both networks, where that is compared.
    """

    path: Path
    task: Followed
    network: nn.Module
    size: Inside | None = None
    student: Inside | None = None
    layers: tuple[int, ...] = field(default=())


def taught(ready: Ready, section: Teacher | None, place: Place, say: Say) -> Ready:
    """What a training begins with, where it follows a teacher.

    Raises:
        Refusal: the bundle has learnt another task, other labels or another tokenizer; what is to be compared does
            not meet; or unlabelled records do not fit.
    """
    if section is None or not section.speaks:
        return ready
    task = ready.prepared.task
    if not isinstance(task, Followed) or not can_be_followed(task):
        raise Refusal(
            f"teacher: the task {task.kind} has no answers by which a student could follow a teacher; leave it out, or "
            "see the task distil_lm for language models, and stages of kind 'teach' for models that write"
        )
    teaches = _task(task, section, place, ready, say)
    opened = _inside(_opened(section, teaches, ready, place), section, ready)
    encoded = _with_unlabelled(ready, section, task, place, say)
    _refuse_longer(encoded, opened)
    ready = _with_projections(replace(ready, encoded=encoded), opened, section, say)
    size = _bytes(encoded, opened, section.weights)
    keep = task.repeats and size <= section.cache * MEGABYTE
    millions = sum(value.numel() for value in opened.network.parameters()) / 1e6
    say(f"{TEACHER}: {opened.path}, frozen, {millions:.2f} M parameters")
    if opened.layers:
        say(f"{TEACHER}: its layers {', '.join(map(str, opened.layers))} are followed")
    comes = f"comes to {size / MEGABYTE:,.1f} MB"
    told = (
        "is asked anew each time, for rows are drawn anew"
        if not task.repeats
        else f"{comes} and is kept on disk"
        if keep
        else f"{comes} and is asked anew each time, for that is more than 'cache', {section.cache:,} MB"
    )
    say(f"{TEACHER}: what it says of all rows {told}")
    teaching = Teaching(task, opened.task, section.weights, opened.layers, keep)
    return replace(ready, roles=Taught(teaching, {TEACHER: opened.network}))


def _task(task: Followed, section: Teacher, place: Place, ready: Ready, say: Say) -> Followed:
    """The teacher's own task, which is the student's but for what the two have learnt."""
    path = manifest.find(bundle_folder(section.bundle, place))
    facts = manifest.read(path)
    if served := manifest.served_by(path):
        raise Refusal(
            f"teacher.bundle: {path} is served by its adapter '{served}', and its weights alone are not the model; "
            "merge the two with 'danlu merge', and give that"
        )
    found = manifest.part(Task, facts["task"], path / manifest.NAME, "task")  # type: ignore[type-abstract]
    if not isinstance(found, Followed) or found.kind != task.kind:
        raise Refusal(
            f"teacher.bundle: {path} has learnt the task {found.kind}, and the student learns {task.kind}; give a "
            "bundle of the same task"
        )
    theirs, own = found.label_names(), task.label_names()
    if theirs != own:
        raise Refusal(
            f"teacher.bundle: {path} has the labels {_some(theirs)}, and the student {_some(own)}; give a teacher of "
            "the same labels in the same order, or name them as 'labels' of the task"
        )
    if found.reads != task.reads:
        raise Refusal(
            f"teacher.bundle: {path} reads {' and '.join(found.reads)}, and the student {' and '.join(task.reads)}; "
            "give records and a teacher that read the same"
        )
    if fingerprint(open_tokenizer(path, str(path))) != fingerprint(ready.prepared.tokenizer):
        raise Refusal(
            f"teacher.bundle: {path} has another tokenizer than the student, so rows would mean something else to it; "
            "give a teacher that was trained with the same, or make the student of it with 'model: {kind: student}'"
        )
    if rewriters_of(facts.get("cleaners", []), str(path / manifest.NAME)) != ready.prepared.rewriters:
        say(f"{TEACHER}: {path} was trained on texts that other cleaners had rewritten, or none; it reads these as new")
    return found


def _opened(section: Teacher, task: Followed, ready: Ready, place: Place) -> _Opened:
    path = manifest.find(bundle_folder(section.bundle, place))
    network = Pretrained(path=str(path)).build(task.auto_class, ready.prepared.tokenizer, task.config())
    network.requires_grad_(requires_grad=False)
    use_our_attention(network)
    # it reads rows as that task makes them, which is tried before numbers are rounded to 16 bits
    ready.prepared.task.suited(network, ready.prepared.tokenizer, unsaid)
    return _Opened(path, task, prepare_for_training(network, ready.precision).eval())


def _inside(opened: _Opened, section: Teacher, ready: Ready) -> _Opened:
    """The teacher and the student watched, where what they hold is compared, and the layers that are followed."""
    weights, method = section.weights, ready.prepared.tuning
    if not weights.inside:
        return opened
    if method.freezes_trunk:
        raise Refusal(
            f"teacher: no gradient enters the layers with the tuning method '{method.kind}', so 'hidden', 'attention' "
            "and 'embeddings' would change nothing; leave them out, or take full or lora"
        )
    if getattr(unwrapped(ready.model), VIRTUAL, 0) or getattr(ready.model, VIRTUAL, 0):
        raise Refusal(
            f"teacher: the tuning method '{method.kind}' puts tokens of its own before each row, so the layers of "
            "student and teacher do not meet; leave 'hidden', 'attention' and 'embeddings' out, or take full or lora"
        )
    attention = bool(weights.attention)
    if attention and recomputes(ready.model):
        raise Refusal(
            "train.recompute: scores of attention are kept to be compared with the teacher's, so nothing would be "
            "gained; leave out 'recompute', or 'attention' of the teacher"
        )
    size = watch(opened.network, f"teacher.bundle: {opened.path}", attention=attention)
    student = watch(ready.model, "model: the student", attention=attention)
    if attention and size.heads != student.heads:
        raise Refusal(
            f"teacher.attention: the teacher has {size.heads} heads and the student {student.heads}, so their scores "
            "do not meet; give the student as many, or leave 'attention' out"
        )
    layers = _layers(section, size.layers, student.layers) if weights.hidden or attention else ()
    return replace(opened, size=size, student=student, layers=layers)


def _layers(section: Teacher, deep: int, shallow: int) -> tuple[int, ...]:
    if section.layers is None and shallow > deep:
        raise Refusal(
            f"teacher: the student has {shallow} layers and the teacher {deep}; give the student as many at most, or "
            "say under 'layers' which of the teacher's each follows"
        )
    found = spaced(deep, shallow) if section.layers is None else section.layers
    if len(found) != shallow or not all(1 <= layer <= deep for layer in found):
        raise Refusal(
            f"teacher.layers: expected {shallow} numbers from 1 to {deep}, a layer of the teacher for each of the "
            f"student's, and found {', '.join(map(str, found)) or 'none'}"
        )
    return found


def _with_projections(ready: Ready, opened: _Opened, section: Teacher, say: Say) -> Ready:
    """The student with learnt maps to the teacher's width, where the two differ."""
    if opened.size is None or opened.student is None or opened.size.width == opened.student.width:
        return ready
    wide, narrow = opened.size.width, opened.student.width
    values = dict[str, Tensor]()
    for name, weight in ((HIDDEN, section.hidden), (EMBEDDINGS, section.embeddings)):
        if weight:
            drawn = generator(ready.prepared.seed, f"projection {name}").normal(0, narrow**-0.5, (narrow, wide))
            values[name] = torch.from_numpy(drawn).float()
    if not values:
        return ready
    say(f"{TEACHER}: {wide:,} wide, and the student {narrow:,}: a learnt map lies between, of which nothing is left")
    dtype = next(unwrapped(ready.model).parameters()).dtype
    known = {name: value.detach() for name, value in inside(ready.model).items()}
    put_in(ready.model, known | {name: value.to(dtype) for name, value in values.items()})
    return replace(ready, prepared=replace(ready.prepared, projections=values))


def _with_unlabelled(ready: Ready, section: Teacher, task: Followed, place: Place, say: Say) -> Sequence[Encoded]:
    """The rows of all records, those without a label behind the others."""
    if section.unlabelled is None:
        return ready.encoded
    if ready.learnt.shards:
        raise Refusal(
            "teacher.unlabelled: rows of shards are read as they come, and others cannot be put among them; learn from "
            "the prepared data that the shards were made of"
        )
    cut = cut_as_learnt(task, ready.settings)
    rows = unlabelled_rows(section.unlabelled, cut, ready.prepared, ready.limit, place, say)
    behind = [replace(row, record=row.record + ready.learnt.count) for row in rows]
    return [*ready.encoded, *behind]


def unlabelled_rows(
    data: Data | list[Data], task: Followed, prepared: Prepared, limit: int, place: Place, say: Say
) -> list[Encoded]:
    """The rows of records of which the teacher alone speaks. Raises `Refusal` where there is none."""
    records = as_rewritten(data, prepared.rewriters, place)
    rows = task.unlabelled(records, prepared.tokenizer, limit)
    if not rows:
        raise Refusal("teacher.unlabelled: holds no record; give texts, or leave it out")
    say(f"{TEACHER}: {len(records):,} records without a label are learnt from it alone")
    return rows


def _refuse_longer(encoded: Sequence[Encoded], opened: _Opened) -> None:
    """Refuse a teacher that cannot read the longest row."""
    limit, longest = longest_row(unwrapped(opened.network)), int(sizes_of(encoded).widths.max())
    if longest > limit:
        raise Refusal(
            f"teacher.bundle: {opened.path} reads rows of {limit:,} tokens, and the longest has {longest:,}; set the "
            f"task's 'max_length' to {limit:,}"
        )


def _bytes(encoded: Sequence[Encoded], opened: _Opened, weights: Weights) -> float:
    """What the teacher's words of all rows come to; of its answers as many as it has labels, or one a token."""
    sizes, each = sizes_of(encoded), next(opened.network.parameters()).element_size()
    rows = 1 if sizes.rows is None else sizes.rows
    tokens, pairs = float((rows * sizes.widths).sum()), float((rows * sizes.widths**2).sum())
    found = tokens * max(1, len(opened.task.label_names())) if weights.logits else 0.0
    if opened.size is not None:
        depth, width = len(opened.layers), opened.size.width
        found += tokens * width * (depth * bool(weights.hidden) + bool(weights.embeddings))
        found += pairs * opened.size.heads * depth * bool(weights.attention)
    return found * each


def _some(labels: tuple[str, ...]) -> str:
    return ", ".join(labels[:8]) + (" ..." if len(labels) > 8 else "") or "none"
