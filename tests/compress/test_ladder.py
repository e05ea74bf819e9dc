"""Rungs are scored beside the original, the floor is honoured, and what was done is not done again."""

import json
import sys

import pytest
import started

from danlu.bundle import golden
from danlu.bundle.bundle import load
from danlu.compress import climbing
from danlu.compress.ladder import BUNDLE, NAME, compress, usual
from danlu.compress.measuring import Measuring
from danlu.compress.rung import rung_of, rungs_of
from danlu.evaluate.scoring.examine import examine
from danlu.machine.files import sha256
from danlu.refusal import Refusal
from danlu.train.settings import Training

QUICK = Measuring(rounds=1, seconds=0, batches=(1, 4), lengths=(16,))

RUIN = '''
"""Nothing is left of what was learnt."""

from danlu.compress.pruning import Pruned, Pruning


class Ruin(Pruning):
    """The head turned around, in a network without most of its neurons."""

    keeps_trained = False

    def pruned(self, subject):
        made = Pruning.model_validate({"kind": "neurons", "share": 0.8}).pruned(subject)
        made.model.classifier.weight.data.neg_()
        made.model.classifier.bias.data.neg_()
        return made
'''.replace("    keeps_trained = False", "    keeps_trained: 'ClassVar[bool]' = False").replace(
    "from danlu.compress.pruning", "from typing import ClassVar\n\nfrom danlu.compress.pruning"
)


@pytest.fixture(scope="module")
def ruined(joined):
    return joined({"danlu.prunings": {"ruin": RUIN}})


@pytest.fixture(scope="module")
def walked(ruined, trained, learnt, unseen, tmp_path_factory):
    """A ladder with a planted bad rung, and what was said."""
    out, said = tmp_path_factory.mktemp("ladder") / "small", []
    settings = {"rungs": "float32,ruin,heads:0.5,vocabulary+neurons:0.5+float32", "train": learnt, "target": "size"}
    settings |= {"training": Training(steps=2, rate=1e-4), "how": QUICK, "resamples": 200}
    before = {path.name: sha256(path) for path in trained.iterdir()}
    ladder = compress(trained, unseen, "accuracy -15", out, say=said.append, **settings)
    assert {path.name: sha256(path) for path in trained.iterdir()} == before
    return ladder, settings, said


def row_of(ladder, name):
    return next(row for row in ladder.rows if row.name == name)


def test_a_rung_under_the_floor_is_refused_however_small_it_is(walked):
    ladder, *_ = walked
    ruin = row_of(ladder, "ruin")
    assert ladder.original.value > 0.8
    assert ruin.value < 0.3
    assert ruin.high < -0.3
    assert ladder.verdict(ruin) == "under the floor"
    assert ruin.bytes < row_of(ladder, "vocabulary+neurons:0.5+float32").bytes
    assert ladder.kept == "vocabulary+neurons:0.5+float32"


def test_what_cannot_be_made_has_its_reason_in_its_row(walked):
    ladder, *_ = walked
    assert "take out neurons or layers" in row_of(ladder, "heads:0.5").refused
    assert ladder.verdict(row_of(ladder, "heads:0.5")) == "refused"


def test_the_same_numbers_are_kept_in_a_file(walked):
    ladder, *_ = walked
    told = json.loads((ladder.folder / NAME).read_text())
    assert told["kept"] == ladder.kept
    assert told["floor"]["at"] == pytest.approx(ladder.original.value - 0.15)
    assert [row["verdict"] for row in told["rungs"]] == ["holds", "under the floor", "refused", "kept"]
    same = row_of(ladder, "float32")
    assert (same.value, same.low, same.high) == (ladder.original.value, 0, 0)
    assert same.gain("size") == pytest.approx(1, abs=0.01)
    kept = told["rungs"][3]
    assert kept["bytes"] == sum(path.stat().st_size for path in (ladder.folder / BUNDLE).rglob("*") if path.is_file())
    assert [each["kind"] for each in kept["pruned"]] == ["vocabulary", "neurons"]
    assert set(kept["grid"]) == {"1x16", "4x16"}


