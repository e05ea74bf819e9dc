"""What a plan says, against sums by hand; and what it needs: no weights, no data, no accelerator."""

import json
from pathlib import Path
from typing import Any

import pytest

from danlu.apps.planning.foretell import Foretold
from danlu.apps.planning.planned import planned
from danlu.apps.planning.words import notes
from danlu.cli.main import main
from danlu.cli.plan import count_of
from danlu.machine.accelerators import GB, KNOWN, devices
from danlu.recipe.part import kinds
from danlu.refusal import Refusal
from danlu.stages.recipe import read
from danlu.stages.run import run
from danlu.task.task import Task

L, H, V, WIDTH = 2, 64, 500, 128
PARAMETERS = V * H + L * (4 * H * H + 3 * H * 192 + 2 * H) + H


def recipe(folder: Path, **sections: Any) -> dict[str, Any]:
    data = {"kind": "jsonl", "path": str(folder / "texts.jsonl")}
    sizes = {"layers": L, "width": H, "heads": 2, "positions": WIDTH, "dropout": 0}
    pretrain = {
        "kind": "train",
        "data": "@clean",
        "tokenizer": "@vocab",
        "model": {"kind": "scratch", "architecture": "llama", **sizes},
        "task": {"kind": "causal_lm"},
        "train": {"batch_tokens": 1024, "accumulate": 2, "epochs": 1},
    }
    stages = {
        "clean": {"kind": "prepare", "data": data, "dedup": "none", "split": {"validation": 0, "test": 0}},
        "vocab": {"kind": "tokenizer", "data": "@clean", "tokenizer": {"kind": "bpe", "size": V}},
        "pretrain": pretrain | sections,
    }
    return {"name": "large", "stages": stages}


def one(source: dict[str, Any], where: str, **how: Any) -> Foretold:
    (found,) = planned(read(source), Path("nowhere"), where=where, only="pretrain", **how)
    return found


def test_memory_time_and_cost_are_those_of_a_sum_by_hand(tmp_path: Path) -> None:
    found = one(recipe(tmp_path), "4xa100", tokens=1e9, hour_cost=2.0, share=0.5, overlap=0.25)
    assert found.size.parameters == PARAMETERS
    held = dict.fromkeys(("masters", "gradients", "copies"), 4 * PARAMETERS)
    held |= {"weights": 2 * PARAMETERS, "optimizer": 8 * PARAMETERS}
    assert {name: found.memory[name] for name in held} == held
    assert found.memory["passing"] >= 2 * PARAMETERS
    assert found.step_tokens == 1024 * 2, "a step is as large on four devices as on one"
    assert found.steps == round(1e9 / found.step_tokens)
    assert found.sent == 2 * 3 / 4 * 4 * PARAMETERS
    a_step = found.work.training * 2048 / 4 / (0.5 * 312e12) + 0.75 * found.sent / (300 * GB)
    assert found.step_seconds == pytest.approx(a_step)
    assert found.cost == pytest.approx(found.steps * a_step / 3600 * 4 * 2.0)
    assert found.fits
    assert not found.remedies


def test_between_machines_the_slower_link_counts(tmp_path: Path) -> None:
    near, far = (one(recipe(tmp_path), f"{count}xh100", tokens=1e9) for count in (8, 16))
    assert near.sending == pytest.approx(near.sent / (450 * GB))
    assert far.sending == pytest.approx(far.sent / (50 * GB))
    given = one(recipe(tmp_path), "16xh100", tokens=1e9, link=100)
    assert given.sending == pytest.approx(far.sending / 2)


