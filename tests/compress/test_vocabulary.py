"""Words that the data never use go, and the data are answered as before."""

from dataclasses import replace

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM

from danlu.compress.pruning import Pruning, Subject
from danlu.model.ends import Endings
from danlu.model.reader import Prompt
from danlu.refusal import Refusal
from danlu.task.task import Task
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece

TEXTS = ["the tower was lower than the lowest tower", "今天天气很好，公园", "newer and wider 2026"]
SEEN = [{"text": TEXTS[0]}]


def pruned(subject, **settings):
    return Pruning.model_validate({"kind": "vocabulary", **settings}).pruned(subject)


def said(model, tokenizer, text):
    with torch.no_grad():
        return model(**tokenizer(text, return_tensors="pt", return_token_type_ids=False)).logits


def test_the_records_get_the_same_logits_from_fewer_rows(subject, learnt, unseen):
    given = subject()
    before = {name: value.clone() for name, value in given.model.state_dict().items()}
    made = pruned(given)
    rows, width = given.model.config.vocab_size - made.model.config.vocab_size, given.model.config.hidden_size
    assert rows > 20
    assert made.told == {"kind": "vocabulary", "before": len(given.tokenizer), "after": len(made.tokenizer)}
    sizes = [sum(p.numel() for p in model.parameters()) for model in (given.model, made.model)]
    assert sizes[0] - sizes[1] == rows * width
    for record in (*learnt[:20], *unseen[:20]):  # made of the same words
        one, other = (said(each.model, each.tokenizer, record["text"]) for each in (given, made))
        assert torch.allclose(one, other, atol=1e-6)
    assert all(torch.equal(before[name], value) for name, value in given.model.state_dict().items())
    assert said(made.model, made.tokenizer, "翻译 quartz").isfinite().all()


@pytest.mark.parametrize("kind", ["bert", "roberta", "llama", "gpt2"])
def test_what_writes_or_fills_in_words_has_as_many_logits_as_it_has_words(kind, tmp_path):
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
    causal = kind in ("llama", "gpt2")
    source = Bpe(size=330) if causal else WordPiece(size=120, min_frequency=1)
    tokenizer = source.build(lambda: iter(TEXTS * 2))
    special = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("pad", "bos", "eos", "sep")}
    named = {name: number for name, number in special.items() if number is not None}
    spare = len(tokenizer) + 7  # rows that no token has
    config = AutoConfig.for_model(kind, vocab_size=spare, **sizes, max_position_embeddings=64, **named)
    torch.manual_seed(0)
    model = (AutoModelForCausalLM if causal else AutoModelForMaskedLM).from_config(config).eval()
    task = Task.model_validate("causal_lm" if causal else "masked_lm")
    made = pruned(Subject(model, tokenizer, task, SEEN))
    after = made.model.config.vocab_size
    assert after == len(made.tokenizer) < len(tokenizer)
    names = made.tokenizer.convert_ids_to_tokens(range(after))
    earlier = tokenizer.convert_tokens_to_ids(names)
    one, other = (said(m, t, TEXTS[0]) for m, t in ((model, tokenizer), (made.model, made.tokenizer)))
    assert torch.allclose(one[..., earlier], other, atol=1e-6)
    for name, number in named.items():
        assert earlier[getattr(made.model.config, name)] == number
    made.model.save_pretrained(tmp_path)
    again = type(made.model).from_pretrained(tmp_path).eval()
    assert torch.equal(said(again, made.tokenizer, TEXTS[0]), other)


def test_rare_words_go_where_that_is_asked(subject):
    given = subject()
    few, fewer = (pruned(given, least=least).model.config.vocab_size for least in (1, 40))
    assert fewer < few


def test_where_all_words_are_used_nothing_can_go(subject):
    given = subject()
    made = pruned(given)
    with pytest.raises(Refusal, match="the records use all"):
        pruned(replace(given, model=made.model, tokenizer=made.tokenizer))


def small(kind, tokenizer, auto):
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
    named = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("pad", "bos", "eos")}
    config = AutoConfig.for_model(kind, vocab_size=len(tokenizer), max_position_embeddings=256, **sizes, **named)
    torch.manual_seed(0)
    return auto.from_config(config).eval()


