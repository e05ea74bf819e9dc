import copy
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as Backend
from tokenizers import models, processors
from transformers import PreTrainedTokenizerFast

from danlu.refusal import Refusal
from danlu.text.batching.windows import around, beginnings, documents, windows, windows_of_pairs
from danlu.text.tokenizing.tokenizer import TokenizerSource
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece


@cache
def wordpiece():
    return WordPiece(size=100, min_frequency=1).build(lambda: iter(["一二三四五六七八九十"]))


@given(st.text("一二三四五", max_size=80), st.integers(8, 40), st.data())
def test_windows_hold_every_token_and_overlap_as_told(text, limit, data):
    overlap = data.draw(st.integers(0, limit - 3))
    [whole] = windows([text], wordpiece(), 10_000, "stop", offsets=True)
    rows = windows([text], wordpiece(), limit, "split", overlap=overlap, offsets=True)
    assert all(len(row) <= limit for row in rows)
    seen = np.zeros(len(whole), int)
    for row in rows:
        inner = slice(row.start + 1, row.start + len(row) - 1)  # the place of what stands between [CLS] and [SEP]
        assert row.row.input_ids[1:-1].tolist() == whole.row.input_ids[inner].tolist()
        assert row.row.offsets[1:-1].tolist() == whole.row.offsets[inner].tolist()
        assert (row.row.input_ids[0], row.row.input_ids[-1]) == (whole.row.input_ids[0], whole.row.input_ids[-1])
        seen[inner] += 1
    assert (seen[1:-1] >= 1).all()
    for before, after in pairwise(rows):
        assert before.start + len(before) - 1 - (after.start + 1) == overlap


def test_a_mask_that_stands_in_the_text_is_no_border():
    [row] = windows(["[MASK]一[MASK]" + "二" * 20], wordpiece(), 8, "truncate", blanks=True)
    names = wordpiece().convert_ids_to_tokens(row.row.input_ids)
    assert names == ["[CLS]", "[MASK]", "一", "[MASK]", "二", "二", "二", "[SEP]"]
    assert row.cut == 17


def test_truncation_and_padding_that_a_tokenizer_file_switches_on_are_not_applied():
    tokenizer = Bpe(size=264).build(lambda: iter(["abc"]))
    tokenizer.backend_tokenizer.enable_truncation(4)
    tokenizer.backend_tokenizer.enable_padding(length=50)
    assert [len(row) for row in windows(["abcdef", "a"], tokenizer, 100, "stop")] == [6, 1]


def test_a_text_without_tokens_has_a_row():
    [row] = windows([""], Bpe(size=264).build(lambda: iter(["abc"])), 100, "stop", offsets=True)
    assert (len(row), row.row.offsets.tolist()) == (1, [[0, 0]])


def test_too_long_is_said_with_the_record_its_length_and_the_remedy():
    with pytest.raises(Refusal, match="record 2: the text has 22 tokens and a row takes 10; shorten it, or set"):
        windows(["一", "二" * 20], wordpiece(), 10, "stop")


@cache
def with_types():
    tokenizer = copy.deepcopy(wordpiece())
    tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    return tokenizer


