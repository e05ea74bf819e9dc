"""`danlu init` of tasks that write: their columns by name, and settings of a recipe that runs."""

import json

import pytest

from danlu.apps.init import init
from danlu.model.sources.scratch import Scratch
from danlu.stages.recipe import read
from danlu.text.tokenizing.tokenizers.bpe import Bpe

PAIRS = {
    "translate": ({"source": "今天天气很好，我们去公园。", "target": "The weather is fine today."}, "source"),
    "summarise": ({"title": "大雨停课", "content": "今天早上下了大雨，几条路被淹，学校停课。"}, "content"),
    "rewrite": ({"input": "我门去公圆玩，你去不去？", "output": "我们去公园玩，你去不去？"}, "input"),
}


@pytest.mark.parametrize("model", ["scratch"])
@pytest.mark.parametrize("kind", PAIRS)
def test_a_recipe_of_a_task_that_writes_names_both_columns(tmp_path, monkeypatch, kind, model):
    record, text = PAIRS[kind]
    rows = [{name: f"{number} {value}" for name, value in record.items()} for number in range(60)]
    (tmp_path / "data.jsonl").write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
    monkeypatch.chdir(tmp_path)
    init(kind, "data.jsonl", model=model)
    stages = read(next(tmp_path.glob("*.yaml"))).stages
    (other,) = set(record) - {text}
    task = stages["model"].task
    assert stages["clean"].data.columns == {"text": text, task.target: other}
    assert (stages["clean"].dedup, stages["model"].model.architecture) == ("none", "marian")
    assert (task.target_too_long, task.too_long) == ("drop", "truncate")
    assert stages["vocab"].tokenizer.cut == ("runs" if kind == "translate" else "characters")


def test_what_writes_chinese_has_pieces_of_single_characters(tmp_path, monkeypatch):
    rows = [f"The weather is fine on day {number}.\t第 {number} 天天气很好。" for number in range(60)]
    (tmp_path / "cmn.tsv").write_text("\n".join(rows), "utf-8")
    monkeypatch.chdir(tmp_path)
    init("translate", "cmn.tsv", model="scratch")
    assert read("cmn.yaml").stages["vocab"].tokenizer.cut == "characters"


@pytest.mark.parametrize("model", ["scratch", "given"])
def test_a_recipe_of_a_student_has_its_teacher(tmp_path, monkeypatch, model):
    rows = [{"text": f"第 {number} 天，明月出天山，苍茫云海间。"} for number in range(60)]
    (tmp_path / "data.jsonl").write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
    monkeypatch.chdir(tmp_path)
    if model == "given":
        tokenizer = Bpe(size=280).build(lambda: (row["text"] for row in rows))
        network = Scratch(architecture="llama", layers=1, width=16, heads=2).build(
            "AutoModelForCausalLM", tokenizer, {}
        )
        network.save_pretrained(tmp_path / "given")
        tokenizer.save_pretrained(tmp_path / "given")
    init("distil_lm", "data.jsonl", model=model)
    stages = read(next(tmp_path.glob("*.yaml"))).stages
    student = stages["model"]
    assert student.model.size == "tiny"
    if model == "given":
        assert "teacher" not in stages
        assert student.tokenizer.path == student.roles["teacher"].path == "given"
    else:
        assert (stages["teacher"].task.kind, stages["teacher"].model.size) == ("causal_lm", "mini")
        assert (student.tokenizer, student.roles["teacher"].path) == ("@vocab", "@teacher")
