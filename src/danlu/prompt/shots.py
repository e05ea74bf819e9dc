"""Which examples are shown, and in which order: at random, of each label as many, or those most like the text.

The order of examples changes answers as much as their choice does (Lu et al., 2022), so it follows from the seed;
similar examples (Liu et al., 2022) stand in the order of their likeness, the most similar one last.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from danlu.bundle.bundle import exact, load
from danlu.data.record import Record
from danlu.evaluate.classical.baselines.tfidf import Tfidf
from danlu.machine.seed import generator
from danlu.prompt.forms import form_of
from danlu.refusal import Refusal, of_file
from danlu.text.prompting.filled import example
from danlu.text.prompting.template import PromptTemplate

BLOCK = 2**22  # likenesses that are in memory at once, 32 MB


class Shots:
    """The examples that records are shown."""

    def __init__(self, template: PromptTemplate, pool: Sequence[Record], asked: Sequence[Record], where: str) -> None:
        """Choose from `pool`, of which what is `asked` itself is left out; `where` is the file of the pool.

        Raises:
            Refusal: there are too few of them, or one has no label of the template's.
        """
        self._template = template
        self._pool: list[Record] = []
        self._labels: list[str] = []
        self._words: list[str] = []
        self._where = where
        self._by_likeness: list[list[int]] | None = None
        self._texts: dict[int, str] = {}
        self.left_out = 0
        if template.shots:
            self._fill(pool, asked)

    def of(self, number: int) -> list[str]:
        """The texts that stand before the record of a number, from 0."""
        chosen = self._same if self._by_likeness is None else self._by_likeness[number]
        return [self._text(each) for each in chosen]

    def _fill(self, pool: Sequence[Record], asked: Sequence[Record]) -> None:
        template = self._template
        texts = {_joined(template, record, f"record {number + 1:,}") for number, record in enumerate(asked)}
        with of_file(self._where):
            form = form_of(template, pool)
            for number, record in enumerate(pool):
                label, word = form.shown(record, number)
                if _joined(template, record, f"record {number + 1:,}") in texts:
                    self.left_out += 1
                    continue
                self._pool.append(record)
                self._labels.append(label)
                self._words.append(word)
        if len(self._pool) < template.shots:
            without = f" besides {self.left_out:,} that are asked themselves" if self.left_out else ""
            raise Refusal(
                f"{self._where}: the template shows {template.shots:,} examples, and there are {len(self._pool):,}"
                f"{without}; give more, or lower 'shots'"
            )
        if template.choose == "similar":
            self._by_likeness = self._similar(asked)
            return
        rng = generator(template.seed, "shots")
        shuffled = [int(each) for each in rng.permutation(len(self._pool))]
        chosen = self._balanced(shuffled) if template.choose == "balanced" else shuffled
        self._same = [chosen[: template.shots][each] for each in rng.permutation(template.shots)]

    _same: Sequence[int] = ()

    def _balanced(self, shuffled: Sequence[int]) -> list[int]:
        """One of each label in turn, as long as there are some; which label comes first follows from the seed."""
        queues: dict[str, list[int]] = defaultdict(list)
        for each in shuffled:
            queues[self._labels[each]].append(each)
        lacking = [label for label in self._template.labels if label not in queues]
        if lacking and self._template.shots >= len(self._template.labels):
            raise Refusal(
                f"{self._where}: there is no example of the label '{lacking[0]}', and they are to be balanced; add "
                "one, or write 'choose: random'"
            )
        rounds = [[queue[turn] for queue in queues.values() if turn < len(queue)] for turn in range(len(shuffled))]
        return [each for turn in rounds for each in turn]

    def _similar(self, asked: Sequence[Record]) -> list[list[int]]:
        """For each record that is asked the most similar ones, the most similar last; ties by their place."""
        mine, theirs = (
            [{"text": _joined(self._template, record, "")} for record in records] for records in (self._pool, asked)
        )
        if self._template.vectors is None:
            pool_NF, asked_MF = Tfidf().vectors(mine, theirs)
        else:
            pool_NF, asked_MF = _vectors(self._template.vectors, mine, theirs)
        found: list[list[int]] = []
        at_once = max(1, BLOCK // len(self._pool))
        for start in range(0, len(asked), at_once):
            alike = asked_MF[start : start + at_once] @ pool_NF.T
            likeness_MN = alike if isinstance(alike, np.ndarray) else alike.toarray()
            nearest_MN = np.argsort(-likeness_MN, axis=1, kind="stable")[:, : self._template.shots]
            found += nearest_MN[:, ::-1].tolist()
        return found

    def _text(self, number: int) -> str:
        if number not in self._texts:
            self._texts[number] = example(self._template, self._pool[number], self._words[number], self._where)
        return self._texts[number]


def _joined(template: PromptTemplate, record: Record, where: str) -> str:
    """All that the slots hold of a record."""
    return "\n".join(template.values(record, where).values())


def _vectors(path: str, *texts: list[Record]) -> list[NDArray[np.float32]]:
    """Vectors of length 1 of texts, by a bundle of the task `embed`.

    Raises:
        Refusal: it is no such bundle.
    """
    bundle = load(path, exact(path))
    with bundle.predictor as predictor:
        if bundle.task.kind != "embed":
            raise Refusal(
                f"{path}: is a bundle of the task {bundle.task.kind}, and 'vectors' of a template needs one of embed; "
                "give such a bundle, or leave 'vectors' out"
            )
        return [
            np.array([each["vector"] for each in predictor.stream(some)], np.float32).reshape(len(some), -1)
            for some in texts
        ]
