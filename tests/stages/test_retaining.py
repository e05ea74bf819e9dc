"""What a training retains: measured before and after, bounded by `max_forgetting`, and learnt once more."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import danlu
from danlu.data.corpus.prepared import load
from danlu.evaluate.reporting.report import write_report
from danlu.evaluate.scoring.score import values
from danlu.refusal import Refusal
from danlu.stages.memory import Kept
from danlu.stages.run import Run
from danlu.task.task import Task
from danlu.train.run import TrainingRun
from danlu.trials.objective import best_validation

SIZES = {"layers": 1, "width": 32, "heads": 2, "positions": 64, "dropout": 0.0}
TRAIN = {"steps": 24, "rate": 1e-3, "batch_examples": 8, "evaluate": 6, "precision": "float32", "threads": 1}
RETAIN = {"general": {"data": "@general"}}


class Killed(BaseException):
    """What nobody catches, as nobody does a signal that cannot be caught."""


def lines(letters: str, count: int) -> list[str]:
    rng = np.random.default_rng(0)
    return [" ".join(rng.choice(list(letters), 12)) for _ in range(count)]


def prepared(folder: Path, name: str, records: list[dict[str, Any]]) -> dict[str, Any]:
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    split = {"validation": 0.25, "test": 0.0}
    chat = "messages" in records[0]
    data = {"kind": "chat" if chat else "jsonl", "path": str(path)}
    return {"kind": "prepare", "data": data, "dedup": "none", "split": split} | ({"text": "messages"} if chat else {})


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A model that knows texts of some letters, and stages of other texts."""
    folder = tmp_path_factory.mktemp("retain")
    talks = [
        {"messages": [{"role": "user", "content": text[:5]}, {"role": "assistant", "content": text}]}
        for text in lines("stuvwxyz", 32)
    ]
    stages = {
        "general": prepared(folder, "general", [{"text": text} for text in lines("abcdefg", 64)]),
        "book": prepared(folder, "book", [{"text": text} for text in lines("stuvwxyz", 64)]),
        "talks": prepared(folder, "talks", talks),
        "vocab": {"kind": "tokenizer", "data": ["@general", "@book"], "tokenizer": {"kind": "bpe", "size": 280}},
        "base": {
            "kind": "train",
            "data": "@general",
            "tokenizer": "@vocab",
            "model": {"kind": "scratch", "architecture": "llama", **SIZES},
            "task": "causal_lm",
            "train": TRAIN | {"steps": 30, "rate": 1e-2},
        },
    }
    danlu.run({"name": "kept", "stages": stages}, root=folder / "runs", say=lambda _line: None)
    return folder, stages


def tuned(
    begun: tuple[Path, dict[str, Any]], root: Path | None = None, said: list[str] | None = None, **fields: Any
) -> Run:
    folder, stages = begun
    fit = {
        "kind": "train",
        "data": "@book",
        "model": {"kind": "pretrained", "path": "@base"},
        "task": "causal_lm",
        "train": TRAIN,
        "retain": RETAIN,
    }
    recipe = {"name": "kept", "stages": stages | {"fit": fit | fields}}
    say = (lambda _line: None) if said is None else said.append
    return danlu.run(recipe, root=root or folder / "runs", say=say)


def left(run: Run) -> dict[str, float]:
    found: dict[str, float] = json.loads((run["fit"] / "retained.json").read_text())["general"]
    return found


def perplexity(bundle: Path, records: Path) -> float:
    opened, found = danlu.load(bundle), load(records, "validation")
    return values(opened.task, found, opened.predict(found))["perplexity"]


def test_what_is_told_of_before_and_after_is_what_the_bundles_say(begun: tuple[Path, dict[str, Any]]) -> None:
    said: list[str] = []
    run = tuned(begun, said=said)
    before, after = (perplexity(run[name] / "bundle", run["general"]) for name in ("base", "fit"))
    found = left(run)
    assert found["metric"] == "perplexity"
    assert found["before"] == pytest.approx(before, rel=1e-5)
    assert found["after"] == pytest.approx(after, rel=1e-5)
    assert found["forgetting"] == pytest.approx(after / before - 1, rel=1e-4)
    assert found["forgetting"] > 0.1
    assert any(line.startswith("retain.general: perplexity") for line in said)
    page = write_report(run.folder, "zh").read_text("utf-8")
    assert "遗忘" in page
    assert "general: 困惑度" in page