def test_what_is_kept_scores_in_python_in_a_fresh_process_and_over_http_as_it_was_scored(walked, unseen, tmp_path):
    from servers import serving

    from danlu.serve.shelf import Place, Shelf

    ladder, *_ = walked
    folder = ladder.folder / BUNDLE
    with load(folder) as bundle:
        here = bundle.predict(unseen)
        scores = examine(bundle.task, bundle.stream, unseen, resamples=200).scores
    assert scores.metrics["accuracy"].interval.value == row_of(ladder, ladder.kept).value
    data, answers = tmp_path / "texts.jsonl", tmp_path / "answers.jsonl"
    data.write_text("".join(json.dumps({"text": record["text"]}) + "\n" for record in unseen))
    command = [sys.executable, "-m", "danlu", "predict", str(folder), str(data), "--output", str(answers)]
    started.run(command, check=True, capture_output=True)
    fresh = [json.loads(line) for line in answers.read_text().splitlines()]
    shelf = Shelf([Place("small", str(folder), threads=1)])
    shelf.open()
    with serving(shelf) as live:
        over = live.post("/v1/predict", {"model": "small", "records": [{"text": r["text"]} for r in unseen]}).json()
    shelf.close()
    for other in ([line["prediction"] for line in fresh], over["predictions"]):
        assert golden.drift(here, other, 1e-5)[1] == len(unseen)


def test_what_was_done_is_not_done_again_and_another_floor_decides_anew(walked, trained, unseen):
    ladder, settings, _ = walked
    said = []
    again = compress(trained, unseen, "accuracy -99", ladder.folder, say=said.append, **settings)
    assert sum("done before" in line for line in said) == 3  # the one that cannot be made is tried again
    assert not any("timed" in line for line in said)
    assert again.kept == "ruin"
    assert [row.latency for row in again.rows] == [row.latency for row in ladder.rows]
    with load(again.folder / BUNDLE) as bundle:
        assert bundle.model.config.intermediate_size == 16
    assert compress(trained, unseen, "accuracy -15", ladder.folder, say=said.append, **settings).kept == ladder.kept
    assert not any("may be chance" in line for line in said)
    compress(trained, unseen, "accuracy -0.5", ladder.folder, say=said.append, **settings)
    assert f"{len(unseen)} records: a single answer moves accuracy by up to" in "\n".join(said)


def test_what_is_kept_must_hold_on_records_that_chose_nothing(walked, trained, unseen, others):
    ladder, settings, _ = walked
    settings = settings | {"say": print}
    told = compress(trained, unseen, "accuracy -99", ladder.folder, confirm=others, **settings)
    answers = {folder: answered(folder, others) for folder in (trained, ladder.folder / BUNDLE)}
    right = [sum(map(str.__eq__, found, (each["label"] for each in others))) / 48 for found in answers.values()]
    assert told.kept == "ruin"
    assert [told.confirmed.original, told.confirmed.value] == pytest.approx(right)
    assert told.confirmed.low <= right[1] - right[0] <= told.confirmed.high
    apart = [record | {"label": one} for record, one, two in zip(others, *answers.values(), strict=True) if one != two]
    missed = compress(trained, unseen, "accuracy -99", ladder.folder, confirm=apart, **settings)
    assert (missed.confirmed.original, missed.confirmed.value) == (1, 0)
    assert missed.kept is None
    assert missed.verdict(row_of(missed, "ruin")) == "not on others"
    assert not (missed.folder / BUNDLE).exists()
    assert json.loads((missed.folder / NAME).read_text())["confirmed"]["rung"] == "ruin"


def answered(folder, records):
    with load(folder) as bundle:
        return [answer["label"] for answer in bundle.predict(records)]


