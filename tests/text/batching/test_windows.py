from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from danlu.refusal import Refusal
from danlu.text.batching.windows import windows
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece


@cache
def wordpiece():
    return WordPiece(size=100, min_frequency=1).build(lambda: iter(["一二三四五六七八九十"]))


@settings(max_examples=40, deadline=None)
@given(st.text("一二三四五", max_size=80), st.integers(8, 40), st.data())
def test_windows_hold_every_token_and_overlap_as_told(text, limit, data):
    overlap = data.draw(st.integers(0, limit - 3))
    [whole] = windows([text], wordpiece(), 10_000, "stop", offsets=True)
    rows = windows([text], wordpiece(), limit, "split", overlap=overlap, offsets=True)
    assert all(len(row) <= limit for row in rows)
    seen = np.zeros(len(whole), int)
    for row in rows:
        inner = slice(row.start + 1, row.start + len(row) - 1)  # the place of what stands between [CLS] and [SEP]
        assert row.input_ids[1:-1].tolist() == whole.input_ids[inner].tolist()
        assert row.offsets[1:-1].tolist() == whole.offsets[inner].tolist()
        assert (row.input_ids[0], row.input_ids[-1]) == (whole.input_ids[0], whole.input_ids[-1])
        seen[inner] += 1
    assert (seen[1:-1] >= 1).all()
    for before, after in pairwise(rows):
        assert before.start + len(before) - 1 - (after.start + 1) == overlap


def test_a_mask_that_stands_in_the_text_is_no_border():
    [row] = windows(["[MASK]一[MASK]" + "二" * 20], wordpiece(), 8, "truncate", blanks=True)
    names = wordpiece().convert_ids_to_tokens(row.input_ids)
    assert names == ["[CLS]", "[MASK]", "一", "[MASK]", "二", "二", "二", "[SEP]"]
    assert row.cut == 17


def test_truncation_and_padding_that_a_tokenizer_file_switches_on_are_not_applied():
    tokenizer = Bpe(size=264).build(lambda: iter(["abc"]))
    tokenizer.backend_tokenizer.enable_truncation(4)
    tokenizer.backend_tokenizer.enable_padding(length=50)
    assert [len(row) for row in windows(["abcdef", "a"], tokenizer, 100, "stop")] == [6, 1]


def test_a_text_without_tokens_has_a_row():
    [row] = windows([""], Bpe(size=264).build(lambda: iter(["abc"])), 100, "stop", offsets=True)
    assert (len(row), row.offsets.tolist()) == (1, [[0, 0]])


def test_too_long_is_said_with_the_record_its_length_and_the_remedy():
    with pytest.raises(Refusal, match="record 2: the text has 22 tokens and a row takes 10; shorten it, or set"):
        windows(["一", "二" * 20], wordpiece(), 10, "stop")