def test_a_training_ends_where_more_is_forgotten_and_leaves_what_was_best_before(
    begun: tuple[Path, dict[str, Any]],
) -> None:
    free = tuned(begun)
    log = [json.loads(line) for line in (free["fit"] / "log.jsonl").read_text().splitlines()]
    known = left(free)["before"]
    course = [line["validation"]["general/perplexity"] / known - 1 for line in log if "validation" in line]
    bound = (course[0] + course[1]) / 2
    said: list[str] = []
    run = tuned(begun, said=said, max_forgetting=bound)
    assert any("ended at step 12" in line and "those of step 6" in line for line in said), said
    told = [json.loads(line) for line in (run["fit"] / "log.jsonl").read_text().splitlines()]
    assert [line.get("lost", False) for line in told if "validation" in line] == [False, True]
    kept, lost = (line["validation"] for line in told if "validation" in line)
    assert lost["perplexity"] < kept["perplexity"]
    assert best_validation(run["fit"]) == kept
    assert left(run)["forgetting"] == pytest.approx(course[0])
    assert perplexity(run["fit"] / "bundle", run["general"]) / known - 1 == pytest.approx(course[0], rel=1e-3)


def test_where_no_weights_are_good_enough_nothing_is_left(begun: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"fit: at step 6, the first that was looked at, of 'general' .* is forgotten"):
        tuned(begun, root=tmp_path, max_forgetting=0.0)
    assert not list(tmp_path.glob("kept/fit/bundle"))


def test_a_share_of_what_was_known_is_learnt_once_more_and_less_is_forgotten(
    begun: tuple[Path, dict[str, Any]],
) -> None:
    said: list[str] = []
    apart = {"kind": "causal_lm", "pack": False}
    free = left(tuned(begun, task=apart))
    run = tuned(begun, said=said, task=apart, retain={"general": {"data": "@general", "share": 0.4}})
    assert left(run)["forgetting"] < free["forgetting"] / 2
    (told,) = [line for line in said if "learnt once more" in line]
    replayed = int(told.split(" rows of ")[1].split()[0].replace(",", ""))
    opened = danlu.load(run["fit"] / "bundle")
    rows = opened.task.encode(load(run["book"], "train"), opened.tokenizer, 64, labelled=True)
    assert replayed / (replayed + sum(map(len, rows))) == pytest.approx(0.4, abs=0.02)


def test_what_is_known_may_be_asked_by_another_task_of_the_same_network(begun: tuple[Path, dict[str, Any]]) -> None:
    retain = {"general": {"data": "@general", "task": "causal_lm", "share": 0.2}}
    train = TRAIN | {"steps": 2, "evaluate": 2}
    run = tuned(
        begun,
        data="@talks",
        task={"kind": "chat", "policy": {"kind": "greedy", "max_new_tokens": 4}},
        retain=retain,
        train=train,
    )
    assert left(run)["metric"] == "perplexity"
    assert left(run)["before"] == pytest.approx(perplexity(run["base"] / "bundle", run["general"]), rel=1e-5)


