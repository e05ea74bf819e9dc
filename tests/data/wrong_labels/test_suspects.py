import csv
import json
from pathlib import Path

import numpy as np
import pytest

from danlu.cli.main import main
from danlu.data.corpus.prepared import load, load_survey
from danlu.data.record import Record
from danlu.data.wrong_labels.out_of_sample import out_of_sample
from danlu.data.wrong_labels.suspects import export, labels_in, shares_of, suspects, warnings_of, with_equal_texts
from danlu.machine.seed import generator
from danlu.refusal import Refusal
from danlu.stages.recipe import read
from danlu.stages.run import run

GOOD = ("房间干净", "服务热情", "早餐丰富", "位置很好", "价格实惠", "下次还来")
BAD = ("房间很脏", "服务冷淡", "早餐难吃", "位置偏僻", "价格太贵", "再也不来")


def reviews(count: int = 200, flips: int = 10) -> tuple[list[Record], set[int]]:
    """Reviews of three phrases each, and the rows, from 1, whose label says the contrary."""
    rng = generator("reviews")
    records: list[Record] = []
    for row in range(count):
        words = rng.choice(GOOD if row % 2 else BAD, 3, replace=False)
        records.append({"text": f"{'，'.join(words)}（{row}号）", "label": "pos" if row % 2 else "neg"})
    wrong = set((rng.choice(count, flips, replace=False) + 1).tolist())
    for row in wrong:
        records[row - 1]["label"] = "neg" if records[row - 1]["label"] == "pos" else "pos"
    return records, wrong


def test_planted_wrong_labels_come_first() -> None:
    records, wrong = reviews()
    texts, labels = labels_in(records)
    found = suspects(texts, labels, out_of_sample(texts, labels))
    assert {suspect.row for suspect in found[:10]} == wrong
    assert all(suspect.suggested != suspect.label for suspect in found[:10])
    assert {suspect.row for suspect in found if suspect.wrong} == wrong
    assert [suspect.score for suspect in found] == sorted(suspect.score for suspect in found)
    assert sorted(suspect.row for suspect in found) == list(range(1, 201))


def test_the_same_seed_gives_the_same_shares_and_they_sum_to_one() -> None:
    texts, labels = labels_in(reviews(60)[0])
    first, again, other = (out_of_sample(texts, labels, seed=seed) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    np.testing.assert_allclose(first.sum(1), 1)


def test_rare_labels_and_equal_texts_are_no_trouble() -> None:
    records = reviews(60, 0)[0]
    records += [{"text": "只此一条", "label": "once"}, *records[:4]]
    texts, labels = labels_in(records)
    shares = out_of_sample(texts, labels)
    found = {suspect.row: suspect for suspect in suspects(texts, labels, shares)}
    assert not found[61].wrong  # the only text of its label: nothing speaks for another
    np.testing.assert_array_equal(shares[:4], shares[61:])  # equal texts are held out together


def test_a_label_that_equal_texts_contradict_is_suspected_where_it_is_alone() -> None:
    records = reviews(60, 0)[0]
    records += [{"text": "what a lovely evening", "label": label} for label in ["pos"] * 5 + ["poz"]]
    texts, labels = labels_in(records)
    first = suspects(texts, labels, out_of_sample(texts, labels))[0]
    assert (first.row, first.suggested) == (66, "pos")


def test_many_records_are_judged_by_trees_as_well() -> None:
    records, wrong = reviews(2400, 60)
    texts, labels = labels_in(records)
    found = suspects(texts, labels, out_of_sample(texts, labels))
    assert len({suspect.row for suspect in found[:60]} & wrong) >= 57


def test_equal_texts_testify_to_each_others_labels() -> None:
    texts, labels = ["x", "x", "x", "y"], ["a", "b", "b", "a"]
    heard = with_equal_texts(texts, labels, np.full((4, 2), 0.5))
    np.testing.assert_allclose(heard[0], [1 / 362, 361 / 362])  # two witnesses against: 1 to 19 squared
    np.testing.assert_allclose(heard[1], [0.5, 0.5])  # one for, one against
    np.testing.assert_allclose(heard[3], [0.5, 0.5])
    assert suspects(texts, labels, np.full((4, 2), 0.5))[0].row == 1


def test_the_score_is_the_normalised_margin() -> None:
    shares = np.array([[0.7, 0.2, 0.1], [0.05, 0.9, 0.05], [0.3, 0.3, 0.4]])
    found = {suspect.row: suspect for suspect in suspects(["x", "y", "z"], ["a", "c", "b"], shares)}
    assert found[1].score == pytest.approx((0.7 - 0.2 + 1) / 2)
    assert found[2].score == pytest.approx((0.05 - 0.9 + 1) / 2)
    assert found[3].score == pytest.approx((0.3 - 0.4 + 1) / 2)
    assert [found[row].suggested for row in (1, 2, 3)] == ["a", "b", "c"]


def test_predictions_of_a_bundle_are_read_by_label() -> None:
    predictions = [{"label": "a", "scores": {"b": 0.25, "a": 0.5, "c": 0.25}}]
    np.testing.assert_allclose(shares_of(predictions, ["a", "b"]), [[2 / 3, 1 / 3]])
    with pytest.raises(Refusal, match="does not know the label 'd'"):
        shares_of(predictions, ["a", "d"])
    with pytest.raises(Refusal, match="this one gives none"):
        shares_of([{"entities": []}], ["a"])


def test_what_cannot_be_examined_is_refused() -> None:
    with pytest.raises(Refusal, match=r"record 2: there is no text in the column 'text'"):
        labels_in([{"text": "a", "label": "x"}, {"label": "y"}])
    with pytest.raises(Refusal, match=r"in the column 'label', .* \(the columns are: text, labels\)"):
        labels_in([{"text": "a", "labels": ["x", "y"]}])
    with pytest.raises(Refusal, match="1 different labels, and two are needed"):
        labels_in([{"text": "a", "label": "x"}])


def test_a_judge_that_does_not_know_better_than_a_guess_is_warned_of() -> None:
    texts, labels = list("abcdef"), ["x", "x", "x", "x", "y", "y"]
    shares = np.array([[0.9, 0.1]] * 6)
    assert warnings_of(suspects(texts, labels, shares), "en") == [
        "the model that doubts them agrees with 67% of the labels, as a guess would"
    ]
    shares[4] = (0.1, 0.9)
    assert warnings_of(suspects(texts, labels, shares), "en") == []


def test_suspects_are_exported_for_review(tmp_path: Path) -> None:
    texts, labels = ['say "好"，\nthen', "b"], ["x", "y"]
    found = suspects(texts, labels, np.array([[0.2, 0.8], [0.4, 0.6]]))
    export(tmp_path / "out.csv", found)
    with (tmp_path / "out.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {
        "row": "1",
        "label": "x",
        "suggested": "y",
        "score": "0.2",
        "wrong": rows[0]["wrong"],
        "text": texts[0],
    }
    export(tmp_path / "out.jsonl", found)
    lines = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["row"] for line in lines] == [1, 2]
    with pytest.raises(Refusal, match=r"ends in \.csv or \.jsonl"):
        export(tmp_path / "out.xlsx", found)
    with pytest.raises(Refusal, match="there is no folder"):
        export(tmp_path / "no" / "out.csv", found)


