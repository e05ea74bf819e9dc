"""Which relation holds between two entities: one label, direction included (Baldini Soares et al., 2019).

Both stand between marker tokens in the text, and the pooled row is classified, so plain transformers opens the bundle.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from danlu.data.labels import in_order, spellings
from danlu.data.record import Record
from danlu.refusal import Refusal
from danlu.task.calibrated import Calibrated, Floats, logarithms
from danlu.task.columns import label_in
from danlu.task.followed import Followed, Outcomes
from danlu.task.one_label import OneLabel, mean_share
from danlu.task.pairs import HEAD, TAIL, around_both, pair_in, with_markers
from danlu.task.task import Output
from danlu.task.texts import batch_of
from danlu.text.batching.align import without_space
from danlu.text.batching.batch import Batch
from danlu.text.batching.encoded import Encoded, Row
from danlu.text.tokenizing.tokenized import tokenized
from danlu.text.tokenizing.tokenizer import Tokenizer


class Relate(Followed, Calibrated, OneLabel):
    """Say how the head of a text is related to its tail.

    A row that is too long is cut at both ends, never between the entities. Output of a row: log-probabilities (C,).
    """

    also_reads: ClassVar[tuple[str, ...]] = (HEAD, TAIL)
    columns: ClassVar[dict[str, str]] = {
        "text": "text",
        HEAD: "{start, end}; or <e1>...</e1> in the text",
        TAIL: "{start, end}; or <e2>...</e2> in the text",
        "label": "a label (text)",
    }
    other_ways: ClassVar[tuple[tuple[str, ...], ...]] = (("text", "label"),)
    label_means: ClassVar[str] = "relation"
    metrics: ClassVar[tuple[str, ...]] = ("relation_macro_f1", "relation_micro_f1", "micro_f1")
    baseline: ClassVar[str | None] = "tfidf_relation"
    sample: ClassVar[tuple[Record, ...]] = (
        {
            "text": "李白生于碎叶城。",
            HEAD: {"start": 0, "end": 2},
            TAIL: {"start": 4, "end": 7},
            "label": "born-in(e1,e2)",
        },
        {
            "text": "The handle of the door broke.",
            HEAD: {"start": 18, "end": 22},
            TAIL: {"start": 4, "end": 10},
            "label": "part-of(e2,e1)",
        },
        {
            "text": "绍兴人鲁迅后来去了北京。",
            HEAD: {"start": 3, "end": 5},
            TAIL: {"start": 0, "end": 2},
            "label": "born-in(e1,e2)",
        },
    )

    too_long: Literal["stop", "truncate"] = "truncate"

    def fitted(self, records: Sequence[Record]) -> Self:
        """This task with the relations of the training records, sorted.

        Raises `Refusal` for a record without its entities or its label, or with one that is not among `labels`, and
        where all have the same.
        """
        counts = Counter[str]()
        for number, record in enumerate(records):
            pair_in(record, number)
            counts[label_in(record, number)] += 1
        found = in_order(spellings(counts).counted(counts))
        if self.labels:
            for number, record in enumerate(records):
                self.number_of(record, number)
            return self
        if len(found) < 2:
            seen = f"only the relation '{found[0]}'" if found else "no record"
            raise Refusal(f"column 'label': there is {seen} in the training data; two relations or more are needed")
        return self.model_copy(update={"labels": tuple(found)})

    def encode(self, records: Sequence[Record], tokenizer: Tokenizer, limit: int, *, labelled: bool) -> list[Encoded]:
        """One row a pair; the target `label` is the number of the relation."""
        limit = min(limit, self.max_length or limit)
        pairs = [pair_in(record, number) for number, record in enumerate(records)]
        numbers = [self.number_of(record, number) for number, record in enumerate(records)] if labelled else None
        encoded = []
        for number, (encoding, pair) in enumerate(
            zip(tokenized([p.text for p in pairs], tokenizer), pairs, strict=True)
        ):
            offsets = without_space(np.array(encoding.offsets, np.int32).reshape(-1, 2), pair.text)
            slides_T = ~np.array(encoding.special_tokens_mask, bool)
            plain = Encoded(number, (Row(np.array(encoding.ids, np.int32), offsets),))
            whole, kept = with_markers(plain, slides_T, pair, tokenizer)
            content = np.flatnonzero(slides_T)
            begin, end = (int(content[0]), int(content[-1]) + 1) if len(content) else (0, 0)
            inside = range(begin, max(kept.stop, end + len(whole) - len(plain)))
            item = around_both(whole, kept, inside, limit, self.too_long)
            if numbers is not None:
                item.targets["label"] = numbers[number]
            encoded.append(item)
        return encoded

    def collate(self, encoded: Sequence[Encoded], width: int, tokenizer: Tokenizer, rng: np.random.Generator) -> Batch:
        """The target `label` (B,), -100 for rows without."""
        label_B = torch.tensor([item.targets.get("label", -100) for item in encoded])
        return batch_of(encoded, width, tokenizer, {"label": label_B}, {"label": int((label_B >= 0).sum())})

    def losses(self, said: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy, summed over the rows."""
        return {"label": functional.cross_entropy(said["logits"].float(), batch.targets["label"], reduction="sum")}

    def decisions(self, outputs: Sequence[Output], record: Record, number: int) -> tuple[Floats, NDArray[np.int64]]:
        """See `Calibrated.decisions`; one of each record."""
        return logarithms(mean_share(outputs))[None], np.array([self.number_of(record, number)])

    def outcomes(self, said: Mapping[str, Tensor], batch: Batch) -> Outcomes:
        """The logits of each row."""
        return Outcomes("one", said["logits"])
