import json
import sys
import time

import pytest
from transformers import AutoTokenizer, BertConfig, GPT2Config, LlamaConfig

from danlu.recipe.part import kinds
from danlu.refusal import Refusal
from danlu.text.tokenizing.coverage import coverage
from danlu.text.tokenizing.folder import open_tokenizer
from danlu.text.tokenizing.tokenized import tokenized
from danlu.text.tokenizing.tokenizer import TokenizerSource
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.text.tokenizing.tokenizers.char import Char
from danlu.text.tokenizing.tokenizers.extended import Extended
from danlu.text.tokenizing.tokenizers.pretrained import Pretrained
from danlu.text.tokenizing.tokenizers.unigram import Unigram
from danlu.text.tokenizing.tokenizers.word import Word
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece

TEXTS = [
    "今天天气很好，我们去公园散步。",
    "The weather is good today; we walk in the park.",
    "今天去 Beijing 看天安门, then the Park!",
    "Crème brûlée 很甜。",
]
KEYS = ("offset_mapping", "special_tokens_mask")
TRICKY = ["", " ", "天park 天", "ABC déjà\u3000vu", "龘🙂\x00", "a  b\n\nc", "[MASK]好", "<|endoftext|>x"]


def texts():
    return iter(TEXTS)


LEARNT = {
    "wordpiece": WordPiece(size=150, min_frequency=1),
    "wordpiece, cased": WordPiece(size=150, min_frequency=1, lowercase=False),
    "bpe": Bpe(size=320),
    "bpe of characters": Bpe(size=320, cut="characters"),
    "bpe with mask": Bpe(size=320, mask="<|mask|>", begin="<|begin|>"),
    "unigram": Unigram(size=360, min_frequency=1),
    "unigram, decoder": Unigram(size=360, min_frequency=1, style="decoder"),
    "unigram of characters": Unigram(size=360, min_frequency=1, cut="characters"),
    "char": Char(),
    "char, decoder": Char(size=40, style="decoder"),
    "word": Word(),
    "word, lowercase": Word(size=12, lowercase=True, style="decoder"),
    "extended": Extended(base=Bpe(size=320), tokens=("天安门", "Beijing")),
}
CONFIGS = {
    "wordpiece": [BertConfig],
    "wordpiece, cased": [BertConfig],
    "bpe": [GPT2Config, LlamaConfig],
    "unigram": [BertConfig],
    "unigram, decoder": [LlamaConfig, GPT2Config],
    "char": [BertConfig],
    "char, decoder": [LlamaConfig, GPT2Config],
    "word": [BertConfig],
    "extended": [GPT2Config],
}


def test_every_kind_of_tokenizer_is_tested_here():
    assert kinds(TokenizerSource) == ["bpe", "char", "extended", "pretrained", "unigram", "word", "wordpiece"]


@pytest.mark.parametrize("name", LEARNT)
def test_a_saved_tokenizer_gives_the_same_ids_and_roles_with_ours_and_with_transformers(name, tmp_path):
    tokenizer = LEARNT[name].build(texts)
    for number, config in enumerate([None, *CONFIGS.get(name, [])]):
        folder = tmp_path / str(number)
        tokenizer.save_pretrained(folder)
        if config:  # transformers looks at the model's type as well
            config(vocab_size=len(tokenizer), bos_token_id=0, eos_token_id=0).save_pretrained(folder)
        for again in (Pretrained(path=str(folder)).build(texts), AutoTokenizer.from_pretrained(folder)):
            for text in TEXTS + TRICKY:
                assert again(text)["input_ids"] == tokenizer(text)["input_ids"]
            assert again.special_tokens_map == tokenizer.special_tokens_map


@pytest.mark.parametrize("name", LEARNT)
def test_the_vocabulary_keeps_to_its_size_and_learning_repeats(name):
    tokenizer = LEARNT[name].build(texts)
    assert len(tokenizer) <= (getattr(LEARNT[name], "size", None) or 1000)
    assert LEARNT[name].build(texts).get_vocab() == tokenizer.get_vocab()
    assert sorted(tokenizer.get_vocab().values()) == list(range(len(tokenizer)))


@pytest.mark.parametrize("name", LEARNT)
def test_offsets_point_at_the_characters_of_each_token(name):
    tokenizer = LEARNT[name].build(texts)
    for text in [*TEXTS, "  天park\n\n天  ", "龘🙂é天安门Beijing"]:
        found = tokenizer(text, return_offsets_mapping=True, return_special_tokens_mask=True)
        offsets = [span for span, special in zip(*(found[key] for key in KEYS), strict=True) if not special]
        assert all(0 <= start <= end <= len(text) for start, end in offsets)
        assert [start for start, _ in offsets] == sorted(start for start, _ in offsets)
        covered = {place for start, end in offsets for place in range(start, end)}
        assert all(place in covered for place, character in enumerate(text) if not character.isspace())


