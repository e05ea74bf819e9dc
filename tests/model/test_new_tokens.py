"""New tokens begin as the mean of what they replace, by value, and are saved like all others."""

from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForMaskedLM,
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    LlamaConfig,
    LlamaForCausalLM,
    MarianConfig,
    MarianMTModel,
)

from danlu.model.nearest import nearest_tokens
from danlu.model.sources.pretrained import Pretrained
from danlu.recipe.part import find
from danlu.refusal import Refusal
from danlu.stages.ready import Prepared
from danlu.task.task import Task
from danlu.text.tokenizing.joining import chunks_of, joined
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.text.tokenizing.tokenizers.extended import Extended
from danlu.text.tokenizing.tokenizers.pretrained import Pretrained as PretrainedTokenizer
from danlu.text.tokenizing.tokenizers.unigram import Unigram
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece
from danlu.tuning.method import Method

TEXTS = ["今天天气很好，我们去公园散步。", "The weather is good today; we walk in the park."]
SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}


def texts():
    return iter(TEXTS)


def old_model(folder: Path, kind: str, spare: int = 0) -> Path:
    torch.manual_seed(0)
    if kind == "bert":
        tokenizer = WordPiece(size=120, min_frequency=1).build(texts)
        model = BertForMaskedLM(BertConfig(vocab_size=len(tokenizer) + spare, **SMALL))
        torch.nn.init.normal_(model.cls.predictions.bias)
    else:
        tokenizer = Bpe(size=300).build(texts)
        config = LlamaConfig(vocab_size=len(tokenizer) + spare, tie_word_embeddings=kind == "tied", **SMALL)
        model = LlamaForCausalLM(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


AUTO = {"bert": "AutoModelForMaskedLM", "tied": "AutoModelForCausalLM", "untied": "AutoModelForCausalLM"}


@pytest.mark.parametrize("kind", AUTO)
@pytest.mark.parametrize("spare", [0, 40])
def test_new_rows_are_the_mean_of_the_pieces_that_they_replace(tmp_path: Path, kind: str, spare: int) -> None:
    folder = old_model(tmp_path / "old", kind, spare)
    old = PretrainedTokenizer(path=str(folder)).build(texts)
    source = Pretrained(path=str(folder))
    before = source.build(AUTO[kind], old, {})
    new = Extended(base=PretrainedTokenizer(path=str(folder)), tokens=("公园散步", "weather park")).build(texts)
    after = source.build(AUTO[kind], new, {})
    size = max(len(new), before.config.vocab_size)
    assert after.config.vocab_size == after.get_input_embeddings().num_embeddings == size
    assert (after.get_output_embeddings().weight is after.get_input_embeddings().weight) == (kind != "untied")
    for part in ("get_input_embeddings", "get_output_embeddings"):
        table, was = getattr(after, part)().weight, getattr(before, part)().weight
        assert torch.equal(table[: len(old)], was[: len(old)])
        for word in ("公园散步", "weather park"):
            pieces = old(word, add_special_tokens=False)["input_ids"]
            assert len(pieces) > 1
            torch.testing.assert_close(table[new.convert_tokens_to_ids(word)], was[pieces].mean(0))
    if kind == "bert":
        pieces = old("公园散步", add_special_tokens=False)["input_ids"]
        bias, was = after.get_output_embeddings().bias, before.get_output_embeddings().bias
        torch.testing.assert_close(bias[new.convert_tokens_to_ids("公园散步")], was[pieces].mean())


def with_pieces(folder: Path, kind: str) -> tuple[Path, list[str]]:
    """A model whose tokenizer joins pieces, and texts of a domain that it is extended for."""
    domain = ["The furnace glows, the furnaces glow.", "丹炉里的丹炉"] * 6
    if kind != "unigram":
        return old_model(folder, kind), domain
    torch.manual_seed(0)
    tokenizer = Unigram(size=340, min_frequency=1).build(lambda: iter(TEXTS))
    sizes = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    ends = {"decoder_start_token_id": 0, "eos_token_id": 0, "pad_token_id": 0, "forced_eos_token_id": None}
    model = MarianMTModel(MarianConfig(vocab_size=len(tokenizer), **sizes, **heads, **ends))
    torch.nn.init.normal_(model.final_logits_bias)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder, domain


@pytest.mark.parametrize("kind", ["tied", "untied", "unigram"])
def test_joined_pieces_begin_as_the_mean_of_theirs_and_what_is_known_is_as_it_was(tmp_path: Path, kind: str) -> None:
    folder, domain = with_pieces(tmp_path / "old", kind)
    auto = "AutoModelForSeq2SeqLM" if kind == "unigram" else "AutoModelForCausalLM"
    base = PretrainedTokenizer(path=str(folder))
    old = base.build(texts)
    new = Extended(base=base, learn=9, min_frequency=3).build(lambda: iter(domain))
    before, after = (Pretrained(path=str(folder)).build(auto, each, {}).eval() for each in (old, new))
    joins = {each.name: each.parts for each in joined(chunks_of(iter(domain), old, None), old, 9, 3)}

    def pieces(name: str) -> list[int]:
        if name not in joins:
            return [old.get_vocab()[name]]
        return [each for part in joins[name] for each in pieces(part)]

    for part in ("get_input_embeddings", "get_output_embeddings"):
        table, was = getattr(after, part)().weight, getattr(before, part)().weight
        assert torch.equal(table[: len(old)], was)
        for name in joins:
            torch.testing.assert_close(table[new.get_vocab()[name]], was[pieces(name)].mean(0))
    if kind == "unigram":
        bias, was = after.final_logits_bias[0], before.final_logits_bias[0]
        assert torch.equal(bias[: len(old)], was)
        for name in joins:
            torch.testing.assert_close(bias[new.get_vocab()[name]], was[pieces(name)].mean())
    ids = torch.tensor([old("We walk in the park, 今天。")["input_ids"]])
    more = {"decoder_input_ids": ids} if kind == "unigram" else {}
    with torch.no_grad():
        logits, was = after(input_ids=ids, **more).logits, before(input_ids=ids, **more).logits
    assert logits.shape[-1] == len(new) == was.shape[-1] + 9
    assert torch.equal(logits[..., : len(old)], was)


def test_what_was_extended_is_saved_and_opens_in_plain_transformers(tmp_path: Path) -> None:
    folder = old_model(tmp_path / "old", "bert")
    new = Extended(base=PretrainedTokenizer(path=str(folder)), tokens=("公园散步",)).build(texts)
    model = Pretrained(path=str(folder)).build("AutoModelForMaskedLM", new, {})
    model.save_pretrained(tmp_path / "new")
    new.save_pretrained(tmp_path / "new")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "new")
    again = AutoModelForMaskedLM.from_pretrained(tmp_path / "new")
    assert tokenizer.tokenize("去公园散步。") == ["去", "公园散步", "。"]
    inputs = tokenizer("去公园散步。", return_tensors="pt")
    torch.testing.assert_close(again(**inputs).logits, model(**inputs).logits)
    same = Pretrained(path=str(tmp_path / "new")).build("AutoModelForMaskedLM", tokenizer, {})
    assert all(torch.equal(a, b) for a, b in zip(same.parameters(), again.parameters(), strict=True))


