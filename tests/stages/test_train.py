"""The stages that make tokenizers and train, from prepared data to bundles that answer."""

import json
import os
import random
import re
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import started
import torch
from safetensors.torch import load_file

import danlu
from danlu.data.corpus.prepared import load as load_split
from danlu.evaluate.scoring.score import score
from danlu.refusal import Refusal
from danlu.stages.run import Run
from danlu.stages.stage import Place, Stage
from danlu.train.recorders.jsonl import read
from danlu.train.run import TrainingRun
from danlu.tuning.method import Method

SCRATCH = {"kind": "scratch", "layers": 1, "width": 32, "heads": 2, "positions": 48, "dropout": 0.1}
TRAIN = {"steps": 40, "rate": 1e-2, "batch_tokens": 256, "threads": 2, "precision": "float32", "evaluate": 10}
GOOD, BAD = "喜欢满意精彩推荐", "失望糟糕退货难看"


def write_reviews(path: Path, rows: int = 160) -> Path:
    """Every text has four characters that tell its label."""
    dice = random.Random(4)
    with path.open("w", encoding="utf-8") as file:
        file.write("text\tlabel\n")
        for _ in range(rows):
            label = dice.choice(["good", "bad"])
            letters = dice.choices("这家店的东西我昨天收到看了一下觉得真是", k=dice.randint(4, 10))
            letters += dice.choices(GOOD if label == "good" else BAD, k=4)
            dice.shuffle(letters)
            file.write(f"{''.join(letters)}\t{label}\n")
    return path


