"""Each step up to a training's first, by itself; and a run that is watched."""

import json
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import danlu
from danlu.data.corpus.prepared import save_split
from danlu.data.reading.format import Format
from danlu.engine.engines.torch import TorchNetwork
from danlu.model.source import Source
from danlu.refusal import Refusal
from danlu.stages.alike import SaidAlike
from danlu.stages.ready import (
    Learnt,
    Prepared,
    fitted,
    learnt_from,
    network,
    rows_of,
    source_at,
    tokenizer_for,
    validated_on,
)
from danlu.stages.recipe import read
from danlu.stages.run import plan
from danlu.stages.samples import Samples
from danlu.stages.sources import tokenizer_of
from danlu.stages.stage import Place, Stage
from danlu.stages.validating import encoded_as_asked, encoded_to_validate, told_of_cuts
from danlu.task.task import Task
from danlu.text.batching.batch import Batch
from danlu.train.events import Event, Stopped, Validated
from danlu.train.settings import Training
from danlu.tuning.method import Method

RECORDS = [{"text": "好看 精彩" * (row % 3 + 1), "label": "good" if row % 2 else "bad"} for row in range(12)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    root = tmp_path_factory.mktemp("ready")
    (root / "clean").mkdir()
    for split, rows in (("train", RECORDS[:8]), ("validation", RECORDS[8:])):
        save_split(root / "clean", split, rows)
    said: list[str] = []
    place = Place(root / "model", {"clean": root / "clean", "vocab": root / "vocab"}, "one", 0, "en", said.append)
    section = {"kind": "tokenizer", "data": "@clean", "tokenizer": {"kind": "wordpiece", "size": 40}}
    Stage.model_validate(section).run(Place(root / "vocab", place.inputs, "one", 0, "en", said.append))
    source = Source.model_validate({"kind": "scratch", "layers": 1, "width": 16, "heads": 2, "positions": 16})
    return SimpleNamespace(root=root, place=place, source=source, task=Task.model_validate("classify"), said=said)


def prepared(made: SimpleNamespace, task: Any = "classify") -> tuple[Learnt, Prepared]:
    asked = Task.model_validate(task)
    learnt = learnt_from("@clean", asked, made.place)
    tokenizer = tokenizer_for(made.source, "@vocab", made.place)
    return learnt, Prepared(made.source, Method.model_validate("full"), tokenizer, fitted(asked, learnt), [], 0)


def test_records_are_those_of_the_training_split(made: SimpleNamespace) -> None:
    learnt = learnt_from("@clean", made.task, made.place)
    assert (learnt.records, learnt.count, learnt.shards) == (RECORDS[:8], 8, None)


def test_validation_is_a_split_or_what_is_named_and_no_more_than_is_asked_for(made: SimpleNamespace) -> None:
    assert validated_on("@clean", None, made.task, 100, made.place) == RECORDS[8:]
    assert validated_on("@clean:train", None, made.task, 100, made.place) == []
    assert validated_on("@clean", "@clean:train", made.task, 100, made.place) == RECORDS[:8]
    some = validated_on("@clean", None, made.task, 2, made.place)
    assert len(some) == 2
    assert [record for record in RECORDS[8:] if record in some][:2] == some
    assert validated_on("@clean", None, made.task, 2, made.place) == some


def test_of_several_sets_those_with_a_split_are_validated_on_and_that_is_told(made: SimpleNamespace) -> None:
    more = Format.model_validate({"kind": "jsonl", "path": "more.jsonl"})
    assert validated_on(["@clean", "@clean"], None, made.task, 100, made.place) == RECORDS[8:] * 2
    assert not [line for line in made.said if "data sets have a split" in line]
    assert validated_on([more, "@clean"], None, made.task, 100, made.place) == RECORDS[8:]
    assert "validation: 1 of the 2 data sets have a split for it, and the others none" in made.said
    assert validated_on([more, "@clean:train"], None, made.task, 100, made.place) == []


def test_what_is_ranked_is_read_as_it_is_asked(made: SimpleNamespace) -> None:
    record = {"text": "好看", "positives": ["好"], "negatives": ["看"], "candidates": ["彩", "好"]}
    _, others = prepared(made)
    ranks = Task.model_validate({"kind": "rank", "lists": True})
    asked = Prepared(others.source, others.tuning, others.tokenizer, ranks, [], 0)
    row = encoded_as_asked([record], asked, 16)
    assert others.tokenizer.convert_tokens_to_ids("彩") in {token for each in row for token in each.rows[1].input_ids}
    assert encoded_as_asked(RECORDS, others, 16) == []


def test_pairs_of_parts_are_read_as_they_are_asked_for_their_passages_are_others(made: SimpleNamespace) -> None:
    _, others = prepared(made)
    documents = [{"text": f"{'好' * number}。{'看' * number}。"} for number in range(1, 9)]
    task = Task.model_validate({"kind": "next_sentence", "others": ["彩。彩彩。"]})
    asked = Prepared(others.source, others.tuning, others.tokenizer, task, [], 0)
    passage = others.tokenizer.convert_tokens_to_ids("彩")
    learnt = task.encode(documents, others.tokenizer, 32, labelled=True)
    assert all(passage not in row.row.input_ids for row in learnt)
    assert any(passage in row.row.input_ids for row in encoded_as_asked(documents, asked, 32))


def test_of_what_is_written_fewer_are_validated_and_that_is_told(made: SimpleNamespace) -> None:
    writes = SimpleNamespace(answers_by="generate", columns={"text": "text"})
    assert validated_on("@clean", None, writes, 3, made.place) == validated_on("@clean", None, made.task, 3, made.place)
    assert [line for line in made.said if "answers to 3 of 4 records are written each time" in line]
    assert (Training().validated(written=True), Training().validated(written=False)) == (200, 2000)
    assert Training(validation_records=7).validated(written=True) == 7


def test_rows_that_are_cut_shorter_than_the_task_says_are_told(made: SimpleNamespace) -> None:
    task = Task.model_validate({"kind": "masked_lm", "max_length": 64})
    settings = Training.model_validate({"steps": 1, "batch_tokens": 32})
    told = told_of_cuts(task, settings, 128)
    assert told is not None
    assert told.startswith("texts longer than 32 tokens")
    assert "'max_length' 64" in told
    assert told_of_cuts(task, settings, 32) is None
    assert told_of_cuts(task.model_copy(update={"too_long": "truncate"}), settings, 128) is None
    assert told_of_cuts(task, Training.model_validate({"steps": 1, "batch_tokens": 64}), 128) is None
    assert told_of_cuts(task, Training.model_validate({"steps": 1, "batch_examples": 4}), 128) is None


def test_a_source_finds_the_bundle_of_its_stage(made: SimpleNamespace) -> None:
    pretrained = Source.model_validate({"kind": "pretrained", "path": "@vocab"})
    assert source_at(pretrained, made.place).tokenizer_path() == str(made.root / "vocab" / "bundle")
    assert source_at(made.source, made.place) == made.source


def test_a_tokenizer_is_the_one_that_is_asked_for_or_there_is_none(made: SimpleNamespace) -> None:
    asked = tokenizer_for(made.source, "@vocab", made.place)
    assert asked.get_vocab() == tokenizer_of("@vocab", None, made.place).get_vocab()
    with pytest.raises(Refusal, match="a model from scratch needs a tokenizer"):
        tokenizer_for(made.source, None, made.place)


def test_a_task_takes_its_labels_from_what_is_learnt(made: SimpleNamespace) -> None:
    learnt, _ = prepared(made)
    assert fitted(made.task, learnt).to_plain()["labels"] == ["bad", "good"]


def test_a_network_is_built_twice_alike_and_leaves_chance_alone(made: SimpleNamespace) -> None:
    _, first = prepared(made)
    state = torch.get_rng_state()
    models = [network(first, "float32", made.said.append)[0] for _ in range(2)]
    assert torch.equal(torch.get_rng_state(), state)
    one, other = (dict(model.named_parameters()) for model in models)
    assert one.keys() == other.keys()
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_the_seed_of_a_recipe_decides_the_first_weights_unless_the_model_has_one(made: SimpleNamespace) -> None:
    _, first = prepared(made)

    def embeddings(seed: int, own: int | None) -> torch.Tensor:
        source = first.source.model_copy(update={"seed": own})
        return replace(first, seed=seed, source=source).base_model().get_input_embeddings().weight

    assert not torch.equal(embeddings(0, None), embeddings(1, None))
    assert torch.equal(embeddings(1, None), embeddings(0, 1))
    assert torch.equal(embeddings(0, 3), embeddings(1, 3))


def test_rows_are_those_of_all_records_or_nothing_can_be_learnt(made: SimpleNamespace) -> None:
    learnt, known = prepared(made)
    model, known = network(known, "float32", made.said.append)
    assert len(rows_of(learnt, known, model, Training())) == 8
    with pytest.raises(Refusal, match="the data gives nothing to train on"):
        rows_of(Learnt([], 0, None), known, model, Training())


def test_what_cannot_be_validated_is_told(made: SimpleNamespace) -> None:
    _, known = prepared(made)
    assert len(encoded_to_validate(RECORDS[8:], known, 16)) == len(RECORDS[8:])
    with pytest.raises(Refusal, match="validation data, record 1: the label 'so-so' is not among"):
        encoded_to_validate([{"text": "好", "label": "so-so"}], known, 16)


def test_what_is_validated_is_cut_where_what_is_learnt_is(
    made: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a model that takes longer rows than a batch has room for."""
    model = made.source.model_copy(update={"architecture": "gpt2", "positions": 256}).to_plain()
    texts = [{"text": "好看 精彩 " * 40}] * 2
    data = {"kind": "jsonl", "path": str(tmp_path / "long.jsonl")}
    (tmp_path / "long.jsonl").write_text("\n".join(map(json.dumps, texts)))
    section: dict[str, Any] = {"kind": "train", "data": "@clean", "validation": data, "tokenizer": "@vocab"}
    section |= {"model": model, "task": "causal_lm", "train": {"batch_tokens": 32, "precision": "float32"}}
    stage: Any = Stage.model_validate(section)
    place, seen = replace(made.place, folder=tmp_path / "model"), list[int]()
    ready = stage.ready(place)
    forward = TorchNetwork.forward

    def spied(network: TorchNetwork, task: Task, batch: Batch) -> Any:
        seen.append(batch.inputs["input_ids"].shape[1])
        return forward(network, task, batch)

    monkeypatch.setattr(TorchNetwork, "forward", spied)
    with ExitStack() as stack:
        samples = Samples(tmp_path, writes=False)
        found = stage._validation(stack, ready, 0, place, samples, SaidAlike()).measure()
    assert 16 < max(seen) <= 32
    assert found["perplexity"] > 1
    assert ready.prepared.task.max_length is None, "what is served reads as much as the model allows"


def test_a_training_is_ready_with_all_of_it_and_restored_where_it_stood(made: SimpleNamespace) -> None:
    section: dict[str, Any] = {"kind": "train", "data": "@clean", "tokenizer": "@vocab"}
    section |= {"model": made.source.to_plain(), "task": "classify", "train": {"steps": 3, "precision": "float32"}}
    stage: Any = Stage.model_validate(section)
    ready = stage.ready(made.place)
    assert (ready.learnt.count, len(ready.validation), len(ready.encoded), ready.limit) == (8, 4, 8, 16)
    assert all(parameter.grad is None for parameter in ready.model.parameters())  # nothing of the trial stays
    run = stage.restored(ready, made.place)
    run.stop("checkpoint")
    steps = list(run.events())
    assert json.loads((made.root / "model" / "checkpoints" / "step-00000001" / "state.json").read_text())["step"] == 1
    assert len(steps) == 3
    again = stage.restored(stage.ready(made.place), made.place)
    assert (again.state.step, again.total) == (1, 3)


@pytest.mark.parametrize("leave", ["checkpoint", "best"])
def test_a_watched_run_stops_where_it_is_told_and_is_done_when_it_is_run_again(
    made: SimpleNamespace, tmp_path: Path, leave: Any
) -> None:
    words = ["好看", "精彩", "难看", "无聊", "一般", "还行"]
    rows = [
        {"text": f"{words[row % 6]} {words[row // 6]}", "label": "good" if row % 6 < 2 else "bad"} for row in range(36)
    ]
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, rows)))
    tuned: dict[str, Any] = {"kind": "train", "data": "@clean", "tokenizer": "@vocab", "model": made.source.to_plain()}
    tuned |= {"task": "classify", "train": {"steps": 6, "evaluate": 2, "precision": "float32", "rate": 1e-2}}
    data = {"kind": "jsonl", "path": str(tmp_path / "data.jsonl")}
    stages = {
        "clean": {
            "kind": "prepare",
            "data": data,
            "dedup": "none",
            "conflicts": "keep",
            "split": {"validation": 0.3, "test": 0.0},
        },
        "vocab": {"kind": "tokenizer", "data": "@clean", "tokenizer": {"kind": "wordpiece", "size": 40}},
        "tuned": tuned,
    }
    recipe = {"name": "watched", "stages": stages}
    seen: list[tuple[str, int]] = []

    def watch(stage: str, event: Event) -> Any:
        if not isinstance(event, Validated):
            return None
        seen.append((stage, event.line["step"]))
        return leave

    silent: dict[str, Any] = {"root": tmp_path, "say": lambda line: None, "beside": True}
    with pytest.raises(Stopped, match="stopped at step 2"):
        danlu.run(recipe, watch=watch, **silent)
    assert seen == [("tuned", 2)]
    planned = list(plan(read(recipe), tmp_path))[-1]
    assert (planned.outlook, planned.done) == ("resume", None)
    assert planned.lies is not None
    assert (planned.lies / "bundle").exists() is (leave == "best")
    done = danlu.run(recipe, **silent)["tuned"]
    assert done == planned.lies
    assert done.name.startswith("tuned.")
    assert danlu.load(done).facts["provenance"]["stage"] == "tuned"
    unbroken = danlu.run(recipe, root=tmp_path / "unbroken", say=lambda line: None)["tuned"]
    one, other = ((folder / "bundle" / "model.safetensors").read_bytes() for folder in (done, unbroken))
    assert one == other
