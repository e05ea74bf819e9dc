"""The examples: each recipe runs, and its bundle answers."""

import contextlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import danlu
from danlu.stages.kinds.train import Train
from danlu.stages.recipe import read

FOLDERS = sorted(path.parent for path in (Path(__file__).parents[1] / "examples").glob("*/recipe.yaml"))
ASKED = {
    "classify": ("这本书写得真好。", {"label", "scores"}),
    "few_labels": ("这本书写得真好。", {"label", "scores"}),
    "prompted": ("这本书写得真好。", {"label", "scores"}),
    "search": ("这本书写得真好。", {"label", "scores"}),
    "tag": ("李雷去了上海。", {"entities"}),
    "tools": (
        {
            "messages": [{"role": "user", "content": "成都天气怎么样？"}],
            "tools": [{"type": "function", "function": {"name": "weather"}}],
        },
        {"text", "score", "ended", "tool_calls"},
    ),
    "tag_words": ("老师今天讨论计划。", {"entities"}),
    "multilabel": ("后备箱太小，不过省油。", {"labels", "scores"}),
    "regress": ("味道很好，就是有点贵。", {"number"}),
    "answer": (
        {"context": "苏轼住在成都，最爱吃豆腐。", "question": "他在哪里？"},
        {"text", "start", "end", "score", "answers"},
    ),
    "choose": (
        {"text": "老王把书忘在车上了。", "question": "书在哪里？", "choices": ["家里", "车上"]},
        {"choice", "option", "scores"},
    ),
    "embed": ("茶怎么做？", {"vector"}),
    "rank": ({"text": "杜甫是哪里人？", "candidates": ["杜甫生于巩县。", "今天下雨。"]}, {"ranking", "scores"}),
    "relate": ("<e1>苏轼</e1>是<e2>眉山</e2>人。", {"label", "scores"}),
    "prefer": (
        {"text": "电梯在哪里？", "chosen": "电梯在大厅右边。", "rejected": "自己找。"},
        {"preferred", "margin", "log_probabilities"},
    ),
    "segment": ("我们坐火车去公园。", {"entities"}),
    "translate": ("我喜欢书。", {"text", "score", "ended"}),
    "rewrite": ("他再家作饭。", {"text", "score", "ended"}),
    "summarise": ("北京今天下了大雨。市民都很高兴。", {"text", "score", "ended"}),
    "chat": ("请问运费怎么算？", {"text", "score", "ended"}),
    "code": ("def add_price(", {"perplexity", "tokens", "negative_log_likelihood"}),
    "encoder": ({"text": "明月出天山，苍茫云海间。", "text_pair": "长风几万里，吹度玉门关。"}, {"label", "scores"}),
    "distil": ("明月出天山。", {"perplexity", "tokens", "negative_log_likelihood"}),
    "denoise": ("明月出天山。", {"perplexity", "tokens", "negative_log_likelihood"}),
    "permute": ("明月出天山。", {"perplexity", "tokens", "negative_log_likelihood"}),
    "discriminate": ("明月出天山。", {"perplexity", "tokens", "negative_log_likelihood", "replaced"}),
    "continue": ("胰岛素每日两次。", {"perplexity", "tokens", "negative_log_likelihood", "fills"}),
    "pretrain": ("明月出天山。", {"perplexity", "tokens", "negative_log_likelihood"}),
}


def test_all_examples_are_known_here() -> None:
    assert {folder.name for folder in FOLDERS} == {*ASKED, IN_TURN}


def test_recipes_of_published_data_sets_are_right_also_where_the_data_is_not() -> None:
    recipes = sorted((Path(__file__).parents[1] / "examples" / "data").glob("*.yaml"))
    assert len(recipes) == 20
    for recipe in recipes:
        assert next(iter(read(recipe).stages)) == "clean"


IN_TURN = "continual"
FEW = {"steps": 2, "epochs": None}


@pytest.mark.parametrize(
    "folder", [folder for folder in FOLDERS if folder.name != IN_TURN], ids=lambda folder: folder.name
)
def test_an_example_runs_and_its_bundle_answers(folder: Path, tmp_path: Path) -> None:
    place = shutil.copytree(folder, tmp_path / folder.name, ignore=shutil.ignore_patterns("runs"))
    said: list[str] = []
    with contextlib.chdir(place):
        stages = read(Path("recipe.yaml")).stages
        trained = [name for name, stage in stages.items() if isinstance(stage, Train)]
        few = {f"{name}.train.{key}": value for name in trained for key, value in FEW.items()}
        run = danlu.run("recipe.yaml", say=said.append, **few)
        bundle = danlu.load(run["model"], "float32")
    text, keys = ASKED[folder.name]
    (prediction,) = bundle.predict([text])
    bundle.predictor.close()
    assert prediction.keys() == keys
    if bundle.task.kind == "answer":  # some of its questions have no answer: fitted when the best weights were there
        assert bundle.task.threshold is not None
    scores = json.loads((place / run["test"] / "scores.json").read_text(encoding="utf-8"))
    assert scores["metrics"].keys() == {*bundle.task.metrics, *getattr(stages["test"], "metrics", ())}
    assert (scores["baseline"] is None) == (bundle.task.baseline is None)
    assert scores["records"] >= 4


def test_the_example_of_tasks_in_turn_tells_what_was_forgotten(tmp_path: Path) -> None:
    place = shutil.copytree(FOLDERS[0].parent / IN_TURN, tmp_path / IN_TURN, ignore=shutil.ignore_patterns("runs"))
    with contextlib.chdir(place):
        run = danlu.run("recipe.yaml", say=lambda line: None, **{"model.train.epochs": 1})
    run = replace(run, stages=tuple(replace(ran, folder=place / ran.folder) for ran in run.stages))
    told = json.loads((run["model"] / "continual.json").read_text(encoding="utf-8"))
    assert list(told["remedies"]) == ["naive", "replay", "lwf", "joint"]
    for name, labels in (("reviews", {"good", "bad"}), ("questions", {"delivery", "payment", "returns"})):
        with danlu.load(run["model"] / "bundles" / name, "float32") as bundle:
            (prediction,) = bundle.predict(["茶很好喝，还会再买。"])
        assert prediction["scores"].keys() == labels
    assert (run["test"] / "scores.json").is_file()
