import time

import pytest
from transformers import AutoTokenizer, BertConfig, GPT2Config, LlamaConfig

from danlu.recipe.part import kinds
from danlu.refusal import Refusal
from danlu.text.coverage import coverage
from danlu.text.tokenizer import TokenizerSource
from danlu.text.tokenizers.bpe import Bpe
from danlu.text.tokenizers.pretrained import Pretrained
from danlu.text.tokenizers.wordpiece import WordPiece

TEXTS = [
    "今天天气很好，我们去公园散步。",
    "The weather is good today; we walk in the park.",
    "今天去 Beijing 看天安门, then the Park!",
    "Crème brûlée 很甜。",
]
TRICKY = ["", " ", "天park 天", "ABC déjà\u3000vu", "龘🙂\x00", "a  b\n\nc", "[MASK]好", "<|endoftext|>x"]


def texts():
    return iter(TEXTS)


LEARNT = {
    "wordpiece": WordPiece(size=150, min_frequency=1),
    "wordpiece, cased": WordPiece(size=150, min_frequency=1, lowercase=False),
    "bpe": Bpe(size=320),
    "bpe with mask": Bpe(size=320, mask="<|mask|>", begin="<|begin|>"),
}
CONFIGS = {"wordpiece": [BertConfig], "wordpiece, cased": [BertConfig], "bpe": [GPT2Config, LlamaConfig]}


def test_every_kind_of_tokenizer_is_tested_here():
    assert kinds(TokenizerSource) == ["bpe", "pretrained", "wordpiece"]


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
    assert len(tokenizer) <= LEARNT[name].size
    assert LEARNT[name].build(texts).get_vocab() == tokenizer.get_vocab()
    assert sorted(tokenizer.get_vocab().values()) == list(range(len(tokenizer)))


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
    assert (found.tokens, found.unknown, found.unknown_share, found.characters_per_token) == (4, 1, 0.25, 1.0)


def test_bpe_writes_every_text_back():
    tokenizer = LEARNT["bpe"].build(texts)
    for text in TEXTS + TRICKY:
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert coverage(["龘🙂"], tokenizer).unknown == 0


@pytest.mark.parametrize("source", [WordPiece(), Bpe()])
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
