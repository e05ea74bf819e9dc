"""What one model has answered, beside the truth: all that metrics see."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from danlu.answer.answer import Answer
from danlu.evaluate.scoring.certainty import Certainty
from danlu.evaluate.scoring.columns import Columns, Ragged
from danlu.refusal import Refusal
from danlu.task.task import Prediction


@dataclass
class Side:
    """The truths and the answers of N records, as values of their form.

    - `labels`: those that are told one by one, L in a fixed order.
    - `scores`: the score of each label, (N, L), or choice; None where no metric asks for it.
    - `certainty`: how probable the answers were held to be; None where nobody asks for it.
    """

    form: Answer
    labels: Sequence[str]
    gold: Sequence[Any]
    values: list[Any] = field(default_factory=list)
    scores: Columns | Ragged | None = None
    certainty: Certainty | None = None

    def taking(self, predictions: Iterable[Prediction]) -> Iterator[Prediction]:
        """The predictions as they come, of which nothing is kept but the values, and the scores if they are asked."""
        for place, prediction in enumerate(predictions):
            self.values.append(self.form.value(prediction))
            if self.certainty is not None and place < len(self.gold):
                shares = self.form.shares(prediction, self.labels)
                self.certainty.take(self.gold[place], self.values[-1], shares)
            if self.scores is not None:
                self.scores.append(self.form.scores(prediction, self.labels))
            yield prediction

    def refuse_incomplete(self) -> None:
        """Raise `Refusal` where there is no record, or not one prediction for each."""
        if not self.gold:
            raise Refusal("There are no records to evaluate on; give a file or a split that is not empty.")
        if len(self.gold) != len(self.values):
            raise Refusal(
                f"There are {len(self.values)} predictions for {len(self.gold)} records; predict these very records "
                "again."
            )
