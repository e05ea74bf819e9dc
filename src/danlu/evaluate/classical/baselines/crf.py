"""A conditional random field over characters (Lafferty et al. 2001), by python-crfsuite (Okazaki 2007).

Learnt by the averaged perceptron (Collins 2002), which is quick, or by L-BFGS (Nocedal 1980), which is slower.
On the People's Daily of January 1998 (see `hmm`), 5 rounds of the former reach 0.925 in a minute on one core.
"""

import ctypes
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from danlu.data.record import Record
from danlu.evaluate.classical.baseline import Baseline
from danlu.evaluate.classical.marked import marked, prediction
from danlu.refusal import Refusal
from danlu.task.entities import read_text
from danlu.task.task import Prediction, Task
from danlu.text.tagging.units import Mark, shape, units


class Crf(Baseline):
    """Conditional random field over characters and their neighbours, for `tag`; needs `pip install 'danlu[crf]'`."""

    answer_form: ClassVar[str] = "spans"

    algorithm: Literal["ap", "lbfgs"] = Field(default="ap", description="averaged perceptron, or L-BFGS")
    rounds: int = Field(default=5, ge=1, description="passes over the training records at most")
    window: int = Field(default=2, ge=0, le=5, description="neighbours on either side that a character sees")

    def fit_predict(self, task: Task, train: Sequence[Record], test: Sequence[Record]) -> list[Prediction]:
        """Learn and predict `{"entities"}`; see `Baseline`. Raises `Refusal` where python-crfsuite is missing."""
        self.refuse_other_form(task)
        suite = _suite()
        trainer = suite.Trainer(algorithm=self.algorithm, verbose=False)
        trainer.set_params({"max_iterations": self.rounds})
        for row, (record, marks) in enumerate(zip(train, marked(task, train, "crf"), strict=True)):
            if marks:
                trainer.append(self._features(read_text(record, row)), [_tag(mark) for mark in marks])
        tagger, found = suite.Tagger(), []
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "model.crfsuite")
            _shuffle_alike()
            trainer.train(path)
            tagger.open(path)
            for row, record in enumerate(test):
                text = read_text(record, row)
                tags = tagger.tag(self._features(text)) if text.strip() else []
                found.append(prediction(text, units(text), [_mark(tag) for tag in tags]))
            tagger.close()
        return found

    def _features(self, text: str) -> list[list[str]]:
        words = [text[left:right] for left, right in units(text)]
        edge = ["<"] * self.window, [">"] * self.window
        around = [*edge[0], *words, *edge[1]]
        shapes = [shape(word) for word in around]
        rows = []
        for place in range(self.window, self.window + len(words)):
            seen = range(place - self.window, place + self.window + 1)
            row = [f"{near - place}={around[near]}" for near in seen]
            row += [f"{near - place}/{around[near]}{around[near + 1]}" for near in seen[:-1]]
            row += [f"{near - place}~{shapes[near]}" for near in seen if abs(near - place) < 2]
            rows.append(row)
        return rows


def _suite() -> Any:
    try:
        import pycrfsuite
    except ImportError:
        raise Refusal(
            "The baseline 'crf' needs python-crfsuite; install it with `pip install 'danlu[crf]'` or choose 'hmm'."
        ) from None
    return pycrfsuite


def _shuffle_alike() -> None:
    """Begin C's `rand` anew, by which crfsuite shuffles: it goes on from whatever the process asked of it before."""
    library = ctypes.cdll.ucrtbase if sys.platform == "win32" else ctypes.CDLL(None)
    library.srand(1)


def _tag(mark: Mark) -> str:
    label, joined = mark
    return "O" if label is None else f"{'I' if joined else 'B'}-{label}"


def _mark(tag: str) -> Mark:
    return (None, False) if tag == "O" else (tag[2:], tag[0] == "I")
