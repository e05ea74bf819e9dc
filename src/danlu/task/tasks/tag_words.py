"""A tag for each word of a sentence, such as its part of speech.

A word is the span of its characters, so that one network tags words that are given, and finds the words of a plain
text with their tags at once (Ng and Low, 2004).
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from danlu.data.record import Record
from danlu.task.entities import Marked, read_tagged, read_words
from danlu.task.tagger import Tagger, merged
from danlu.task.task import Output, Prediction
from danlu.text.batching.align import touched
from danlu.text.batching.chain import NEVER
from danlu.text.batching.encoded import Encoded


class TagWords(Tagger):
    """Say of each word what it is, such as its part of speech; of a plain text also where its words are.

    Output of a row: log-probabilities (T, C).
    """

    columns: ClassVar[dict[str, str]] = {"words": "list of words", "tags": "list with a tag for each word"}
    other_columns: ClassVar[tuple[str, ...]] = ("tokens",)
    metrics: ClassVar[tuple[str, ...]] = ("tag_accuracy",)
    baseline: ClassVar[str | None] = "word_hmm"
    label_means: ClassVar[str] = "tag"
    words_apart: ClassVar[bool] = True
    sample: ClassVar[tuple[Record, ...]] = (
        {"words": ["李白", "生于", "碎叶城", "。"], "tags": ["nr", "v", "ns", "w"]},
        {"words": ["Ada", "lived", "in", "London", "."], "tags": ["nr", "v", "p", "ns", "w"]},
        {"words": ["今天", "没有", "新闻", "。"], "tags": ["t", "v", "n", "w"]},
    )

    def kept(self, record: Record) -> Record:
        """See `Task.kept`; a plain text is read where no words are given."""
        return super().kept(record) | {name: record[name] for name in ("text",) if name in record}

    def marked(self, record: Record, number: int) -> Marked:
        """The text and its words, each with its tag; see `Tagger.marked`."""
        return read_tagged(record, number)

    def text(self, record: Record, number: int) -> str:
        """The text, or the words that it is given in, laid out as tokens are."""
        return read_words(record, number)[0]

    def decode(self, outputs: Sequence[Output], encoded: Sequence[Encoded], record: Record) -> Prediction:
        """Words with their tags as `Tagger.decode` has entities; `tags` where words were given, one for each of these.

        A token that two words share says the tag of both, and a word without a token has that of the one before.
        """
        text, words = read_words(record, 0)
        if words is None:
            return super().decode(outputs, encoded, record)
        log_TC, offsets_T2 = merged(outputs, encoded)
        held = touched([(start, end, 0) for start, end in words], offsets_T2)
        allowed_TC = np.ones(log_TC.shape, bool)
        taken = 0
        for touches, stop in held:
            first = max(touches, taken)
            if first < stop:
                allowed_TC[first:stop, :] = False
                allowed_TC[first, 1::2] = True
                allowed_TC[first + 1 : stop, 2::2] = True
                taken = stop
        classes_T, log_TC = self.classes(np.where(allowed_TC, log_TC, np.float32(NEVER)))
        entities: list[dict[str, Any]] = []
        label = self.labels[0]
        for (start, end), (first, stop) in zip(words, held, strict=True):
            score = 0.0
            if first < stop:
                label = self.labels[(int(classes_T[first]) - 1) // 2]
                score = float(np.exp(log_TC[np.arange(first, stop), classes_T[first:stop]].mean()))
            entities.append({"start": start, "end": end, "label": label, "text": text[start:end], "score": score})
        return {"entities": entities, "tags": [item["label"] for item in entities]}
