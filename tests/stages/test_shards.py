"""Shards as a stage, and trainings from them: the same bits as from the records themselves."""

import json
import math
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import danlu
from danlu.data.corpus.prepared import load, load_cleaners, save_split
from danlu.refusal import Refusal
from danlu.stages.kinds.shards import _Streamed
from danlu.stages.run import Run
from danlu.stages.sources import stream_of
from danlu.stages.stage import Place, Stage
from danlu.task.task import Task

BERT = {"kind": "scratch", "layers": 1, "width": 32, "heads": 2, "positions": 48, "dropout": 0.1}
GPT = BERT | {"architecture": "gpt2"}
T5 = {"architecture": "t5", "positions": 24}
MARKED = {"kind": "extended", "base": {"kind": "char"}, "sentinels": 20}
MEND = {"kind": "denoise", "corruption": {"kind": "t5", "density": 0.3}}
TRAIN = {"steps": 12, "rate": 1e-2, "batch_tokens": 256, "precision": "float32", "evaluate": 6}


def write_reviews(path: Path) -> Path:
    dice = random.Random(4)
    rows = ["text\tlabel"]
    for _ in range(120):
        label = dice.choice(["good", "bad"])
        letters = dice.choices("这家店的东西我昨天收到看了一下觉得真是", k=dice.randint(4, 30))
        rows.append("".join([*letters, *("喜欢满意" if label == "good" else "失望退货")]) + f"\t{label}")
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def section(data: str, **fields: Any) -> dict[str, Any]:
    return {"kind": "train", "data": data, "tokenizer": "@vocab", "model": BERT, "train": TRAIN} | fields


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("shards")
    data = {"kind": "tsv", "path": str(write_reviews(root / "reviews.tsv"))}
    classify = {"kind": "classify"}
    stages = {
        "clean": {"kind": "prepare", "data": data, "dedup": "exact", "split": {"validation": 0.2, "test": 0.2}},
        "vocab": {"kind": "tokenizer", "data": "@clean", "tokenizer": {"kind": "char"}},
        "marked": {"kind": "tokenizer", "data": "@clean", "tokenizer": MARKED},
        "letters": {"kind": "tokenizer", "data": "@clean", "tokenizer": {"kind": "char", "style": "decoder"}},
        "rows": {"kind": "shards", "data": "@clean", "tokenizer": "@vocab", "task": classify, "longest": 48},
        "flat": {"kind": "shards", "data": "@clean", "tokenizer": "@vocab"},
        "stream": {"kind": "shards", "data": "@clean", "tokenizer": "@letters"},
        "spans": {"kind": "shards", "data": "@clean", "tokenizer": "@marked"},
        "texts": {"kind": "shards", "data": "@clean", "tokenizer": "@marked", "task": MEND, "longest": 24},
        "plain": section("@clean", task=classify),
        "sharded": section("@rows", task=classify, tokenizer="@rows"),
        "masked": section("@flat", task={"kind": "masked_lm"}),
        "causal": section("@stream", task={"kind": "causal_lm"}, tokenizer="@letters", model=GPT),
        "mended": section("@spans", task=MEND, tokenizer="@marked", model=BERT | {"architecture": "t5"}),
        "stored": section("@texts", task=MEND, tokenizer="@marked", model=BERT | T5),
        "records": section("@clean", task=MEND, tokenizer="@marked", model=BERT | T5),
        "permuted": section("@flat", task={"kind": "permuted_lm"}, model=BERT | {"architecture": "xlnet"}),
        "loose": section("@stream", task={"kind": "causal_lm", "pack": False}, tokenizer="@letters", model=GPT),
    }
    return danlu.run({"name": "tiny", "seed": 1, "stages": stages}, root=root / "runs")


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "bundle" / "model.safetensors")


def test_rows_from_shards_train_to_the_same_bits_as_records(whole: Run) -> None:
    plain, sharded = weights(whole["plain"]), weights(whole["sharded"])
    assert plain.keys() == sharded.keys()
    assert all(torch.equal(value, sharded[name]) for name, value in plain.items())
    ours, theirs = (danlu.load(whole[name]) for name in ("sharded", "plain"))
    assert ours.task == theirs.task
    assert ours.facts["provenance"]["records"] == theirs.facts["provenance"]["records"]


def test_texts_that_are_corrupted_anew_train_from_shards_to_the_same_bits_as_from_records(whole: Run) -> None:
    records, stored = weights(whole["records"]), weights(whole["stored"])
    assert all(torch.equal(value, stored[name]) for name, value in records.items())