def test_a_task_names_the_tokens_that_end_an_answer_by_their_new_numbers():
    tokenizer = Bpe(size=400).build(lambda: iter(TEXTS * 3))
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    model = small("llama", tokenizer, AutoModelForCausalLM)
    task = Task.model_validate({"kind": "chat", "template": "chatml"}).shaped("decoder").suited(model, tokenizer, print)
    said = [{"role": "user", "content": "the tower"}, {"role": "assistant", "content": "was lower"}]
    made = pruned(Subject(model, tokenizer, task, [{"messages": said}]))
    names = [
        each.convert_ids_to_tokens(list(ends))
        for each, ends in zip((tokenizer, made.tokenizer), (task.ends, made.task.ends), strict=True)
    ]
    assert names[0] == names[1] == ["<|endoftext|>", "<|im_end|>"]
    assert made.model.config.eos_token_id == list(made.task.ends)
    assert made.task.suited(made.model, made.tokenizer, print) == made.task


@pytest.mark.parametrize("shape", ["encoder", "decoder"])
def test_words_that_labels_are_asked_for_by_stay_though_no_text_has_them(shape):
    texts = [*TEXTS, "wonderful", "awful", "it was late"] * 3
    if shape == "encoder":
        tokenizer = WordPiece(size=400, min_frequency=1).build(lambda: iter(texts))
        model = small("bert", tokenizer, AutoModelForMaskedLM)
    else:
        tokenizer = Bpe(size=400).build(lambda: iter(texts))
        tokenizer.add_special_tokens({"bos_token": "<|begin|>"})  # the last of all numbers
        model = small("llama", tokenizer, AutoModelForCausalLM)
    words = {"good": "wonderful", "bad": "awful"}
    template = {"text": "{text} was {label}", "verbalizer": words}
    records = [SEEN[0] | {"label": "bad"}]
    task = Task.model_validate({"kind": "prompted", "template": template}).shaped(shape).fitted(records)
    task = task.suited(model, tokenizer, print)
    made = pruned(Subject(model, tokenizer, task, records))
    assert len(made.tokenizer) < len(tokenizer)
    asked = [
        each.convert_ids_to_tokens(which.encode(records, each, 64, labelled=True)[0].targets["tokens"].tolist())
        for which, each in ((task, tokenizer), (made.task, made.tokenizer))
    ]
    assert asked[0] == asked[1]
    begins = [
        each.convert_ids_to_tokens(list(which.begins))
        for which, each in ((task, tokenizer), (made.task, made.tokenizer))
    ]
    assert begins[0] == begins[1] == ([] if shape == "encoder" else ["<|begin|>"])


def test_tokens_that_are_favoured_or_never_written_are_known_by_their_new_numbers():
    tokenizer = Bpe(size=400).build(lambda: iter(TEXTS * 3))
    model, read = small("llama", tokenizer, AutoModelForCausalLM), tokenizer(TEXTS[0])["input_ids"]
    rare, gone = [number for number in range(len(tokenizer) - 1, 300, -1) if number not in read][:2]
    bias = {f"#{read[-1]}": 5.0, f"#{rare}": -2.0, "Z": 1.0}
    task = Task.model_validate({"kind": "rewrite", "policy": {"kind": "greedy", "logit_bias": bias}}).shaped("decoder")
    model.generation_config.suppress_tokens = [read[0], gone]
    model.generation_config.bad_words_ids = [[read[1], read[2]], [read[1], gone], [read[3]]]
    made = pruned(Subject(model, tokenizer, task, [{"text": TEXTS[0], "target": TEXTS[0]}]))

    def named(which, each, network):
        biases = Endings(network, each, 64).of(Prompt((0,)), which.policy).bias
        return {each.convert_ids_to_tokens(number): value for number, value in biases.items()}

    assert named(made.task, made.tokenizer, made.model) == named(task, tokenizer, model)
    names = tokenizer.convert_ids_to_tokens(read)
    after, writing = made.tokenizer.convert_ids_to_tokens, made.model.generation_config
    assert after(writing.suppress_tokens) == names[:1]
    assert [after(each) for each in writing.bad_words_ids] == [names[1:3], names[3:4]]
