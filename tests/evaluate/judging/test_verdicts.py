"""What replies mean."""

import pytest

from danlu.evaluate.judging.template import JudgeTemplate


@pytest.mark.parametrize(
    ("words", "reply", "verdict"),
    [
        (("better", "not better", "equal"), "The first is not better", "second"),
        (("better", "not better", "equal"), "not better? No: better", "first"),
        (("A", "B", "AB"), "AB", "tie"),
        (("好", "不好", "一样"), "第一个不好", "second"),
        (("[[A]]", "[[B]]", "[[C]]"), "[[A]] at first, then [[B]]", "second"),
        (("[[A]]", "[[B]]", "[[C]]"), "neither", None),
    ],
)
def test_the_word_that_ends_last_counts_and_of_words_within_one_another_the_longest(
    words: tuple[str, str, str], reply: str, verdict: str | None
) -> None:
    told = dict(zip(("first", "second", "tie"), words, strict=True))
    template = JudgeTemplate.model_validate({"prompt": "{question}|{first}|{second}|", "verdicts": told})
    assert template.verdict(reply) == verdict
