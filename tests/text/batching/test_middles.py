"""Documents whose middle is written last."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from tokenizers import AddedToken

from danlu.refusal import Refusal
from danlu.text.batching.middles import SENTINELS, before_middle, sentinels, with_middles
from danlu.text.batching.windows import documents
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.text.tokenizing.tokenizers.extended import Extended

CODE = "def add(one, other):\n    # 加法\n    return one + other\n\n\nprint(add(1, 2))\n"
NAMES = SENTINELS[0]


def learnt(*, special=True):
    """A tokenizer with the tokens; those of Qwen are not special, so that a text may spell them."""
    source = Bpe(size=300)
    if special:
        return Extended(base=source, special=NAMES).build(lambda: iter([CODE] * 3))
    tokenizer = source.build(lambda: iter([CODE] * 3))
    tokenizer.add_tokens([AddedToken(name, normalized=False) for name in NAMES])
    return tokenizer


TOKENIZER, AS_QWEN = learnt(), learnt(special=False)


def put_together(row, tokenizer):
    """The document that a row was made of, by the tokens in it alone; and whether its middle stood last."""
    numbers = tokenizer.convert_tokens_to_ids([*NAMES])
    ids = [number for number in row.row.input_ids.tolist() if number != tokenizer.eos_token_id]
    if numbers[0] not in ids:
        return tokenizer.decode(ids), False
    places = [ids.index(number) for number in numbers]
    assert places == sorted(places)
    assert places[0] == 0
    prefix, suffix, middle = (
        tokenizer.decode(ids[start + 1 : end]) for start, end in zip(places, [*places[1:], len(ids)], strict=True)
    )
    return prefix + middle + suffix, True


@given(
    some.lists(some.text(some.characters(codec="utf-8")), min_size=1, max_size=6), some.sampled_from([0.0, 0.5, 1.0])
)
def test_prefix_middle_and_suffix_are_the_document(texts, share):
    rows = with_middles(texts, TOKENIZER, share, 4096, "split")
    assert [row.record for row in rows] == list(range(len(texts)))
    for row, text in zip(rows, texts, strict=True):
        again, turned = put_together(row, TOKENIZER)
        assert again == text
        assert turned == bool(text) or share == 0.5 or not turned
        ends = row.row.input_ids[[0, -1]].tolist()
        assert ends == [TOKENIZER.bos_token_id, TOKENIZER.eos_token_id]


def test_the_share_is_that_of_the_documents_and_cuts_fall_everywhere():
    texts = [f"{number} bottles of tea" for number in range(1000)]
    turned = [put_together(row, TOKENIZER)[1] for row in with_middles(texts, TOKENIZER, 0.3, 64, "split")]
    assert abs(sum(turned) / 1000 - 0.3) < 0.05
    text = "abcdefghij"
    middle = TOKENIZER.convert_tokens_to_ids(NAMES[2])
    rows = with_middles([text + chr(0x4E00 + number) for number in range(300)], TOKENIZER, 1.0, 64, "split")
    begun = Counter(row.row.input_ids.tolist().index(middle) for row in rows)
    assert len(begun) >= 10  # of 12 characters


def test_half_of_the_middles_of_texts_of_several_lines_are_whole_lines():
    texts = [f"def name{number}(self):\n    return {number}\n\n\nprint(name{number})" for number in range(600)]
    names, whole = TOKENIZER.convert_tokens_to_ids([*NAMES]), []
    for row, text in zip(with_middles(texts, TOKENIZER, 1.0, 256, "split"), texts, strict=True):
        ids = row.row.input_ids.tolist()
        prefix, suffix = (ids[ids.index(names[one]) + 1 : ids.index(names[one + 1])] for one in (0, 1))
        before, behind = TOKENIZER.decode(prefix), TOKENIZER.decode(suffix)
        assert text.startswith(before)
        assert text.endswith(behind)
        middle = text[len(before) : len(text) - len(behind)]
        whole.append(before[-1:] in ("", "\n") and bool(middle) and (not behind or middle.endswith("\n")))
    assert 0.45 < sum(whole) / len(whole) < 0.65  # some of those between characters are such as well


def test_what_is_drawn_depends_on_the_text_alone():
    texts = [CODE, "a b c", "第三"]
    together = with_middles(texts, TOKENIZER, 0.5, 512, "split")
    for text, row in zip(texts, together, strict=True):
        [alone] = with_middles([text], TOKENIZER, 0.5, 512, "split")
        assert alone.row.input_ids.tolist() == row.row.input_ids.tolist()


@pytest.mark.parametrize("tokenizer", [TOKENIZER, AS_QWEN], ids=["special", "as Qwen"])
@pytest.mark.parametrize("limit", [8, 48, 100])
def test_windows_of_a_long_document_hold_all_of_it_once_and_fit(tokenizer, limit):
    text = CODE * 4 + "<|fim_middle|>" + CODE * 4
    rows = with_middles([text, "a"], tokenizer, 1.0, limit, "split")
    assert {row.record for row in rows} == {0, 1}
    assert all(len(row) <= limit for row in rows)
    parts = [put_together(row, tokenizer) for row in rows if row.record == 0]
    if limit > 8:
        assert sum(turned for _, turned in parts) > len(parts) / 2
    if all(turned for _, turned in parts):  # else a window repeats a token of the one before
        assert "".join(part for part, _ in parts) == text


def test_a_long_document_is_refused_or_cut_as_the_task_says():
    with pytest.raises(Refusal, match=r"record 2: the text has .* tokens and a row takes 32"):
        with_middles(["a", CODE * 9], TOKENIZER, 1.0, 32, "stop")
    [row] = with_middles([CODE * 9], TOKENIZER, 1.0, 64, "truncate")
    again, turned = put_together(row, TOKENIZER)
    assert turned
    assert (CODE * 9).startswith(again)
    assert row.cut > 0


@pytest.mark.parametrize("tokenizer", [TOKENIZER, AS_QWEN], ids=["special", "as Qwen"])
@pytest.mark.parametrize("share", [0.0001, 1.0])
def test_what_a_text_spells_is_text(tokenizer, share):
    numbers = tokenizer.convert_tokens_to_ids([*NAMES])
    text = "a<|fim_prefix|>b<|fim_middle|><|fim_suffix|>"
    [row] = with_middles([text], tokenizer, share, 4096, "split")
    expected = 1 if share == 1.0 else 0
    assert [row.row.input_ids.tolist().count(number) for number in numbers] == [expected] * 3
    asked = before_middle(text, text, tokenizer).tolist()
    assert [asked.count(number) for number in numbers] == [1, 1, 1]


def test_a_middle_is_asked_as_it_was_learnt():
    [row] = with_middles([CODE], TOKENIZER, 1.0, 4096, "split")
    ids = row.row.input_ids.tolist()
    numbers = TOKENIZER.convert_tokens_to_ids([*NAMES])
    pre, suf, mid = (ids.index(number) for number in numbers)
    prefix, suffix = TOKENIZER.decode(ids[pre + 1 : suf]), TOKENIZER.decode(ids[suf + 1 : mid])
    assert before_middle(prefix, suffix, TOKENIZER).tolist() == ids[: mid + 1]


@pytest.mark.parametrize("names", SENTINELS, ids=lambda names: names[0])
def test_the_tokens_of_known_models_are_found(names):
    assert sentinels(Extended(base=Bpe(size=300), special=names).build(lambda: iter([CODE]))) == names


def test_a_tokenizer_without_them_is_refused_with_the_way_to_get_them():
    plain = Bpe(size=300).build(lambda: iter([CODE]))
    with pytest.raises(Refusal, match=r"kind: extended, base: \.\.\., special: \['<\|fim_prefix\|>'"):
        with_middles([CODE], plain, 0.5, 64, "split")
    with pytest.raises(Refusal, match="kind: extended"):
        before_middle("a", "b", plain)


def test_without_a_share_rows_are_the_documents():
    rows = with_middles([CODE, ""], TOKENIZER, 0.0, 512, "split")
    for row, ids in zip(rows, documents([CODE, ""], TOKENIZER), strict=True):
        assert np.array_equal(row.row.input_ids, ids)
