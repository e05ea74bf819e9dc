"""The likelihood of words in a blank: what plain transformers says of rows with masks, one at a time."""

from dataclasses import replace

import pytest
import torch
from transformers import BertConfig, BertForMaskedLM

from danlu.prompt.cloze import cloze_likelihoods
from danlu.prompt.scorer import Fills, scorer
from danlu.text.prompting.filled import Filled
from danlu.text.prompting.laid import laid
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece

TEXTS = ["the film was great and the end was terrible", "电影很好，结尾很差"]
WORDS = ("great", "terrible", "很好", "差")
PROMPTS = [
    Filled("It was ", " . the film [MASK] and the end", "record 1", WORDS),
    Filled("很", "，电影很", "record 2", WORDS),
    Filled("the end was ", "", "record 3", WORDS),
    Filled("It was ", " . the film [MASK] and the end", "record 4", WORDS),
]


@pytest.fixture(scope="module")
def model() -> tuple[BertForMaskedLM, object]:
    tokenizer = WordPiece(size=60, min_frequency=1).build(lambda: iter(TEXTS))
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
    built = BertForMaskedLM(BertConfig(vocab_size=len(tokenizer), max_position_embeddings=64, **sizes)).eval()
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return built, tokenizer


@torch.inference_mode()
def by_hand(model, tokenizer, prompt: Filled, word: str) -> tuple[float, int]:
    """The chain rule over the tokens of a word, a row at a time."""
    backend = tokenizer.backend_tokenizer
    left, middle, right = (
        backend.encode(text, add_special_tokens=False).ids for text in (prompt.before, word, prompt.after)
    )
    total = 0.0
    for done in range(len(middle)):
        masks = [tokenizer.mask_token_id] * (len(middle) - done)
        row = [tokenizer.cls_token_id, *left, *middle[:done], *masks, *right, tokenizer.sep_token_id]
        logs_TV = torch.log_softmax(model(torch.tensor([row])).logits[0], -1)
        total += float(logs_TV[1 + len(left) + done, middle[done]])
    return total, len(middle)


def test_words_have_the_likelihood_of_the_chain_rule_and_masks_in_a_text_are_text(model) -> None:
    network, tokenizer = model
    scored = scorer(network, tokenizer).scored(PROMPTS)
    assert isinstance(scorer(network, tokenizer), Fills)
    tokenizer.backend_tokenizer.encode_special_tokens = True
    for prompt, row in zip(PROMPTS, scored, strict=True):
        for word, found in zip(WORDS, row, strict=True):
            log, tokens = by_hand(network, tokenizer, prompt, word)
            assert found.log_probability == pytest.approx(log, rel=1e-5, abs=1e-5)
            assert (found.tokens, found.characters) == (tokens, len(word))
    assert len({found.tokens for found in scored[0]}) > 1


def test_rows_that_are_the_same_are_read_once(model) -> None:
    network, tokenizer = model
    rows = 0

    def count(_module: object, _arguments: object, given: dict) -> None:
        nonlocal rows
        rows += len(given["input_ids"])

    words = ("很", "好", "差")
    hook = network.register_forward_pre_hook(count, with_kwargs=True)
    cloze_likelihoods(
        network, tokenizer, laid([replace(each, words=words) for each in PROMPTS], tokenizer, special=True)
    )
    hook.remove()
    assert rows == 3
