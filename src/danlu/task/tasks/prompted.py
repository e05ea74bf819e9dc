"""A label by the word that a language model puts into a prompt (Schick and Schuetze, 2021)."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import torch
from pydantic import AfterValidator, BeforeValidator, Field
from torch import Tensor, nn
from torch.nn import functional

from danlu.data.labels import in_order, known_label, spellings
from danlu.data.record import Record
from danlu.machine.seed import generator
from danlu.model.ends import Endings
from danlu.model.heads import unwrapped
from danlu.model.positions import longest_row
from danlu.model.probe import looks_ahead
from danlu.model.shape import Shape
from danlu.refusal import Refusal
from danlu.task.columns import label_in, text_in
from danlu.task.numbered import NUMBERS
from danlu.task.one_label import OneLabel
from danlu.task.put import Put, batch_of, likelihoods, put
from danlu.task.task import Inputs, Output
from danlu.text.batching.batch import Batch
from danlu.text.batching.encoded import Encoded, Row
from danlu.text.prompting.filled import filled
from danlu.text.prompting.template import LABEL, PromptTemplate, read_template
from danlu.text.tokenizing.special import ordinary_ids
from danlu.text.tokenizing.tokenized import tokenized
from danlu.text.tokenizing.tokenizer import Tokenizer

BLOCK = 256  # records whose prompts are laid out with all words at once
HEADS: dict[Shape, str] = {
    "encoder": "AutoModelForMaskedLM",
    "decoder": "AutoModelForCausalLM",
    "encoder_decoder": "AutoModelForSeq2SeqLM",
}


def _read(value: Any) -> Any:
    """A template from its file, where a path is given."""
    return read_template(value) if isinstance(value, str) else value


def _learnable(template: PromptTemplate | None) -> PromptTemplate | None:
    """A template without what has no effect where a model learns from many examples."""
    if template is None:
        return None
    unlearnt = ("shots", "choose", "vectors", "example", "seed", "content_free", "calibrate")
    for name in unlearnt:
        value, default = getattr(template, name), type(template).model_fields[name].default
        given = name in template.model_fields_set and value is not False if name == "calibrate" else value != default
        if given:
            raise ValueError(
                f"'{name}' of the template has no effect where a model learns through it, for neither are examples "
                "shown nor is anything calibrated; leave it out"
            )
    if template.asks != LABEL:
        raise ValueError(
            f"the template asks for {{{template.asks}}}, and this task learns labels; write {{{LABEL}}}, or take "
            "the task choose or answer"
        )
    if template.answer_column != LABEL:
        raise ValueError(
            f"'slots' of the template names the column '{template.answer_column}' for the label, which a task finds in "
            f"'{LABEL}'; name it so under 'columns' of the data"
        )
    return template.model_copy(update={"calibrate": False})


class Prompted(OneLabel):
    """Choose one of some labels by how likely a language model finds the word of each in its place in a prompt.

    Nothing is added to the model. Before any training it answers as `danlu prompt` does without examples and
    calibration. Output of a row: log-probabilities (C,).
    """

    columns: ClassVar[dict[str, str]] = {"text": "text", LABEL: "a label (text)"}
    metrics: ClassVar[tuple[str, ...]] = ("macro_f1", "accuracy")
    sample: ClassVar[tuple[Record, ...]] = (
        {"text": "这本书写得很好，值得再读一遍。", "label": "good"},
        {"text": "The screen broke after two days.", "label": "bad"},
        {"text": "物流太慢，包装也破了。", "label": "bad"},
    )

    template: Annotated[
        PromptTemplate | None,
        BeforeValidator(_read, json_schema_input_type=PromptTemplate | str | None),
        AfterValidator(_learnable),
    ] = Field(default=None, description="a prompt, or its file; None: the text, and the label itself behind it")
    shape: Shape | None = Field(default=None, description="None: as the model is")
    begins: Annotated[tuple[int, ...], NUMBERS] = Field(
        default=(), description="tokens that a decoder begins with; learnt from the model"
    )
    too_long: Literal["stop", "truncate"] = "stop"

    @property
    def auto_class(self) -> str:  # type: ignore[override]
        """As its shape is."""
        return HEADS[self.shape or "encoder"]

    @property
    def baseline(self) -> str | None:  # type: ignore[override]
        """As of any classifier, where it reads what that does."""
        return "tfidf" if self._asked.keys() <= {"text", "text_pair"} and "text" in self._asked else None

    def shaped(self, shape: Shape) -> Self:
        """See `Task.shaped`."""
        if self.shape not in (None, shape):
            raise Refusal(f"task.shape is '{self.shape}', and the model is a {shape}; leave 'shape' out")
        return self.model_copy(update={"shape": shape})

    def fitted(self, records: Sequence[Record]) -> Self:
        """This task with a template, and with its labels.

        Raises `Refusal` for a record that lacks what a slot reads, and for a label without a word.
        """
        found = self if self.template is not None else self._plain(records)
        template = found._prompt
        if self.labels and set(self.labels) != set(template.labels):
            raise Refusal(
                f"task.labels are {', '.join(self.labels)}, and the template has words for "
                f"{', '.join(template.labels)}; leave 'labels' out"
            )
        for number, record in enumerate(records):
            template.values(record, f"record {number + 1:,}")
            label = label_in(record, number)
            if known_label(label, template.labels) is None:
                raise Refusal(
                    f"record {number + 1:,}: the label '{label}' is not among those of the template's verbalizer "
                    f"({', '.join(template.labels[:20])}); give it a word there, or mend the record"
                )
        return found.model_copy(update={"labels": template.labels})

    def config(self) -> dict[str, Any]:
        """Names of the labels; families that can be either, such as BERT, are decoders where the shape says so."""
        return super().config() | ({"is_decoder": True} if self.shape == "decoder" else {})

    def suited(self, model: nn.Module, tokenizer: Tokenizer, say: Callable[[str], None]) -> Self:
        """This task with what the model's decoder begins with.

        Raises `Refusal` for an encoder without a mask token, and a decoder that sees the words it is asked for.
        """
        inner = unwrapped(model)
        if self.shape == "encoder" and tokenizer.mask_token_id is None:
            raise Refusal(
                "the tokenizer has no mask token, so an encoder cannot be asked for a word; give a masked language "
                "model with its own tokenizer, or a decoder"
            )
        if self.shape == "decoder":
            size = min(16, longest_row(inner))
            ids = [torch.from_numpy(generator(seed, "probe").choice(ordinary_ids(tokenizer), size)) for seed in (0, 1)]
            if looks_ahead(model, *ids):
                raise Refusal(
                    f"models of the family '{inner.config.model_type}' see the tokens whose likelihood they are to "
                    "tell; choose a decoder, or a masked language model"
                )
        if self.shape in (None, "encoder"):
            return self
        source = ordinary_ids(tokenizer)[: self.shape == "encoder_decoder"].astype(np.int32)
        (prompt,) = Endings(model, tokenizer, longest_row(inner)).prompts([Encoded(0, (Row(source),))])
        return self.model_copy(update={"begins": prompt.ids})

    def encode(self, records: Sequence[Record], tokenizer: Tokenizer, limit: int, *, labelled: bool) -> list[Encoded]:
        """One example a record, of as many rows as its words need; the target `label` is the number of the label."""
        template, limit = self._prompt, min(limit, self.max_length or limit)
        found: list[Encoded] = []
        for first in range(0, len(records), BLOCK):
            some = records[first : first + BLOCK]
            values = [self._values(record, number) for number, record in enumerate(some, first)]
            for number, each in enumerate(self._put(values, tokenizer, first), first):
                cut = 0
                if each.length > limit:
                    each, cut = self._shortened(each, values[number - first], number, tokenizer, limit)  # noqa: PLW2901
                lengths = [template.length(*sizes) for sizes in zip(each.tokens, each.characters, strict=True)]
                found.append(each.encoded(number, cut, lengths))
                if labelled:
                    found[-1].targets["label"] = self.number_of(records[number], number)
        return found

    def collate(self, encoded: Sequence[Encoded], width: int, tokenizer: Tokenizer, rng: np.random.Generator) -> Batch:
        """See `danlu.task.put.batch_of`."""
        return batch_of(encoded, width, tokenizer, len(self._prompt.words))

    def places(self, batch: Batch) -> Tensor:
        """Where a token of a word is asked for."""
        return batch.targets["places"]

    def forward(self, model: nn.Module, inputs: Inputs, places: Tensor | None = None) -> dict[str, Tensor]:
        """See `Task.forward`; no cache is kept."""
        return super().forward(model, inputs if self.shape == "encoder" else {**inputs, "use_cache": False}, places)

    def losses(self, said: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy over the labels, summed."""
        return {"label": functional.nll_loss(self._shares(said, batch), batch.targets["label"], reduction="sum")}

    def outputs(self, said: Mapping[str, Tensor], batch: Batch) -> list[Output]:
        """Log-probabilities (C,) of each example."""
        return list(self._shares(said, batch).cpu().numpy())

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns of the slots."""
        return tuple(self._asked)

    def kept(self, record: Record) -> Record:
        """See `Task.kept`."""
        return {name: value for name, value in record.items() if name in {*self._asked, LABEL}}

    def tried(self) -> Record:
        """See `Task.tried`."""
        return dict.fromkeys(self._asked, self.sample[0]["text"])

    @property
    def _asked(self) -> dict[str, str]:
        """Column: the slot that reads it."""
        template = self.template
        return {"text": "text"} if template is None else {name: slot for slot, name in template.columns.items()}

    @property
    def _prompt(self) -> PromptTemplate:
        assert self.template is not None, "the task has to be fitted to its data first"
        return self.template

    def _plain(self, records: Sequence[Record]) -> Self:
        """With the text and each label as its own word behind it."""
        counts = Counter(label_in(record, number) for number, record in enumerate(records))
        labels = self.labels or in_order(spellings(counts).counted(counts))
        if len(labels) < 2:
            raise Refusal(
                f"column 'label': there are {len(labels)} labels in the training data; a classifier needs two or more"
            )
        template = PromptTemplate(text="{text} {label}", verbalizer={label: label for label in labels})
        return self.model_copy(update={"template": _learnable(template)})

    def _values(self, record: Record, number: int) -> dict[str, str]:
        for column in self._asked:
            if column in record:
                text_in(record, number, column)
        return self._prompt.values(record, f"record {number + 1:,}")

    def _put(self, values: Sequence[Mapping[str, str]], tokenizer: Tokenizer, first: int = 0) -> list[Put]:
        template = self._prompt
        prompts = [filled(template, each, [], f"record {first + number + 1:,}") for number, each in enumerate(values)]
        return put(prompts, tokenizer, self.shape or "encoder", self.begins, template.chat)

    def _shortened(
        self, whole: Put, values: dict[str, str], number: int, tokenizer: Tokenizer, limit: int
    ) -> tuple[Put, int]:
        """The prompt with as much of its longest text cut off as must be, and how many tokens that were."""
        if self.too_long == "stop":
            raise Refusal(
                f"record {number + 1:,}: the text has {whole.length:,} tokens and a row takes {limit:,}; shorten "
                "it, or the template around it, or set the task's 'too_long' to 'truncate'"
            )
        found, cut = whole, 0
        while (excess := found.length - limit) > 0:
            slot = max(values, key=lambda name: len(values[name]))
            (encoding,) = tokenized([values[slot]], tokenizer, special=False)
            if not encoding.ids:
                raise Refusal(
                    f"record {number + 1:,}: the template without its texts has {found.length:,} tokens and a row "
                    f"takes {limit:,}; shorten the template"
                )
            starts = [start for start, _ in encoding.offsets]
            stop = min(starts[max(0, len(starts) - excess)], len(values[slot]) - 1)  # tokens may share a character
            values = values | {slot: values[slot][:stop]}
            (found,) = self._put([values], tokenizer, number)
            cut += sum(start >= stop for start in starts)
        return found, cut

    def _shares(self, said: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """The logarithm of the share (B, C) of each label, of several words the mean or the sum of theirs."""
        logs_BW, template = likelihoods(said["logits"], batch.targets), self._prompt
        each = [torch.logsumexp(logs_BW[:, mine.start : mine.stop], 1) for mine in template.of_labels]
        logs_BC = torch.stack(each, 1)
        if template.several == "mean":
            logs_BC = logs_BC - torch.tensor([len(mine) for mine in template.of_labels], device=logs_BC.device).log()
        return torch.log_softmax(logs_BC, -1)
