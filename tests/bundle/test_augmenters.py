"""Augmenters that need a model: tiny ones with known answers stand for trained ones."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors
from transformers import (
    AutoModelForSeq2SeqLM,
    BertConfig,
    BertForMaskedLM,
    BertModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from danlu.data.augmenting.augment import new_rows
from danlu.data.augmenting.augmenter import Augmenter
from danlu.data.record import Record
from danlu.refusal import Refusal

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "the",
    "film",
    "was",
    "good",
    "bad",
    "fine",
    ".",
    "##ing",
    "play",
]
WORDS += ["酒", "店", "很", "好", "</s>"]


def tokenizer(ends: str) -> PreTrainedTokenizerFast:
    backend = Backend(models.WordPiece({word: n for n, word in enumerate(WORDS)}, unk_token="[UNK]"))
    backend.normalizer, backend.decoder = normalizers.BertNormalizer(), decoders.WordPiece()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    number = WORDS.index
    if ends == "bert":
        backend.post_processor = processors.BertProcessing(("[SEP]", number("[SEP]")), ("[CLS]", number("[CLS]")))
        names = {"mask_token": "[MASK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    else:
        backend.post_processor = processors.TemplateProcessing("$A </s>", special_tokens=[("</s>", number("</s>"))])
        names = {"eos_token": "</s>"}
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]", pad_token="[PAD]", **names)


@pytest.fixture(scope="module")
def guesser(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A masked language model that guesses `fine`, `##ing` and `好`, in this order of likeliness, everywhere."""
    folder = tmp_path_factory.mktemp("guesser")
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    config = BertConfig(vocab_size=len(WORDS), max_position_embeddings=16, tie_word_embeddings=False, **sizes)
    model = BertForMaskedLM(config)
    with torch.no_grad():
        model.cls.predictions.decoder.weight.zero_()
        for word, value in (("[PAD]", 90.0), (".", 80.0), ("fine", 60.0), ("##ing", 50.0), ("好", 40.0)):
            model.cls.predictions.bias[WORDS.index(word)] = value
            model.cls.predictions.decoder.bias[WORDS.index(word)] = value
    model.save_pretrained(folder)
    tokenizer("bert").save_pretrained(folder)
    BertModel(config).save_pretrained(folder / "headless")
    tokenizer("bert").save_pretrained(folder / "headless")
    return str(folder)


@pytest.fixture(scope="module")
def translator(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("translator")
    torch.manual_seed(1)
    config = T5Config(
        vocab_size=len(WORDS), d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2, decoder_start_token_id=0,
        pad_token_id=0, eos_token_id=WORDS.index("</s>"), tie_word_embeddings=False,
    )  # fmt: skip
    model = T5ForConditionalGeneration(config)
    with torch.no_grad():  # so that words are written, not special tokens alone
        model.lm_head.weight.normal_()
        model.lm_head.weight[: WORDS.index("the")] = 0
    model.save_pretrained(folder)
    tokenizer("t5").save_pretrained(folder)
    return str(folder)


def new(records: list[Record], seed: int = 0, **section: Any) -> list[Record]:
    (found,) = new_rows(records, [Augmenter.model_validate(section)], seed)
    return found


def test_the_masked_model_fills_words_in_and_leaves_punctuation_and_pieces_as_they_are(guesser: str) -> None:
    rows = new([{"text": "the film was bad."}], kind="masked_lm", path=guesser, share=1.0, best=1)
    assert [row["text"] for row in rows] == ["fine fine fine fine."]
    (row,) = new([{"text": "playing"}], kind="masked_lm", path=guesser, best=1)
    assert row["text"] == "fineing"  # a piece that went on with the word still does
    assert new([{"text": "fine"}, {"text": "?"}, {"text": ""}], kind="masked_lm", path=guesser, best=1) == []


def test_the_masked_model_leaves_entities_alone_and_takes_long_texts_and_many(guesser: str) -> None:
    text = "the film was bad " * 20
    entities = [{"start": 0, "end": 8, "label": "x"}]
    records: list[Record] = [{"text": text, "entities": entities}] * 40
    rows = new(records, kind="masked_lm", path=guesser, share=0.05, best=3)
    assert {row["source_row"] for row in rows} == set(range(40))
    assert all(row["text"].startswith("the film ") and row["text"] != text for row in rows)
    assert new(records, kind="masked_lm", path=guesser, share=0.05, best=3) == rows


def test_chinese_is_guessed_by_the_piece(guesser: str) -> None:
    (row,) = new([{"text": "酒店很好。"}], kind="masked_lm", path=guesser, words="character", share=0.2, best=2)
    assert len(row["text"]) >= 5
    assert row["text"].endswith("。")


def test_what_is_no_masked_language_model_is_refused(guesser: str, translator: str, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="was not trained as AutoModelForMaskedLM"):
        new([{"text": "good"}], kind="masked_lm", path=f"{guesser}/headless")
    with pytest.raises(Refusal, match=r"has no model of the family 't5'"):
        new([{"text": "good"}], kind="masked_lm", path=translator)
    with pytest.raises(Refusal, match="there is no such folder"):
        new([{"text": "good"}], kind="masked_lm", path=str(tmp_path / "missing"))


def test_back_translation_is_what_the_two_models_write(translator: str) -> None:
    texts = ["the film was good", "bad", "play the film was fine . play"]
    records: list[Record] = [{"text": text, "label": text[0]} for text in texts]
    rows = new(records, kind="back_translation", there=translator, back=translator, temperature=0)
    model, words = AutoModelForSeq2SeqLM.from_pretrained(translator), tokenizer("t5")

    def translated(text: str) -> str:
        ids = words(text, return_tensors="pt").input_ids
        written = model.generate(ids, max_new_tokens=ids.shape[1] * 2 + 16, do_sample=False)[0]
        return str(words.decode(written, skip_special_tokens=True))

    assert rows
    for row in rows:
        source = records[row["source_row"]]
        assert row["label"] == source["label"]
        expected = translated(translated(source["text"]))
        shorter, longer = sorted([row["text"], expected], key=len)
        assert longer.startswith(shorter)  # padding beside longer texts allows for a longer translation


def test_sampled_translations_differ_and_follow_from_the_seed(translator: str) -> None:
    section = {"kind": "back_translation", "there": translator, "back": translator, "copies": 3}
    rows = new([{"text": "the film was good"}], **section)
    assert len({row["text"] for row in rows}) == len(rows) > 1
    assert new([{"text": "the film was good"}], **section) == rows
    assert new([{"text": "the film was good"}], seed=1, **section) != rows


def test_texts_with_spans_or_too_long_are_not_translated(translator: str) -> None:
    records: list[Record] = [
        {"text": "the film", "entities": [{"start": 0, "end": 3, "label": "x"}]},
        {"text": "good " * 600},
        {"tokens": ["good"], "tags": ["O"]},
        {"text": " "},
    ]
    assert new(records, kind="back_translation", there=translator, back=translator) == []
