"""What a question asks by: its words without those that only ask, and how much each of them tells passages apart."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import log

from danlu.index.document import Found
from danlu.index.tokens import query_tokens, tokens
from danlu.refusal import Refusal

LONGEST = 2_000
"""Characters of a question."""

_ASKING = re.compile(
    r"什么时候|什么时间|为什么|什么|哪[些个里儿一位种年家天]*|谁|多少|多[长大高远久重宽深]|几[个位年月日天种次]?|如何|"
    r"怎么样?|怎样|是否|是不是|请问|分别|[吗呢么吧]|是"
)
FUNCTION = {
    *("a", "an", "the", "of", "in", "on", "at", "to", "for", "by", "with", "from", "and", "or", "as"),
    *("is", "was", "are", "were", "be", "been", "am", "did", "do", "does", "has", "have", "had"),
    *("that", "this", "these", "those", "which", "who", "whom", "whose", "what", "when", "where", "why", "how"),
    *("many", "much", "it", "its", "he", "she", "they", "his", "her", "their", "i", "we", "you", "my", "your", "our"),
    *("me", "us", "can", "could", "should", "would", "will", "may", "please", "tell", "there"),
}


@dataclass(frozen=True)
class Asked:
    """A question among the passages that were found for it.

    - `weights`: how much each of its words tells these passages apart, rare ones more (Sparck Jones, 1972).
    """

    question: str
    weights: dict[str, float]

    def covered(self, text: str) -> float:
        """The weight of the words that stand in a text, as a share of all, 0 to 1."""
        total = sum(self.weights.values())
        there = set(tokens(text))
        return sum(weight for word, weight in self.weights.items() if word in there) / total if total else 0.0


def checked_question(question: str) -> str:
    """The question without the space around it.

    Raises:
        Refusal: it is empty, too long, or no text.
    """
    question = question.strip()
    if not re.search(r"\w", question):
        raise Refusal("the question is empty; ask something")
    if len(question) > LONGEST:
        raise Refusal(f"the question has {len(question):,} characters, and {LONGEST:,} are read; shorten it")
    if "\0" in question or any("\ud800" <= sign <= "\udfff" for sign in question):
        raise Refusal("the question holds NUL or half a character, which is no text; remove it")
    return question


def content(question: str) -> str:
    """The question without the words that only ask; all of it where nothing else is in it."""
    left = " ".join(word for word in _ASKING.sub(" ", question).split() if word.strip("?？.,!").lower() not in FUNCTION)
    return left if re.search(r"\w", left) else question


def words(question: str) -> list[str]:
    """The words that a question asks by, each once."""
    return query_tokens(content(question))


def asked(question: str, passages: Sequence[Found]) -> Asked:
    """The question, its words weighed by how many of the passages they stand in."""
    there = [set(tokens(f"{passage.title}\n{passage.text}")) for passage in passages]
    counts = {word: sum(word in each for each in there) for word in words(question)}
    return Asked(question, {word: log((len(there) + 1) / (count + 0.5)) for word, count in counts.items()})
