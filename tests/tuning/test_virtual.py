"""Virtual tokens do what tokens in their place would do, and leave no trace in what is said of the text."""

import re
import threading
from types import SimpleNamespace

import pytest
import torch
import transformers
from transformers import AutoModelForCausalLM, LlamaConfig, MarianConfig, RobertaConfig, T5Config, XLNetConfig

from danlu.model.cached import Cached
from danlu.model.positions import longest_row
from danlu.model.reader import Whole
from danlu.model.readers import reader_for
from danlu.model.replica import replica
from danlu.refusal import Refusal
from danlu.tuning.method import Method

WORDS = (7, 8, 9, 11, 12)
SMALL = {"vocab_size": 60, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "num_labels": 3}
BERT = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
BERT |= {"max_position_embeddings": 34}
T5 = {"d_model": 32, "num_layers": 2, "num_heads": 2, "d_kv": 8, "d_ff": 24, "decoder_start_token_id": 0}
MARIAN = {"d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48}
MARIAN |= {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "decoder_vocab_size": 60}
MARIAN |= {"decoder_start_token_id": 0, "max_position_embeddings": 32, "scale_embedding": True}
every_virtual = pytest.mark.parametrize("kind", ["prefix", "prompt", "ptuning"])


def with_tokens(kind: str, model: transformers.PreTrainedModel, tokens: tuple[int, ...] = WORDS) -> torch.nn.Module:
    return Method.model_validate({"kind": kind, "size": len(tokens), "tokens": tokens}).apply(model).eval()


@pytest.mark.parametrize(
    ("kind", "shape"),
    [("prompt", "tag-bert"), ("prompt", "causal-llama"), ("prefix", "causal-llama"), ("ptuning", "tag-bert")],
)
def test_virtual_tokens_begin_as_what_the_tokens_are(tiny: SimpleNamespace, kind: str, shape: str) -> None:
    """A prefix only where nothing looks ahead: elsewhere real tokens would have seen the text."""
    plain, model = tiny.build(shape), with_tokens(kind, tiny.build(shape))
    ids, mask = tiny.inputs()["input_ids"], tiny.inputs()["attention_mask"]
    before = torch.tensor(WORDS).expand(len(ids), -1)
    longer = {"input_ids": torch.cat([before, ids], 1), "attention_mask": torch.cat([torch.ones_like(before), mask], 1)}
    with torch.inference_mode():
        expected = plain(**longer).logits[:, len(WORDS) :]
        found = model(input_ids=ids, attention_mask=mask).logits
    kept = mask.bool()
    torch.testing.assert_close(found[kept], expected[kept], atol=1e-5, rtol=1e-5)


@every_virtual
@pytest.mark.parametrize(
    ("auto_class", "config"),
    [
        ("AutoModelForSequenceClassification", RobertaConfig(**SMALL, **BERT)),  # counts positions from its padding
        ("AutoModelForSeq2SeqLM", MarianConfig(**{**SMALL, "pad_token_id": 59}, **MARIAN)),
        ("AutoModelForSeq2SeqLM", T5Config(**{**SMALL, "pad_token_id": 0}, **T5)),
        ("AutoModel", RobertaConfig(**SMALL, **BERT)),
    ],
)
def test_rows_beside_one_another_and_padding_change_nothing(auto_class: str, config: object, kind: str) -> None:
    torch.manual_seed(1)
    model = with_tokens(kind, getattr(transformers, auto_class).from_config(config).eval())
    ids = torch.tensor([[5, 6, 7, 8, 9], [5, 6, 7, 1, 1]]).masked_fill(
        torch.tensor([[False] * 5, [False] * 3 + [True] * 2]), model.config.pad_token_id
    )
    ids[1, 3:] = model.config.pad_token_id
    mask = (torch.arange(5) < torch.tensor([[5], [3]])).long()
    more = {"decoder_input_ids": torch.tensor([[0, 4], [0, 4]])} if model.config.is_encoder_decoder else {}
    alone = {name: value[1:] for name, value in more.items()}
    with torch.inference_mode():
        both = model(input_ids=ids, attention_mask=mask, **more)
        one = model(input_ids=ids[1:, :3], attention_mask=mask[1:, :3], **alone)
    name = "last_hidden_state" if auto_class == "AutoModel" else "logits"
    found, expected = getattr(both, name)[1:], getattr(one, name)
    found = found[:, :3] if auto_class == "AutoModel" else found
    assert found.shape == expected.shape
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@every_virtual
def test_rows_are_shorter_and_too_many_virtual_tokens_are_refused(tiny: SimpleNamespace, kind: str) -> None:
    assert longest_row(Method.model_validate({"kind": kind, "size": 5}).apply(tiny.build("tag-bert"))) == 32 - 5
    sentence = (
        "tuning.size: 29 virtual tokens leave no room for text in the model's rows of 32 tokens; write at most 28"
    )
    with pytest.raises(Refusal, match=re.escape(sentence)):
        Method.model_validate({"kind": kind, "size": 29}).apply(tiny.build("tag-bert"))


@pytest.mark.parametrize("text", ["好 w1", "w1 " * 40])
def test_a_text_is_what_virtual_tokens_begin_as(tiny: SimpleNamespace, text: str) -> None:
    class Reads:
        def __call__(self, text: str, add_special_tokens: bool) -> dict[str, list[int]]:
            assert not add_special_tokens
            return {"input_ids": [7, 8, 9][: len(text.split())] if len(text) > 6 else [5, 6]}

    method = Method.model_validate({"kind": "prompt", "size": 5, "text": text}).reading(Reads())
    table = method.apply(tiny.build("tag-bert")).get_input_embeddings()
    repeated = (method.tokens * 5)[:5]
    assert torch.equal(table.virtual.weight, table.weight[list(repeated)])


def test_a_text_without_tokens_is_refused() -> None:
    with pytest.raises(Refusal, match=r"tuning\.text: no tokens are in it"):
        Method.model_validate({"kind": "prompt", "text": " "}).reading(
            lambda text, add_special_tokens: {"input_ids": []}
        )


def test_without_a_text_they_begin_as_words_of_the_vocabulary_or_at_random(tiny: SimpleNamespace) -> None:
    for init, known in (("words", True), ("random", False)):
        model = Method.model_validate({"kind": "prompt", "init": init}).apply(tiny.build("tag-bert"))
        table = model.get_input_embeddings()
        found = (table.virtual.weight[:, None] == table.weight[None]).all(-1).any(-1)
        assert found.all() if known else not found.any()


@every_virtual
def test_what_is_written_is_read_whole(tiny: SimpleNamespace, kind: str) -> None:
    """Reading token by token would put virtual ones before each."""
    model = with_tokens(kind, tiny.build("causal-llama"))
    assert isinstance(reader_for(model, 0)(), Whole)
    assert isinstance(reader_for(tiny.build("causal-llama"), 0)(), Cached)


@every_virtual
def test_several_threads_and_replicas_say_the_same(tiny: SimpleNamespace, kind: str) -> None:
    model = with_tokens(kind, tiny.build("tag-bert"))
    with torch.inference_mode():
        expected = model(**tiny.inputs()).logits
    found: list[torch.Tensor] = []

    def ask(asked: torch.nn.Module) -> None:
        with torch.inference_mode():
            found.extend(asked(**tiny.inputs()).logits for _ in range(5))

    threads = [threading.Thread(target=ask, args=(each,)) for each in (model, model, replica(model))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 15
    assert all(torch.allclose(each, expected, atol=1e-6) for each in found)


@every_virtual
def test_a_family_that_cannot_carry_them_is_refused(kind: str) -> None:
    """XLNet's rows lie across its layers."""
    config = XLNetConfig(vocab_size=60, d_model=32, n_layer=2, n_head=2, d_inner=48)
    sentence = f"models of the family 'xlnet' cannot carry the virtual tokens of tuning '{kind}'"
    with pytest.raises(Refusal, match=sentence):
        with_tokens(kind, AutoModelForCausalLM.from_config(config))


def test_a_cache_or_packed_documents_are_not_for_virtual_tokens(tiny: SimpleNamespace) -> None:
    model = with_tokens("prompt", tiny.build("causal-llama"))
    ids = tiny.inputs()["input_ids"]
    with pytest.raises(ValueError, match="virtual tokens have no 'segments'"):
        model(input_ids=ids, segments=torch.zeros_like(ids))
    with pytest.raises(ValueError, match="stand before whole rows"):
        model(input_ids=ids, past_key_values=transformers.DynamicCache())
    assert isinstance(model.config, LlamaConfig)
    with torch.inference_mode():  # nothing is left of what was refused
        assert model(input_ids=ids).logits.shape[1] == ids.shape[1]