def test_the_command_shows_the_worst_and_writes_them_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records, wrong = reviews()
    data, out = tmp_path / "data.jsonl", tmp_path / "out.csv"
    named = [{"text": record["text"], "opinion": record["label"]} for record in records]
    data.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in named), encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["labels", str(data), "--label", "opinion", "--output", str(out), "--show", "3"])
    assert not ended.value.code
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "200 records; about 10 of their labels are wrong"
    assert told[1] == "row\tscore\tlabel → more likely\ttext"
    assert all(int(line.split("\t")[0]) in wrong for line in told[2:5])
    assert len(out.read_text(encoding="utf-8-sig").splitlines()) == 201


def test_a_stage_leaves_out_the_worst_training_records(tmp_path: Path) -> None:
    records, wrong = reviews(200, 12)
    data = tmp_path / "data.jsonl"
    data.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")
    plain = {
        "name": "doubted",
        "stages": {
            "clean": {
                "kind": "prepare",
                "data": {"kind": "jsonl", "path": str(data)},
                "cleaners": ["whitespace"],
                "dedup": "exact",
            },
            "checked": {"kind": "labels", "data": "@clean", "drop": 0.05},
        },
    }
    done = run(read(plain), tmp_path / "runs", say=lambda line: None)
    before, after = load(done["clean"], "train"), load(done["checked"], "train")
    gone = [record["text"] for record in before if record not in after]
    assert len(gone) == round(0.05 * len(before))
    planted = {records[row - 1]["text"] for row in wrong}
    assert set(gone) <= planted
    assert load(done["checked"], "test") == load(done["clean"], "test")
    assert load_survey(done["checked"]) == load_survey(done["clean"])
    assert (done["checked"] / "cleaners.json").read_bytes() == (done["clean"] / "cleaners.json").read_bytes()


def test_augmented_rows_neither_vouch_for_their_sources_nor_outlive_them(tmp_path: Path) -> None:
    records, _ = reviews(120, 6)
    data = tmp_path / "data.jsonl"
    data.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")
    clean = {"kind": "prepare", "data": {"kind": "jsonl", "path": str(data)}, "dedup": "exact"}
    doubted = {"kind": "labels", "data": "@clean", "drop": 0.05}
    plain = {"name": "plain", "stages": {"clean": clean, "checked": doubted}}
    swapped = {"name": "swapped", "stages": {"clean": {**clean, "augment": [{"kind": "swap"}]}, "checked": doubted}}
    one, other = (run(read(recipe), tmp_path / "runs", say=lambda line: None)["checked"] for recipe in (plain, swapped))
    assert (one / "suspects.csv").read_bytes() == (other / "suspects.csv").read_bytes()
    kept = load(other, "train")
    rows = [record for record in kept if "source_row" not in record]
    copies = kept[len(rows) :]
    assert rows == load(one, "train")
    assert len(copies) > 60
    for copy in copies:
        source = rows[copy["source_row"]]
        assert sorted(copy["text"]) == sorted(source["text"])
        assert copy["label"] == source["label"]


def test_cleanlab_is_named_where_it_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for name in [name for name in sys.modules if name.split(".")[0] == "cleanlab"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "cleanlab", None)
    monkeypatch.setitem(sys.modules, "cleanlab.rank", None)
    with pytest.raises(Refusal, match=r"pip install 'danlu\[labels\]'"):
        suspects(["a", "b"], ["x", "y"], np.eye(2))


@pytest.mark.parametrize("name", ["suspects.pdf", "nowhere/suspects.csv", "folder.csv"])
def test_a_place_that_cannot_take_the_suspects_is_refused_before_the_work(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(SystemExit) as ended:
        main(["labels", str(tmp_path / "not_even_read.csv"), "--out", str(tmp_path / name)])
    assert ended.value.code == 2
    assert name in capsys.readouterr().err


def test_a_record_without_label_is_named_with_its_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    with pytest.raises(SystemExit):
        main(["labels", str(tmp_path / "a.txt")])
    assert f"{tmp_path / 'a.txt'}, record 1: there is no label in the column" in capsys.readouterr().err