def test_four_bits_are_proposed_with_the_memory_that_they_then_take(tmp_path: Path) -> None:
    small = {"train": {"batch_tokens": 1024, "epochs": 1}}
    where = "1xmine,memory=0.001,tflops=1"
    plain = one(recipe(tmp_path, tuning={"kind": "lora"}, **small), where, tokens=1e9)
    few = one(recipe(tmp_path, tuning={"kind": "lora", "weights": "nf4"}, **small), where, tokens=1e9)
    (proposed,) = [remedy for remedy in plain.remedies if remedy.keys == "tuning.weights=nf4"]
    assert proposed.memory == pytest.approx(few.held, rel=0.01)
    linear = L * (4 * H * H + 3 * H * 192)
    assert plain.memory["weights"] - few.memory["weights"] == pytest.approx(linear * (2 - 4.5 / 8))
    assert few.size.parameters == plain.size.parameters
    assert "tuning.weights=nf4" not in {remedy.keys for remedy in few.remedies}
    for other in ({"dora": True}, {"init": "pissa"}):  # which four bits would refuse
        found = one(recipe(tmp_path, tuning={"kind": "lora", **other}, **small), where, tokens=1e9)
        assert "tuning.weights=nf4" not in {remedy.keys for remedy in found.remedies}


def test_what_does_not_fit_is_told_with_keys_that_make_it_fit(tmp_path: Path) -> None:
    source = recipe(tmp_path, train={"batch_tokens": 2**15, "epochs": 1})
    found = one(source, "8xmine,memory=0.02,tflops=1", tokens=1e9)
    assert not found.fits
    tried = {remedy.keys: remedy for remedy in found.remedies}
    assert {"train.recompute=true", "train.parallel=fsdp", "tuning=lora"} <= tried.keys()
    assert all(remedy.memory < found.held for remedy in found.remedies)
    assert [remedy.fits for remedy in found.remedies] == [remedy.memory <= found.room for remedy in found.remedies]
    (smaller,) = [keys for keys in tried if "batch_tokens" in keys and "recompute" not in keys]
    named = dict(pair.split("=") for pair in smaller.split())
    assert int(named["train.batch_tokens"]) * int(named["train.accumulate"]) == 2**15
    changed = recipe(tmp_path, train={"epochs": 1, **{key[6:]: int(value) for key, value in named.items()}})
    again = one(changed, "8xmine,memory=0.02,tflops=1", tokens=1e9)
    assert again.held == pytest.approx(tried[smaller].memory, rel=0.05)
    assert again.step_tokens == found.step_tokens


@pytest.mark.parametrize("where", ["1xa100", "8xh100"])
@pytest.mark.parametrize(
    ("architecture", "task"),
    [
        ("llama", "causal_lm"),
        ("gru", "causal_lm"),
        ("xlnet", "permuted_lm"),
        ("bert", "masked_lm"),
        ("bart", "denoise"),
    ],
)
def test_a_large_vocabulary_is_planned_without_weights(
    tmp_path: Path, architecture: str, task: str, where: str
) -> None:
    positions = 32 if architecture == "gru" else 512  # its layers are counted token by token
    model = {"kind": "scratch", "architecture": architecture, "size": "mini", "positions": positions}
    source = recipe(tmp_path, model=model, task={"kind": task}, train={"batch_tokens": 8192, "steps": 10})
    source["stages"]["vocab"]["tokenizer"]["size"] = 150_000
    assert one(source, where, tokens=1e9).memory["passing"] > 0


@pytest.mark.parametrize("accumulate", [1, 4, 16])
def test_a_step_is_as_large_however_many_devices_share_it(tmp_path: Path, accumulate: int) -> None:
    source = recipe(tmp_path, train={"batch_tokens": 2048, "steps": 100, "accumulate": accumulate})
    alone, eight = (one(source, f"{count}xmine,memory=80,tflops=1", tokens=1e9) for count in (1, 8))
    assert (alone.steps, alone.step_tokens) == (eight.steps, eight.step_tokens) == (100, 2048 * accumulate)
    assert eight.computing == pytest.approx(alone.computing / 8)
    whole = eight.memory["activations"] / alone.memory["activations"]
    assert whole == pytest.approx({1: 1 / 8, 4: 1 / 2, 16: 1}[accumulate], rel=0.15)


