"""Settings of tasks that would have no effect, or none that is seen."""

import pytest
from transformers import LlamaConfig, LlamaForCausalLM

from danlu.refusal import Refusal
from danlu.stages.losses import say_losses
from danlu.task.task import Task
from danlu.task.tasks.answer import Answer
from danlu.task.tasks.chat import Chat
from danlu.task.tasks.choose import Choose
from danlu.task.tasks.prefer import Prefer
from danlu.task.tasks.rank import Rank
from danlu.task.tasks.rewrite import Rewrite
from danlu.text.tokenizing.tokenizers.bpe import Bpe


@pytest.mark.parametrize("fields", [{"after": "\nA:"}, {"divide_by": "tokens"}])
def test_what_a_decoder_alone_reads_is_refused_for_an_encoder(fields: dict[str, str]) -> None:
    with pytest.raises(Refusal, match=rf"task.{next(iter(fields))} has an effect with a decoder alone"):
        Choose.model_validate(fields).shaped("encoder")
    assert Choose.model_validate(fields).shaped("decoder")
    kept = Task.model_validate(Choose().shaped("encoder").to_plain())
    assert kept.shaped("encoder") == kept


def test_a_highest_score_is_refused_for_lists() -> None:
    with pytest.raises(Refusal, match=r"task.highest has an effect on pairs with a score alone"):
        Rank(highest=3.0).fitted(Rank.sample)


def test_a_threshold_is_refused_where_there_always_is_an_answer() -> None:
    with pytest.raises(Refusal, match=r"task.threshold has an effect where there may be no answer alone"):
        Answer(threshold=1.0, no_answer=False).fitted(Answer.sample)
    with pytest.raises(Refusal, match=r"task.threshold has an effect"):
        Answer(threshold=1.0).fitted(Answer.sample[:2])
    assert Answer(threshold=1.0).fitted(Answer.sample).threshold == 1


@pytest.mark.parametrize("kind", [Chat, Prefer])
def test_other_ends_than_the_templates_are_refused(kind: type[Chat | Prefer]) -> None:
    words = Bpe(size=300, begin="<s>", end="</s>").build(lambda: iter(["User: Assistant:"]))
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(words), max_position_embeddings=64, **size))
    suited = kind().suited(model, words, print)
    assert suited.ends
    assert suited.suited(model, words, print).ends == suited.ends
    with pytest.raises(Refusal, match=r"task.ends: the template ends an answer with token \d+; leave 'ends' out"):
        kind(ends=(7,)).suited(model, words, print)


def test_texts_are_written_as_long_as_they_were_learnt() -> None:
    def most(task: Rewrite) -> int:
        return Rewrite.model_validate(task.to_plain()).policy.max_new_tokens

    assert most(Rewrite()) == 256
    assert most(Rewrite(max_target=9)) == 9
    assert most(Rewrite.model_validate({"max_target": 500, "policy": "beam"})) == 500
    assert most(Rewrite.model_validate({"max_target": 9, "policy": {"kind": "greedy", "max_new_tokens": 12}})) == 12
    with pytest.raises(ValueError, match="min_new_tokens 9 is no less than max_target 9; raise the latter"):
        Rewrite.model_validate({"max_target": 9, "policy": {"kind": "greedy", "min_new_tokens": 9}})


@pytest.mark.parametrize(("task", "names"), [(Chat(), "'max_length'"), (Rewrite(), "'max_target' or 'max_length'")])
def test_the_settings_that_a_sentence_names_are_those_of_the_task(task: Task, names: str) -> None:
    said: list[str] = []
    say_losses(said.append, [], 3, task)
    assert said[0].endswith(f"raise the task's {names}, or let it truncate")
