"""What was pruned follows the original: its answers rather than labels, cut into tokens as it is itself."""

import json
import shutil

import pytest

from danlu.bundle import manifest
from danlu.cli.main import main
from danlu.compress.following import Following, followed_by, following_of
from danlu.compress.ladder import compress
from danlu.compress.measuring import Measuring
from danlu.compress.rung import rung_of
from danlu.refusal import Refusal
from danlu.task.task import Task
from danlu.train.settings import Training

QUICK = Measuring(rounds=1, seconds=0, batches=(1,), lengths=(8,))
FEWER = '''
"""Words and neurons at once."""

from typing import ClassVar

from danlu.compress.pruning import Pruned, Pruning, Subject


class Fewer(Pruning):
    """Words that the data never use, and half of the neurons."""

    cuts_otherwise: ClassVar[bool] = True

    def pruned(self, subject):
        left = Pruning.model_validate("vocabulary").pruned(subject)
        return Pruning.model_validate({"kind": "neurons", "share": 0.5}).pruned(
            Subject(left.model, left.tokenizer, subject.task, subject.records, subject.seed)
        )
'''
OTHER = {"good": "bad", "bad": "good"}


@pytest.fixture(scope="module")
def ladder_of(trained, learnt, unseen, tmp_path_factory):
    """A function that walks rungs with labels to learn from that are turned around; gives them and what was said."""
    turned = [record | {"label": OTHER[record["label"]]} for record in learnt]

    def walked(rungs, following, out=None):
        said = []
        settings = {"train": turned, "training": Training(steps=40, rate=2e-3), "how": QUICK, "resamples": 50}
        out = out or tmp_path_factory.mktemp("ladder") / "out"
        ladder = compress(
            trained, unseen, "accuracy -99", out, rungs=rungs, following=following, say=said.append, **settings
        )
        return ladder, said

    return walked


def test_labels_alone_are_learnt_where_nobody_is_followed(ladder_of):
    ladder, said = ladder_of("neurons:0.5", None)
    assert ladder.original.value > 0.8
    assert ladder.rows[0].high < 0
    assert not any("teacher" in line for line in said)


def test_the_original_is_followed_whatever_the_labels_are(ladder_of, trained):
    ladder, said = ladder_of("neurons:0.5", Following({"labels": 0}))
    assert ladder.rows[0].value > 0.8
    assert any(f"teacher: {trained}, frozen" in line for line in said)
    told = json.loads((ladder.folder / "compress.json").read_text())["teacher"]
    assert (told["labels"], told["logits"], told["unlabelled"]) == (0, 1, 0)
    assert manifest.read(next(ladder.folder.glob("pruned/*/bundle")))["provenance"]["teacher"]["bundle"] == str(trained)


def test_with_fewer_words_the_original_with_these_words_is_followed(ladder_of):
    ladder, said = ladder_of("vocabulary+neurons:0.5", Following({"labels": 0, "hidden": 0.1}))
    assert ladder.rows[0].value > 0.8
    (line,) = (line for line in said if "frozen" in line)
    assert "/pruned/vocabulary." in line
    assert [each["kind"] for each in ladder.rows[0].pruned] == ["vocabulary", "neurons"]


def test_of_texts_without_labels_the_original_alone_speaks(ladder_of, unseen, tmp_path):
    texts = [{"text": record["text"]} for record in unseen]
    ladder, said = ladder_of("neurons:0.5", Following({"labels": 0}, texts), tmp_path / "out")
    assert any(f"{len(texts)} records without a label" in line for line in said)
    assert ladder.rows[0].value > 0.8
    _, again = ladder_of("neurons:0.5", Following({"labels": 0}, texts), tmp_path / "out")
    assert any("done before" in line for line in again)
    _, other = ladder_of("neurons:0.5", Following({"labels": 0}, texts[1:]), tmp_path / "out")
    assert not any("done before" in line for line in other)


def test_part_of_a_rung_has_the_names_of_its_prunings():
    rung = rung_of("layers:0.5+vocabulary:least=2+neurons:0.5+bfloat16", ["bfloat16"])
    part = rung.only(lambda pruning: pruning.cuts_otherwise)
    assert (part.name, part.pruned_name, part.computed) == ("vocabulary:least=2", "vocabulary:least=2", "")
    assert part.prunings == rung.prunings[1:2]
    assert rung.only(lambda _pruning: False).prunings == ()


def test_what_is_said_of_a_teacher_is_looked_at_before_anything_is_made():
    assert following_of([]) == Following()
    assert following_of(["none"]) is None
    assert following_of(["hidden=0.1", "labels=0"]).settings == {"hidden": 0.1, "labels": 0}
    for words, told in (
        (["hiden=1"], "did you mean 'hidden'"),
        (["bundle=x"], "the original is the teacher"),
        (["unlabelled=x"], "give it with --unlabelled"),
        (["logits=0", "labels=0"], "nothing to learn"),
        (["temperature"], "temperature"),
    ):
        with pytest.raises(Refusal, match=told):
            following_of(words)
    with pytest.raises(Refusal, match="nobody says"):
        following_of(["none"], [{"text": "a"}])


