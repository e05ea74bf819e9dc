"""`danlu predict`: what is given on the command line, and what is said of it where it is not what was meant."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from danlu.bundle.bundle import save
from danlu.cli.main import main
from danlu.task.tasks.chat import Chat
from danlu.task.tasks.prefer import Prefer
from danlu.text.tokenizing.tokenizers.bpe import Bpe

Ask = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("bundles")
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 48}
    found = {}
    for kind, task in (("chat", Chat), ("prefer", Prefer)):
        tokenizer = Bpe(size=300, begin="<s>", end="</s>").build(lambda: iter(["User: Assistant: 你好"] * 3))
        ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": None}
        torch.manual_seed(3)
        model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=96, **sizes, **ends))
        policy = {"kind": "greedy", "max_new_tokens": 3}
        fitted = task.model_validate({"policy": policy}).suited(model, tokenizer, lambda _line: None)
        found[kind] = place / kind
        save(found[kind], model, tokenizer, fitted, precision="float32", provenance={}, examples=[fitted.sample[0]])
    return found


@pytest.fixture
def ask(
    folders: dict[str, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Ask:
    monkeypatch.chdir(tmp_path)

    def call(kind: str, *words: str, given: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given.encode()), encoding="utf-8"))
        with pytest.raises(SystemExit) as ended:
            main(["predict", str(folders[kind]), *words])
        return int(ended.value.code or 0), *capsys.readouterr()

    return call


def test_a_setting_that_is_misspelt_is_not_taken_for_a_file(ask: Ask) -> None:
    for words in (("polcy.beams=3", "--text", "你好"), ("--text", "你好", "polcy.beams=3"), ("polcy.beams=3",)):
        code, _, err = ask("chat", *words, given="你好\n")
        assert code == 2
        assert "polcy.beams=3: looks like a setting" in err
        assert "did you mean 'policy.beams'" in err


def test_what_a_task_cannot_do_with_long_texts_is_refused(ask: Ask) -> None:
    code, out, err = ask("chat", "--text", "你好", "--too-long", "split")
    assert (code, out) == (2, "")
    assert "--too-long split: the task chat cannot do that; choose one of: truncate, stop\n" in err


def test_json_on_standard_input_is_read_as_records(ask: Ask) -> None:
    plain = ask("chat", given="你好\n好\n")[1].splitlines()
    rows = [{"text": "你好", "id": 1}, {"messages": [{"role": "user", "content": "好"}]}]
    told = ask("chat", given="".join(json.dumps(row) + "\n" for row in rows))[1].splitlines()
    assert [json.loads(line)["prediction"] for line in told] == [json.loads(line)["prediction"] for line in plain]
    assert json.loads(told[0])["id"] == 1
    code, _, err = ask("chat", given='{"text": "a"}\nb\n')
    assert (code, "text 2: this bundle reads text" in err) == (2, True)
    other = ask("chat", given='{"name": "a"}\n')[1]
    assert json.loads(other)["text"] == '{"name": "a"}'


def test_that_no_text_came_is_told(ask: Ask) -> None:
    code, out, err = ask("chat")
    assert (code, out) == (0, "")
    assert "no text came" in err


def test_a_file_without_a_text_is_read_as_a_conversation_or_told_what_is_needed(ask: Ask, tmp_path: Path) -> None:
    given = {"conversations": [{"from": "human", "value": "你好"}], "chosen": "好", "rejected": "不"}
    (tmp_path / "a.jsonl").write_text(json.dumps(given), "utf-8")
    code, out, err = ask("prefer", "a.jsonl")
    assert (code, err) == (0, "")
    assert json.loads(out)["prediction"]["preferred"] in ("chosen", "rejected")
    (tmp_path / "b.tsv").write_text("你好\t好\t不\n你\t好\t不\n", "utf-8")
    code, _, err = ask("prefer", "b.tsv")
    assert code == 2
    for said in ("'text' and 'chosen' and 'rejected'", "columns.NAME", "header=[text]", "kind=NAME"):
        assert said in err


def test_texts_of_which_no_word_is_known_are_told_of(
    tiny_bundle: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    def told(*texts: str) -> str:
        with pytest.raises(SystemExit):
            main(["predict", str(tiny_bundle("classify")), *(word for text in texts for word in ("--text", text))])
        return capsys.readouterr().err

    assert told("这本书", "book", "Ἰλιάς 這") == (
        "2 of 3 texts hold no word that the model knows, so their answers say nothing of them; "
        "ask a model of their language\n"
    )
    assert told("这本书", "好 book") == ""


def test_a_file_that_is_called_csv_holds_csv(tiny_bundle: Callable[[str], Path], tmp_path: Path) -> None:
    for name, first in (
        ("a.csv", "text,predicted_label"),
        ("a.CSV", "text,predicted_label"),
        ("a.jsonl", '{"text": "这本书"'),
    ):
        with pytest.raises(SystemExit):
            main(["predict", str(tiny_bundle("classify")), "--text", "这本书", "--output", str(tmp_path / name)])
        assert (tmp_path / name).read_text("utf-8").lstrip("\ufeff").startswith(first)


def test_texts_alone_are_not_enough_to_prefer_one(ask: Ask) -> None:
    code, _, err = ask("prefer", "--text", "你好")
    assert code == 2
    assert '{"text": ..., "chosen": ..., "rejected": ...}' in err
    assert json.loads(ask("prefer", "--generate", "--text", "你好")[1])["prediction"]["text"] is not None
