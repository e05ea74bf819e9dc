"""Conversations as a task: what is learnt of them, what does not fit, and a small one that is learnt by heart."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import LlamaConfig, LlamaForCausalLM

import danlu
from danlu.bundle.bundle import load
from danlu.bundle.verify import verify
from danlu.refusal import Refusal
from danlu.stages.trial import suited
from danlu.task.tasks.chat import Chat
from danlu.text.dialogue.rendered import conversation, question
from danlu.text.tokenizing.tokenizer import Tokenizer
from danlu.text.tokenizing.tokenizers.bpe import Bpe

WORDS = ["red", "blue", "猫", "茶"]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    texts = ["User:\nAssistant:\nSystem:\n", *WORDS, "say it again, please"]
    return Bpe(size=320, begin="<s>", end="</s>").build(lambda: iter(texts * 3))


def talk(*texts: str) -> dict[str, list[dict[str, str]]]:
    return {"messages": [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(texts)]}


def learnt(task: Chat, record: dict[str, object], tokenizer: Tokenizer, limit: int = 200) -> list[str]:
    """What the model is to write, one text an answer."""
    (row,) = task.encode([record], tokenizer, limit, labelled=True)
    tokens = row.targets["tokens"]
    assert (tokens[tokens >= 0] == np.append(row.row.input_ids[1:], 0)[tokens >= 0]).all()
    parts = np.split(tokens, np.flatnonzero(np.diff((tokens >= 0).astype(int))) + 1)
    return [tokenizer.decode(part) for part in parts if len(part) and part[0] >= 0]


def test_all_answers_are_learnt_or_the_last_alone(tokenizer: Tokenizer) -> None:
    record = talk("red", "blue", "猫", "茶 </s>")
    assert learnt(Chat(), record, tokenizer) == ["blue</s>", "茶 </s></s>"]
    assert learnt(Chat(learn="last"), record, tokenizer) == ["茶 </s></s>"]
    record["messages"][-1]["weight"] = 0  # type: ignore[assignment]
    assert learnt(Chat(), record, tokenizer) == ["blue</s>"]
    with pytest.raises(Refusal, match="record 1: its last answer has the weight 0, and 'learn: last' learns that one"):
        learnt(Chat(learn="last"), record, tokenizer)


def test_a_row_that_is_asked_is_the_beginning_of_the_one_that_was_learnt(tokenizer: Tokenizer) -> None:
    task = Chat(system="say it")
    for record in (talk("red", "blue"), talk("red", "blue", "猫", "茶")):
        (whole,) = task.encode([record], tokenizer, 200, labelled=True)
        (asked,) = task.encode([record], tokenizer, 200, labelled=False)
        first = int(np.flatnonzero(whole.targets["tokens"] >= 0)[-1])
        size = len(asked)
        assert whole.row.input_ids[:size].tolist() == asked.row.input_ids.tolist()
        assert (whole.targets["tokens"][size - 1 : first + 1] >= 0).all()
    (plain,) = task.encode([{"text": "red"}], tokenizer, 200, labelled=False)
    (same,) = task.encode([talk("red")], tokenizer, 200, labelled=False)
    assert plain.row.input_ids.tolist() == same.row.input_ids.tolist()


def test_what_does_not_fit_is_refused_cut_or_dropped_and_never_learnt_as_nothing(tokenizer: Tokenizer) -> None:
    long, short = talk("red", "blue " * 9, "猫", "茶"), talk("red", "blue")
    (whole,) = Chat().encode([short], tokenizer, 200, labelled=True)
    limit = len(whole) + 8
    with pytest.raises(Refusal, match=r"record 2: the conversation has \d+ tokens and a row takes \d+"):
        Chat().encode([short, long], tokenizer, limit, labelled=True)
    dropped = Chat(too_long="drop").encode([short, long], tokenizer, limit, labelled=True)
    assert [row.record for row in dropped] == [0]
    _, cut = Chat(too_long="truncate").encode([short, long], tokenizer, limit, labelled=True)
    assert cut.cut > 0
    assert learnt(Chat(too_long="truncate"), long, tokenizer, limit) == ["茶</s>"]  # the oldest turn went
    (end,) = learnt(Chat(too_long="truncate"), talk("red", "blue " * 40), tokenizer, limit)
    assert "</s>" not in end  # an answer that is cut does not teach to stop there
    assert not Chat(too_long="truncate").encode([talk("red " * 40, "blue")], tokenizer, limit, labelled=True)


def test_a_conversation_is_an_example_where_examples_are_counted(tokenizer: Tokenizer) -> None:
    """Rows filled as long as the model allows would make batches of many times what was asked for."""
    records, task = [talk("red", "blue")] * 9, Chat()
    apart = task.learnable(records, tokenizer, 32_768, 0)
    assert [row.record for row in apart] == list(range(9))
    assert all(row.rows[0].segments is None for row in apart)
    assert len(task.learnable(records, tokenizer, 32_768, 2048)) < 9


def test_the_oldest_turns_leave_room_for_an_answer(tokenizer: Tokenizer) -> None:
    record = talk(*["red blue"] * 8, "猫")
    (row,) = Chat().encode([record], tokenizer, 48, labelled=False)
    assert row.cut > 0
    assert len(row) <= 24
    assert "猫" in tokenizer.decode(row.row.input_ids)
    with pytest.raises(Refusal, match=r"record 1: what is asked has \d+ tokens"):
        Chat().encode([talk("red " * 60)], tokenizer, 48, labelled=False)


def test_the_fewest_turns_go_and_few_are_looked_at(tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []

    def looked(messages: list[Any], *given: Any) -> Any:
        looks.append(len(messages))
        return question(messages, *given)

    monkeypatch.setattr("danlu.task.conversing.question", looked)
    for turns in range(1, 60, 7):
        record, found = talk(*["red blue"] * (2 * turns), "猫"), []
        (row,) = Chat().encode([record], tokenizer, 96, labelled=False)
        for gone in range(turns + 1):
            fewer = talk(*["red blue"] * (2 * (turns - gone)), "猫")
            found.append(len(Chat().encode([fewer], tokenizer, 10_000, labelled=False)[0]))
        assert len(row) == next(length for length in found if length <= 48)
    looks.clear()
    Chat().encode([talk(*["red blue"] * 200, "猫")], tokenizer, 96, labelled=False)
    assert len(looks) <= 10


def test_the_fewest_turns_go_of_what_is_learnt_and_few_are_looked_at(
    tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []

    def looked(messages: list[Any], *given: Any) -> Any:
        looks.append(len(messages))
        return conversation(messages, *given)

    monkeypatch.setattr("danlu.task.tasks.chat.conversation", looked)
    task, limit = Chat(too_long="truncate"), 60
    (row,) = task.encode([talk(*["red blue"] * 400)], tokenizer, limit, labelled=True)
    assert len(looks) <= 12
    lengths = [
        len(task.encode([talk(*["red blue"] * turns)], tokenizer, 10_000, labelled=True)[0])
        for turns in range(2, 30, 2)
    ]
    assert len(row) == max(length for length in lengths if length <= limit)


def test_what_is_no_conversation_is_refused_by_its_record(tokenizer: Tokenizer) -> None:
    with pytest.raises(Refusal, match="record 2: column 'messages' ends with a message of the user"):
        Chat().encode([talk("red", "blue"), talk("red")], tokenizer, 99, labelled=True)
    with pytest.raises(Refusal, match="record 1: column 'messages', message 2: the user speaks twice in a row"):
        Chat().encode([{"messages": 2 * talk("red")["messages"]}], tokenizer, 99, labelled=False)


@pytest.mark.parametrize(
    "jinja", ["{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "{{ 'a' * 10**18 }}", "{{ none.a.b }}", "no messages"]
)
def test_a_template_that_fails_is_named_and_not_the_model(jinja: str) -> None:
    words = Bpe(size=300, begin="<s>", end="</s>").build(lambda: iter(WORDS))
    words.chat_template = jinja
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(words), max_position_embeddings=64, **size))
    with pytest.raises(
        Refusal, match=r"^task.template: 'own' cannot write a question and its answer: the chat"
    ) as told:
        suited(model, Chat(), words, print)
    assert "family" not in str(told.value)


EACH = "{% for m in messages %}{{ '<|' + m.role + '|>' + m.content + ENDING }}{% endfor %}"
ASKED = "{{ '<|assistant|>' if add_generation_prompt else LAST }}"


@pytest.mark.parametrize(
    ("before", "ending", "last", "ends"),
    [
        ("", "''", "'</s>'", {"<|user|>", "</s>"}),  # the next speaker's token, as in GLM-4
        ("", "'</s>'", "''", {"</s>"}),
        ("", "('</s>' if loop.last else '\\n')", "''", {"<|user|>", "</s>"}),
        ("{% if messages | length > 2 %}{{ raise_exception('one question') }}{% endif %}", "'</s>'", "''", {"</s>"}),
    ],
)
def test_all_tokens_that_end_an_answer_end_what_is_written(before: str, ending: str, last: str, ends: set[str]) -> None:
    words = Bpe(size=300, begin="<s>", end="</s>").build(lambda: iter(WORDS))
    words.add_special_tokens({"additional_special_tokens": ["<|user|>", "<|assistant|>"]})
    words.chat_template = before + EACH.replace("ENDING", ending) + ASKED.replace("LAST", last)
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(words), max_position_embeddings=64, **size))
    task = suited(model, Chat(), words, print)
    assert isinstance(task, Chat)
    assert set(words.convert_ids_to_tokens(list(task.ends))) == ends
    assert model.generation_config is not None
    assert model.generation_config.eos_token_id == list(task.ends)


def test_added_tokens_at_which_a_model_ends_are_ends_and_other_words_are_not() -> None:
    words = Bpe(size=300, begin="<s>", end="</s>").build(lambda: iter(WORDS))
    words.add_tokens(["<start_function_response>"])  # as FunctionGemma's, which is no special token
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(words), max_position_embeddings=64, **size))
    assert model.generation_config is not None
    names = ["</s>", "<start_function_response>", "a"]
    model.generation_config.eos_token_id = words.convert_tokens_to_ids(names)
    task = suited(model, Chat(template={"kind": "plain"}), words, print)
    assert isinstance(task, Chat)
    assert set(words.convert_ids_to_tokens(list(task.ends))) == {*names[:2]}


def test_answers_that_were_learnt_end_by_themselves_trained_loaded_and_in_plain_transformers(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    pairs = [(one, two) for one in WORDS for two in WORDS]
    records = [talk(f"{one} {two}", f"{two} {one}") for one, two in pairs] * 3
    (tmp_path / "chat.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    data = {"kind": "chat", "path": str(tmp_path / "chat.jsonl")}
    sizes = {"layers": 2, "width": 64, "heads": 4, "dropout": 0, "positions": 64}
    stages = {
        "vocab": {"kind": "tokenizer", "data": data, "tokenizer": {"kind": "bpe", "size": 300}},
        "model": {
            "kind": "train",
            "data": data,
            "tokenizer": "@vocab",
            "model": {"kind": "scratch", "architecture": "llama", **sizes},
            "task": {"kind": "chat"},
            "train": {"epochs": 60, "rate": 3e-3, "batch_tokens": 256, "precision": "float32"},
        },
    }
    danlu.run({"name": "talk", "stages": stages}, root=tmp_path / "runs")
    folder = tmp_path / "runs" / "talk" / "model" / "bundle"
    assert verify(folder) == []
    with load(folder) as bundle:
        asked = [talk(f"{one} {two}") for one, two in pairs]
        answers = bundle.predict(asked)
        assert sum(answer["ended"] == "end" for answer in answers) >= 0.99 * len(answers)
        right = [f"{two} {one}" for one, two in pairs]
        assert np.mean([answer["text"] == text for answer, text in zip(answers, right, strict=True)]) > 0.9
        streamed = "".join(bundle.generate_stream(asked[1]))
    assert streamed == answers[1]["text"]
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    for record, answer in zip(asked[:4], answers, strict=False):
        ids = tokenizer.apply_chat_template(
            record["messages"], add_generation_prompt=True, return_tensors="pt", return_dict=False
        )
        written = model.generate(ids, attention_mask=ids.new_ones(ids.shape), max_new_tokens=20, do_sample=False)
        assert tokenizer.decode(written[0, ids.shape[1] :], skip_special_tokens=True) == answer["text"]
