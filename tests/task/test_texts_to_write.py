"""Texts that are to be written, as records and templates have them: empty ones, and special tokens that are spelled."""

import pytest

from danlu.refusal import Refusal
from danlu.task.task import Task
from danlu.text.tokenizing.tokenizer import Tokenizer
from danlu.text.tokenizing.tokenizers.bpe import Bpe

PAIRS = [{"text": "我喜欢喝茶。", "translation": "I like tea."}, {"text": "好", "translation": "Good"}]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Bpe(size=280).build(lambda: iter([pair["text"] + pair["translation"] for pair in PAIRS]))


def test_nothing_is_no_text_to_write_and_of_several_the_others_count(tokenizer: Tokenizer) -> None:
    task = Task.model_validate({"kind": "translate", "shape": "decoder"})
    assert task.gold({"text": "a", "translation": ["", "b", " "]}) == ("b",)
    for empty in ("", " \u3000", ["", " "]):
        with pytest.raises(Refusal, match="record 2: column 'translation' is empty; write the text, or leave"):
            task.encode([PAIRS[0], {"text": "a", "translation": empty}], tokenizer, 64, labelled=True)


def test_a_template_that_spells_a_special_token_is_not_learnt_and_goes_on_where_it_was(tokenizer: Tokenizer) -> None:
    fields = {"kind": "translate", "shape": "decoder", "template": f"{{text}}{tokenizer.eos_token}=>"}
    task = Task.model_validate(fields)
    with pytest.raises(Refusal, match=r"task.template: '.*' is a special token of the tokenizer, and a template is"):
        task.learnable(PAIRS, tokenizer, 64, 0)
    assert len(task.encode(PAIRS, tokenizer, 64, labelled=False)) == len(PAIRS)
