"""Vectors of texts, those of like texts close to each other (Reimers and Gurevych, 2019)."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from danlu.data.labels import LabelNames, in_order, spellings
from danlu.data.record import Record
from danlu.model.heads import unwrapped
from danlu.model.positions import text_config
from danlu.model.recomputed import a_few_at_a_time
from danlu.model.shape import Shape
from danlu.refusal import Refusal
from danlu.task.columns import label_in, number_in, text_in
from danlu.task.contrast import Pooling, cosine_of_labels, known_fits, nearest_labels, of_pairs, pooled, sup_con
from danlu.task.documents import NEGATIVES, texts_in
from danlu.task.inputs import model_inputs
from danlu.task.one_label import place_of
from danlu.task.retrieved import documents_of, rankings
from danlu.task.sentence_transformers import described
from danlu.task.task import Inputs, Output, Prediction, Task, Truth
from danlu.task.texts import SECOND
from danlu.text.batching.batch import Batch
from danlu.text.batching.encoded import Encoded
from danlu.text.batching.windows import windows
from danlu.text.tokenizing.tokenizer import Tokenizer

SCORE, LABEL = "score", "label"


class Embed(Task):
    """Say a vector of a text, or of two and how alike they are.

    Learnt from pairs that fit, of which the others of a batch and `negatives` do not, from pairs with a `score`, or
    from texts with a `label`, of which those of the same one fit (Tunstall et al., 2022). Examined by the places of the
    fitting texts among all those of the test set, by the order of the cosines, or by the label of the nearest other
    text. Output of an example: a vector of each of its texts (R, E), of length 1.
    """

    auto_class: ClassVar[str] = "AutoModel"
    columns: ClassVar[dict[str, str]] = {"text": "text", SECOND: "text that fits it"}
    other_columns: ClassVar[tuple[str, ...]] = (NEGATIVES, SCORE, LABEL)
    other_ways: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("text", SECOND, NEGATIVES),
        ("text", SECOND, SCORE),
        ("text", LABEL),
    )
    answer_form: ClassVar[str] = "vector"
    couples_rows: ClassVar[bool] = True
    metrics_by: ClassVar[str | None] = "scored"
    sample: ClassVar[tuple[Record, ...]] = (
        {"text": "怎么泡茶？", SECOND: "水烧开，放茶叶，等三分钟。"},
        {"text": "When did the museum open?", SECOND: "It opened its doors in 1998."},
        {"text": "李白生于哪里？", SECOND: "李白生于碎叶城。"},
    )

    labels: LabelNames = Field(default=(), description="of texts; empty: those of the data, if they have some")
    scored: bool | None = Field(default=None, description="whether pairs have a 'score'; None: as the data are")
    too_long: Literal["stop", "truncate"] = "truncate"
    pooling: Pooling = Field(
        default="mean", description="of the tokens, which one is the vector; weighted: the mean, later ones weigh more"
    )
    objective: Literal["contrastive", "cosent", "cosine"] | None = Field(
        default=None,
        description="cosent orders cosines by scores, cosine meets them, or 1 and 0; None: as the data are",
    )
    temperature: float = Field(
        default=0.05, ge=1e-4, le=1e4, description="cosines are divided by it, not under 'cosine'"
    )
    symmetric: bool = Field(default=False, description="whether fitting texts look for theirs among the others too")
    widths: tuple[int, ...] = Field(
        default=(), description="first numbers of a vector that are to do without the rest (Kusupati et al., 2022)"
    )
    rows_at_once: int | None = Field(
        default=None,
        ge=1,
        description="texts of which all is held while learning; others are computed anew backwards (Gao et al., 2021)",
    )
    highest: float | None = Field(
        default=None, gt=0, description="of cosine: the score of a cosine of 1; None: the largest"
    )

    @property
    def lone_rows(self) -> int:  # type: ignore[override]
        """A text whose fellows have its label, or two that fit each other; a cosine is learnt by itself."""
        return 1 if self.labels else 0 if self.objective == "cosine" else 2

    @property
    def metrics(self) -> tuple[str, ...]:  # type: ignore[override]
        """Of the order of scores, of the nearest labels, or of what is found."""
        if self.labels:
            return ("accuracy", "macro_f1")
        return ("spearman", "pearson") if self.scored else ("ndcg_at_k", "mrr", "recall_at_k")

    @property
    def baseline(self) -> str | None:  # type: ignore[override]
        """As it is examined."""
        return "tfidf" if self.labels else "tfidf_number" if self.scored else "tfidf_retrieval"

    def label_names(self) -> tuple[str, ...]:
        """Those that it is examined by, where there are some."""
        return self.labels

    @property
    def examined_as(self) -> str:
        """Labels where there are some, numbers where there are scores, else rankings."""
        return "label" if self.labels else "number" if self.scored else "ranking"

    def shaped(self, shape: Shape) -> Self:
        """See `Task.shaped`; raises `Refusal` for an encoder-decoder, and a decoder's first token."""
        if shape == "encoder_decoder":
            raise Refusal("the task embed needs an encoder or a decoder alone, and the model has both; choose another")
        if shape == "decoder" and self.pooling == "first":
            raise Refusal("task.pooling: the first token of a decoder has seen no other; write 'mean' or 'last'")
        return self

    def fitted(self, records: Sequence[Record]) -> Self:
        """This task, knowing whether there are scores, and the highest of them.

        Raises `Refusal` for a record without its second text or score, scores that do not differ, and an objective
        that the data cannot serve.
        """
        if self.labels or (records and LABEL in records[0] and SECOND not in records[0]):
            return self._of_labels(records)
        scored = bool(records) and SCORE in records[0] if self.scored is None else self.scored
        objective = self.objective or ("cosent" if scored else "contrastive")
        if (objective == "contrastive") is scored:
            what = f"have a '{SCORE}', which it does not read" if scored else f"have no '{SCORE}', which it learns from"
            raise Refusal(f"task.objective: '{objective}' does not suit the records, which {what}; leave it out")
        for given, used in (
            ("symmetric", not scored),
            ("temperature", objective != "cosine"),
            ("highest", objective == "cosine"),
        ):
            if given in self.model_fields_set and getattr(self, given) is not None and not used:
                raise Refusal(f"task.{given} has no effect under the objective '{objective}'; leave it out")
        for number, record in enumerate(records):
            text_in(record, number, SECOND)
            if self.scored is None and not scored and SCORE in record:
                raise Refusal(
                    f"record {number + 1:,}: has a '{SCORE}', and the first record has none; give all records one, or "
                    "set the task's 'scored' to false"
                )
            if not scored and record.get(LABEL) is not None and record[LABEL] != records[0].get(LABEL):
                raise Refusal(
                    f"record {number + 1:,}: has another '{LABEL}' than the first record, and of pairs none is "
                    f"read, so those that do not fit would be learnt as if they did; call the column '{SCORE}', or "
                    "leave it and these pairs out"
                )
            if scored and record.get(NEGATIVES) is not None:
                raise Refusal(
                    f"record {number + 1:,}: has '{NEGATIVES}' beside a '{SCORE}', and what has a score is learnt from "
                    "without them; leave one of the two columns out"
                )
        numbers = [number_in(record, number, SCORE) for number, record in enumerate(records) if scored]
        if scored and len(set(numbers)) < 2:
            raise Refusal(f"column '{SCORE}': there must be two different scores or more to learn from")
        if objective == "cosine" and self.highest and max(map(abs, numbers)) > self.highest:
            raise Refusal(
                f"column '{SCORE}': {max(numbers, key=abs):g} is beyond the task's 'highest', {self.highest:g}, which "
                "is the score of a cosine of 1; raise it, or leave it out"
            )
        highest = self.highest or (max(map(abs, numbers)) if objective == "cosine" else None)
        return self.model_copy(update={"scored": scored, "objective": objective, "highest": highest})

    def suited(self, model: nn.Module, tokenizer: Tokenizer, say: Callable[[str], None]) -> Self:
        """This task; raises `Refusal` for widths that the vectors do not have."""
        size = int(text_config(unwrapped(model)).hidden_size)
        if wrong := [width for width in self.widths if not 0 < width < size]:
            raise Refusal(f"task.widths: {wrong[0]} is not between 1 and {size - 1}; vectors have {size} numbers")
        return self

    def encode(self, records: Sequence[Record], tokenizer: Tokenizer, limit: int, *, labelled: bool) -> list[Encoded]:
        """A row of each text: the query, what fits it, and where `labelled` what does not; the target is `score`."""
        texts = [self._texts(record, number, labelled=labelled) for number, record in enumerate(records)]
        found = windows(
            [text for each in texts for text in each],
            tokenizer,
            min(limit, self.max_length or limit),
            self.too_long,
            records=[number for number, each in enumerate(texts) for _ in each],
        )
        encoded = []
        for record, group in groupby(found, lambda item: item.record):
            items = list(group)
            item = Encoded(record, tuple(each.row for each in items), cut=sum(each.cut for each in items))
            if labelled and self.labels:
                item.targets["label"] = place_of(records[record], record, self.labels)
            elif labelled and self.scored:
                item.targets["score"] = number_in(records[record], record, SCORE) / (self.highest or 1.0)
            encoded.append(item)
        return encoded

    def collate(self, encoded: Sequence[Encoded], width: int, tokenizer: Tokenizer, rng: np.random.Generator) -> Batch:
        """The targets `texts` (B,), rows of each, and `label` (B,), `score` (B,), or `pair` (B, D) and `back` (B, B).

        These two say what must not be taken for a negative, as `known_fits` has it.
        """
        rows = [row for item in encoded for row in item.rows]
        targets = {"texts": torch.tensor([len(item.rows) for item in encoded])}
        paired = all(len(item.rows) > 1 or "label" in item.targets for item in encoded)
        if self.labels:
            targets["label"] = torch.tensor([item.targets.get("label", -100) for item in encoded])
        elif self.scored:
            targets["score"] = torch.tensor([item.targets.get("score", -100) for item in encoded], dtype=torch.float32)
        elif paired:
            targets["pair"], targets["back"] = map(torch.from_numpy, known_fits(encoded))
        return Batch(
            inputs=model_inputs(rows, width, tokenizer),
            targets=targets,
            counts={self._learnt: len(encoded) if paired else 0},
            examples=np.arange(len(encoded)),
            tokens=sum(map(len, rows)),
        )

    def forward(self, model: nn.Module, inputs: Inputs, places: Tensor | None = None) -> dict[str, Tensor]:
        """The vector of each row before it has length 1, (R, E)."""

        def vectors(given: Inputs) -> Tensor:
            return pooled(model(**given).last_hidden_state, given.get("attention_mask"), self.pooling)

        if self.rows_at_once and model.training and torch.is_grad_enabled():
            return {"vectors": a_few_at_a_time(vectors, inputs, self.rows_at_once)}
        return {"vectors": vectors(inputs)}

    def losses(self, said: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """The objective at full width and at each of `widths`, on average, summed over the examples."""
        sizes = [*self.widths, said["vectors"].shape[-1]]
        each = [self._loss(functional.normalize(said["vectors"][:, :size], dim=-1), batch) for size in sizes]
        return {self._learnt: torch.stack(each).mean()}

    def outputs(self, said: Mapping[str, Tensor], batch: Batch) -> list[Output]:
        """A vector of each text (R, E) of each example."""
        vectors_RE = functional.normalize(said["vectors"], dim=-1).cpu()
        return [part.numpy() for part in torch.split(vectors_RE, batch.targets["texts"].tolist())]

    def decode(self, outputs: Sequence[Output], encoded: Sequence[Encoded], record: Record) -> Prediction:
        """`{"vector"}`; where there are two texts also `pair_vector`, and their `cosine`."""
        (vectors_RE,) = outputs
        found = {"vector": vectors_RE[0].tolist()}
        if len(vectors_RE) == 1:
            return found
        return {**found, "pair_vector": vectors_RE[1].tolist(), "cosine": float(vectors_RE[0] @ vectors_RE[1])}

    def examined(self, predictions: Iterable[Prediction], records: Sequence[Record]) -> Iterator[Prediction]:
        """The labels of the nearest, the cosines, or for each text a ranking of all second texts."""
        if self.labels:
            return nearest_labels(predictions, [self.gold(record, number) for number, record in enumerate(records)])
        if self.scored:
            return ({"number": each["cosine"]} for each in predictions)
        vectors = [np.array([each["vector"], each["pair_vector"]], np.float32) for each in predictions]
        documents_DE = np.stack([vectors[number][1] for number in documents_of(records)])

        def alike(start: int, stop: int) -> Any:
            return np.stack([each[0] for each in vectors[start:stop]]) @ documents_DE.T

        return rankings(records, alike)

    def beside(self, width: int, limit: int) -> dict[str, Any]:
        """What `sentence-transformers` reads of a folder."""
        return described(width, min(limit, self.max_length or limit), self.pooling)

    def told(self, batch: Batch, row: int, tokenizer: Tokenizer) -> tuple[str, list[Truth | None]]:
        """What the row is to its example, or its label."""
        if self.labels:
            return self.labels[int(batch.targets["label"][row])], []
        ends_B = batch.targets["texts"].cumsum(0)
        example = int((ends_B <= row).sum())
        place = row - int(ends_B[example] - batch.targets["texts"][example])
        return f"{example}: " + ("text", "fits", "does not fit")[min(place, 2)], []

    def gold(self, record: Record, number: int = 0) -> Any:
        """The label, the score, or the text that fits."""
        if self.labels:
            return self.labels[place_of(record, number, self.labels)]
        second = text_in(record, number, SECOND)
        return number_in(record, number, SCORE) if self.scored else ((second, 1.0),)

    @property
    def _learnt(self) -> str:
        """The name of what is learnt."""
        return "label" if self.labels else "score" if self.scored else "pair"

    def _of_labels(self, records: Sequence[Record]) -> Self:
        """This task for texts of labels, with their names."""
        counts = Counter(label_in(record, number) for number, record in enumerate(records))
        labels = self.labels or tuple(in_order(spellings(counts).counted(counts)))
        if len(labels) < 2:
            raise Refusal("column 'label': all texts have one label, and vectors are learnt from texts of two or more")
        for name in ("scored", "symmetric", "highest", *(["temperature"] if self.objective == "cosine" else [])):
            if name in self.model_fields_set and getattr(self, name):
                raise Refusal(f"task.{name} has no effect where texts have a label; leave it out")
        for number, record in enumerate(records):
            place_of(record, number, labels)
        if self.objective == "cosent":
            raise Refusal("task.objective: 'cosent' needs a score, and the texts have a label; leave it out")
        objective = self.objective or "contrastive"
        return self.model_copy(update={"labels": labels, "scored": False, "objective": objective})

    def _loss(self, vectors_RE: Tensor, batch: Batch) -> Tensor:
        if self.labels:
            loss = cosine_of_labels if self.objective == "cosine" else sup_con
            return loss(vectors_RE, batch.targets["label"], self.temperature)
        return of_pairs(vectors_RE, batch.targets, self.temperature, self.objective or "", symmetric=self.symmetric)

    def _texts(self, record: Record, number: int, *, labelled: bool) -> list[str]:
        texts = [text_in(record, number)]
        if not self.labels and (labelled or SECOND in record):
            texts.append(text_in(record, number, SECOND))
            if labelled and not self.scored and record.get(NEGATIVES) is not None:
                texts += texts_in(record, number, NEGATIVES)
        return texts