def test_scales_of_other_records_are_another_rung(trained, unseen, learnt, others, tmp_path):
    with load(trained, "float32") as bundle:
        made = {"folder": tmp_path, "test": unseen, "metric": "accuracy", "validation": [], "training": None}
        made |= {"following": None, "seed": 0}
        one, two = (climbing.Climb(bundle, train=train, **made) for train in (learnt, others))
        places = {
            name: [climb._place(rung) for climb in (one, two)]
            for name in ("onnx-int8_static", "onnx-int8_dynamic", "float32")
            for rung in rungs_of(name, [name])
        }
    assert {name for name, (first, second) in places.items() if first != second} == {"onnx-int8_static"}


def test_a_ladder_that_is_killed_goes_on_with_what_is_done(trained, unseen, learnt, tmp_path, monkeypatch):
    settings = {"rungs": "float32,neurons:0.5", "train": learnt, "how": QUICK, "resamples": 200, "say": lambda _: None}

    def killed(*_args, **_more):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(climbing, "prune", killed)
        with pytest.raises(KeyboardInterrupt):
            compress(trained, unseen, "accuracy -50", tmp_path / "out", **settings)
    (done,) = (tmp_path / "out" / "rungs").glob("*/rung.json")
    stamp = done.stat().st_mtime_ns
    ladder = compress(trained, unseen, "accuracy -50", tmp_path / "out", **settings)
    assert [row.refused for row in ladder.rows] == [None, None]
    assert done.stat().st_mtime_ns == stamp


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"floor": "accuracy 0.999999"}, "the original itself misses the floor"),
        ({"floor": "acuracy -1"}, "did you mean 'accuracy'"),
        ({"rungs": "int9"}, "there is no 'int9'"),
        ({"rungs": "float32+neurons:0.5"}, "it stands at the end"),
        ({"rungs": "neurons:1.5"}, "less than 1"),
        ({"rungs": "neurons:width=3"}, "unknown key 'width'"),
        ({"rungs": "float32,float32"}, "rungs that differ"),
        ({"rungs": "neurons:0.5", "train": []}, "or --train FILE"),
        ({"train": [{"text": "a", "stars": "5"}]}, "of what may be learnt from, record 1: there is no column 'label'"),
        ({"test": []}, "no records to score"),
        ({"confirm": [{"text": "a", "stars": "5"}]}, "--confirm, record 1"),
        ({"confirm": [{"text": "a", "label": "great"}]}, "--confirm, record 1 has the gold label 'great'"),
        ({"confirm": [{"review": "a", "label": "good"}]}, "--confirm, record 1: there is no column 'text'"),
        ({"confirm": "unseen"}, "--confirm: record 1 is among those"),
        ({"confirm": "learnt"}, "--confirm: record 1 is among those"),
        ({"test": [{"text": "a", "stars": "5"}]}, "there is no column 'label'"),
    ],
)
def test_what_makes_no_sense_is_refused_before_a_rung_is_made(trained, unseen, learnt, tmp_path, changes, words):
    given = {"test": unseen, "floor": "accuracy -1", "rungs": "float32", "train": learnt, "how": QUICK} | changes
    if isinstance(named := changes.get("confirm"), str):
        given["confirm"] = {"unseen": unseen, "learnt": learnt}[named][-3:]
    if changes.get("floor", "").endswith("9"):
        given["test"] = [*unseen, unseen[0] | {"label": {"good": "bad", "bad": "good"}[unseen[0]["label"]]}]
    with pytest.raises(Refusal, match=words):
        compress(trained, given.pop("test"), given.pop("floor"), tmp_path / "out", say=print, **given)
    assert not [*tmp_path.rglob("rung.json")]


def test_nothing_is_written_into_the_bundle(trained, unseen):
    with pytest.raises(Refusal, match="lies in the bundle"):
        compress(trained, unseen, "accuracy -1", trained / "small")


