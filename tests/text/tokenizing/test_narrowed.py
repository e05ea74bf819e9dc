"""A tokenizer with fewer tokens cuts the texts that it was narrowed to as before, whatever its sort."""

import copy
import json
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, normalizers

from danlu.refusal import Refusal
from danlu.text.tokenizing.narrowed import narrowed
from danlu.text.tokenizing.tokenizer import Tokenizer
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.text.tokenizing.tokenizers.char import Char
from danlu.text.tokenizing.tokenizers.unigram import Unigram
from danlu.text.tokenizing.tokenizers.word import Word
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece

TEXTS = [
    "the theatre there was lower than the lowest tower",
    "今天天气很好，今天我们去公园散步。",
    "newer news and the newest; loweredness of towers!",
    "天气好的今天，公园里的天气更好",
    "widest wide wider, 2026 and 20 26",
] * 3
SORTS = {
    "wordpiece": WordPiece(size=160, min_frequency=1),
    "bpe": Bpe(size=340),
    "unigram": Unigram(size=300, min_frequency=1),
    "char": Char(),
    "word": Word(size=80, min_frequency=1),
}


@cache
def built(sort):
    if sort != "sentencepiece":
        return SORTS[sort].build(lambda: iter(TEXTS))
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    letters = sorted({*"".join(TEXTS), "▁"} - {" "})
    joins = [("t", "h"), ("th", "e"), ("▁", "the"), ("▁the", "r"), ("l", "o"), ("w", "e"), ("lo", "we"), ("天", "气")]
    names = ["<unk>", "<s>", "</s>", *bytes_, *letters, *("".join(pair) for pair in joins)]
    vocabulary = {name: number for number, name in enumerate(names)}
    backend = Backend(models.BPE(vocabulary, joins, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return Tokenizer(tokenizer_object=backend, unk_token="<unk>", bos_token="<s>", eos_token="</s>")


def cut(tokenizer, texts):
    return [tokenizer.backend_tokenizer.encode(text).ids for text in texts]


def narrow_to(sort, texts):
    whole, narrow = built(sort), copy.deepcopy(built(sort))
    left = narrowed(narrow, {number for ids in cut(whole, texts) for number in ids})
    return whole, narrow, left


@pytest.mark.parametrize("sort", [*SORTS, "sentencepiece"])
@given(st.data())
def test_texts_that_it_was_narrowed_to_are_cut_and_read_back_as_before(sort, data):
    words = sorted({word for text in TEXTS for word in text.split()})
    texts = data.draw(st.lists(st.lists(st.sampled_from(words), min_size=1, max_size=6).map(" ".join), max_size=3))
    whole, narrow, left = narrow_to(sort, texts)
    assert left == sorted(set(left))
    assert len(narrow) == len(left)
    for before, after in zip(cut(whole, texts), cut(narrow, texts), strict=True):
        assert [left[number] for number in after] == before
        assert narrow.decode(after) == whole.decode(before)
    assert narrow.convert_ids_to_tokens(range(len(left))) == whole.convert_ids_to_tokens(left)
    for name in ("pad", "unk", "cls", "sep", "mask", "bos", "eos"):
        assert getattr(narrow, f"{name}_token") == getattr(whole, f"{name}_token")


@pytest.mark.parametrize("sort", [*SORTS, "sentencepiece"])
def test_it_is_smaller_and_is_opened_again_as_it_is(sort, tmp_path):
    from danlu.text.tokenizing.folder import open_tokenizer

    _, narrow, left = narrow_to(sort, TEXTS[:1])
    assert len(left) < len(built(sort))
    narrow.save_pretrained(tmp_path)
    again = open_tokenizer(tmp_path, "it")
    assert cut(again, TEXTS) == cut(narrow, TEXTS)
    assert again.get_vocab() == narrow.get_vocab()


@pytest.mark.parametrize("sort", ["wordpiece", "bpe", "sentencepiece", "unigram"])
def test_what_was_taken_out_is_read_in_smaller_pieces_or_as_unknown(sort):
    whole, narrow, _ = narrow_to(sort, TEXTS[:1])
    text = "newest towers"
    after, before = cut(narrow, [text])[0], cut(whole, [text])[0]
    assert len(after) >= len(before)
    if narrow.unk_token_id not in after:
        assert narrow.decode(after, skip_special_tokens=True) == whole.decode(before, skip_special_tokens=True)
    assert cut(narrow, ["好"])[0]


def test_what_stands_around_a_text_has_its_new_numbers():
    whole, narrow, left = narrow_to("wordpiece", TEXTS[:1])
    first, *_, last = cut(narrow, ["the"])[0]
    assert (first, last) == (narrow.cls_token_id, narrow.sep_token_id)
    pair = narrow.backend_tokenizer.encode("the", "tower")
    assert [left[number] for number in pair.ids] == whole.backend_tokenizer.encode("the", "tower").ids


def test_added_tokens_stay_and_keep_their_order():
    whole = copy.deepcopy(built("bpe"))
    whole.add_tokens(["<|end|>", "丹炉"])
    narrow = copy.deepcopy(whole)
    left = narrowed(narrow, set())
    assert narrow.convert_ids_to_tokens([len(left) - 2, len(left) - 1]) == ["<|end|>", "丹炉"]
    assert cut(narrow, ["the 丹炉"])[0][-1] == len(left) - 1


def test_joins_that_lead_nowhere_are_gone():
    _, narrow, _ = narrow_to("sentencepiece", ["the"])
    model = json.loads(narrow.backend_tokenizer.to_str())["model"]
    joins = [tuple(merge.split(" ") if isinstance(merge, str) else merge) for merge in model["merges"]]
    assert joins == [("t", "h"), ("th", "e"), ("▁", "the")]
    assert {"天", "▁ther", "lo"}.isdisjoint(model["vocab"])


def test_byte_pairs_with_marks_are_refused():
    names = ["<unk>", "a", "b", "a</w>", "b</w>", "ab</w>"]
    backend = Backend(models.BPE(dict(zip(names, range(6), strict=True)), [("a", "b</w>")], end_of_word_suffix="</w>"))
    with pytest.raises(Refusal, match="leave the vocabulary as it is"):
        narrowed(Tokenizer(tokenizer_object=backend, unk_token="<unk>"), {5})


def test_numbers_are_counted_in_order_where_nothing_goes():
    whole = built("char")
    left = narrowed(copy.deepcopy(whole), set(range(len(whole))))
    assert np.array_equal(left, np.arange(len(whole)))