def train_section(**fields: Any) -> dict[str, Any]:
    section = {"kind": "train", "data": "@clean", "tokenizer": "@vocab", "model": SCRATCH, "task": {"kind": "classify"}}
    return section | {"train": TRAIN} | fields


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Everything once: data, tokenizer, pretraining, and fine-tuning in three ways."""
    root = tmp_path_factory.mktemp("whole")
    data = {"kind": "tsv", "path": str(write_reviews(root / "reviews.tsv"))}
    finetune = {
        name: train_section(tokenizer=None, model={"kind": "pretrained", "path": path}, tuning={"kind": name})
        for name, path in (("full", "@pretrain"), ("head", "@full"), ("lora", "@full"))
    }
    stages = {
        "clean": {"kind": "prepare", "data": data, "dedup": "exact", "split": {"validation": 0.2, "test": 0.2}},
        "vocab": {"kind": "tokenizer", "data": "@clean", "tokenizer": {"kind": "wordpiece", "size": 80}},
        "pretrain": train_section(task={"kind": "masked_lm"}),
    }
    return danlu.run({"name": "reviews", "stages": stages | finetune}, root=root, say=lambda line: None)


def run_stage(whole: Run, folder: Path, fingerprint: str = "one", **fields: Any) -> list[str]:
    """One train stage beside the prepared data of the whole run."""
    said: list[str] = []
    inputs = {name: whole[name] for name in ("clean", "vocab", "pretrain")}
    stage = Stage.model_validate(train_section(**fields))
    stage.run(Place(folder / "stage", inputs, fingerprint, 0, "en", said.append))
    return said


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "bundle" / "model.safetensors")


@pytest.mark.parametrize("name", ["full", "head", "lora"])
def test_a_recipe_goes_from_text_to_a_bundle_that_answers(whole: Run, name: str) -> None:
    bundle = danlu.load(whole[name])
    test = load_split(whole["clean"], "test")
    answers = bundle.predict(test)
    right = sum(answer["label"] == record["label"] for answer, record in zip(answers, test, strict=True))
    assert right / len(test) > 0.9
    assert bundle.predict(["满意 满意 推荐"])[0]["scores"].keys() == {"good", "bad"}


def test_logs_hold_every_number_that_is_promised(whole: Run) -> None:
    steps, validations = (
        [line for line in read(whole["full"] / "log.jsonl") if ("validation" in line) is kind] for kind in (False, True)
    )
    keys = {"step", "epoch", "loss", "rate", "gradient_norm", "tokens_per_second", "seconds"}
    keys |= {"share_of_limit", "limit", "limit_in_the_middle", "attention", "padding", "data_wait", "optimizer"}
    assert all(line.keys() == keys for line in steps)
    assert [line["step"] for line in steps] == list(range(2, 41, 2))  # some twenty lines of a short training
    assert [line["step"] for line in validations] == [10, 20, 30, 40]
    assert steps[-1]["loss"] < 0.7 * steps[0]["loss"]
    assert all(line["share_of_limit"] > 0 and line["tokens_per_second"] > 0 for line in steps)
    assert read(whole["pretrain"] / "log.jsonl")[-1]["validation"]["perplexity"] < 45


def test_what_was_frozen_is_bit_by_bit_what_it_was(whole: Run) -> None:
    before, full, head = (weights(whole[name]) for name in ("pretrain", "full", "head"))
    trunk = [name for name in before if name.startswith("bert.")]
    assert len(trunk) > 15
    assert all(torch.equal(head[name], full[name]) for name in trunk)
    assert not any(torch.equal(full[name], before[name]) for name in trunk if "weight" in name)
    assert not any(torch.equal(head[name], full[name]) for name in ("classifier.weight", "bert.pooler.dense.weight"))


def test_pretrained_weights_arrive_and_a_tokenizer_comes_with_them(whole: Run) -> None:
    vocabularies = [danlu.load(whole[name]).tokenizer.get_vocab() for name in ("pretrain", "full")]
    assert vocabularies[0] == vocabularies[1]
    assert (whole["vocab"] / "tokenizer" / "tokenizer.json").is_file()


def test_nothing_of_the_work_is_left_beside_the_results(whole: Run) -> None:
    for name in ("pretrain", "full", "head", "lora"):
        adapter = {"adapter"} if name in ("head", "lora") else set()
        always = {"log.jsonl", "size.json", "bundle", "recipe.lock.yaml"}
        assert {path.name for path in whole[name].iterdir()} == always | adapter


def test_how_large_each_model_is_and_what_a_token_costs_is_kept(whole: Run) -> None:
    told = {name: json.loads((whole[name] / "size.json").read_text()) for name in ("pretrain", "full", "head", "lora")}
    assert all(0 < size["embeddings"] < size["parameters"] and size["row_width"] >= 4 for size in told.values())
    ratio = {name: size["training_flops_a_token"] / size["forward_flops_a_token"] for name, size in told.items()}
    assert ratio["head"] < 1.1
    assert 2 < ratio["lora"] < 2.99 < ratio["full"] < 3.01


@pytest.mark.parametrize("name", ["head", "lora"])
def test_the_adapter_beside_a_bundle_gives_its_answers_on_the_base(whole: Run, name: str) -> None:
    base, bundle = (danlu.load(whole[folder], precision="float32") for folder in ("full", name))
    assert sum(path.stat().st_size for path in (whole[name] / "adapter").iterdir()) < 60_000
    tuned = Method.model_validate(name).load(base.model, whole[name] / "adapter").eval()
    inputs = bundle.tokenizer(["喜欢满意", "失望"], padding=True, return_tensors="pt")
    with torch.inference_mode():
        ours, theirs = tuned(**inputs).logits, bundle.model(**inputs).logits
    assert torch.equal(ours, theirs) if name == "head" else torch.allclose(ours, theirs, atol=1e-5)


def test_the_bundle_holds_the_best_weights_and_not_the_last(whole: Run, tmp_path: Path) -> None:
    """The rate is so high that validations jump about; its best one is measured again through the bundle."""
    settings = TRAIN | {"steps": 24, "rate": 0.05, "evaluate": 2, "schedule": "constant", "average": 0.5}
    run_stage(whole, tmp_path, train=settings)
    lines = [line for line in read(tmp_path / "stage" / "log.jsonl") if "validation" in line]
    found = {line["step"]: line["validation"]["macro_f1"] for line in lines}
    assert len(found) == 12
    bundle = danlu.load(tmp_path / "stage")
    provenance = bundle.facts["provenance"]
    assert provenance["validation"] == max(found.values())
    assert provenance["best_step"] == min(step for step, value in found.items() if value == max(found.values()))
    records = load_split(whole["clean"], "validation")
    again = score(bundle.task, records, bundle.predict(records), resamples=2).metrics["macro_f1"].interval.value
    assert again == pytest.approx(max(found.values()), abs=1e-9)


def test_texts_that_are_cut_are_counted_before_the_first_step(whole: Run, tmp_path: Path) -> None:
    task = {"kind": "classify", "max_length": 8, "too_long": "truncate"}
    said = run_stage(whole, tmp_path, task=task, train=TRAIN | {"steps": 1})
    assert re.search(
        r"^stage: \d+ of \d+ texts are too long and lose [\d,]+ tokens; raise the task's 'max_length'", said[0]
    )
    longest = run_stage(whole, tmp_path / "whole", train=TRAIN | {"steps": 1})
    assert not any("too long" in line for line in longest)


def test_training_stops_when_patience_runs_out(whole: Run, tmp_path: Path) -> None:
    run_stage(whole, tmp_path, train=TRAIN | {"rate": 1e-12, "patience": 2, "steps": 1000, "evaluate": 3})
    lines = [line for line in read(tmp_path / "stage" / "log.jsonl") if "validation" in line]
    assert [line["step"] for line in lines] == [3, 6, 9]
    assert danlu.load(tmp_path / "stage").facts["provenance"]["best_step"] == 3


def test_a_model_that_is_trained_on_with_its_labels_turned_round_knows_what_it_knew(whole: Run, tmp_path: Path) -> None:
    model = {"kind": "pretrained", "path": str(whole["full"] / "bundle")}
    task = {"kind": "classify", "labels": ["good", "bad"]}
    said = run_stage(whole, tmp_path, tokenizer=None, model=model, task=task, train=TRAIN | {"rate": 1e-9, "steps": 2})
    assert sum("trained for the labels 'bad', 'good'; each row goes on under its name" in line for line in said) == 1
    test = load_split(whole["clean"], "test")
    before, after = (danlu.load(folder).predict(test) for folder in (whole["full"], tmp_path / "stage"))
    assert [answer["label"] for answer in after] == [answer["label"] for answer in before]


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_every_precision_learns(whole: Run, tmp_path: Path, precision: str) -> None:
    train = TRAIN | {"precision": precision, "threads": 1, "evaluate": 40}
    said = run_stage(whole, tmp_path, model={"kind": "pretrained", "path": "@pretrain"}, train=train)
    assert any(precision in line for line in said)
    losses = [line["loss"] for line in read(tmp_path / "stage" / "log.jsonl") if "loss" in line]
    assert losses[-1] < 0.8 * losses[0]
    assert all(value.dtype == torch.float32 for value in weights(tmp_path / "stage").values())


def test_a_call_after_the_last_checkpoint_only_writes_the_bundle_again(whole: Run, tmp_path: Path) -> None:
    settings = TRAIN | {"checkpoint_seconds": 1e-6, "steps": 12, "recorders": [{"kind": "tensorboard"}]}
    run_stage(whole, tmp_path, train=settings)
    first, log = weights(tmp_path / "stage"), read(tmp_path / "stage" / "log.jsonl")
    shutil.rmtree(tmp_path / "stage" / "bundle")
    for left in ("features-killed", ".bundle.killed.partial"):
        (tmp_path / "stage" / left).mkdir()
    said = run_stage(whole, tmp_path, train=settings)
    assert "from step 12" in said[0]
    assert all(torch.equal(value, first[name]) for name, value in weights(tmp_path / "stage").items())
    assert read(tmp_path / "stage" / "log.jsonl") == log
    left = {path.name for path in (tmp_path / "stage").iterdir()}
    assert left == {"log.jsonl", "size.json", "bundle", "checkpoints", "tensorboard"}

    checkpoint = tmp_path / "stage" / "checkpoints" / "step-00000012"
    with pytest.raises(Refusal, match="step-00000012: this checkpoint belongs to a run with another recipe"):
        run_stage(whole, tmp_path, fingerprint="another", train=settings)
    assert checkpoint.is_dir()
    state = json.loads((checkpoint / "state.json").read_text())
    (checkpoint / "state.json").write_text(json.dumps(state | {"threads": 99}))
    with pytest.raises(Refusal, match="was made with 99 threads in 2 replicas and this machine has"):
        run_stage(whole, tmp_path, train=settings)


STOPPED = TRAIN | {"steps": 12, "evaluate": 6, "average": 0.5}


@pytest.fixture(scope="module")
def unbroken(whole: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    run_stage(whole, folder := tmp_path_factory.mktemp("unbroken"), train=STOPPED)
    return weights(folder / "stage")


@pytest.mark.parametrize("at", [3, 6])
def test_ctrl_c_before_the_first_checkpoint_keeps_the_steps_that_were_done(
    whole: Run, unbroken: dict[str, torch.Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """At step 6 the model is being validated; what goes on ends with the bits of the unbroken training."""
    stage, rate = Stage.model_validate(train_section(train=STOPPED)), TrainingRun._rate
    folder = tmp_path / "stage"
    assert stage.standing(folder) is None

    def interrupted(self: TrainingRun, step: int) -> float:
        if step == at - 1:
            os.kill(os.getpid(), signal.SIGINT)
        return rate(self, step)

    monkeypatch.setattr(TrainingRun, "_rate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_stage(whole, tmp_path, train=STOPPED)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert stage.standing(folder) == f"step {at}"
    monkeypatch.undo()
    assert f"from step {at}" in run_stage(whole, tmp_path, train=STOPPED)[0]
    assert all(torch.equal(value, unbroken[name]) for name, value in weights(folder).items())


def test_a_second_ctrl_c_stops_at_once(whole: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: TrainingRun, step: int) -> float:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("it has gone on")

    monkeypatch.setattr(TrainingRun, "_rate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_stage(whole, tmp_path)
    assert Stage.model_validate(train_section()).standing(tmp_path / "stage") is None


def test_a_loss_that_is_no_number_is_one_sentence_and_no_bundle(whole: Run, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"step \d+: the loss is .* lower train\.rate, raise train\.warmup") as told:
        run_stage(whole, tmp_path, train=TRAIN | {"rate": 1e9, "clip": 0, "warmup": 0, "weight_decay": 1.0})
    assert "\n" not in str(told.value)
    assert not (tmp_path / "stage" / "bundle").exists()


@pytest.mark.parametrize(
    ("text", "label", "sentence"),
    [
        ("东西收到了", "soso", "validation data, record 2: the label 'soso' is not among those of the training data"),
        ("东西" * 40, "good", "validation data, record 2"),
    ],
)
def test_what_cannot_be_validated_is_told_before_the_first_step(
    whole: Run, tmp_path: Path, text: str, label: str, sentence: str
) -> None:
    (tmp_path / "valid.tsv").write_text(f"text\tlabel\n我喜欢\tgood\n{text}\t{label}\n", encoding="utf-8")
    with pytest.raises(Refusal, match=sentence):
        run_stage(whole, tmp_path, validation={"kind": "tsv", "path": str(tmp_path / "valid.tsv")})
    assert not (tmp_path / "stage").exists()


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"tokenizer": None}, "a model from scratch needs a tokenizer; write 'tokenizer: \"@NAME\"'"),
        ({"tokenizer": {"kind": "wordpiece"}}, "a tokenizer of kind 'wordpiece' is learnt from text; add a stage"),
        ({"data": "@clean:test", "train": TRAIN | {"patience": 1}}, "train.patience waits for better validations"),
        ({"task": {"kind": "tag"}}, "record 1: there is no column 'entities'"),
        ({"task": {"kind": "classify", "labels": ["good", "so-so"]}}, "the label 'bad' is not among"),
    ],
)
def test_sections_that_do_not_fit_are_one_sentence(
    whole: Run, tmp_path: Path, fields: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(Refusal, match=sentence):
        run_stage(whole, tmp_path, **fields)


def test_a_training_killed_at_random_instants_ends_with_the_same_bits() -> None:
    script = Path(__file__).parents[2] / "benchmarks" / "resume.py"
    command = [sys.executable, str(script), "--kills", "1", "--steps", "10", "--forked"]
    done = started.run(command, capture_output=True, text=True, check=False, timeout=1500)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 of 1 kills hit; the killed training ends with the same bits" in done.stdout
