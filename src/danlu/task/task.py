"""The promise of a task: what the model must do, from the columns of a record to a prediction."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from danlu.answer.answer import Answer
from danlu.data.record import Record
from danlu.model.apart import in_chunks, logits_at
from danlu.model.own import inside
from danlu.model.shape import Shape
from danlu.model.source import Source
from danlu.model.written import Written, plain_of
from danlu.recipe.part import Part, find
from danlu.refusal import Refusal
from danlu.text.batching.batch import Batch
from danlu.text.batching.encoded import Encoded, Sizes, sizes_of
from danlu.text.batching.flat import FlatTokens
from danlu.text.tokenizing.tokenizer import Tokenizer

Prediction = dict[str, Any]
"""Plain values, ready for a line of json; what they say is for the task's form of answers to tell."""

Output = NDArray[np.float32]

Answered = tuple[list[Output], list[Encoded]]
"""What the model gives for the windows of a record, and these windows."""

Inputs = Mapping[str, Any]
"""Keyword arguments of a model: tensors, and now and then a switch."""


class Truth(NamedTuple):
    """What a token is to become, "" for itself; neighbours of one `run` are shown as one."""

    text: str = ""
    run: int = -1


class Task(Part):
    """What the model must do. Pretraining objectives are tasks too.

    Shapes: B rows, T tokens, C classes.
    """

    folder: ClassVar[str] = "danlu.task.tasks"

    auto_class: ClassVar[str]
    """The Hugging Face class that opens the bundle; a property where it depends on the network's shape: ask a task."""

    columns: ClassVar[dict[str, str]]
    """Columns a record must have for training, each with its type in words."""

    other_columns: ClassVar[tuple[str, ...]] = ()
    """Columns that may stand in place of these."""

    other_ways: ClassVar[tuple[tuple[str, ...], ...]] = ()
    """Sets of columns with which it can learn too, unlike those of its samples; none: each other column alone."""

    also_reads: ClassVar[tuple[str, ...]] = ()
    """Columns that tell more of what is asked, beside those of `reads`, where a record has them."""

    answers_by: ClassVar[Literal["forward", "likelihood", "generate"]] = "forward"
    """How an answer comes about: from one pass, from how likely the model finds the row, or by writing tokens."""

    answer_form: ClassVar[str]
    """Name in `danlu.answer.answers` of the form that its predictions have."""

    characters_of: ClassVar[str] = "text"
    """The column whose characters its predictions name, where they name any."""

    metrics: ClassVar[tuple[str, ...]]
    """Names in `danlu.evaluate.scoring.metrics`; the first one chooses the best model."""

    metrics_by: ClassVar[str | None] = None
    """The key that says which of several sorts of metrics it has; None: it always has these."""

    baseline: ClassVar[str | None] = None
    """Name in `danlu.evaluate.classical.baselines` of the classical method to be compared with."""

    reads_tokens: ClassVar[bool] = False
    """Whether text alone is enough to learn from, so that `rows` gives rows out of flat token files."""

    couples_rows: ClassVar[bool] = False
    """Whether the loss of an example depends on those beside it, so that a batch must never be cut apart."""

    lone_rows: ClassVar[int] = 0
    """Rows up to which an example teaches nothing where it is alone in its batch."""

    repeats: ClassVar[bool] = True
    """Whether a row is the same whenever it is collated; False where `rng` draws in it, as for masks."""

    words_apart: ClassVar[bool] = False
    """Whether `words` without a text are laid out as tokens are, not side by side."""

    roles: ClassVar[tuple[str, ...]] = ()
    """Names of frozen networks that the loss reads beside the one that learns, such as a teacher or a reference."""

    as_begun: ClassVar[tuple[str, ...]] = ()
    """Those of the roles that are the network as the training begins with it, where the recipe gives none."""

    role_learns: ClassVar[Mapping[str, str]] = {}
    """Of roles that must be given, the task that a network is trained with to take it."""
    learners: ClassVar[dict[str, str]] = {}
    """Names of networks that learn beside the one that serves, each with the kind of its task; from `roles`, or made
    as `learner` says. `loss` finds them by `danlu.model.beside`."""

    by_chunks: ClassVar[bool] = False
    """Whether the `losses` of this very class gives its logits, of which then not all are ever held, to functions of
    `danlu.model.heads` alone. A class with other `losses` says it again."""

    invents_tokens: ClassVar[bool] = False
    """Whether `collate` puts in tokens beyond the special ones that stand in none of the rows."""

    sample: ClassVar[tuple[Record, ...]]
    """Three records that the contract suite and the documentation use."""

    max_length: int | None = Field(default=None, ge=8, description="tokens a text may have; None: as the model allows")
    too_long: Literal["stop", "truncate", "split"] = "stop"

    def shaped(self, shape: Shape) -> Self:
        """This task as a network of a shape can do it, before it is built; raises `Refusal` where it cannot."""
        return self

    def fitted(self, records: Sequence[Record]) -> Self:
        """This task with what it learns from the training records, such as its labels.

        Raises `Refusal` naming the record and the column for what does not fit.
        """
        return self

    def config(self) -> dict[str, Any]:
        """Fields of the model's configuration that depend on the task, such as `id2label`."""
        return {}

    def suited(self, model: nn.Module, tokenizer: Tokenizer, say: Callable[[str], None]) -> Self:
        """This task as `model` can do it, found by trying; `say` is told what had to be given up.

        Raises `Refusal` for a model that cannot learn it.
        """
        return self

    def learner(self, name: str, source: Source) -> Source:
        """Where one of its `learners` comes from if the recipe does not say, beside a network of `source`.

        Raises `Refusal` where there is no such network.
        """
        raise AssertionError(f"{self.kind} has no learner '{name}'")

    def taught(self, name: str) -> "Task":
        """The task that one of its `learners` learns, and that its bundle does."""
        return find(Task, self.learners[name])()  # type: ignore[type-abstract]

    def parameters(self) -> dict[str, Tensor]:
        """Parameters of its own beside those of the network, by name, as they stand; they are trained with it.

        `losses` finds them as `own.NAME`.
        """
        return {}

    def learnt(self, values: Mapping[str, Tensor]) -> Self:
        """This task with its own parameters as a training has left them, in its fields."""
        return self

    def settled(self, records: Sequence[Record], outputs: Iterable[Answered]) -> Self:
        """This task with what it chooses by what the trained model says of records that it has not learnt from.

        `outputs` are computed as they are asked for. Each validation settles the task anew, and so does the end.
        """
        return self

    def settles_on(self, records: int) -> None:
        """Raise `Refusal` where so few validation records cannot settle what it chooses by them."""

    @abstractmethod
    def encode(self, records: Sequence[Record], tokenizer: Tokenizer, limit: int, *, labelled: bool) -> list[Encoded]:
        """Encode records in order; a record may give several windows, none is dropped silently.

        `limit` is the longest row the model allows, in tokens. Without `labelled`, labels are not looked at.
        Raises `Refusal` for a wrong column, an unknown label, or a text that is too long under `stop`.
        """

    def prompts(self, records: Sequence[Record], tokenizer: Tokenizer, limit: int) -> list[Encoded]:
        """What the model reads of each record before it writes, one example or several each.

        Raises `Refusal` where the model writes no text.
        """
        if self.answers_by != "generate":
            raise Refusal(f"a model of the task {self.kind} answers with a {self.answer_form} and writes no text")
        return self.encode(records, tokenizer, limit, labelled=False)

    def learnable(self, records: Sequence[Record], tokenizer: Tokenizer, limit: int, room: int) -> Sequence[Encoded]:
        """Labelled rows to learn from; those that several records share are filled to `room` tokens at most.

        `room` is what a batch takes, as rows as long as the model allows would make far larger ones; 0: examples.
        """
        return self.encode(records, tokenizer, limit, labelled=True)

    def rows(self, tokens: FlatTokens, tokenizer: Tokenizer, limit: int, room: int) -> Sequence[Encoded]:
        """Labelled rows out of flat token files, looked up as they are asked for; `limit` and `room` as above."""
        raise AssertionError(f"{self.kind} needs more than text, as reads_tokens says")

    def sizes(self, encoded: Sequence[Encoded], tokenizer: Tokenizer) -> Sizes:
        """What labelled rows cost once they are collated, which may make others of them."""
        return sizes_of(encoded)

    @abstractmethod
    def collate(self, encoded: Sequence[Encoded], width: int, tokenizer: Tokenizer, rng: np.random.Generator) -> Batch:
        """Pad rows to `width` tokens; what is random (masking) comes from `rng` alone."""

    def along(self, done: float) -> Self:
        """This task as it is when a share `done` of the training is, from 0 to 1; rows of both are collated alike."""
        return self

    def places(self, batch: Batch) -> Tensor | None:
        """Where alone the task needs what the model gives, (B, T) bool; None for everywhere."""
        return None

    def forward(self, model: nn.Module, inputs: Inputs, places: Tensor | None = None) -> dict[str, Tensor]:
        """What the model says of its inputs, by name; loss, outputs, export and attributions read it alike.

        `logits` are (B, C), (B, T, C) or, with `places`, (K, C) in the order of rows.
        """
        if places is None:
            return {"logits": model(**inputs).logits}
        logits: Any = logits_at(model, inputs, places)  # held back within `loss` alone
        return {"logits": logits}

    def role_says(self, model: nn.Module, row: Batch) -> dict[str, Tensor]:
        """What the network of a role tells the loss of one row without padding, by name, in a batch of that row alone.

        A number (), (C,) of the row, or (T, C) of its tokens; the loss finds it in the targets `role.name`.
        """
        return {name: value[0] for name, value in self.forward(model, row.inputs).items()}

    @abstractmethod
    def losses(self, said: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """Sum of the loss over what counts, float32, of each objective in `Batch.counts`, from what `forward` gave."""

    @abstractmethod
    def outputs(self, said: Mapping[str, Tensor], batch: Batch) -> list[Output]:
        """What `decode` needs of each example, padding cut off: (C,), (T, C) or whatever the task has agreed."""

    def loss(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """The sums of `losses`; the caller divides each by its count in the whole step."""
        own = {f"own.{name}": value for name, value in (inside(model) or self.parameters()).items()}
        of_losses = next(each for each in type(self).__mro__ if "losses" in vars(each))
        with in_chunks(allowed=bool(vars(of_losses).get("by_chunks"))):
            said = self.forward(model, batch.inputs, self.places(batch))
        return self.losses({**said, **own}, batch)

    def answered(self, model: nn.Module, batch: Batch) -> list[Output]:
        """The `outputs` of a batch."""
        return self.outputs(self.forward(model, batch.inputs, self.places(batch)), batch)

    def decode(self, outputs: Sequence[Output], encoded: Sequence[Encoded], record: Record) -> Prediction:
        """The prediction for one record from the outputs of all its windows, of a task that does not generate."""
        raise AssertionError(f"{self.kind} must decode what its outputs say")

    def composed(self, written: Sequence[Written], encoded: Sequence[Encoded], record: Record) -> Prediction:
        """The prediction for one record from what was written of its rows, the best first, of a task that generates."""
        return plain_of(written)

    def told(self, batch: Batch, row: int, tokenizer: Tokenizer) -> tuple[str, list[Truth | None]]:
        """For a person who looks at a batch: the target of a whole row in words, and that of each of its tokens.

        A token is None where the loss passes it by; all of them are where the list is empty.
        """
        return "", []

    @abstractmethod
    def gold(self, record: Record, number: int = 0) -> Any:
        """The truth of a record, a value of the task's `form`; `number` counts records from 0."""

    @property
    def form(self) -> Answer:
        """The form of its answers, which knows how they are compared, judged and written."""
        return find(Answer, self.answer_form)()  # type: ignore[type-abstract]

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns that a record must have to be answered."""
        return ("text",)

    def kept(self, record: Record) -> Record:
        """The record with the columns alone that the task reads: what goes with a bundle or shards."""
        names = {*self.columns, *self.other_columns}
        return {name: value for name, value in record.items() if name in names}

    def tried(self) -> Record:
        """A record with all that this task reads, to try a model with."""
        return self.sample[0]

    @property
    def examined_as(self) -> str:
        """Name of the form of answers by which it is examined, where that is not the form in which it answers."""
        return self.answer_form

    @property
    def examined_form(self) -> Answer:
        """That form."""
        return find(Answer, self.examined_as)()  # type: ignore[type-abstract]

    def examined(self, predictions: Iterable[Prediction], records: Sequence[Record]) -> Iterable[Prediction]:
        """Predictions of the form by which it is examined, of those of all records of a test set, in their order."""
        return predictions

    def beside(self, width: int, limit: int) -> dict[str, Any]:
        """What other programs read of a bundle, by the name of a json file; of a model's width and longest row."""
        return {}

    def label_names(self) -> tuple[str, ...]:
        """The labels that metrics report one by one, in a fixed order."""
        return ()