def test_fsdp_keeps_gradients_whole_while_a_device_has_several_batches_of_a_step(tmp_path: Path) -> None:
    held = []
    for accumulate in (8, 16):
        train = {"batch_tokens": 2048, "steps": 100, "accumulate": accumulate, "parallel": "fsdp"}
        held.append(one(recipe(tmp_path, train=train), "8xmine,memory=80,tflops=1", tokens=1e9).memory["gradients"])
    assert held[0] == pytest.approx(4 * PARAMETERS / 8, rel=0.01)
    assert held[1] == pytest.approx(4 * PARAMETERS, rel=0.01)


@pytest.mark.parametrize("tuning", ["full", "lora"])
def test_fsdp_deals_out_every_parameter_in_float32_and_holds_no_other(tmp_path: Path, tuning: str) -> None:
    train = {"batch_tokens": 2048, "steps": 100, "precision": "bfloat16", "parallel": "fsdp"}
    found = one(recipe(tmp_path, train=train, tuning=tuning), "8xmine,memory=80,tflops=1", tokens=1e9)
    assert found.memory["weights"] == pytest.approx(4 * found.size.parameters / 8, rel=0.01)
    assert "masters" not in found.memory


def test_a_stage_is_planned_from_a_training_that_is_not_done_and_pretrained_ones_from_config_alone(
    tmp_path: Path,
) -> None:
    from transformers import BertConfig

    source = recipe(tmp_path)
    tuned = {"kind": "train", "data": "@clean", "model": {"kind": "pretrained", "path": "@pretrain"}}
    tuned |= {"task": {"kind": "causal_lm"}, "tuning": "lora", "train": {"steps": 5, "precision": "float32"}}
    source["stages"]["tuned"] = tuned
    first, second = planned(read(source), Path("nowhere"), where="v100", tokens=1e6)
    assert (first.terms.precision, second.terms.precision) == ("float16", "float32")
    assert second.size.parameters > first.size.parameters > 5 * second.size.trained > 0
    assert "masters" not in second.memory
    assert second.steps == 5

    BertConfig(vocab_size=300, hidden_size=48, num_hidden_layers=3, num_attention_heads=4).save_pretrained(tmp_path)
    kept = {"model": {"kind": "pretrained", "path": str(tmp_path)}, "task": {"kind": "masked_lm"}}
    found = one(recipe(tmp_path, **kept), "h100", tokens=1e6)
    assert found.size.embeddings == (V + 512 + 2) * 48, "the tokenizer has more tokens than config.json"


@pytest.mark.parametrize("kind", sorted(set(kinds(Task))))
def test_every_task_can_be_planned_without_its_data(tmp_path: Path, kind: str) -> None:
    refused = ""
    for architecture in ("bert", "llama", "t5", "electra", "xlnet"):
        model = {"kind": "scratch", "architecture": architecture, "size": "tiny", "positions": 64}
        task = {"kind": kind} | ({"template": TEMPLATE} if kind == "prompted" else {})
        roles = {"teacher": model} if kind == "distil_lm" else {}
        source = recipe(tmp_path, model=model, task=task, roles=roles, train={"steps": 3, "batch_tokens": 256})
        source["stages"]["vocab"]["tokenizer"] = {
            "kind": "bpe" if architecture in ("llama", "t5") else "wordpiece",
            "size": V,
        }
        try:
            found = one(source, "a100", tokens=1e6)
        except Refusal as error:
            refused = str(error)
            continue
        assert found.held > found.memory["weights"] > 0
        assert found.seconds
        return
    pytest.fail(refused)


TEMPLATE = {"text": "{text}: {label}", "verbalizer": {"good": "上", "bad": "下"}}