def test_a_task_that_writes_has_nothing_to_be_followed_in():
    task = Task.model_validate({"kind": "summarise"})
    assert followed_by(task, Following(), trains=True) is None
    assert followed_by(task, None, trains=True) is None
    with pytest.raises(Refusal, match="the task summarise has no answers by which"):
        followed_by(task, Following({"hidden": 0.1}), trains=True)


def test_nobody_follows_where_nothing_is_trained(trained, unseen, learnt, tmp_path):
    task = Task.model_validate("classify")
    assert followed_by(task, Following(), trains=False) is None
    settings = {"train": learnt, "how": QUICK, "following": Following({}, [{"text": "good film"}])}
    for more in ({"rungs": "neurons:0.5"}, {"rungs": "float32,vocabulary", "training": Training(steps=2)}):
        with pytest.raises(Refusal, match="nothing is trained after a pruning here"):
            compress(trained, unseen, "accuracy -99", tmp_path / "out", **settings, **more)


def test_what_is_said_in_other_words_is_no_other_teacher():
    assert Following({"labels": 1, "cache": 0}).told() == Following().told()
    assert Following({"temperature": 3}).told() != Following().told()
    assert Following({}, [{"text": "a"}]).told() != Following().told()


def test_every_text_without_a_label_is_looked_at_before_anything_is_pruned(trained, unseen, learnt, tmp_path):
    texts = [{"text": "good film"}, {"words": "bad film"}]
    settings = {"train": learnt, "how": QUICK, "training": Training(steps=2), "rungs": "neurons:0.5"}
    with pytest.raises(Refusal, match="of the texts without labels, record 2: there is no column 'text'"):
        compress(trained, unseen, "accuracy -99", tmp_path / "out", following=Following({}, texts), **settings)
    assert not [*tmp_path.rglob("cut")]


def test_texts_of_which_cleaning_leaves_nothing_are_one_sentence(trained, unseen, learnt, tmp_path):
    cleaned = tmp_path / "cleaned"
    shutil.copytree(trained, cleaned)
    facts = manifest.read(cleaned)
    facts["cleaners"] = ["control"]
    manifest.write(cleaned, facts)
    settings = {"train": learnt, "how": QUICK, "training": Training(steps=2), "rungs": "neurons:0.5"}
    following = Following({}, [{"text": "\x00\x07"}])
    with pytest.raises(Refusal, match="nothing is left of the texts without labels"):
        compress(cleaned, unseen, "accuracy -99", tmp_path / "out", following=following, **settings)


def test_a_pruning_that_cuts_otherwise_and_moves_answers_is_followed_too(joined, trained, learnt, unseen, tmp_path):
    joined({"danlu.prunings": {"fewer": FEWER}})
    said = []
    settings = {"train": learnt, "how": QUICK, "training": Training(steps=2), "say": said.append}
    ladder = compress(trained, unseen, "accuracy -99", tmp_path / "out", rungs="fewer", **settings)
    assert ladder.rows[0].refused is None
    assert any("/pruned/fewer." in line and "/cut, frozen" in line for line in said)


@pytest.mark.parametrize(
    ("lines", "words", "said"),
    [
        (['{"text": "good film"}'], ["--teacher", "none"], "nobody says"),
        ([], [], "the file is empty"),
        (['{"words": "good film"}'], [], "of the texts without labels, record 1: there is no column 'text'"),
        (['{"text": "good film"}'], ["--teacher", "hiden=1"], "did you mean 'hidden'"),
    ],
)
def test_texts_without_labels_that_are_of_no_use_are_one_sentence(
    trained, learnt, tmp_path, capsys, lines, words, said
):
    written = [json.dumps(record) for record in learnt[:16]]
    for name, each in (("more", lines), ("test", written[:8]), ("train", written[8:])):
        (tmp_path / f"{name}.jsonl").write_text("".join(line + "\n" for line in each))
    test, out = tmp_path / "test.jsonl", tmp_path / "out"
    command = ["compress", trained, test, "--floor", "accuracy -50", "--out", out, "--train", tmp_path / "train.jsonl"]
    with pytest.raises(SystemExit) as ended:
        main([*map(str, command), "--rungs", "neurons:0.5", "--unlabelled", str(tmp_path / "more.jsonl"), *words])
    told = "".join(capsys.readouterr())
    assert ended.value.code == 2
    assert said in told
    assert not [*tmp_path.rglob("rung.json")]
