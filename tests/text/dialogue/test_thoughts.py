"""Templates that take thoughts out of earlier answers, strip some messages, or tell the day."""

from typing import Any

import pytest
from transformers import LlamaConfig, LlamaForCausalLM

from danlu.recipe.part import find
from danlu.refusal import Refusal
from danlu.task.task import Task
from danlu.text.dialogue.ids import encoded
from danlu.text.dialogue.rendered import conversation, question
from danlu.text.dialogue.thoughts import answer_alone
from danlu.text.dialogue.writer import DAY
from danlu.text.tokenizing.tokenizer import Tokenizer, TokenizerSource

# As Qwen3's: thoughts stand before the last answer alone, and those of earlier ones are taken out.
QWEN = (
    "{% set ns = namespace(last=0) %}{% for m in messages %}{% if m.role == 'user' %}{% set ns.last = loop.index0 %}"
    "{% endif %}{% endfor %}{% for m in messages %}{% set content = m.content %}{% if m.role == 'assistant' %}"
    "{% set thought = '' %}{% if '</think>' in content %}"
    "{% set thought = content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}"
    "{% set content = content.split('</think>')[-1].lstrip('\n') %}{% endif %}{{ '<|im_start|>assistant\n' }}"
    "{% if loop.index0 > ns.last %}{{ '<think>\n' + thought.strip('\n') + '\n</think>\n\n' }}{% endif %}"
    "{{ content.lstrip('\n') + '<|im_end|>\n' }}{% else %}"
    "{{ '<|im_start|>' + m.role + '\n' + content + '<|im_end|>\n' }}"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
# As Llama 2's and Mistral's: some roles are stripped.
STRIPS = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ '<<SYS>>\n' + m.content + '\n<</SYS>>' }}"
    "{% elif m.role == 'user' %}{{ '[INST] ' + m.content.strip() + ' [/INST]' }}"
    "{% else %}{{ ' ' + m.content.strip() + eos_token }}{% endif %}{% endfor %}"
)
DATED = (
    "{{ 'Today: ' + strftime_now('%d %b %Y') + '\n' }}{% for m in messages %}"
    "{{ m.role + ': ' + m.content + '<|im_end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)
DROPS = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content.split('</think>')[-1] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
THOUGHT = "<think>\nLet me see.\n</think>\n\nIt is red."
EMPTY = "<think>\n\n</think>\n\nIt is red."
BEGUN = "Let me see.\n</think>\n\nIt is red."
"""As a model answers whose thought was begun in what it was asked."""


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    source = find(TokenizerSource, "bpe").model_validate(  # type: ignore[type-abstract]
        {"size": 400, "begin": "<s>", "end": "</s>", "pad": "<pad>"}
    )
    made = source.build(lambda: iter(["user assistant system It is red. Let me see. [INST] [/INST] Today"] * 3))
    made.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    return made


def said(*turns: str, system: str = "") -> list[dict[str, Any]]:
    messages = [{"role": "system", "content": system}] if system else []
    roles = ("user", "assistant")
    return messages + [{"role": roles[place % 2], "content": text} for place, text in enumerate(turns)]


def own(tokenizer: Tokenizer, messages: list[dict[str, Any]], template: str, *, asks: bool) -> list[int]:
    found: list[int] = tokenizer.apply_chat_template(
        messages, chat_template=template, tokenize=True, return_dict=False, add_generation_prompt=asks
    )
    return found


@pytest.mark.parametrize("answer", [THOUGHT, EMPTY, BEGUN, "It is red.", "\nIt is red."])
@pytest.mark.parametrize("template", [QWEN, DROPS])
def test_a_conversation_goes_on_behind_an_answer_with_thoughts(
    template: str, answer: str, tokenizer: Tokenizer
) -> None:
    messages = said("Colour?", answer, "Sure?")
    ids, _ = encoded(question(messages, template, tokenizer, 0), tokenizer)
    assert ids.tolist() == own(tokenizer, messages, template, asks=True)


@pytest.mark.parametrize(
    ("answer", "learnt"),
    [(THOUGHT, THOUGHT), (EMPTY, EMPTY), (BEGUN, THOUGHT), ("It is red.", EMPTY), ("<think>a</think>b", None)],
)
def test_thoughts_are_learnt_as_the_template_writes_them(answer: str, learnt: str | None, tokenizer: Tokenizer) -> None:
    messages = said("Colour?", "Red", "Sure?", answer)
    ids, mask = encoded(conversation(messages, QWEN, tokenizer, 0), tokenizer)
    assert ids.tolist() == own(tokenizer, messages, QWEN, asks=False)
    wanted = "<think>\na\n</think>\n\nb" if learnt is None else learnt
    assert tokenizer.decode(ids[mask]).endswith(f"{wanted}<|im_end|>")
    asked, _ = encoded(question(messages[:-1], QWEN, tokenizer, 0), tokenizer)
    assert ids[: len(asked)].tolist() == asked.tolist()


def test_thoughts_that_a_template_drops_are_not_lost_without_a_word(tokenizer: Tokenizer) -> None:
    with pytest.raises(Refusal, match="changes what the messages say"):
        conversation(said("Colour?", THOUGHT), DROPS, tokenizer, 0)


def test_what_a_person_writes_of_thoughts_is_text(tokenizer: Tokenizer) -> None:
    messages = said(THOUGHT, "It is red.", "Sure?")
    ids, _ = encoded(question(messages, QWEN, tokenizer, 0), tokenizer)
    assert THOUGHT in tokenizer.decode(ids)


@pytest.mark.parametrize("system", ["", "Be kind.", "Be kind.\n"])
@pytest.mark.parametrize("asked", ["Hello", "Hello\n", "\u3000Hello "])
@pytest.mark.parametrize("answer", ["Red", " Red.", "Red \n"])
def test_each_message_may_be_stripped_by_itself(system: str, asked: str, answer: str, tokenizer: Tokenizer) -> None:
    messages = said(asked, answer, asked, system=system)
    ids, _ = encoded(question(messages, STRIPS, tokenizer, 0), tokenizer)
    assert ids.tolist() == own(tokenizer, messages, STRIPS, asks=True)


def test_the_day_is_the_same_on_any_day(tokenizer: Tokenizer) -> None:
    ids, _ = encoded(question(said("Hello"), DATED, tokenizer, 0), tokenizer)
    assert tokenizer.decode(ids).startswith(f"Today: {DAY:%d %b %Y}\n")
    assert f"{DAY:%Y-%m-%d}" == "2024-07-26"


def test_a_template_that_asks_otherwise_than_it_writes_is_told_of(tokenizer: Tokenizer) -> None:
    begun = DROPS.replace("{{ '<|im_start|>assistant\n' }}", "{{ '<|im_start|>assistant\n<think>\n' }}")
    told: list[str] = []
    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **sizes))
    for template, words in ((DROPS, False), (begun, True)):
        tokenizer.chat_template = template
        Task.model_validate({"kind": "chat"}).suited(model, tokenizer, told.append)
        assert any("learnt behind something else" in line for line in told) == words


def test_all_ends_that_a_pretrained_model_names_end_what_it_writes(tokenizer: Tokenizer) -> None:
    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **sizes))
    other = tokenizer.convert_tokens_to_ids("<|im_start|>")
    ordinary = tokenizer.encode("a", add_special_tokens=False)[0]
    model.generation_config.eos_token_id = [other, ordinary]
    tokenizer.chat_template = DROPS
    suited = Task.model_validate({"kind": "chat"}).suited(model, tokenizer, lambda _line: None)
    ends = {"<|im_end|>", "<|im_start|>", "</s>"}
    assert set(tokenizer.convert_ids_to_tokens(list(suited.ends))) == ends  # type: ignore[attr-defined]


def test_an_answer_alone_is_that_without_its_thoughts() -> None:
    assert {answer_alone(text) for text in (THOUGHT, EMPTY, BEGUN, "It is red.")} == {"It is red."}
    assert answer_alone("a <think>b</think>") == "a <think>b</think>"
    assert answer_alone("<think>never ends") == "<think>never ends"