def test_a_killed_training_goes_on_with_what_was_known_before(
    begun: tuple[Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = TRAIN | {"steps": 8, "evaluate": 3, "checkpoint_seconds": 1e-6}
    fields = {"train": train, "retain": {"general": {"data": "@general", "share": 0.3}}}
    whole = tuned(begun, root=tmp_path / "whole", **fields)
    rate = TrainingRun._rate

    def killed(self: TrainingRun, step: int) -> float:
        if step == 5 and self.total == 8:
            raise Killed
        return rate(self, step)

    monkeypatch.setattr(TrainingRun, "_rate", killed)
    with pytest.raises(Killed):
        tuned(begun, root=tmp_path / "broken", **fields)
    monkeypatch.undo()
    broken = tuned(begun, root=tmp_path / "broken", **fields)
    assert left(broken) == left(whole)
    ours, theirs = (load_file(run["fit"] / "bundle" / "model.safetensors") for run in (broken, whole))
    assert all(torch.equal(ours[name], value) for name, value in theirs.items())


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"retain": {}, "max_forgetting": 0.1}, "'max_forgetting' has nothing to look at; name"),
        ({"data": "@book:train"}, "retain: is looked at with each validation, and there is no validation data"),
        (
            {"retain": {"a": {"data": "@general", "share": 0.5}, "b": {"data": "@general", "share": 0.5}}},
            "the shares under 'retain' come to 1, so nothing new would be learnt",
        ),
        (
            {"retain": {"general": {"data": "@general:validation", "share": 0.5}}},
            "retain.general.share: what is learnt once more must not be what is looked at",
        ),
        (
            {"retain": {"general": {"data": "@general", "task": "masked_lm"}}},
            "retain.general: 'masked_lm' is answered by another head, or with other labels, than 'causal_lm'",
        ),
    ],
)
def test_what_cannot_be_retained_is_told_in_a_sentence(
    begun: tuple[Path, dict[str, Any]], fields: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(Refusal, match=sentence.replace(".", r"\.")):
        tuned(begun, **fields)


SCRATCH = {"kind": "scratch", "layers": 1, "width": 16, "heads": 2, "positions": 32, "dropout": 0.0}


def of_two_sets(folder: Path, fields: list[dict[str, Any]], **fit: Any) -> Run:
    """A model that learns the first set of records and is to retain the second."""
    sets = {name: prepared(folder, name, records) for name, records in zip(("new", "old"), fields, strict=True)}
    vocab = {"kind": "tokenizer", "data": ["@new", "@old"], "tokenizer": {"kind": "char", "size": 40}}
    train = TRAIN | {"steps": 12, "rate": 2e-2, "evaluate": 4}
    kept = {"kind": "train", "data": "@new", "tokenizer": "@vocab", "model": SCRATCH, "train": train}
    stages = sets | {"vocab": vocab, "fit": kept | {"retain": {"general": {"data": "@old"}}} | fit}
    return danlu.run({"name": "two", "stages": stages}, root=folder / "runs", say=lambda _line: None)


def labelled(letters: str) -> list[dict[str, Any]]:
    return [{"text": letter * 2 + text[:3], "label": letter} for letter in letters for text in lines("xyz", 12)]


@pytest.mark.parametrize("task", [None, {"kind": "classify", "pooling": "mean"}])
def test_a_task_with_a_head_of_its_own_is_asked_with_what_it_has_learnt(tmp_path: Path, task: Any) -> None:
    own = {"kind": "classify", "pooling": "mean"}
    retain = {"general": {"data": "@old"} | ({} if task is None else {"task": task})}
    run = of_two_sets(tmp_path, [labelled("abc"), labelled("abc")[::-1]], task=own, retain=retain)
    opened, records = danlu.load(run["fit"] / "bundle"), load(run["old"], "validation")
    after = values(opened.task, records, opened.predict(records))["macro_f1"]
    assert after > 0.6
    assert left(run)["after"] == pytest.approx(after)
    assert left(run)["before"] < 0.4


def test_rows_of_another_loss_are_not_learnt_in_one_batch(tmp_path: Path) -> None:
    pairs = [{"text": text[:5], "text_pair": text[4:9]} for text in lines("abcdefg", 40)]
    scored = [pair | {"score": float(number % 3)} for number, pair in enumerate(pairs)]
    retain = {"general": {"data": "@old", "task": "embed", "share": 0.3}}
    with pytest.raises(Refusal, match=r"retain\.general\.share: rows of 'embed' cannot be learnt in one batch with"):
        of_two_sets(tmp_path, [pairs, scored], task="embed", retain=retain)


def test_of_a_perplexity_or_an_error_that_was_0_it_is_told_what_it_has_come_to() -> None:
    kept = Kept("a", Task.model_validate("causal_lm"), [], [])
    assert kept.forgetting(2.0, 3.0) == 0.5
    assert kept.forgetting(0.0, 3.0) == 3.0