@pytest.mark.parametrize("name", ["masked", "causal", "loose", "mended", "permuted"])
def test_language_models_train_from_flat_files(whole: Run, name: str) -> None:
    lines = [json.loads(line) for line in (whole[name] / "log.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert losses[-1] < losses[0]
    assert all(math.isfinite(line["validation"]["perplexity"]) for line in lines if "validation" in line)
    assert danlu.load(whole[name]).predict(["东西很好"])[0]


@pytest.mark.parametrize("data", ["@clean", "@stream"])
@pytest.mark.parametrize("settings", [{"batch_tokens": 64}, {"batch_tokens": 2048}, {"batch_examples": 2}])
def test_packed_rows_fit_the_batch_and_the_model(
    whole: Run, tmp_path: Path, data: str, settings: dict[str, int]
) -> None:
    """Of a model with many positions as of one with few, from records as from flat files."""
    positions = 1024 if "batch_tokens" in settings else 128
    inputs = {name: whole[name] for name in ("clean", "letters", "stream")}
    model = GPT | {"positions": positions}
    train = {key: value for key, value in TRAIN.items() if key != "batch_tokens"} | settings
    fields = {"task": {"kind": "causal_lm"}, "tokenizer": "@letters", "model": model, "train": train}
    stage = Stage.model_validate(section(data, **fields))
    batches = stage.ready(Place(tmp_path, inputs, "one", 0, "en", lambda line: None)).batches()
    planned = batches.plan(0)
    room = min(settings.get("batch_tokens", positions), positions)
    assert max(piece.width for piece in planned) <= room
    widest = max(piece.tokens for piece in planned)
    assert widest <= (2 * positions if "batch_examples" in settings else settings["batch_tokens"])
    tokens = int(batches.reader.sizes.widths.sum())
    assert batches.an_epoch() == len(planned) >= tokens / widest


def test_a_manifest_counts_what_was_written(whole: Run) -> None:
    train = json.loads((whole["rows"] / "shards" / "manifest.json").read_text(encoding="utf-8"))
    flat = json.loads((whole["flat"] / "shards" / "manifest.json").read_text(encoding="utf-8"))
    assert train["about"]["records"] == train["count"] == flat["count"]
    assert train["tokens"] == flat["tokens"]
    assert train["about"]["task"]["labels"] == ["bad", "good"]
    assert len(train["about"]["examples"]) == 8
    assert {path.name for path in whole["flat"].glob("*.parquet")} == {"validation.parquet", "test.parquet"}


def test_a_tokenizer_reports_on_itself(whole: Run) -> None:
    found = json.loads((whole["vocab"] / "tokenizer_report.json").read_text(encoding="utf-8"))
    assert found["unknown"] == 0
    assert found["scripts"]["han"]["tokens_per_character"] == 1.0


def run_stage(whole: Run, root: Path, **fields: Any) -> None:
    stage = Stage.model_validate(section("@rows", task={"kind": "classify"}) | fields)
    inputs = {ran.name: ran.folder for ran in whole.stages}
    stage.run(Place(root / "again", inputs, "one", 1, "en", lambda line: None))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"tokenizer": "@letters"}, "the shards were written with another tokenizer"),
        ({"task": {"kind": "masked_lm"}}, "the rows were encoded for the task"),
        ({"task": {"kind": "classify", "max_length": 9}}, "the rows were encoded for the task"),
        ({"data": "@flat"}, "the task 'classify' cannot learn from flat token files"),
        ({"data": ["@rows", "@clean"]}, "name one '@stage' in 'data'"),
        ({"model": BERT | {"positions": 16}}, r"a row has 3\d tokens and the model takes 16; set 'longest: 16'"),
    ],
)
def test_shards_that_do_not_fit_are_one_sentence(whole: Run, tmp_path: Path, fields: dict[str, Any], says: str) -> None:
    with pytest.raises(Refusal, match=says) as told:
        run_stage(whole, tmp_path, **fields)
    assert "\n" not in str(told.value)
    assert not (tmp_path / "again" / "bundle").exists()


