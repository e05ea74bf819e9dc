"""A prompt as what a user says: the tokens are those that the chat template and the tokenizer make."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from danlu.prompt.scorer import scorer
from danlu.refusal import Refusal
from danlu.text.dialogue.template import Template
from danlu.text.prompting.filled import Filled
from danlu.text.prompting.read import by_a_decoder
from danlu.text.tokenizing.tokenizers.bpe import Bpe

TEXTS = ["the film was great . it was good", "电影很好，结尾很差", "no , it was bad <s> and the end was terrible"]
WORDS = ("good", "bad and terrible")
PROMPTS = [
    Filled("the film was <s> great. It was ", ".", "record 1", WORDS),
    Filled("电影 ", "", "record 2", ("很好", "很差")),
]


@pytest.fixture(scope="module")
def tokenizer():
    return Bpe(size=300).build(lambda: iter(TEXTS))


def test_the_word_begins_what_is_answered(tokenizer) -> None:
    chatml = Template.model_validate("plain")
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **sizes, **ends)).eval()
    found = scorer(model, tokenizer).scored(PROMPTS, chatml)
    reads = by_a_decoder(PROMPTS, tokenizer, chatml)
    for prompt, read, row in zip(PROMPTS, reads, found, strict=True):
        said = tokenizer.decode(read.ids)
        assert prompt.before.strip() in said
        assert read.ids.count(tokenizer.bos_token_id) == 1  # what a text spells is text
        for word, ids, each in zip(prompt.words, read.follow, row, strict=True):
            assert tokenizer.decode(ids).strip() == word + prompt.after
            with torch.inference_mode():
                logs_TV = torch.log_softmax(model(torch.tensor([[*read.ids, *ids]])).logits[0], -1)
            log = sum(float(logs_TV[len(read.ids) - 1 + place, token]) for place, token in enumerate(ids))
            assert each.log_probability == pytest.approx(log, abs=1e-5)
            assert (each.tokens, each.characters) == (len(ids), len(word + prompt.after))


def test_a_tokenizer_without_a_template_of_its_own_is_refused(tokenizer) -> None:
    with pytest.raises(Refusal, match="the tokenizer has no chat template of its own"):
        by_a_decoder(PROMPTS, tokenizer, Template.model_validate("own"))
