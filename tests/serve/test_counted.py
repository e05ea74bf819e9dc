"""Texts of far too many tokens are refused before they are cut up as a whole, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.serve.counted import PIECE, TWICE, refuse_more
from danlu.serve.problem import Problem
from danlu.text.tokenizing.tokenized import tokenized
from danlu.text.tokenizing.tokenizer import Tokenizer
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.text.tokenizing.tokenizers.unigram import Unigram
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece

TEXTS = ["the slow food was good", "这本书写得很好，值得一读", "def f(x):\n        return x"]
TOKENIZERS = {
    "bpe": Bpe(size=320).build(lambda: iter(TEXTS)),
    "unigram": Unigram(size=300).build(lambda: iter(TEXTS)),
    "wordpiece": WordPiece(size=80, min_frequency=1).build(lambda: iter(TEXTS)),
}


def tokens_of(tokenizer: Tokenizer, *texts: str) -> int:
    return sum(len(each) for each in tokenized(texts, tokenizer, offsets=False, special=False))


@pytest.mark.parametrize("kind", TOKENIZERS)
@given(
    pieces=st.lists(st.sampled_from(["good", " ", "书", "\n", "        ", "x", "🙂", "é", "\ud800"]), min_size=1),
    times=st.integers(1, 3 * PIECE),
    share=st.floats(0.5, 1.5),
)
def test_what_is_refused_has_more_tokens(kind: str, pieces: list[str], times: int, share: float) -> None:
    text = ("".join(pieces) * times)[: 3 * PIECE]
    found = tokens_of(TOKENIZERS[kind], text)
    most = max(1, int(found * share))
    try:
        refuse_more(TOKENIZERS[kind], {"text": text}, most)
    except Problem:
        assert found > most
    else:
        assert found <= most + 3 * TWICE


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_no_more_is_cut_up_than_tells_it(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def counted(texts: list[str], *given: object, **named: object) -> object:
        sizes.extend(map(len, texts))
        return tokenized(texts, *given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr("danlu.serve.counted.tokenized", counted)
    messages = [{"role": "user", "content": "书 " * 500_000}] * 4
    with pytest.raises(Problem, match="more than 9,000 tokens, and no more are taken at once; send less"):
        refuse_more(TOKENIZERS[kind], {"messages": messages}, 9_000)
    assert max(sizes) <= PIECE
    assert sum(sizes) <= 10 * PIECE
