"""Code: it is written between what stands before and behind, and run with its tests where that is asked for."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from transformers import LlamaConfig, LlamaForCausalLM

import danlu
from danlu.bundle.bundle import load, save
from danlu.cli.main import main
from danlu.refusal import Refusal
from danlu.stages.kinds.code import Code
from danlu.task.tasks.causal_lm import CausalLm
from danlu.text.batching.middles import SENTINELS
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.text.tokenizing.tokenizers.extended import Extended

pytestmark = pytest.mark.skipif(os.name != "posix", reason="limits of processes are those of POSIX")
PROBLEMS = [
    {"text": "x = ", "test": "assert x"},
    {"text": "x = 1 #", "test": "assert x == 1"},
    {"text": "x = 1 #", "test": "assert x == 2"},
]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has learnt nothing, of letters and signs in one line."""
    tokenizer = Extended(base=Bpe(size=264), special=SENTINELS[0]).build(lambda: iter(["x = 1 #"]))
    torch.manual_seed(0)
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=64, **size)
    folder = tmp_path_factory.mktemp("model") / "bundle"
    model = LlamaForCausalLM(config)
    save(folder, model, tokenizer, CausalLm(), precision="float32", provenance={}, examples=[{"text": "x"}])
    return folder


def recipe(bundle: Path, folder: Path, **settings: Any) -> dict[str, Any]:
    (folder / "problems.jsonl").write_text("".join(json.dumps(each) + "\n" for each in PROBLEMS), "utf-8")
    data = {"kind": "jsonl", "path": str(folder / "problems.jsonl")}
    return {"name": "c", "stages": {"code": {"kind": "code", "bundle": str(bundle), "data": data, **settings}}}


