"""Bits per byte: how likely a text is, by its bytes and not by tokens, so that any tokenizers can be compared.

The negative log-likelihood of all tokens that are predicted, that of the end of the text too, over the UTF-8 bytes of
the characters that these stand for (as in Gao et al., 2020). N records.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from danlu.data.record import Record
from danlu.engine.predict import Predictor
from danlu.evaluate.scoring.resample import Draws, Interval, interval
from danlu.evaluate.scoring.side import Side
from danlu.task.columns import text_in
from danlu.task.language_model import LanguageModel
from danlu.task.rewritten import rewritten
from danlu.text.batching.encoded import Encoded
from danlu.text.tokenizing.tokenized import tokenized
from danlu.text.tokenizing.tokenizer import Tokenizer


@dataclass(frozen=True)
class Bits:
    """Bits per byte with its 95 % interval, and the bytes."""

    interval: Interval
    bytes: int

    def to_plain(self) -> dict[str, Any]:
        """As it stands in `scores.json`."""
        return self.interval.to_plain() | {"bytes": self.bytes}


def bits_per_byte(
    predictor: Predictor, records: Sequence[Record], side: Side, *, resamples: int = 1000, seed: int = 0
) -> Bits | None:
    """Of what the predictor answered to these records; None of a task that does not predict every token once."""
    if not isinstance(predictor.task, LanguageModel):
        return None
    bytes_N = scored_bytes(predictor, records)
    if not bytes_N.sum():
        return None
    bits_N = np.array([total for total, *_ in side.values]) / log(2)
    draws = Draws(len(records), resamples, seed)
    with np.errstate(invalid="ignore", divide="ignore"):
        samples = np.concatenate([times @ bits_N / (times @ bytes_N) for times in draws])
    samples[~np.isfinite(samples)] = np.nan
    return Bits(interval(bits_N.sum() / bytes_N.sum(), samples), int(bytes_N.sum()))


def scored_bytes(predictor: Predictor, records: Sequence[Record]) -> NDArray[np.float64]:
    """The UTF-8 bytes of each text that stand behind a predicted token, (N,).

    All, unless the text was cut, or there is no begin token, so that nothing predicts the first one.
    """
    task, tokenizer = predictor.task, predictor.tokenizer
    given = rewritten(list(records), predictor.rewriters)
    windows: defaultdict[int, list[Encoded]] = defaultdict(list)
    for item in task.encode(given, tokenizer, predictor.network.limit, labelled=False):
        windows[item.record].append(item)
    texts = [text_in(record, number) for number, record in enumerate(given)]
    return np.array([_bytes(text, windows[number], tokenizer) for number, text in enumerate(texts)], np.float64)


def _bytes(text: str, windows: Sequence[Encoded], tokenizer: Tokenizer) -> int:
    special = np.array(tokenizer.all_special_ids)
    ids = windows[0].row.input_ids
    begun, cut = bool(np.isin(ids[0], special)), any(item.cut for item in windows)
    start, end = 0, len(text)
    if not begun or cut:
        (encoding,) = tokenized([text], tokenizer)
        spans = [span for span, number in zip(encoding.offsets, encoding.ids, strict=True) if number not in special]
        kept = int((~np.isin(ids, special)).sum())
        start = 0 if begun or not spans else spans[0][1]
        end = spans[kept - 1][1] if cut and kept else len(text) * (not cut)
    return len(text[start:end].encode("utf-8", "surrogatepass"))
