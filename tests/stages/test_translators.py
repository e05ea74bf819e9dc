"""Translators of Marian and M2M-100 as they are published: taken, tuned and saved, they read and write as before."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers import M2M100Config, MarianConfig

import danlu
from danlu.bundle.augmenters.back_translation import BackTranslation
from danlu.bundle.bundle import Bundle
from danlu.machine.seed import generator
from danlu.model.new_tokens import make_room
from danlu.refusal import Refusal
from danlu.stages.given import take
from danlu.task.task import Task
from danlu.text.tokenizing.tokenizers.extended import Extended

from ..text.tokenizing.translators import CHINESE, ENGLISH, marian, of_many_languages, size
from .others_models import taken

HALF = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2}
HALF |= {"decoder_attention_heads": 2, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24}
PAIRS = [{"text": text, "translation": told} for text, told in zip(CHINESE, ENGLISH, strict=True)][:12]


def with_network(folder: Path, config: type[Any] = MarianConfig, **fields: Any) -> Path:
    """A network beside the tokenizer, whose settings say how it writes, as in models of some years ago."""
    torch.manual_seed(3)
    numbers = json.loads((folder / "vocab.json").read_text("utf-8"))
    ends = {"pad_token_id": numbers["<pad>"], "eos_token_id": numbers["</s>"], "vocab_size": size(folder)}
    begin = {"decoder_start_token_id": numbers["<pad>"], "forced_eos_token_id": None}  # a text that is cut has no end
    network = transformers.AutoModelForSeq2SeqLM.from_config(config(**HALF, **ends | begin | fields))
    for parameter in network.parameters():
        parameter.data.mul_(5)
    network.save_pretrained(folder)
    return folder


@pytest.fixture
def opus(tmp_path: Path) -> Path:
    folder = with_network(marian(tmp_path / "given"))
    (folder / "generation_config.json").unlink()
    told = json.loads((folder / "config.json").read_text())
    bad = {"num_beams": 3, "bad_words_ids": [[size(folder) - 1]], "max_length": 512}
    (folder / "config.json").write_text(json.dumps(told | bad))
    return folder


def wrote(folder: Path, source: str, **how: Any) -> str:
    """What transformers writes, with its own tokenizer."""
    tokenizer = transformers.MarianTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    ids = model.generate(**tokenizer([source], return_tensors="pt"), do_sample=False, **how)
    return str(tokenizer.decode(ids[0], skip_special_tokens=True)).strip()


@pytest.mark.filterwarnings("ignore:Recommended")
def test_it_translates_as_in_transformers_with_the_beams_of_its_author(opus: Path) -> None:
    bundle = taken(opus)
    assert (bundle.task.kind, bundle.task.policy.beams) == ("translate", 3)
    assert bundle.task.policy.max_new_tokens == 511
    for text in CHINESE[:4]:
        (said,) = bundle.generate([text], max_new_tokens=12)
        assert said[0].text.strip() == wrote(opus, text, num_beams=3, max_new_tokens=12)


@pytest.mark.filterwarnings("ignore:Recommended")
@pytest.mark.parametrize("tuning", ["full", "lora"])
def test_it_learns_what_its_own_tokenizer_makes_of_both_sides(opus: Path, tuning: str, tmp_path: Path) -> None:
    bundle, theirs = tuned(opus, tuning, tmp_path), transformers.MarianTokenizer.from_pretrained(opus)
    rows = bundle.task.encode(PAIRS, bundle.tokenizer, 64, labelled=True)
    for row, pair in zip(rows, PAIRS, strict=True):
        told = theirs(pair["text"], text_target=pair["translation"])
        assert (row.row.input_ids.tolist(), row.target_ids.tolist()) == (told["input_ids"], told["labels"])
    assert (bundle.folder / "danlu_target_tokenizer.json").is_file()
    assert (
        transformers.AutoTokenizer.from_pretrained(bundle.folder)(CHINESE)["input_ids"] == theirs(CHINESE)["input_ids"]
    )


def tuned(folder: Path, tuning: str, place: Path, **task: Any) -> Bundle:
    path = place / "pairs.jsonl"
    path.write_text("".join(json.dumps(pair, ensure_ascii=False) + "\n" for pair in PAIRS), "utf-8")
    data = {"kind": "jsonl", "path": str(path)}
    stage = {
        "kind": "train", "data": data, "model": {"kind": "pretrained", "path": str(folder)},
        "task": {"kind": "translate", "max_target": 40} | task, "tuning": tuning,
        "train": {"steps": 2, "rate": 1e-3, "batch_examples": 4},
    }  # fmt: skip
    ran = danlu.run({"name": "t", "seed": 1, "stages": {"fit": stage}}, root=place, say=lambda _: None)
    return danlu.load(ran["fit"] / "bundle")


@pytest.mark.filterwarnings("ignore:Recommended")
def test_the_language_to_be_written_is_read_first(tmp_path: Path) -> None:
    folder = with_network(marian(tmp_path / "given", ["cmn_Hans", "yue"]))
    theirs = transformers.MarianTokenizer.from_pretrained(folder)
    bundle = taken(folder, kind="translate", target_language="yue")
    (row,) = bundle.task.encode([{"text": CHINESE[0]}], bundle.tokenizer, 64, labelled=False)
    assert row.row.input_ids.tolist() == theirs(f">>yue<< {CHINESE[0]}")["input_ids"]
    assert row.target_ids is None
    (said,) = bundle.generate([CHINESE[0]], max_new_tokens=8)
    told = wrote(folder, f">>yue<< {CHINESE[0]}", num_beams=4, max_new_tokens=8)
    assert said[0].text.strip() == told.replace(">>yue<<", "").strip()
    for told, why in (
        ({"target_language": "cmn_Hant"}, "no token of the language 'cmn_Hant'.*did you mean 'cmn_Hans'"),
        ({"source_language": "cmn_Hans"}, "none of the text's own; leave it out"),
        ({"source_language": "cmn_Hans", "target_language": None}, "none of the text's own; leave it out"),
    ):
        with pytest.raises(Refusal, match=why):
            bundle.task.model_copy(update=told).encode([{"text": "a"}], bundle.tokenizer, 64, labelled=False)


def test_models_of_many_languages_read_and_write_their_tokens(tmp_path: Path) -> None:
    folder = of_many_languages(tmp_path / "given")
    with_network(folder, M2M100Config, vocab_size=size(folder) + 108, decoder_start_token_id=2)
    bundle = taken(folder, kind="translate", source_language="zh", target_language="en")
    theirs = transformers.M2M100Tokenizer.from_pretrained(folder, src_lang="zh", tgt_lang="en")
    (row,) = bundle.task.encode(PAIRS[:1], bundle.tokenizer, 64, labelled=True)
    told = theirs(PAIRS[0]["text"], text_target=PAIRS[0]["translation"])
    assert (row.row.input_ids.tolist(), row.target_ids.tolist()) == (told["input_ids"], told["labels"])
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    first = theirs.get_lang_id("en")
    ids = model.generate(
        **theirs([CHINESE[1]], return_tensors="pt"), forced_bos_token_id=first, num_beams=4, max_new_tokens=8
    )
    (said,) = bundle.generate([CHINESE[1]], max_new_tokens=8)
    assert said[0].text.strip() == theirs.decode(ids[0], skip_special_tokens=True).removeprefix("__en__").strip()


@pytest.mark.filterwarnings("ignore:Recommended")
def test_texts_are_translated_away_and_back_by_the_languages_of_each_model(tmp_path: Path) -> None:
    away = with_network(marian(tmp_path / "away" / "given", ["eng", "yue"]))
    home = of_many_languages(tmp_path / "home" / "given")
    with_network(home, M2M100Config, vocab_size=size(home) + 108, decoder_start_token_id=2)
    theirs = transformers.M2M100Tokenizer.from_pretrained(home, src_lang="en", tgt_lang="zh")
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(home).eval()

    def back(text: str) -> str:
        told = theirs([text], return_tensors="pt")
        ids = model.generate(**told, forced_bos_token_id=theirs.get_lang_id("zh"), num_beams=1, max_new_tokens=40)
        return str(theirs.decode(ids[0], skip_special_tokens=True)).strip()

    most = 2 * 10 + 16  # of rows of up to 10 tokens
    codes = re.compile(">>...<<|__[a-z]+__")
    via = [
        codes.sub("", wrote(away, f">>eng<< {text}", num_beams=1, max_new_tokens=most)).strip() for text in CHINESE[:3]
    ]
    bundle = tmp_path / "bundle"
    task = Task.model_validate({"kind": "translate", "source_language": "en", "target_language": "zh"})
    take(str(home), task, bundle, "float32", "en", lambda _: None)
    for folder, languages in ((home, {"via": "en", "language": "zh"}), (bundle, {})):
        made = BackTranslation(there=str(away), back=str(folder), there_prefix=">>eng<<", temperature=0, **languages)
        rows = made.augment([{"text": text} for text in CHINESE[:3]], generator(0, "a"))
        assert [row["text"][:6] for row in rows] == [codes.sub("", back(text)).strip()[:6] for text in via]
    plain = marian(tmp_path / "plain" / "given")
    with_network(plain)
    mixed = BackTranslation(there=str(home), back=str(plain), language="zh", via="en", temperature=0)
    assert mixed.augment([{"text": CHINESE[0]}], generator(0, "a"))
    lost = BackTranslation(there=str(away), back=str(home), there_prefix=">>fra<< please", temperature=0)
    with pytest.raises(Refusal, match="language, via, or the prefix: the tokenizer has no token of the language 'fra'"):
        lost.augment([{"text": "a"}], generator(0, "a"))


def test_tokens_that_are_added_begin_as_the_pieces_that_they_replace(tmp_path: Path) -> None:
    folder = of_many_languages(tmp_path / "given")
    with_network(folder, M2M100Config, vocab_size=size(folder) + 108, decoder_start_token_id=2)
    base = {"kind": "pretrained", "path": str(folder)}
    extended = Extended.model_validate({"base": base, "special": [f"<{number}>" for number in range(12)]})
    network = transformers.AutoModelForSeq2SeqLM.from_pretrained(folder)
    before = network.get_input_embeddings().weight.detach().clone()
    tokenizer = extended.build(lambda: iter(()))
    make_room(network, tokenizer, folder, "m2m")
    after = network.get_input_embeddings().weight.detach()
    added = tokenizer.convert_tokens_to_ids("<3>")
    assert torch.equal(after[: size(folder)], before[: size(folder)])
    assert len(after) >= len(tokenizer)
    assert not torch.equal(after[added], before[added])
