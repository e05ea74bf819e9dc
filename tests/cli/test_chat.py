"""`danlu chat`: lines in, answers out, what was said before is kept."""

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification

from danlu.bundle.bundle import Bundle, load, save
from danlu.cli.main import main
from danlu.machine.terminal import visible
from danlu.task.tasks.chat import Chat
from danlu.task.tasks.classify import Classify
from danlu.text.tokenizing.tokenizers.bpe import Bpe

Talk = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tokenizer = Bpe(size=300, begin="<s>", end="</s>").build(lambda: iter(["User: Assistant: 你好", "good day"] * 3))
    torch.manual_seed(3)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 48}
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": None}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=96, **sizes, **ends))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4)
    policy = {"kind": "greedy", "max_new_tokens": 4}
    task = Chat.model_validate({"policy": policy}).suited(model, tokenizer, lambda _line: None)
    path = tmp_path_factory.mktemp("talk") / "bundle"
    save(path, model, tokenizer, task, precision="float32", provenance={}, examples=[{"text": "good day"}])
    return path


@pytest.fixture
def talk(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Talk:
    monkeypatch.setenv("DANLU_LANGUAGE", "en")

    def call(*words: str, given: str = "") -> tuple[int, str, str]:
        stream = io.TextIOWrapper(io.BytesIO(given.encode()), encoding="utf-8")
        monkeypatch.setattr(sys, "stdin", stream)
        with pytest.raises(SystemExit) as ended:
            main(["chat", str(folder), *words])
        return ended.value.code, *capsys.readouterr()

    return call


def answers(bundle: Bundle, *questions: str, system: str = "") -> list[str]:
    """What the model says to each question, those before it and their answers in mind."""
    messages = [{"role": "system", "content": system}] if system else []
    found = []
    for question in questions:
        messages = [*messages, {"role": "user", "content": question}]
        answer = bundle.predict([{"messages": messages}])[0]["text"]
        messages = [*messages, {"role": "assistant", "content": answer}]
        found.append(visible(answer))
    return found


def test_what_was_said_is_kept_until_it_is_reset(talk: Talk, folder: Path) -> None:
    with load(folder) as bundle:
        one, two = answers(bundle, "good day", "你好")
        (anew,) = answers(bundle, "你好")
        (told,) = answers(bundle, "你好", system="day")
    code, out, err = talk(given="good day\n\n你好\n/reset\n你好\n/system day\n你好\n/exit\n你好\n")
    assert code == 0
    assert out == "".join(f"{text}\n" for text in (one, two, anew, told))
    assert "begins anew" in err


def test_an_answer_that_did_not_end_by_itself_is_told_of(talk: Talk) -> None:
    assert "(The answer was cut at 2 tokens," in talk("policy.max_new_tokens=2", given="good day\n")[2]
    assert "cut" not in talk("policy.logit_bias={</s>: 1000}", given="good day\n")[2]


def test_the_last_question_can_be_taken_back(talk: Talk, folder: Path) -> None:
    with load(folder) as bundle:
        one, other = answers(bundle, "good day"), answers(bundle, "你好")
    _, out, err = talk(given="good day\n/undo\n你好\n/help\n/nothing\n")
    assert out == f"{one[0]}\n{other[0]}\n"
    assert "There is no /nothing; there are: /reset" in err


def test_a_question_that_was_not_answered_is_taken_back_alone(
    talk: Talk, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with load(folder) as bundle:
        one, two = answers(bundle, "good day", "你好")
    written = Bundle.generate_stream
    asked: list[str] = []

    def silent(self: Bundle, record: Any, *given: Any) -> Any:
        asked.append(record["messages"][-1]["content"])
        return iter(()) if asked[-1] == "day" else written(self, record, *given)

    monkeypatch.setattr(Bundle, "generate_stream", silent)
    monkeypatch.setattr("danlu.cli.chat.closing", nullcontext)
    _, out, err = talk(given="good day\nday\n/undo\n你好\n/undo\n/undo\n/undo\n")
    assert out == f"{one}\n\n{two}\n"
    assert err.count("are taken back") == 3
    assert err.count("There is no question") == 1


def test_what_is_drawn_for_a_question_asked_again_is_drawn_anew(talk: Talk) -> None:
    how = ("policy.kind=sample", "policy.temperature=5", "policy.max_new_tokens=12")
    _, out, _ = talk(*how, given="good day\n/undo\ngood day\n/undo\ngood day\n")
    assert len(set(out.splitlines())) > 1
    assert talk(*how, given="good day\n/undo\ngood day\n/undo\ngood day\n")[1] == out


def test_a_command_that_does_nothing_says_so(talk: Talk) -> None:
    _, out, err = talk(given="/undo\n/system\n/system day\n/system\n")
    assert out == ""
    assert [line.split()[0:4] for line in err.splitlines()[-4:]] == [
        ["There", "is", "no", "question"],
        ["Write", "what", "the", "model"],
        ["The", "model", "is", "told"],
        ["The", "model", "is", "told"],
    ]
    assert "told nothing first" in err.splitlines()[-1]


def test_an_answer_that_is_stopped_is_told(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_given: object) -> Iterator[str]:
        yield "good"
        raise KeyboardInterrupt

    monkeypatch.setattr(Bundle, "generate_stream", stopped)
    code, out, err = talk(given="good day\n")
    assert (code, out) == (0, "good\n")
    assert err.endswith("(Stopped.)\n")


def test_a_conversation_that_grows_too_long_forgets_its_beginning_and_says_so(talk: Talk) -> None:
    code, out, err = talk(given="good day\n" * 9)
    assert code == 0
    assert out.count("\n") >= 9
    assert "The oldest questions no longer fit" in err


def test_a_question_that_does_not_fit_is_told_and_the_talk_goes_on(talk: Talk, folder: Path) -> None:
    with load(folder) as bundle:
        (one,) = answers(bundle, "good day")
    code, out, err = talk(given=f"{'你好' * 90}\ngood day\n")
    assert code == 0
    assert "what is asked has" in err
    assert out.endswith(f"\n{one}\n")


def test_answers_are_written_as_asked_and_wrong_settings_are_sentences(talk: Talk, folder: Path) -> None:
    code, drawn, _ = talk("policy.kind=sample", "policy.seed=3", "policy.max_new_tokens=2", given="good day\n")
    assert code == 0
    with load(folder) as bundle:
        [[written]] = bundle.generate([{"text": "good day"}], "sample", seed=3, max_new_tokens=2)
    assert drawn == f"{visible(written.text)}\n"
    for words, sentence in (
        (["policy.temperature=2"], "temperature: unknown key"),
        (["task.kind=a"], "task: is no setting of a conversation"),
        (["policy.kind=beam"], "a stream is of one text"),
    ):
        code, _, err = talk(*words, given="good day\n")
        assert sentence in err
        assert code == (0 if words == ["policy.kind=beam"] else 2)


def test_a_model_that_holds_no_conversation_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    task = Classify(labels=("a", "b"))
    with load(folder) as bundle:
        sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
        model = LlamaForSequenceClassification(LlamaConfig(vocab_size=320, **sizes, **task.config(), pad_token_id=1))
        save(
            tmp_path / "b", model, bundle.tokenizer, task, precision="float32", provenance={}, examples=[{"text": "a"}]
        )
    with pytest.raises(SystemExit) as ended:
        main(["chat", str(tmp_path / "b")])
    assert ended.value.code == 2
    assert "was trained for classify, which holds no conversation" in capsys.readouterr().err