@given(st.text("一二三", min_size=1, max_size=30), st.text("四五六", min_size=1, max_size=60), st.integers(16, 40))
def test_a_second_text_slides_under_its_first(first, second, limit):
    tokenizer = with_types()
    rows = windows_of_pairs([first], [second], tokenizer, limit, "split", overlap=limit // 4, offsets=True)
    whole = tokenizer(first, second)
    if len(whole["input_ids"]) <= limit:
        [row] = rows
        assert row.row.input_ids.tolist() == whole["input_ids"]
        assert row.row.token_types.tolist() == whole["token_type_ids"]
    room = limit - 3
    kept = first if len(first) + len(second) <= room else first[: max(room // 2, room - len(second))]
    read = ""
    for item in rows:
        row = item.row
        assert len(row) <= limit
        assert item.cut == len(first) - len(kept)
        names = tokenizer.convert_ids_to_tokens(row.input_ids)
        border = len(kept) + 2
        assert names[:border] == ["[CLS]", *kept, "[SEP]"]
        assert names[-1] == "[SEP]"
        assert row.token_types.tolist() == [0] * border + [1] * (len(row) - border)
        assert not row.offsets[:border].any()
        spelled = "".join(second[start:end] for start, end in row.offsets[border:-1])
        assert spelled == second[item.start : item.start + len(spelled)] == "".join(names[border:-1])
        read = read[: item.start] + spelled
    assert read == second


def test_of_two_texts_that_are_too_long_what_is_cut_is_counted():
    [row] = windows_of_pairs(["一" * 30], ["四" * 30], wordpiece(), 23, "truncate")
    assert (len(row), row.cut) == (23, 20 + 20)
    [short] = windows_of_pairs(["一" * 30], ["四" * 3], wordpiece(), 23, "truncate")
    assert wordpiece().convert_ids_to_tokens(short.row.input_ids)[-4:] == ["四", "四", "四", "[SEP]"]
    assert (len(short), short.cut) == (23, 13)
    with pytest.raises(Refusal, match=r"record 2: the two texts have 60 tokens and a row takes 20; .* 'too_long'"):
        windows_of_pairs(["一", "一" * 30], ["四", "四" * 30], wordpiece(), 23, "stop")


@pytest.mark.parametrize("style", ["encoder", "decoder"])
@pytest.mark.parametrize("kind", ["char", "word", "unigram", "bpe", "wordpiece"])
def test_what_ends_a_document_stands_behind_no_beginning_of_one(kind, style):
    texts = ["今天天气很好", "今", "</s> [SEP] <sep>", ""]
    sized = {"char": {}, "word": {"min_frequency": 1}, "unigram": {"size": 300}, "bpe": {"size": 280}}.get(kind)
    sized = {"size": 60, "min_frequency": 1} if sized is None else sized
    styled = {} if kind in ("bpe", "wordpiece") else {"style": style}
    tokenizer = TokenizerSource.model_validate({"kind": kind, **sized, **styled}).build(lambda: iter(texts[:3]))
    for text, ids, whole in zip(texts, beginnings(texts, tokenizer), documents(texts, tokenizer), strict=True):
        said = tokenizer(text, add_special_tokens=False).input_ids if text == texts[0] else None
        assert ids.tolist() == whole[: len(ids)].tolist()
        assert len(ids) in (len(whole), len(whole) - 1)
        if len(ids) > 1:
            assert ids[-1] not in (tokenizer.sep_token_id, tokenizer.eos_token_id)
        assert said is None or ids[-1] == said[-1]


@pytest.mark.parametrize("style", ["encoder", "decoder"])
@pytest.mark.parametrize("kind", ["char", "word", "wordpiece", "bpe"])
def test_what_stands_around_a_document_is_known_of_tokenizers_that_know_no_english(kind, style):
    if kind in ("wordpiece", "bpe"):
        given = {"size": 60, "min_frequency": 1} if kind == "wordpiece" else {"size": 280}
    else:
        given = {"style": style} | ({"min_frequency": 1} if kind == "word" else {})
    tokenizer = TokenizerSource.model_validate({"kind": kind, **given}).build(lambda: iter(["春眠不觉晓"]))
    (ids,) = documents(["春眠"], tokenizer)
    lead, trail = around(tokenizer)
    inside = tokenizer("春眠", add_special_tokens=False).input_ids
    assert ids[lead : len(ids) - trail].tolist() == inside
    assert lead + trail == len(ids) - len(inside) > 0


@pytest.mark.parametrize("ends", ["template", "eos", "none"])
def test_what_stands_around_a_document_is_known_where_unknown_signs_are_dropped(ends):
    """A tokenizer of another program without an unknown token, which makes nothing at all of English."""
    backend = Backend(models.BPE(vocab={"[B]": 0, "[E]": 1, "春": 2, "眠": 3}, merges=[]))
    backend.add_special_tokens(["[B]", "[E]"])
    if ends == "template":
        special = [("[B]", 0), ("[E]", 1)]
        backend.post_processor = processors.TemplateProcessing(single="[B] $A [E]", special_tokens=special)
    named = {"template": {"cls_token": "[B]", "sep_token": "[E]"}, "eos": {"bos_token": "[B]", "eos_token": "[E]"}}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, **named.get(ends, {}))
    (ids,) = documents(["春眠"], tokenizer)
    lead, trail = around(tokenizer)
    assert ids[lead : len(ids) - trail].tolist() == [2, 3]
    assert (lead, trail) == ((0, 0) if ends == "none" else (1, 1))
