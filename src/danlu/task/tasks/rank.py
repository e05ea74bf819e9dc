"""Documents in the order in which they fit a query, each read beside it (Nogueira and Cho, 2019)."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from danlu.data.record import Record
from danlu.refusal import Refusal
from danlu.task.columns import number_in, text_in
from danlu.task.documents import CANDIDATES, NEGATIVES, POSITIVES, Listed, judged_in, offered_in
from danlu.task.followed import Followed, Outcomes
from danlu.task.inputs import model_inputs
from danlu.task.task import Output, Prediction, Truth
from danlu.task.texts import SECOND
from danlu.text.batching.batch import Batch
from danlu.text.batching.encoded import Encoded
from danlu.text.batching.windows import windows_of_pairs
from danlu.text.tokenizing.tokenizer import Tokenizer

SCORE = "score"


class Rank(Followed):
    """Put documents in order for a query, or say how well one document fits it.

    Records are lists, a query with its `positives` and `negatives`, or pairs, a query and a document in `text_pair`
    with a `score`; what is to be ranked stands in `candidates`, or in the columns that are learnt from. The model
    gives each pair one number, of which the sigmoid is told. Output of an example: that number of each document (C,).
    """

    auto_class: ClassVar[str] = "AutoModelForSequenceClassification"
    columns: ClassVar[dict[str, str]] = {
        "text": "text",
        POSITIVES: "list of texts that fit it",
        NEGATIVES: "list of texts that do not",
    }
    other_columns: ClassVar[tuple[str, ...]] = ("text", SECOND, SCORE, CANDIDATES)
    other_ways: ClassVar[tuple[tuple[str, ...], ...]] = (("text", SECOND, SCORE),)
    metrics_by: ClassVar[str | None] = "lists"
    sample: ClassVar[tuple[Record, ...]] = (
        {"text": "李白生于哪里？", POSITIVES: ["李白生于碎叶城。"], NEGATIVES: ["杜甫生于巩县。", "今天下雨。"]},
        {
            "text": "When did the museum open?",
            POSITIVES: ["The museum opened in 1998.", "It opened its doors in 1998."],
            NEGATIVES: ["Entry is free."],
        },
        {"text": "怎么泡茶？", POSITIVES: ["水烧开，放茶叶，等三分钟。"], NEGATIVES: ["咖啡要现磨。"]},
    )

    lists: bool | None = Field(default=None, description="whether records are lists, not pairs; None: as the data are")
    too_long: Literal["stop", "truncate"] = "truncate"
    objective: Literal["binary", "softmax"] | None = Field(
        default=None, description="each document by itself, or among its list; None: softmax for lists"
    )
    highest: float | None = Field(
        default=None, gt=0, allow_inf_nan=False, description="score of a perfect pair; None: the highest of the data"
    )

    @property
    def answer_form(self) -> str:  # type: ignore[override]
        """A ranking, or of pairs a number."""
        return "number" if self.lists is False else "ranking"

    @property
    def metrics(self) -> tuple[str, ...]:  # type: ignore[override]
        """As its form is."""
        return ("spearman", "pearson") if self.lists is False else ("ndcg_at_k", "mrr", "recall_at_k")

    @property
    def baseline(self) -> str | None:  # type: ignore[override]
        """As its form is."""
        return "tfidf_number" if self.lists is False else "bm25"

    def fitted(self, records: Sequence[Record]) -> Self:
        """This task, knowing whether records are lists, and the highest score of pairs.

        Raises `Refusal` for records of both sorts, and those that are neither; for a list without negatives under
        "softmax", and pairs that all have the same score.
        """
        lists = self.lists
        if lists is None:
            lists = not (records and SECOND in records[0])
        if not lists:
            return self._fitted_to_pairs(records)
        if self.highest is not None:
            raise Refusal(
                "task.highest has an effect on pairs with a score alone, and the records are lists; leave it out"
            )
        for number, record in enumerate(records):
            listed = judged_in(record, number)
            if self.objective != "binary" and 0.0 not in listed.relevance:
                raise Refusal(
                    f"record {number + 1:,}: '{NEGATIVES}' is empty, so there is nothing to prefer its positives to; "
                    "give a negative, or set the task's 'objective' to 'binary'"
                )
        return self.model_copy(update={"lists": True, "objective": self.objective or "softmax"})

    def _fitted_to_pairs(self, records: Sequence[Record]) -> Self:
        if self.objective == "softmax":
            raise Refusal(
                "task.objective: 'softmax' prefers the positives of a list, and the records are pairs; write 'binary', "
                f"or give records with '{POSITIVES}' and '{NEGATIVES}'"
            )
        scores = [number_in(record, number, SCORE) for number, record in enumerate(records)]
        if len(set(scores)) < 2:
            seen = f"only the score {scores[0]:g}" if scores else "no record"
            raise Refusal(f"column '{SCORE}': there is {seen} in the training data; two or more are needed to learn")
        highest = max(scores) if self.highest is None else self.highest
        for number, score in enumerate(scores):
            if not 0 <= score <= highest:
                raise Refusal(
                    f"record {number + 1:,}: the score {score:g} is not between 0 and {highest:g}; scores begin with 0 "
                    "for a document that does not fit, and end with the task's 'highest'"
                )
        return self.model_copy(update={"lists": False, "objective": "binary", "highest": highest})

    def config(self) -> dict[str, Any]:
        """One output."""
        return {"num_labels": 1}

    def encode(self, records: Sequence[Record], tokenizer: Tokenizer, limit: int, *, labelled: bool) -> list[Encoded]:
        """One row a document; the target `relevance` (C,), 0 to 1."""
        listed = [self._listed(record, number, labelled=labelled) for number, record in enumerate(records)]
        found = windows_of_pairs(
            [each.query for each in listed for _ in each.documents],
            [document for each in listed for document in each.documents],
            tokenizer,
            min(limit, self.max_length or limit),
            self.too_long,
            records=[number for number, each in enumerate(listed) for _ in each.documents],
        )
        encoded = []
        for record, group in groupby(found, lambda item: item.record):
            items = list(group)
            item = Encoded(record, tuple(each.row for each in items), cut=sum(each.cut for each in items))
            if labelled:
                item.targets["relevance"] = np.array(listed[record].relevance, np.float32)
            encoded.append(item)
        return encoded

    def collate(self, encoded: Sequence[Encoded], width: int, tokenizer: Tokenizer, rng: np.random.Generator) -> Batch:
        """The targets `relevance` (B, C), -100 where there is none, and `documents` (B,), rows of each.

        `relevance` counts documents under "binary", else lists.
        """
        rows = [row for item in encoded for row in item.rows]
        relevance_BC = np.full((len(encoded), max(len(item.rows) for item in encoded)), -100, np.float32)
        for example, item in enumerate(encoded):
            if "relevance" in item.targets:
                relevance_BC[example, : len(item.rows)] = item.targets["relevance"]
        there_BC = relevance_BC >= 0
        return Batch(
            inputs=model_inputs(rows, width, tokenizer),
            targets={
                "relevance": torch.from_numpy(relevance_BC),
                "documents": torch.tensor([len(item.rows) for item in encoded]),
            },
            counts={"relevance": int((there_BC.any(1) if self.objective == "softmax" else there_BC).sum())},
            examples=np.arange(len(encoded)),
            tokens=sum(map(len, rows)),
        )

    def losses(self, said: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """Binary cross-entropy of each document, or of its list that of the softmax (Cao et al., 2007), summed.

        All positives of a list have the same share of its truth.
        """
        relevance_BC = batch.targets["relevance"]
        there_BC = relevance_BC >= 0
        logits_BC = torch.full_like(relevance_BC, torch.finfo(torch.float32).min)
        places_BC = (
            torch.arange(relevance_BC.shape[1], device=relevance_BC.device) < batch.targets["documents"][:, None]
        )
        logits_BC = logits_BC.masked_scatter(places_BC, said["logits"].float().reshape(-1))
        truth_BC = relevance_BC.clamp(min=0)
        if self.objective == "softmax":
            log_BC = torch.log_softmax(logits_BC, -1).masked_fill(~places_BC, 0.0)
            shares_BC = truth_BC / truth_BC.sum(1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)
            return {"relevance": -(shares_BC * log_BC).sum()}
        loss_K = functional.binary_cross_entropy_with_logits(logits_BC[there_BC], truth_BC[there_BC], reduction="sum")
        return {"relevance": loss_K}

    def outcomes(self, said: Mapping[str, Tensor], batch: Batch) -> Outcomes:
        """The numbers of the documents, among those of a list, or each by itself."""
        if self.objective != "softmax":
            return Outcomes("each", said["logits"].reshape(-1, 1))
        lists = torch.split(said["logits"].float().reshape(-1), batch.targets["documents"].tolist())
        return Outcomes("one", pad_sequence(list(lists), batch_first=True, padding_value=-torch.inf))

    def things(self, batch: Batch) -> int:
        """Lists, or documents."""
        return len(batch.examples) if self.objective == "softmax" else len(batch.inputs["input_ids"])

    def outputs(self, said: Mapping[str, Tensor], batch: Batch) -> list[Output]:
        """The number of each document (C,) of each example."""
        logits_R = said["logits"].float().reshape(-1).cpu()
        return [logits_C.numpy() for logits_C in torch.split(logits_R, batch.targets["documents"].tolist())]

    def decode(self, outputs: Sequence[Output], encoded: Sequence[Encoded], record: Record) -> Prediction:
        """`{"ranking", "scores"}`, the best first and equal ones by their text; of a pair `{"number"}`."""
        (logits_C,) = outputs
        scores = torch.sigmoid(torch.from_numpy(logits_C).double()).tolist()
        if self.lists is False:
            return {"number": scores[0] * (self.highest or 1.0)}
        documents = offered_in(record, 0).documents
        ranked = sorted(zip(logits_C.tolist(), documents, scores, strict=True), key=lambda each: (-each[0], each[1]))
        return {"ranking": [name for _, name, _ in ranked], "scores": [score for _, _, score in ranked]}

    def told(self, batch: Batch, row: int, tokenizer: Tokenizer) -> tuple[str, list[Truth | None]]:
        """How relevant the document of the row is, 0 to 1."""
        rows_B = batch.targets["documents"]
        ends_B = rows_B.cumsum(0)
        example = int((ends_B <= row).sum())
        relevance = float(batch.targets["relevance"][example, row - int(ends_B[example] - rows_B[example])])
        return (f"{relevance:.4g}" if relevance >= 0 else ""), []

    @property
    def reads(self) -> tuple[str, ...]:
        """The query, and what is to be ranked, or the document of a pair."""
        return ("text", SECOND if self.lists is False else CANDIDATES)

    def tried(self) -> Record:
        """See `Task.tried`."""
        record = self.sample[0]
        return record if self.lists is not False else {"text": record["text"], SECOND: record[POSITIVES][0]}

    def gold(self, record: Record, number: int = 0) -> Any:
        """Each document with its relevance, or the score of a pair."""
        if self.lists is False:
            return number_in(record, number, SCORE)
        listed = judged_in(record, number)
        return tuple(zip(listed.documents, listed.relevance, strict=True))

    def _listed(self, record: Record, number: int, *, labelled: bool) -> Listed:
        if self.lists is not False:
            return judged_in(record, number) if labelled else offered_in(record, number)
        relevance = (number_in(record, number, SCORE) / (self.highest or 1.0),) if labelled else ()
        return Listed(text_in(record, number), (text_in(record, number, SECOND),), relevance)
