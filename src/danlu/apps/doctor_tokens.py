"""What becomes of the texts of a training: their tokens, counted by the doctor."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from danlu.data.corpus.survey import Lengths, lengths
from danlu.data.record import Record, text_of
from danlu.machine.seed import generator
from danlu.stages.ready import Ready
from danlu.text.batching.stored_rows import groups_of
from danlu.text.tokenizing.tokenized import tokenized

TEXTS = 20_000  # records whose tokens are looked at for unknown ones

_SAID = ("messages", "chosen", "rejected")
"""Columns that may hold messages."""


@dataclass(frozen=True)
class Tokens:
    """What becomes of the training texts.

    - `lengths`: of the encoded rows, in tokens, special ones included; `limit`: the most that a row may have.
    - `cut_records`, `cut`: records that lose their ends, and how many tokens these are, of `total`.
    - `split_records`: records that are read in several windows.
    - `widened`: spans with borders inside a token, which are not labelled exactly.
    - `unlearnt`: rows in which the loss counts nothing.
    - `learnt`: tokens that the loss counts, of those that are read or written.
    - `unknown_share`: of the tokens; `unknown`: the commonest texts that the tokenizer does not know.
    """

    rows: int
    total: int
    lengths: Lengths
    limit: int
    cut_records: int
    cut: int
    split_records: int
    widened: int
    unlearnt: int
    learnt: int
    unknown_share: float
    unknown: dict[str, int]


def tokens_of(ready: Ready) -> Tokens:
    """Count them over all rows of a training; of those that lie elsewhere, the first stand for all."""
    task, encoded, groups = ready.prepared.task, ready.encoded, groups_of(ready.encoded)
    if groups is not None:
        encoded = [ready.encoded[row] for row in range(min(groups[0], TEXTS))]
    costs = task.sizes(ready.encoded, ready.prepared.tokenizer)
    unknown, share = _unknown(ready)
    windows = Counter(item.record for item in encoded if item.rows[0].segments is None)

    def of_all(count: int) -> int:
        return count * len(ready.encoded) // max(1, len(encoded))

    return Tokens(
        rows=len(ready.encoded),
        total=int(costs.widths.sum()) + (0 if costs.targets is None else int(costs.targets.sum())),
        lengths=lengths(costs.widths.tolist()),
        limit=min(ready.limit, task.max_length or ready.limit),
        cut_records=of_all(sum(item.cut > 0 for item in encoded)),
        cut=of_all(sum(item.cut for item in encoded)),
        split_records=of_all(sum(count > 1 for count in windows.values())),
        widened=of_all(sum(item.widened for item in encoded)),
        unlearnt=of_all(sum(not item.teaches for item in encoded)),
        learnt=of_all(sum(item.learnt for item in encoded)),
        unknown_share=share,
        unknown=unknown,
    )


def _unknown(ready: Ready) -> tuple[dict[str, int], float]:
    """The commonest texts without a token, and the share of such tokens, in up to `TEXTS` records."""
    tokenizer, records = ready.prepared.tokenizer, ready.learnt.records
    all_texts = len(records) == ready.learnt.count
    if tokenizer.unk_token_id is None:
        return {}, 0.0
    if len(records) > TEXTS:
        drawn = generator(ready.prepared.seed, "check").permutation(len(records))[:TEXTS]
        records = [records[row] for row in drawn.tolist()]
    texts = [_text(record) for record in records]
    counts: Counter[str] = Counter()
    total = 0
    for text, encoding in zip(texts, tokenized(texts, tokenizer), strict=True):
        ids = np.array(encoding.ids)
        total += len(ids) - sum(encoding.special_tokens_mask)
        for place in np.flatnonzero(ids == tokenizer.unk_token_id).tolist():
            start, end = encoding.offsets[place]
            counts[text[start:end]] += 1
    share = counts.total() / max(1, total) if all_texts else _unknown_in_rows(ready)
    return dict(counts.most_common(12)), share


def _unknown_in_rows(ready: Ready) -> float:
    """Share of unknown tokens in up to `TEXTS` rows of shards, which hold numbers and the texts of a few records."""
    tokenizer = ready.prepared.tokenizer
    rows = (groups_of(ready.encoded) or [len(ready.encoded)])[0]  # of those that are fetched, the first
    drawn = generator(ready.prepared.seed, "check").permutation(rows)[:TEXTS]
    ids = np.concatenate([row.input_ids for number in sorted(drawn.tolist()) for row in ready.encoded[number].rows])
    unknown = ids == tokenizer.unk_token_id
    return float(unknown.sum() / max(1, (unknown | ~np.isin(ids, tokenizer.all_special_ids)).sum()))


def _text(record: Record) -> str:
    """What a record says: its texts, and what is said in conversations."""
    told = [
        text_of(record, name)
        for name, value in record.items()
        if name != "label" and (isinstance(value, str) or (value and name in _SAID))
    ]
    return " ".join([*told, *map(str, record.get("tokens") or record.get("words") or ())])
