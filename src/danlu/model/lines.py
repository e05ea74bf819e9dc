"""Policies that write texts one by one, each by its own choice of the next token.

Legend: B rows, V vocabulary.
"""

from abc import abstractmethod
from collections.abc import Sequence

from torch import Tensor

from danlu.model.ends import Ends
from danlu.model.hypothesis import Hypotheses, Line, Lines
from danlu.model.policy import Policy
from danlu.model.shaping import History, shaped, shapes
from danlu.model.written import Chosen


class LinePolicy(Policy):
    """Chooses the next token of a text without looking at others."""

    @abstractmethod
    def choose(self, scores_BV: Tensor, lines: Sequence[Line]) -> Tensor:
        """The next token (B,) of each line."""

    def begin(self, prompt: Sequence[int], number: int, ends: Ends) -> Lines:
        """See `Policy.begin`."""
        return Lines(prompt, ends, self.rows)

    def advance(self, group: Sequence[Hypotheses], logits_BV: Tensor) -> None:
        """See `Policy.advance`; the log-probability is that of the model, before anything is changed."""
        texts = [each for each in group if isinstance(each, Lines)]
        assert len(texts) == len(group)
        lines = [line for each in texts for line in each.open]
        if len(lines) > len(logits_BV):  # several texts begin from one row
            rows = [row for row, each in enumerate(texts) for _ in each.open]
            logits_BV = logits_BV[rows]
        scores_BV = logits_BV
        if any(shapes(self, each.ends) for each in texts):
            histories = [History(each.prompt, line.ids) for each in texts for line in each.open]
            scores_BV = shaped(self, logits_BV, histories, [line.ends for line in lines])
        tokens_B = self.choose(scores_BV, lines)
        log_B = logits_BV.gather(1, tokens_B[:, None])[:, 0] - logits_BV.logsumexp(1)
        tokens, logs = tokens_B.tolist(), log_B.tolist()
        _tell(texts, logits_BV, tokens, logs)
        place = 0
        for each in texts:
            count = len(each.open)
            each.add(tokens[place : place + count], logs[place : place + count])
            place += count


def _tell(texts: Sequence[Lines], logits_BV: Tensor, tokens: Sequence[int], logs: Sequence[float]) -> None:
    """Note how likely each token was, and which were likelier, in the texts that are to tell it."""
    place = 0
    for each in texts:
        for line in each.open:
            if each.likeliest is not None:
                best = logits_BV[place].log_softmax(0).topk(min(each.likeliest, logits_BV.shape[1]))
                likeliest = tuple(zip(best.indices.tolist(), best.values.tolist(), strict=True))
                line.chosen.append(Chosen(tokens[place], logs[place], likeliest))
            place += 1
