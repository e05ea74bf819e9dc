"""What a tokenizer of kind `extended` learns: old tokens stay, texts are cut as before and then joined."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers
from tokenizers import Tokenizer as Backend
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from danlu.data.characters.side_by_side import Characters
from danlu.refusal import Refusal
from danlu.text.segmenting.segmenter import Segmenter
from danlu.text.tokenizing.joining import chunks_of, joined
from danlu.text.tokenizing.tokenized import tokenized
from danlu.text.tokenizing.tokenizer import special_tokens
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.text.tokenizing.tokenizers.char import Char
from danlu.text.tokenizing.tokenizers.extended import Extended
from danlu.text.tokenizing.tokenizers.pretrained import Pretrained
from danlu.text.tokenizing.tokenizers.unigram import Unigram
from danlu.text.tokenizing.tokenizers.word import Word
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece

GENERAL = ["今天天气很好，我们去公园散步。", "The weather is good today; we walk in the park.", "他们看书 ok"]
DOMAIN = [
    "二甲双胍每天两次，二甲双胍和胰岛素。",
    "Metformin and insulin, then metformin again; a furnace of insulin!",
    "胰岛素、二甲双胍 metformin (furnace) x12 2026",
] * 4


def domain():
    return iter(DOMAIN)


def saved(name: str, folder: Path) -> str:
    """A base: one that is learnt, one with special tokens behind its vocabulary, and both of sentencepiece."""
    letters = sorted({*"".join(GENERAL + DOMAIN), "▁"} - {" "})
    special = ["<unk>", "<s>", "</s>"]
    if name == "xlm-roberta":
        backend = Backend(models.Unigram([*((s, 0.0) for s in special), *((c, -5.0) for c in letters)], unk_id=0))
        backend.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")]
        )
        backend.decoder = decoders.Metaspace()
    elif name == "llama":
        spelt = [*special, *(f"<0x{byte:02X}>" for byte in range(256)), *letters]
        vocabulary = {piece: number for number, piece in enumerate(spelt)}
        backend = Backend(models.BPE(vocabulary, [], unk_token="<unk>", byte_fallback=True, fuse_unk=True))
        backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    else:
        sources = {"bpe": Bpe(size=300), "qwen": Bpe(size=300), "unigram": Unigram(size=340, min_frequency=1)}
        sources |= {"wordpiece": WordPiece(size=100, min_frequency=1), "char": Char(style="decoder")}
        made = sources[name].build(lambda: iter(GENERAL + DOMAIN[:1]))
        if name == "qwen":  # special tokens have numbers behind the model's own
            made.add_tokens([AddedToken("<|im_start|>", special=True, normalized=False)])
        made.save_pretrained(folder)
        return str(folder)
    backend.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in special])
    named = dict(zip(("unk_token", "bos_token", "eos_token"), special, strict=True))
    PreTrainedTokenizerFast(tokenizer_object=backend, **named).save_pretrained(folder)
    return str(folder)


def expanded(name: str, parts: dict[str, tuple[str, ...]]) -> list[str]:
    return [each for part in parts[name] for each in expanded(part, parts)] if name in parts else [name]


@pytest.mark.parametrize("name", ["bpe", "qwen", "unigram", "llama", "xlm-roberta", "char"])
def test_texts_are_cut_as_before_and_then_joined(name: str, tmp_path: Path) -> None:
    base = Pretrained(path=saved(name, tmp_path / "old"))
    old = base.build(domain)
    source = Extended(base=base, learn=12, min_frequency=3)
    new = source.build(domain)
    parts = {each.name: each.parts for each in joined(chunks_of(domain(), old, None), old, 12, 3)}
    vocabulary = new.get_vocab()
    assert len(parts) == 12
    assert {key: vocabulary[key] for key in old.get_vocab()} == old.get_vocab()
    assert sorted(vocabulary.values()) == [*range(len(old) + 12)]
    assert source.build(domain).get_vocab() == vocabulary
    new.save_pretrained(tmp_path / "new")
    plain = AutoTokenizer.from_pretrained(tmp_path / "new")
    ours = Pretrained(path=str(tmp_path / "new")).build(domain)
    fewer = 0
    for text in [*GENERAL, *DOMAIN[:3], "", " ", "a  b\n", "".join(special_tokens(old)), "furnaces metformins"]:
        [before], [after] = (tokenized([text], each, special=False) for each in (old, new))
        assert [each for token in after.tokens for each in expanded(token, parts)] == before.tokens
        assert old.decode(before.ids) == new.decode(after.ids)
        ends = [[each.offsets[0][0], each.offsets[-1][1]] for each in (before, after) if each.ids]
        assert not ends or ends[0] == ends[1]
        assert new(text)["input_ids"] == plain(text)["input_ids"] == ours(text)["input_ids"]
        assert not {*after.ids} & {vocabulary[token] for token in special_tokens(old)} - {old.unk_token_id}
        fewer += len(before.ids) - len(after.ids)
    assert fewer > 20
    assert special_tokens(new) == special_tokens(old)


def test_what_saves_most_comes_first_and_no_piece_holds_a_digit_or_goes_over_a_word(tmp_path: Path) -> None:
    old = Pretrained(path=saved("llama", tmp_path)).build(domain)
    found = joined(chunks_of(domain(), old, None), old, 1000, 2)
    texts = [each.name.replace("▁", " ") for each in found]
    assert {"二甲双胍", "胰岛素", " insulin"} <= set(texts)
    assert all(text.strip().isalpha() and " " not in text[1:] for text in texts)
    before = sum(len(each.ids) for each in tokenized(DOMAIN, old, special=False))
    new = Extended(base=Pretrained(path=str(tmp_path)), learn=1, min_frequency=2).build(domain)
    assert sum(len(each.ids) for each in tokenized(DOMAIN, new, special=False)) == before - _uses_of_the_best(old)


def _uses_of_the_best(old: PreTrainedTokenizerFast) -> int:
    """How often the commonest pair of letters of a word stands in the text, by the text alone."""
    from collections import Counter

    words = [f"\u2581{text}".replace(" ", "\u2581") for text in DOMAIN]
    pairs = Counter(text[place : place + 2] for text in words for place in range(len(text) - 1))
    return max(count for pair, count in pairs.items() if pair[1].isalpha() and pair[0] not in "0123456789,.;()！、，。")


class Pairs(Segmenter):
    """Every two characters are a word."""

    def begins(self, given: Characters) -> NDArray[np.bool_]:
        return np.arange(len(given.codes)) % 2 == 0


def test_nothing_is_joined_over_the_words_of_a_segmenter(tmp_path: Path) -> None:
    old = Pretrained(path=saved("llama", tmp_path)).build(domain)
    texts = ["二甲双胍二甲双胍"] * 5
    assert {each.name for each in joined(chunks_of(texts, old, Pairs()), old, 9, 2)} >= {"双胍"}
    assert all(len(each.name.strip("▁")) <= 2 for each in joined(chunks_of(texts, old, Pairs()), old, 9, 2))
    assert any(len(each.name) > 2 for each in joined(chunks_of(texts, old, None), old, 9, 2))


def test_wordpiece_gets_words_in_any_case_and_chinese_ones_by_what_stands_together(tmp_path: Path) -> None:
    base = Pretrained(path=saved("wordpiece", tmp_path / "old"))
    new = Extended(base=base, learn=5, min_frequency=3).build(domain)
    new.save_pretrained(tmp_path / "new")
    for each in (new, AutoTokenizer.from_pretrained(tmp_path / "new")):
        assert {"metformin", "二甲双胍"} < {*each.tokenize("metformin 吃二甲双胍吧")}
        assert len(each.tokenize("METFORMIN")) == 1
        assert each.tokenize("metformins") == base.build(domain).tokenize("metformins")


def test_words_that_are_given_keep_the_spaces_around_them(tmp_path: Path) -> None:
    base = Pretrained(path=saved("xlm-roberta", tmp_path / "x"))
    old, new = base.build(domain), Extended(base=base, tokens=("furnace", "二甲双胍")).build(domain)
    assert {"▁furnace", "二甲双胍"} < {*new.tokenize("the furnace 吃二甲双胍吧")}
    for text in ("a furnace b", "吃二甲双胍吧", "furnaces"):
        assert new.decode(new(text)["input_ids"]) == old.decode(old(text)["input_ids"])
    with pytest.raises(Refusal, match=r"would change the spaces around it, .* let 'learn' take it from the text"):
        Extended(base=Pretrained(path=saved("llama", tmp_path / "l")), tokens=("furnace",)).build(domain)


def test_the_stage_tells_how_many_tokens_are_saved(tmp_path: Path) -> None:
    from danlu.stages.kinds.tokenizer import TokenizerStage
    from danlu.stages.stage import Place

    base = {"kind": "pretrained", "path": saved("bpe", tmp_path / "old")}
    (tmp_path / "data.txt").write_text("\n".join(DOMAIN), "utf-8")
    data = {"kind": "text", "path": str(tmp_path / "data.txt")}
    told: list[str] = []
    place = Place(tmp_path / "stage", {}, "f", 0, "en", told.append)
    place.folder.mkdir()
    tokenizer = {"kind": "extended", "base": base, "learn": 20, "min_frequency": 2}
    TokenizerStage.model_validate({"data": data, "tokenizer": tokenizer}).run(place)
    report = json.loads((place.folder / "tokenizer_report.json").read_text("utf-8"))
    old = Pretrained(path=base["path"]).build(domain)
    before = sum(len(each.ids) for each in tokenized(DOMAIN, old, special=False))
    assert report["tokens_before"] == pytest.approx(before, abs=len(DOMAIN))
    assert report["tokens"] < 0.8 * before
    assert any(line.startswith("the text has") and f"had {report['tokens_before']:,}" in line for line in told)


@pytest.mark.parametrize("word", ["深度学习", "iPhone", "C++", "furnaçe"])
@pytest.mark.parametrize("name", ["xlm-roberta", "char", "words"])
def test_words_with_letters_that_the_base_cannot_spell_are_added(name: str, word: str, tmp_path: Path) -> None:
    path = None if name == "words" else saved(name, tmp_path / "old")
    segmented = Word(segmenter=Pairs(), min_frequency=1)
    base = segmented if path is None else Pretrained(path=path)
    old, new = base.build(domain), Extended(base=base, tokens=(word, "胰岛素")).build(domain)
    assert old.unk_token_id in old(word)["input_ids"]
    numbers = [number for name, number in new.get_vocab().items() if name in (word, f"▁{word}", "胰岛素")]
    assert {*numbers} < {*new(f"每天 {word} 两次，和胰岛素")["input_ids"]}
    assert word in new.decode(new(f"每天 {word} 两次")["input_ids"])
    for each in ("每天两次", "insulin then"):
        assert new.tokenize(each) == old.tokenize(each)
