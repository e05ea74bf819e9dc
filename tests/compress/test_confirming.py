"""What confirms is no part of what chose, and what is scored is no part of what was learnt from."""

import pytest

from danlu.compress.confirming import refuse_learnt
from danlu.compress.ladder import compress
from danlu.refusal import Refusal
from danlu.task.task import Task

OTHER = {"good": "bad", "bad": "good"}


def test_a_test_that_is_learnt_from_is_refused_whatever_its_labels_are_there(trained, unseen, learnt, tmp_path):
    turned = [record | {"label": OTHER[record["label"]]} for record in unseen[:9]]
    settings = {"train": [*learnt, *turned], "rungs": "neurons:0.5", "say": lambda _: None}
    with pytest.raises(Refusal, match="9 of the 64 records that rungs are scored on are among those"):
        compress(trained, unseen, "accuracy -1", tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()


def test_a_few_texts_that_stand_in_both_are_told(unseen, learnt):
    said, task = [], Task.model_validate("classify")
    refuse_learnt(task, unseen, [*learnt, *unseen[:3]], said.append)
    refuse_learnt(task, unseen, learnt, said.append)
    assert len(said) == 1
    assert said[0].startswith("3 of the 64 records")