@pytest.mark.parametrize("name", ["bpe", "unigram, decoder", "char, decoder", "extended"])
def test_known_text_is_written_back(name):
    tokenizer = LEARNT[name].build(texts)
    known = tokenizer.get_vocab()
    for text in ["今天天气很好", "The weather is good today", "去 Beijing 看天安门, then the Park!"]:
        told = "".join(letter for letter in text if letter in known) if name == "char, decoder" else text
        assert tokenizer.decode(tokenizer(told)["input_ids"]) == told


@pytest.mark.parametrize("kind", [Bpe, Unigram])
def test_no_piece_holds_two_characters_of_chinese_or_japanese_where_they_are_cut(kind):
    said = ["我不知道你在说什么。I do not know", "ไปก่อนนะ", "ありがとう、東京"] * 40
    text = "我不知道 know ไปก่อนนะ ありがとう"
    for cut, longest in (("runs", 4), ("characters", 1)):
        tokenizer = kind(size=500, min_frequency=1, cut=cut).build(lambda: iter(said))
        found = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
        pieces = [text[start:end].strip() for start, end in found["offset_mapping"]]
        unspaced = [len(piece) for piece in pieces if piece and ("我" <= piece[0] <= "鿿" or "ぁ" <= piece[0] <= "ん")]
        assert (max(unspaced) == 1) == (longest == 1)
        assert max(len(piece) for piece in pieces if piece.isascii()) > 1
        assert max(len(piece) for piece in pieces if piece and "ก" <= piece[0] <= "๛") > 1
        assert tokenizer.decode(found["input_ids"]) == text


def test_unigram_spells_what_it_does_not_know():
    tokenizer = LEARNT["unigram, decoder"].build(texts)
    assert tokenizer.decode(tokenizer("龘🙂\n")["input_ids"]) == "龘🙂\n"
    assert coverage(["龘🙂"], tokenizer).unknown == 0


def test_unigram_pieces_are_the_likeliest_of_all_ways_to_cut_a_word():
    tokenizer = LEARNT["unigram"].build(lambda: iter(TEXTS * 5))
    scores = dict(json.loads(tokenizer.backend_tokenizer.to_str())["model"]["vocab"])

    def ways(word):
        return [[]] if not word else [[word[:n], *rest] for n in range(1, len(word) + 1) for rest in ways(word[n:])]

    for word in ["weather", "今天天气", "park"]:
        known = [way for way in ways(word) if all(piece in scores for piece in way)]
        best = max(sum(scores[piece] for piece in way) for way in known)
        assert sum(scores[piece] for piece in tokenizer.tokenize(word)) == pytest.approx(best)


def test_unigram_without_sentencepiece_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(Refusal, match=r"pip install 'danlu\[unigram\]'"):
        LEARNT["unigram"].build(texts)


def test_words_are_those_between_spaces_and_rare_ones_are_unknown():
    tokenizer = Word(min_frequency=2).build(lambda: iter(["很 好 ！ good, good", "很 好 bad"]))
    assert tokenizer.get_vocab() == {
        token: number for number, token in enumerate(["<pad>", "<unk>", "<cls>", "<sep>", "<mask>", "good", "好", "很"])
    }
    assert tokenizer.tokenize("很 bad 好, goodgood") == ["很", "<unk>", "好", "<unk>", "<unk>"]


def test_characters_are_ranked_by_how_often_they_occur():
    tokenizer = Char(size=8, style="decoder").build(lambda: iter(["好好好 天天很地"]))
    assert tokenizer.convert_ids_to_tokens(range(8)) == ["<pad>", "<unk>", "<s>", "</s>", "<mask>", "好", "天", " "]
    assert tokenizer.tokenize("好很 很很") == ["好", "<unk>", " ", "<unk>", "<unk>"]


def test_added_words_are_tokens_chinese_ones_anywhere_latin_ones_as_a_whole():
    tokenizer = LEARNT["extended"].build(texts)
    plain = LEARNT["bpe"].build(texts)
    assert len(tokenizer) == len(plain) + 2
    assert "天安门" in tokenizer.tokenize("今天看天安门去")
    assert "Beijing" in tokenizer.tokenize("in Beijing, today")
    assert "Beijing" not in tokenizer.tokenize("Beijingers")
    assert tokenizer.tokenize("The weather") == plain.tokenize("The weather")


def test_special_tokens_are_added_which_no_text_makes_and_which_are_not_shown(tmp_path):
    source = Extended(base=Extended(base=Bpe(size=264), special=("<one>",)), special=("<two>", "<one>"))
    tokenizer = source.build(texts)
    tokenizer.save_pretrained(tmp_path)
    for each in (tokenizer, open_tokenizer(tmp_path, "saved")):
        numbers = each.convert_tokens_to_ids(["<one>", "<two>"])
        assert set(numbers) < set(each.all_special_ids)
        assert len(each) == len(Bpe(size=264).build(texts)) + 2
        [encoding] = tokenized(["<one> <two>"], each)
        assert not set(numbers) & set(encoding.ids)
        assert each.decode([numbers[0], *encoding.ids], skip_special_tokens=True) == "<one> <two>"