@pytest.mark.parametrize("spare", [0, 5])
def test_a_vocabulary_in_a_text_file_is_extended_as_one_in_json(tmp_path: Path, spare: int) -> None:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"公园散步天气"]
    BertForMaskedLM(BertConfig(vocab_size=len(words) + spare, **SMALL)).save_pretrained(tmp_path)
    (tmp_path / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    base = PretrainedTokenizer(path=str(tmp_path))
    new = Extended(base=base, tokens=("公园",)).build(texts)
    table = Pretrained(path=str(tmp_path)).build("AutoModelForMaskedLM", new, {}).get_input_embeddings().weight
    torch.testing.assert_close(table[new.convert_tokens_to_ids("公园")], table[[5, 6]].mean(0))


def test_tokens_without_a_known_piece_begin_apart_around_the_mean_of_all_and_are_told(tmp_path: Path) -> None:
    folder = old_model(tmp_path / "old", "bert")
    base = PretrainedTokenizer(path=str(folder))
    old, new = base.build(texts), Extended(base=base, tokens=("龍鳳", "龘靐", "公龍")).build(texts)
    first, second, mixed = new.convert_tokens_to_ids(["龍鳳", "龘靐", "公龍"])
    said: list[str] = []
    torch.manual_seed(1)
    network = Pretrained(path=str(folder)).build("AutoModelForMaskedLM", new, {}, said.append)
    table = network.get_input_embeddings().weight
    known = table[: len(old)]
    words = "of 3 new tokens 2 have no piece that its own tokenizer knows, such as '龍鳳'"
    assert [line for line in said if words in line]
    torch.testing.assert_close(table[mixed], known[old.convert_tokens_to_ids("公")])
    away = (table[[first, second]] - known.mean(0)) / known.std(0)
    assert 0.5 < away.std() < 1.5
    assert not torch.allclose(table[first], table[second], atol=1e-3)
    torch.manual_seed(1)
    again = Pretrained(path=str(folder)).build("AutoModelForMaskedLM", new, {}).get_input_embeddings().weight
    assert torch.equal(again, table)


@pytest.mark.parametrize("tuning", ["lora", "full"])
def test_new_tokens_that_a_method_does_not_train_are_told(tmp_path: Path, tuning: str) -> None:
    folder = old_model(tmp_path / "old", "bert")
    base = PretrainedTokenizer(path=str(folder))
    tokenizer = Extended(base=base, tokens=("公园散步",)).build(texts)
    said: list[str] = []
    source, task = Pretrained(path=str(folder)), find(Task, "masked_lm")()
    Prepared(source, find(Method, tuning)(), tokenizer, task, [], 0).tuned_model(said.append)
    told = "the tokenizer has 1 tokens that are new to the weights, and tuning 'lora' leaves embeddings as they are"
    assert [line.startswith(told) for line in said] == [True] * (tuning == "lora")


def test_how_much_of_another_vocabulary_the_weights_know_is_said(tmp_path: Path) -> None:
    folder = old_model(tmp_path / "old", "tied", spare=300)
    said: list[str] = []
    other = WordPiece(size=120, min_frequency=1).build(texts)
    Pretrained(path=str(folder)).build("AutoModelForCausalLM", other, {}, said.append)
    assert [line for line in said if f"of {len(other)} tokens of the tokenizer its own has" in line]
    own = PretrainedTokenizer(path=str(folder)).build(texts)
    said.clear()
    Pretrained(path=str(folder)).build("AutoModelForCausalLM", own, {}, said.append)
    assert said == []


def test_weights_beside_a_tokenizer_that_cannot_be_opened_take_another(tmp_path: Path) -> None:
    folder = old_model(tmp_path / "old", "bert")
    own = PretrainedTokenizer(path=str(folder)).build(texts)
    (folder / "tokenizer.json").write_text("{")
    said: list[str] = []
    Pretrained(path=str(folder)).build("AutoModelForMaskedLM", own, {}, said.append)
    assert "know the tokens of the tokenizer cannot be told" in said[0]


def test_another_tokenizer_with_more_tokens_is_refused(tmp_path: Path) -> None:
    folder = old_model(tmp_path / "old", "bert")
    other = Bpe(size=300).build(texts)
    with pytest.raises(Refusal, match=r"embeddings; leave out 'tokenizer' .* of kind 'extended'"):
        Pretrained(path=str(folder)).build("AutoModelForMaskedLM", other, {})


def test_nearest_tokens_are_those_of_the_largest_cosine() -> None:
    model = BertForMaskedLM(BertConfig(vocab_size=4, **SMALL))
    table = torch.zeros(4, 16)
    table[0, 0], table[1, :2], table[2, 1], table[3, 0] = 1.0, torch.tensor([3.0, 1.0]), 1.0, -2.0
    model.get_input_embeddings().weight.data.copy_(table)
    (first,) = nearest_tokens(model, [0], 2)
    assert [token for token, _ in first] == [1, 2]
    assert first[0][1] == pytest.approx(3 / 10**0.5, rel=1e-5)
    assert first[1][1] == pytest.approx(0.0, abs=1e-6)