def test_nothing_is_run_unless_that_is_asked_for(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="with your rights; where that is meant, write 'run_code: true'"):
        danlu.run(recipe(bundle, tmp_path), root=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
    with pytest.raises(Refusal, match=r"'k' must be from 1 to the 1 programs that .* policy: {kind: sample"):
        danlu.run(recipe(bundle, tmp_path, run_code=True, k=[1, 5]), root=tmp_path / "runs")


def test_programs_are_written_run_and_counted(bundle: Path, tmp_path: Path) -> None:
    """Only letters may be written, so that behind the sign of a comment nothing is wrong, and else everything."""
    policy = {"kind": "sample", "samples": 3, "max_new_tokens": 8, "regex": "[a-z]{3,9}"}
    said: list[str] = []
    asked = recipe(bundle, tmp_path, run_code=True, k=[1, 3], policy=policy, seconds=30)
    run = danlu.run(asked, root=tmp_path / "runs", say=said.append)
    scores = json.loads((Path(run["code"]) / "code.json").read_text("utf-8"))
    assert {name: each["value"] for name, each in scores["metrics"].items()} == pytest.approx(
        {"pass@1": 1 / 3, "pass@3": 1 / 3}
    )
    assert (scores["records"], scores["programs"]) == (3, 3)
    lines = [json.loads(line) for line in (Path(run["code"]) / "programs.jsonl").read_text("utf-8").splitlines()]
    assert [line["record"] for line in lines] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert [line["passed"] for line in lines] == [False] * 3 + [True] * 3 + [False] * 3
    assert "NameError" in lines[0]["said"]
    assert "AssertionError" in lines[-1]["said"]
    assert any(line.startswith("pass@3: 0.3333") for line in said)


def test_a_record_without_a_test_is_refused(bundle: Path, tmp_path: Path) -> None:
    asked = recipe(bundle, tmp_path, run_code=True)
    (tmp_path / "problems.jsonl").write_text('{"text": "x"}\n', "utf-8")
    with pytest.raises(Refusal, match="record 1: there is no column 'test'"):
        danlu.run(asked, root=tmp_path / "runs")


IDLE = ["", " \n\t", "# assert x", "'assert x'\npass", "import math\nM = {'a': [1]}\ndef check(f):\n    assert f(1)"]


@pytest.mark.parametrize("test", IDLE)
def test_a_test_that_every_program_would_pass_is_refused(bundle: Path, tmp_path: Path, test: str) -> None:
    asked = recipe(bundle, tmp_path, run_code=True)
    (tmp_path / "problems.jsonl").write_text(json.dumps({"text": "x", "test": test}) + "\n", "utf-8")
    with pytest.raises(Refusal, match="record 1: 'test' tests nothing, so every program would pass"):
        danlu.run(asked, root=tmp_path / "runs")


def test_a_test_may_be_called_from_the_template() -> None:
    fields = {"bundle": "b", "data": "@d", "run_code": True}
    stage = Code.model_validate({**fields, "program": "{text}{answer}\n{test}\ncheck(f)"})
    assert stage._test({"text": "", "test": IDLE[-1]}, 0) == IDLE[-1]
    for test in ("assert x", "x[0]", "y = f(1)", "if x:\n    pass", "  indented == behind"):
        assert Code.model_validate(fields)._test({"text": "", "test": test}, 0) == test


def test_a_template_without_a_place_for_what_there_is_is_refused(bundle: Path, tmp_path: Path) -> None:
    for program, words in (("{text}{answer}", "no place {test}"), ("{text}\n{test}", "no place {answer}")):
        with pytest.raises(Refusal, match=words):
            danlu.run(recipe(bundle, tmp_path, run_code=True, program=program), root=tmp_path / "runs")
    asked = recipe(bundle, tmp_path, run_code=True, program="{text}{answer}\n{test}")
    (tmp_path / "problems.jsonl").write_text('{"text": "x", "suffix": " # y", "test": "assert x"}\n', "utf-8")
    with pytest.raises(Refusal, match="record 1: has a 'suffix', and 'program' has no place for it"):
        danlu.run(asked, root=tmp_path / "runs")


def test_what_stands_behind_is_run_with_what_is_written(bundle: Path, tmp_path: Path) -> None:
    asked = recipe(bundle, tmp_path, run_code=True, policy={"kind": "greedy", "regex": "[0-9]"}, seconds=30)
    line = {"text": "x = ", "suffix": " * 0 + 7", "test": "assert x == 7"}
    (tmp_path / "problems.jsonl").write_text(json.dumps(line) + "\n", "utf-8")
    run = danlu.run(asked, root=tmp_path / "runs")
    assert json.loads((Path(run["code"]) / "code.json").read_text("utf-8"))["metrics"]["pass@1"]["value"] == 1


def test_a_program_is_put_together_of_its_parts() -> None:
    stage = Code.model_validate({"bundle": "b", "data": "@d", "run_code": True})
    assert stage._filled(("a {test}", ""), "{text}", "t") == "a {test}{text}\nt"
    assert stage._filled(("a = ", " + 1"), "2", "t") == "a = 2 + 1\nt"
    chat = stage.model_copy(update={"program": "{answer}\n{test}"})
    assert chat._filled(("", ""), "Sure:\n```python\nx = 1\n```\nDone.", "assert x") == "x = 1\n\nassert x"


def test_the_command_writes_between_a_text_and_its_suffix(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [{"text": "x = ", "suffix": " #"}, {"text": "x = "}, {"text": "x = ", "suffix": None}]
    file = tmp_path / "gaps.jsonl"
    file.write_text("".join(json.dumps(each) + "\n" for each in asked), "utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["predict", str(bundle), str(file), "--generate", "policy.max_new_tokens=12"])
    assert ended.value.code == 0
    gap, *others = [json.loads(line)["prediction"]["text"] for line in capsys.readouterr().out.splitlines()]
    assert others[0] == others[1] != gap
    with load(bundle) as opened:
        [prompt, _, _] = opened.task.prompts(asked, opened.tokenizer, 64)
        assert [each[0].text for each in opened.generate(asked[:1], max_new_tokens=12)] == [gap]
        words = opened.tokenizer.decode(prompt.row.input_ids.tolist())
    assert words == "<|endoftext|><|fim_prefix|>x = <|fim_suffix|> #<|fim_middle|>"


@pytest.mark.parametrize(
    ("policy", "texts"),
    [
        ({"kind": "greedy"}, 1), ({"kind": "sample", "samples": 3}, 3), ({"kind": "beam", "beams": 4}, 1),
        ({"kind": "beam", "beams": 4, "returned": 2}, 2), ({"kind": "words", "words": ["x"]}, 1),
    ],
)  # fmt: skip
def test_programs_are_counted_by_those_that_are_written(policy: dict[str, Any], texts: int) -> None:
    stage = Code.model_validate({"bundle": "b", "data": "@d", "run_code": True, "policy": policy})
    assert stage.policy.texts == texts
    with pytest.raises(ValidationError, match=f"to the {texts} programs"):
        Code.model_validate({**stage.to_plain(), "k": [texts + 1]})


def test_beams_that_are_not_told_are_no_programs(bundle: Path, tmp_path: Path) -> None:
    policy = {"kind": "beam", "beams": 3, "max_new_tokens": 8, "regex": "[a-z]{3,9}"}
    run = danlu.run(recipe(bundle, tmp_path, run_code=True, policy=policy), root=tmp_path / "runs")
    scores = json.loads((Path(run["code"]) / "code.json").read_text("utf-8"))
    assert (scores["programs"], scores["metrics"]["pass@1"]["value"]) == (1, pytest.approx(1 / 3))


def test_a_test_that_ends_the_program_itself_is_refused(bundle: Path, tmp_path: Path) -> None:
    asked = recipe(bundle, tmp_path, run_code=True)
    begin = "import unittest\nclass T(unittest.TestCase):\n    def test_x(self): self.assertEqual(x, 1)\n"
    for end in ("unittest.main()", "if __name__ == '__main__':\n    unittest.main(exit=False)"):
        (tmp_path / "problems.jsonl").write_text(json.dumps({"text": "x = 1 #", "test": begin + end}) + "\n", "utf-8")
        with pytest.raises(Refusal, match=r"record 1: 'test' calls unittest.main\(\), .* write assert unittest"):
            danlu.run(asked, root=tmp_path / "runs")
    end = "assert unittest.main(exit=False).result.wasSuccessful()"
    lines = [{"text": f"x = {number} #", "test": begin + end} for number in (1, 2)]
    (tmp_path / "problems.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines), "utf-8")
    policy = {"kind": "greedy", "max_new_tokens": 8, "regex": "[a-z]{3,9}"}
    run = danlu.run(recipe_of(asked, policy), root=tmp_path / "runs2")
    told = [json.loads(line) for line in (Path(run["code"]) / "programs.jsonl").read_text("utf-8").splitlines()]
    assert [each["passed"] for each in told] == [True, False]


def recipe_of(asked: dict[str, Any], policy: dict[str, Any]) -> dict[str, Any]:
    code = asked["stages"]["code"] | {"policy": policy}
    return {**asked, "stages": {"code": code}}