def test_words_are_learnt_by_the_pieces_that_they_save():
    text = ["metformin weather"] * 3 + ["metformin"] * 30 + ["insulin is good"] * 2 + ["rare"]
    source = Extended(base=WordPiece(size=40), tokens=("insulin",), learn=1, min_frequency=2)
    added = source.build(lambda: iter(text)).get_added_vocab()
    assert {"insulin", "metformin"} < set(added)
    assert "weather" not in added
    assert source.inputs() == []  # learnt from text, so it needs a stage of its own


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (Extended(base=Bpe(size=264)), "adds 'tokens', as many as 'learn' says, 'special' ones"),
        (Extended(base=Bpe(size=264), special=(" ",)), "under 'special' is white space"),
        (Extended(base=Bpe(size=264), tokens=("ok", " ")), "is white space"),
    ],
)
def test_nothing_to_add_is_refused(source, says):
    with pytest.raises(Refusal, match=says):
        source.build(texts)


@pytest.mark.parametrize("size", [32, 40, 64, 100])
def test_wordpiece_never_outgrows_a_small_size(size):
    assert len(WordPiece(size=size, min_frequency=1).build(texts)) <= size


def test_wordpiece_sets_chinese_characters_apart_and_keeps_words_in_pieces():
    tokenizer = WordPiece(size=150, min_frequency=1).build(texts)
    assert tokenizer.tokenize("今天Park") == ["今", "天", *tokenizer.tokenize("park")]
    ids = tokenizer("今天")["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids) == ["[CLS]", "今", "天", "[SEP]"]
    inner = {token[2:] for token in tokenizer.get_vocab() if token.startswith("##")}
    assert not any(character in "".join(inner) for character in "今天气很好，。！")
    assert {"a", "e"} < inner
    assert tokenizer.convert_ids_to_tokens([0, 1, 2, 3, 4]) == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def test_lowercase_folds_and_its_absence_does_not():
    assert WordPiece(size=150, min_frequency=1).build(texts).tokenize("PARK É") == LEARNT["wordpiece"].build(
        texts
    ).tokenize("park e")
    cased = WordPiece(size=200, min_frequency=1, lowercase=False).build(texts)
    assert cased.tokenize("The") != cased.tokenize("the")


def test_rare_characters_stay_out():
    tokenizer = WordPiece(size=500, min_frequency=2).build(lambda: iter(["好好好龘", "好"]))
    assert tokenizer.tokenize("好龘") == ["好", "[UNK]"]
    found = coverage(["好龘好好"], tokenizer)
    assert (found.tokens, found.unknown, found.characters) == (4, 1, 4)


def test_bpe_writes_every_text_back():
    tokenizer = LEARNT["bpe"].build(texts)
    for text in TEXTS + TRICKY:
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert coverage(["龘🙂"], tokenizer).unknown == 0


@pytest.mark.parametrize("source", [WordPiece(), Bpe(), Unigram(), Char(), Word()])
def test_text_with_nothing_to_learn_from_is_refused(source):
    with pytest.raises(Refusal, match="training text"):
        source.build(lambda: iter(["", "  "]))


def test_a_tokenizer_without_padding_pads_with_its_end(tmp_path):
    tokenizer = Bpe(size=264).build(texts)
    tokenizer.pad_token = None
    tokenizer.save_pretrained(tmp_path)
    assert Pretrained(path=str(tmp_path)).build(texts).pad_token == "<|endoftext|>"


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("./nowhere", "there is no such folder"),
        ("/nowhere/at all", "there is no such folder"),
        ("two words/model", "no name on the hub"),
        ("no-such-name-of-danlu-tests", "the hub cannot be reached"),
    ],
)
def test_what_is_not_there_is_said_at_once(path, says, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    start = time.monotonic()
    with pytest.raises(Refusal, match=f"{path}: .*{says}"):
        Pretrained(path=path).build(texts)
    assert time.monotonic() - start < 30  # the hub's client by itself: 48 s


def test_a_folder_or_file_without_tokenizer_is_refused(tmp_path):
    with pytest.raises(Refusal, match=r"no tokenizer could be read there"):
        Pretrained(path=str(tmp_path)).build(texts)
    file = tmp_path / "tokenizer.json"
    file.write_text("{", encoding="utf-8")
    with pytest.raises(Refusal, match="this is a file; give the folder"):
        Pretrained(path=str(file)).build(texts)
    with pytest.raises(Refusal, match="no tokenizer could be read there"):
        Pretrained(path=str(tmp_path)).build(texts)


def test_a_tokenizer_that_brings_code_is_refused(tmp_path):
    (tmp_path / "tokenizer_config.json").write_text(
        '{"auto_map": {"AutoTokenizer": [null, "own.Own"]}, "tokenizer_class": "Own"}', encoding="utf-8"
    )
    (tmp_path / "own.py").write_text("raise SystemExit('ran')\n", encoding="utf-8")
    with pytest.raises(Refusal, match="no tokenizer could be read there"):
        Pretrained(path=str(tmp_path)).build(texts)