def test_this_machine_is_planned_from_its_data_by_a_few_steps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [json.dumps({"text": f"text {number} of the data, of no great length"}) for number in range(80)]
    (tmp_path / "texts.jsonl").write_text("\n".join(lines))
    source = recipe(tmp_path, train={"batch_tokens": 512, "epochs": 2, "precision": "float32"})
    (found,) = planned(read(source), tmp_path / "runs", only="pretrain")
    assert found.terms.measured
    assert found.seconds > 0
    assert found.terms.share > 0  # a busy machine may have been slow when its rate was measured
    assert not (tmp_path / "runs").exists()
    ran = run(read(source), tmp_path / "runs", say=lambda _: None)["pretrain"]
    log = [json.loads(line) for line in (ran / "log.jsonl").read_text().splitlines()]
    assert log[-1]["step"] == found.steps
    size = json.loads((ran / "size.json").read_text())
    assert (size["parameters"], size["embeddings"]) == (found.size.parameters, found.size.embeddings)

    (tmp_path / "large.json").write_text(json.dumps(source))
    for language, words in (("en", "memory of a device"), ("zh", "每个设备的内存")):
        monkeypatch.setenv("DANLU_LANGUAGE", language)
        with pytest.raises(SystemExit) as ended:
            main(["plan", str(tmp_path / "large.json"), "--devices", "2xl40s", "--root", str(tmp_path / "runs")])
        assert ended.value.code == 0
        assert words in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["plan", str(tmp_path / "large.json"), "--devices", "h200", "--tokens", "2B", "--json"])
    (told,) = json.loads(capsys.readouterr().out)
    assert told["fits"]
    assert told["steps"] == round(2 * 2e9 / told["step_tokens"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("64xh10", "did you mean 'h100'"),
        ("0xh100", "write how many of which sort"),
        ("mine,memory=48", "or give its fields"),
        ("mine,memory=48,tflops=0", "each with a number above 0"),
        ("h100,speed=3", "none of memory, tflops, link, network"),
        ("", "write how many of which sort"),
    ],
)
def test_devices_that_do_not_exist_are_refused(text: str, words: str) -> None:
    with pytest.raises(Refusal, match=words):
        devices(text)


def test_devices_are_read_by_name_and_by_fields() -> None:
    assert devices("64xH100") == (64, KNOWN["h100"])
    count, mine = devices("2*mine,memory=48,tflops=200,network=5")
    assert (count, mine.memory, mine.rate, mine.network) == (2, 48e9, 200e12, 5e9)
    assert devices("ascend-910b")[1].memory == 64e9
    assert devices("h100,memory=40")[1].rate == KNOWN["h100"].rate


@pytest.mark.parametrize(("text", "count"), [("300B", 3e11), ("1.5t", 1.5e12), ("2e9", 2e9), ("700K", 7e5), ("12", 12)])
def test_tokens_are_read_with_their_unit(text: str, count: float) -> None:
    assert count_of(text) == count
    for wrong in ("many", "B", "-3B", "nan", "inf"):
        with pytest.raises(Refusal, match="write a number of tokens"):
            count_of(wrong)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"only": "vocab"}, "is no stage that trains; there are: pretrain"),
        ({"where": "3xnothing"}, "'nothing' is not known"),
    ],
)
def test_what_cannot_be_planned_is_told(tmp_path: Path, how: dict[str, Any], words: str) -> None:
    with pytest.raises(Refusal, match=words):
        list(planned(read(recipe(tmp_path)), Path("nowhere"), tokens=1e6, **({"where": "h100"} | how)))


def test_a_size_that_the_data_would_choose_needs_the_data(tmp_path: Path) -> None:
    source = recipe(tmp_path, model={"kind": "scratch", "size": "auto", "minutes": 3})
    with pytest.raises(Refusal, match="size auto is chosen by the tokens of the data"):
        one(source, "h100", tokens=1e6)
    (tmp_path / "texts.jsonl").write_text(
        '{"text": "床前明月光，疑是地上霜。举头望明月，低头思故乡。"}\n' * 50, "utf-8"
    )
    found = one(source, "h100")
    assert [note for note in notes(found, str) if "by the speed of this machine" in note]
    assert not [note for note in notes(one(recipe(tmp_path), "h100"), str) if "by the speed of" in note]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("Tensor.item() cannot be called on meta tensors"), "task look at values while they compute"),
        (AttributeError("no logits"), r"task do not fit together \(AttributeError: no logits\)"),
    ],
)
def test_only_what_looks_at_values_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    def raising(*_: Any) -> Any:
        raise error

    monkeypatch.setattr("danlu.apps.planning.planned.foretell", raising)
    with pytest.raises(Refusal, match=words):
        one(recipe(tmp_path), "a100", tokens=1e9)
