"""Tokens to words: nothing of a text is lost, and every token is in one word."""

from functools import cache
from itertools import chain, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.explain.tokens import tokens_as_read, tokens_of, unread
from danlu.explain.words import in_order, words_of
from danlu.text.batching.encoded import Encoded, Row
from danlu.text.batching.windows import windows, windows_of_pairs
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.text.tokenizing.tokenizers.char import Char
from danlu.text.tokenizing.tokenizers.unigram import Unigram
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece

TEXTS = [
    "床前明月光，疑是地上霜。举头望明月，低头思故乡。",
    "The train leaves at nine in the morning, and nobody waits.",
    "Привет, мир! नमस्ते दुनिया. สวัสดีชาวโลก 안녕 세계 مرحبا بالعالم",
]
KINDS = {"wordpiece": WordPiece, "bpe": Bpe, "unigram": Unigram, "char": Char}

pieces = st.sampled_from(
    ["床前", "明月光", "，", "the train", " ", "  ", "\n", "naïve", "e\u0301", "👩‍👩‍👧", "𠀀", "สวัสดี", "नमस्ते", "안녕",
     "مرحبا", "3.14", "a_b", "\u200b", "[SEP]", "<sep>", "ﬁ", "Ⅷ", "\t"]
)  # fmt: skip
texts = st.one_of(
    st.lists(pieces, max_size=8).map("".join), st.text(max_size=20).filter(lambda text: text.isprintable())
)


@cache
def tokenizer(kind):
    return KINDS[kind](size=300).build(lambda: iter(TEXTS))


@pytest.mark.parametrize("kind", KINDS)
@given(text=texts)
def test_words_and_what_lies_between_them_are_the_text_and_hold_every_token_once(kind, text):
    (item,) = windows([text], tokenizer(kind), 4096, "stop")
    tokens = tokens_of(item, {"text": text}, tokenizer(kind))
    words = words_of({"text": text}, tokens)
    assert "".join(piece for piece, _ in in_order(text, words)) == text
    placed = list(chain.from_iterable(word.tokens for word in words))
    assert sorted(placed) == [place for place, token in enumerate(tokens) if token.column == "text"]
    assert all(one.end <= other.start for one, other in pairwise(words))
    scores = np.arange(len(tokens)) / 7
    by_word = [scores[list(word.tokens)].sum() for word in words]
    assert sum(by_word) == pytest.approx(scores[placed].sum())


def test_chinese_is_cut_by_a_segmenter_and_pieces_of_a_word_are_one():
    text = "今天天气很好，unhappiness!"
    (item,) = windows([text], tokenizer("char"), 4096, "stop")
    words = words_of({"text": text}, tokens_of(item, {"text": text}, tokenizer("char")))
    told = [text[word.start : word.end] for word in words]
    assert told[:2] == ["今天天气", "很"] or told[:2] == ["今天", "天气"]
    assert "unhappiness" in told
    assert len(words[told.index("unhappiness")].tokens) == len("unhappiness")


@given(first=texts, second=texts)
def test_two_texts_of_a_row_are_told_apart(first, second):
    (item,) = windows_of_pairs([first], [second], tokenizer("wordpiece"), 4096, "stop")
    given_texts = {"text": first, "text_pair": second}
    tokens = tokens_of(item, given_texts, tokenizer("wordpiece"))
    for side, (column, text) in enumerate(given_texts.items()):
        alone = tokenizer("wordpiece").backend_tokenizer.encode(text, add_special_tokens=False)
        assert sum(token.column == column for token in tokens) == len(alone.ids)
        places = [place for place, token in enumerate(tokens) if token.column == column]
        assert all(item.row.token_types[place] == side for place in places)


def test_two_texts_in_one_part_of_a_template_are_both_found():
    """Special tokens part the row into as many pieces as there are texts, and these are not the texts."""
    made, pair = tokenizer("wordpiece"), {"text": "the train", "text_pair": "leaves at nine"}
    (whole, asked) = windows(["the train leaves at nine", "床前"], made, 64, "stop")
    row = Row(np.concatenate([whole.row.input_ids, asked.row.input_ids[1:]]))
    tokens = tokens_of(Encoded(0, (row,)), pair, made)
    names = {column: [token.name for token in tokens if token.column == column] for column in pair}
    assert names == {column: made.tokenize(text) for column, text in pair.items()}


@pytest.mark.parametrize("kind", ["wordpiece", "char"])
@given(words=st.lists(st.sampled_from(["the", "train", "waits", "morning", "nine"]), min_size=12, max_size=20))
def test_what_was_cut_off_the_first_text_is_not_found_in_the_second(kind, words):
    """Such as a question behind a context that holds it."""
    pair = {"text": " ".join(words), "text_pair": " ".join(words[-3:])}
    (item,) = windows_of_pairs([pair["text"]], [pair["text_pair"]], tokenizer(kind), 24, "truncate")
    tokens = tokens_of(item, pair, tokenizer(kind))
    for side, column in enumerate(pair):
        places = [place for place, token in enumerate(tokens) if token.column == column]
        assert places
        assert all(item.row.token_types[place] == side for place in places)
        assert next(tokens[place].start for place in places) == 0


def test_what_a_row_has_no_room_for_is_told():
    text = "the train leaves at nine " * 10
    (item,) = windows([text], tokenizer("wordpiece"), 16, "truncate")
    tokens = tokens_of(item, {"text": text}, tokenizer("wordpiece"))
    ((start, end),) = unread({"text": text}, tokens)["text"]
    assert end == len(text)
    assert 0 < start < 80
    assert (
        unread(
            {"text": "the train"},
            tokens_of(
                *windows(["the train"], tokenizer("wordpiece"), 16, "stop"),
                {"text": "the train"},
                tokenizer("wordpiece"),
            ),
        )
        == {}
    )


def test_later_windows_of_a_text_are_found_where_they_stand():
    text = "the train the train the train leaves at nine the train the train"
    found = windows([text], tokenizer("wordpiece"), 10, "split", overlap=2)
    assert len(found) > 2
    last = 0
    for item in found:
        own = [t for t in tokens_of(item, {"text": text}, tokenizer("wordpiece")) if t.column]
        assert own[0].start >= last
        last = own[0].start
    assert own[-1].end == len(text)


def test_a_prompt_that_stands_in_its_template_too_is_found_at_the_end():
    made = tokenizer("wordpiece")

    def places(ids: list[int]) -> list[int]:
        row = Encoded(0, (Row(np.array(ids, np.int32)),))
        return [at for at, token in enumerate(tokens_of(row, {"text": "nine"}, made, late=True)) if token.column]

    nine, rest = (made(text, add_special_tokens=False)["input_ids"] for text in ("nine", "the train leaves at"))
    assert places([*nine, *rest, *nine]) == [*range(len(nine) + len(rest), 2 * len(nine) + len(rest))]
    ended = [*nine, *rest, *nine, made.sep_token_id, *nine]  # a role behind what was said
    assert places(ended) == places(ended[: -len(nine)])


@pytest.mark.parametrize("text", ["The train, 床前明月光。", "👩‍👩‍👧 naïve"])
def test_a_row_as_it_is_read_is_a_text_with_all_of_its_tokens(text):
    (item,) = windows([text], tokenizer("bpe"), 4096, "stop")
    read, tokens = tokens_as_read(item.row.input_ids, tokenizer("bpe"), "prompt")
    assert read == text
    words = words_of({"prompt": read}, tokens)
    assert "".join(piece for piece, _ in in_order(read, words)) == text
    assert sorted(chain.from_iterable(word.tokens for word in words)) == list(range(len(tokens)))