def test_rungs_say_what_they_are_made_of():
    rung = rung_of("neurons:0.5+layers:share=0.25:importance=top+bfloat16", ["float32", "bfloat16"])
    assert [pruning.to_plain() for pruning in rung.prunings] == [
        {"kind": "neurons", "share": 0.5, "importance": "gradient", "multiple": 8},
        {"kind": "layers", "share": 0.25, "importance": "top"},
    ]
    assert (rung.computed, rung.pruned_name) == ("bfloat16", "neurons:0.5+layers:share=0.25:importance=top")
    assert rung.trains
    assert not rung_of("vocabulary", []).trains
    assert not rung_of("magnitude:0.5+neurons:0.5", []).trains
    assert [rung.name for rung in rungs_of(" a, b", ["a", "b"])] == ["a", "b"]


def test_a_ladder_that_nobody_describes_goes_by_what_the_network_has(trained):
    with load(trained) as bundle:
        names = [rung.name for rung in usual(bundle, trained=True)]
        assert {"bfloat16", "neurons:0.5", "layers:0.25", "vocabulary"} < set(names)
        assert not any(rung.prunings for rung in usual(bundle, trained=False))


def test_what_writes_has_rungs_with_weights_alone_in_few_bits(tiny_bundle, tmp_path):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    folder = tiny_bundle("summarise")
    with load(folder) as bundle:
        names = [rung.name for rung in usual(bundle, trained=False)]
        records = [record for record in bundle.task.sample for _ in range(2)]
    assert "onnx-int8_weights" in names
    assert not any("static" in name for name in names)
    rungs = "onnx-float32,onnx-int8_weights"
    found = compress(folder, records, "chrf -5", tmp_path / "out", rungs=rungs, how=QUICK, resamples=20)
    assert [row.refused for row in found.rows] == [None, None]
    assert found.rows[0].value == found.original.value


def test_perplexities_of_other_tokens_are_not_compared(tiny_bundle, tmp_path):
    folder, records = tiny_bundle("causal_lm"), [{"text": "这本书写得很好"}, {"text": "物流太慢"}]
    settings = {"rungs": "vocabulary,float32", "train": [{"text": "一本好书"}], "how": QUICK, "say": lambda _: None}
    settings["target"] = "size"  # in which the same in another number format gains nothing
    ladder = compress(folder, records, "perplexity +3", tmp_path / "out", **settings)
    assert "is told by the token" in ladder.rows[0].refused
    assert ladder.rows[1].value == ladder.original.value
    assert ladder.kept is None
    assert not (tmp_path / "out" / BUNDLE).exists()


def test_a_rung_may_be_an_export_and_says_which_extra_it_lacks(trained, unseen, learnt, tmp_path, monkeypatch):
    from danlu.machine import extra

    pytest.importorskip("onnxruntime")
    settings = {"train": learnt, "how": QUICK, "resamples": 200, "target": "size", "say": lambda _: None}
    ladder = compress(trained, unseen, "accuracy -15", tmp_path / "out", rungs="onnx-int8_dynamic", **settings)
    assert ladder.kept == "onnx-int8_dynamic"
    assert ladder.rows[0].gain("size") > 1.1
    with load(tmp_path / "out" / BUNDLE) as bundle:
        assert bundle.facts["engine"]["kind"] == "onnx"
        found = examine(bundle.task, bundle.stream, unseen, resamples=200).scores.metrics["accuracy"].interval.value
    assert found == pytest.approx(ladder.rows[0].value, abs=0.02)  # scales are those of a batch

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(extra, "import_module", missing)
    ladder = compress(trained, unseen, "accuracy -15", tmp_path / "out", rungs="openvino-int8_static", **settings)
    assert "pip install 'danlu[openvino]'" in ladder.rows[0].refused


def test_a_test_that_is_learnt_from_is_refused_whatever_its_labels_are_there(trained, unseen, learnt, tmp_path):
    turned = [record | {"label": {"good": "bad", "bad": "good"}[record["label"]]} for record in unseen[:9]]
    settings = {"train": [*learnt, *turned], "rungs": "neurons:0.5", "say": lambda _: None}
    with pytest.raises(Refusal, match="9 of the 64 records that rungs are scored on are among those"):
        compress(trained, unseen, "accuracy -1", tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()
