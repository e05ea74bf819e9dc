"""What is typed: files and settings become records, and what is wrong is one sentence."""

import csv

import pytest

from danlu.cli.main import main
from danlu.compress import records as given
from danlu.compress.records import recovery_of, target_of
from danlu.data.corpus.prepared import save_split
from danlu.refusal import Refusal


@pytest.fixture
def file(tmp_path, unseen):
    with (tmp_path / "reviews.csv").open("w", newline="") as opened:
        writer = csv.DictWriter(opened, ["text", "label"])
        writer.writeheader()
        writer.writerows(unseen)
    return tmp_path / "reviews.csv"


def run(capsys, *words):
    with pytest.raises(SystemExit) as ended:
        main([*map(str, words)])
    return ended.value.code, "".join(capsys.readouterr())


def test_a_bundle_is_pruned_from_the_shell(trained, file, tmp_path, capsys):
    code, said = run(
        capsys, "prune", trained, "neurons:0.5", "layers:0.25", "--output", tmp_path / "out", "--data", file
    )
    assert code == 0
    assert "neurons: 64 -> 32" in said
    assert "layers: 4 -> 3" in said
    assert "parameters (" in said
    code, said = run(capsys, "prune", trained, "magnitude:0.5", "--output", tmp_path / "zeros")
    assert code == 0
    assert "nothing is smaller or faster by that" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["prune", "{bundle}", "neurons", "--output", "out"], "'neurons': neurons: share"),
        (["prune", "{bundle}", "neurons:0.5:0.25", "--output", "out"], "'share' is given twice"),
        (["prune", "{bundle}", "neuron:0.5", "--output", "out"], "did you mean 'neurons'"),
        (["prune", "{bundle}", "neurons:0.5", "--output", "{bundle}"], "is there already"),
        (["compress", "{bundle}", "{file}", "--floor", "accuracy -1", "--out", "out", "--target", "speed"], "latency"),
        (["compress", "{bundle}", "{file}", "--floor", "acc -1", "--out", "out"], "there is no metric 'acc'"),
        (["compress", "{bundle}", "none.csv", "--floor", "accuracy -1", "--out", "out"], "no such file"),
        (["compress", "{bundle}", "{file}", "--floor", "accuracy -1", "--out", "out", "--confirm", "{file}"], "among"),
    ],
)
def test_what_is_wrong_is_one_sentence_and_nothing_is_left(trained, file, tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    code, told = run(capsys, *(word.format(bundle=trained, file=file) for word in words))
    assert code == 2
    assert said in told
    assert told.count("danlu: ") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"reviews.csv"}


def test_data_are_a_file_or_the_splits_of_a_prepared_folder(trained, file, tmp_path, unseen, learnt):
    assert given.tested(file, [], "test", str(trained)) == unseen
    assert given.trained(file, None, str(trained)) == ([], [])
    (tmp_path / "clean").mkdir()
    for split, records in (("train", learnt), ("validation", unseen[:8]), ("test", unseen)):
        save_split(tmp_path / "clean", split, records)
    assert given.tested(tmp_path / "clean", [], "test", str(trained)) == unseen
    assert given.trained(tmp_path / "clean", None, str(trained)) == (learnt, unseen[:8])
    assert given.trained(tmp_path / "clean", file, str(trained)) == (unseen, [])


def test_other_files_of_the_same_suffix_are_read_as_the_test_is(trained, file, tmp_path, unseen):
    other = tmp_path / "other.csv"
    other.write_text("\n".join(["stars;review", *(f"{each['label']};{each['text']}" for each in unseen)]))
    settings = ["delimiter=;", "columns.text=review", "columns.label=stars"]
    alike = given.settings_for(file, settings, other)
    assert given.trained(file, other, str(trained), alike) == (unseen, [])
    assert given.others_of(other, str(trained), alike) == unseen
    assert [record["text"] for record in given.texts_of(other, alike)] == [record["text"] for record in unseen]
    lines = tmp_path / "lines.jsonl"
    lines.write_text('{"text": "good film"}\n')
    assert given.settings_for(file, settings, lines) == given.settings_for(file, settings, None) == []


def test_of_another_file_those_columns_are_renamed_that_it_has(trained, file, tmp_path, unseen):
    settings = ["delimiter=;", "columns={text: review}", "columns.label=gold"]
    plain, more, test = tmp_path / "plain.csv", tmp_path / "more.csv", tmp_path / "test.csv"
    plain.write_text("\n".join(["text;label", *(f"{each['text']};{each['label']}" for each in unseen)]))
    assert given.trained(file, plain, str(trained), given.settings_for(file, settings, plain)) == (unseen, [])
    more.write_text("review\na good film\n")
    alike = given.settings_for(file, settings, more, labelled=False)
    assert given.texts_of(more, alike) == [{"text": "a good film"}]
    test.write_text("review;gold\na good film;\n")
    alike = given.settings_for(file, settings, test, labelled=False)
    assert [record["text"] for record in given.texts_of(test, alike)] == ["a good film"]
    assert given.settings_for(file, settings[:1], more) == settings[:1]


def test_a_training_after_pruning_is_short_unless_it_is_told_otherwise():
    usual = recovery_of([])
    assert (usual.epochs, usual.rate) == (1.0, 5e-5)
    assert recovery_of(["none"]) is None
    told = recovery_of(["steps=20", "rate=1e-3"])
    assert (told.epochs, told.steps, told.rate) == (None, 20, 1e-3)
    with pytest.raises(Refusal, match="did you mean 'steps'"):
        recovery_of(["stepz=3"])
    assert target_of("size") == "size"
