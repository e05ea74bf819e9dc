"""What a question asks by: its words without those that only ask, and how much each of them tells passages apart."""

import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from math import log

from danlu.index.document import Found
from danlu.index.tokens import query_tokens, tokens
from danlu.refusal import Refusal

LONGEST = 2_000
"""Characters of a question."""

ASKING = (
    r"什么时候|什么时间|为什么|什么|哪(?!吒)[些个里儿一位种年家天]*|谁|多少|多[长大高远久重宽深]|如何|怎么样?|怎样|是否|是不是|"
    r"请问|分别|(?<!茶)几(?!何|乎|率|内亚|维[鸟果]|丁质)[个位年月日天种次]?"
)
"""Chinese words that only ask; 几 not in 茶几 and 几何."""
_ASKING = re.compile(rf"{ASKING}|[那这]么|吗(?!啡|丁啉)|(?:么|(?<![毛花粗])呢|(?<![酒网水氧贴书茶清迪])吧)(?!\w)|是")
FUNCTION = {
    *("a", "an", "the", "of", "in", "on", "at", "to", "for", "by", "with", "from", "and", "or", "as"),
    *("is", "was", "are", "were", "be", "been", "am", "did", "do", "does", "has", "have", "had"),
    *("that", "this", "these", "those", "which", "who", "whom", "whose", "what", "when", "where", "why", "how"),
    *("many", "much", "it", "its", "he", "she", "they", "his", "her", "their", "i", "we", "you", "my", "your", "our"),
    *("me", "us", "can", "could", "should", "would", "will", "may", "please", "tell", "there"),
}
ACRONYMS = frozenset({"US", "IT", "WHO"})
NAMES = frozenset({"May", "Will"})
"""Not where they open a sentence."""


@dataclass(frozen=True)
class Asked:
    """A question among the passages that were found for it.

    - `weights`: how much each of its words tells these passages apart, rare ones more (Sparck Jones, 1972).
    - `names`: those of its words that are names only with their capitals.
    """

    question: str
    weights: dict[str, float]
    names: frozenset[str] = frozenset()

    def covered(self, text: str) -> float:
        """The weight of the words that stand in a text, as a share of all, 0 to 1."""
        total = sum(self.weights.values())
        there = _there(text, self.names)
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
    left = " ".join(_naming(_ASKING.sub(" ", question).split(), _names(question)))
    return left if re.search(r"\w", left) else question


def is_shouted(question: str) -> bool:
    """Whether it is written in capitals, which tell no names then."""
    return question.isupper() and len(re.findall("[A-Z]+", question)) > 1


def _names(question: str) -> frozenset[str]:
    """Which words may be names in a question by their capitals: `May` not where most words have one."""
    if is_shouted(question):
        return frozenset()
    others = re.findall("[A-Za-z]+", question)[1:]
    titled = 2 * sum(word[0].isupper() for word in others) > len(others)
    return ACRONYMS if titled else ACRONYMS | NAMES


def _naming(words: Sequence[str], names: Set[str]) -> Iterator[str]:
    """The words that do more than ask; those stay that look like others and are `names` (`US`, `May`)."""
    opens = True
    for word in words:
        bare = word.strip("?？.,!")
        name = bare in names and not (bare in NAMES and opens)
        if name or bare.lower() not in FUNCTION:
            yield word
        opens = word[-1] in "?？.!"


def words(question: str) -> list[str]:
    """The words that a question asks by, each once."""
    return query_tokens(content(question))


def asked(question: str, passages: Sequence[Found]) -> Asked:
    """The question, its words weighed by how many of the passages they stand in."""
    names = frozenset(re.findall(r"[A-Za-z0-9_]+", content(question))) & _names(question)
    there = [_there(f"{passage.title}\n{passage.text}", names) for passage in passages]
    counts = {word: sum(word in each for each in there) for word in words(question)}
    return Asked(question, {word: log((len(there) + 1) / (count + 0.5)) for word, count in counts.items()}, names)


def _there(text: str, names: Set[str]) -> set[str]:
    """The words of a text; `us` is not the `US` that was asked for."""
    written = set(re.findall(r"[A-Za-z0-9_]+", text)) if names else set()
    return set(tokens(text)) - {name.lower() for name in names - written}