def test_shards_that_have_changed_are_refused(whole: Run, tmp_path: Path) -> None:
    copy = tmp_path / "rows"
    (copy / "shards").mkdir(parents=True)
    for file in (whole["rows"] / "shards").iterdir():
        (copy / "shards" / file.name).write_bytes(file.read_bytes())
    (data,) = (copy / "shards").glob("*.arrow")
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 255
    data.write_bytes(content)
    stage = Stage.model_validate(section("@rows", task={"kind": "classify"}))
    inputs = {ran.name: ran.folder for ran in whole.stages} | {"rows": copy}
    with pytest.raises(Refusal, match=r"rows-00000\.arrow: the shard has changed"):
        stage.run(Place(tmp_path / "again", inputs, "one", 1, "en", lambda line: None))


def test_shards_of_several_sets_keep_their_splits_and_their_cleaners(whole: Run, tmp_path: Path) -> None:
    rows = [{"text": f"ＡＢ{number}很好", "label": "good"} for number in range(20)]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    made = {"kind": "prepare", "data": {"kind": "jsonl", "path": str(file)}, "split": {"validation": 0.2}}
    stages = {
        "one": made | {"cleaners": ["normalise"]},
        "two": made | {"cleaners": ["normalise"], "dedup": "exact"},
        "plain": made,
        "both": {"kind": "shards", "data": ["@one", "@two"], "tokenizer": {"kind": "char"}},
        "named": {"kind": "shards", "data": "@one:train", "tokenizer": {"kind": "char"}},
        "mixed": {"kind": "shards", "data": ["@one", "@plain"], "tokenizer": {"kind": "char"}},
    }
    vocab = {"kind": "tokenizer", "data": ["@one", "@two"], "tokenizer": {"kind": "char"}}
    shards = {name: stages[name] | {"tokenizer": "@vocab"} for name in ("both", "named", "mixed")}
    recipe = {"name": "several", "stages": stages | {"vocab": vocab} | shards}
    recipe["stages"] = {name: recipe["stages"][name] for name in ("one", "two", "plain", "vocab", *shards)}
    with pytest.raises(Refusal, match="@one was rewritten by normalise and @plain by no cleaner"):
        danlu.run(recipe, root=tmp_path / "runs", say=lambda _line: None)
    run = tmp_path / "runs" / "several"
    for name in ("both", "named"):
        assert load_cleaners(run / name) == load_cleaners(run / "one") != []
    assert load(run / "both", "validation") == load(run / "one", "validation") + load(run / "two", "validation")
    assert not (run / "named" / "validation.parquet").exists()


@pytest.mark.parametrize("task", ["embed", "rank"])
def test_a_task_that_asks_for_the_first_record_does_not_read_the_data_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str
) -> None:
    pairs = [{"text": f"一{number}", "text_pair": f"二{number}", "score": float(number % 2)} for number in range(40)]
    (tmp_path / "pairs").mkdir()
    save_split(tmp_path / "pairs", "train", pairs)
    read = list[str]()

    def streamed(*how: Any, **named: Any) -> Any:
        read.append("once")
        return stream_of(*how, **named)

    monkeypatch.setattr("danlu.stages.kinds.shards.stream_of", streamed)
    place = Place(tmp_path, {"pairs": tmp_path / "pairs"}, "one", 0, "en", lambda _line: None)
    records = _Streamed("@pairs", place, labelled=False)
    read.clear()
    Task.model_validate(task).fitted(records)
    assert (
        len(read) == {"embed": 2, "rank": 1}[task]
    )  # to look whether all records are alike, and for the highest score
    assert (records[0], records[20], records[-1]) == (pairs[0], pairs[20], pairs[-1])
    assert (records[5:30:9], bool(records)) == (pairs[5:30:9], True)
    assert (records[2:6], records[:100], records[30:4:-9]) == (pairs[2:6], pairs, pairs[30:4:-9])
    with pytest.raises(IndexError):
        records[40]


def test_data_without_records_gives_no_shards(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"text": ""}\n')
    stage = Stage.model_validate(
        {
            "kind": "shards",
            "data": {"kind": "jsonl", "path": str(tmp_path / "rows.jsonl")},
            "tokenizer": "@letters",
        }
    )
    from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece

    WordPiece(size=40, min_frequency=1).build(lambda: iter(["abc"])).save_pretrained(tmp_path / "letters/tokenizer")
    stage.run(Place(tmp_path / "out", {"letters": tmp_path / "letters"}, "one", 0, "en", lambda line: None))
    manifest = json.loads((tmp_path / "out" / "shards" / "manifest.json").read_text())
    assert (manifest["count"], manifest["tokens"]) == (1, 2)  # [CLS] [SEP]
