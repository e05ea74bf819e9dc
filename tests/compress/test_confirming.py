"""What confirms is no part of what chose, and what is scored is no part of what was learnt from."""

import pytest

from danlu.compress.confirming import refuse_learnt
from danlu.refusal import Refusal
from danlu.task.task import Task


def test_a_few_texts_that_stand_in_both_are_told(unseen, learnt):
    said, task = [], Task.model_validate("classify")
    refuse_learnt(task, unseen, [*learnt, *unseen[:3]], said.append)
    refuse_learnt(task, unseen, learnt, said.append)
    assert len(said) == 1
    assert said[0].startswith("3 of the 64 records")


def asked(text, **more):
    return {"text": text, "label": text} | more


@pytest.mark.parametrize(
    ("kind", "one", "other", "like"),
    [
        ("embed", {"text_pair": "b", "score": 1.0}, {"text_pair": "c", "score": 1.0}, {"text_pair": "b", "score": 0.5}),
        ("embed", {"text_pair": "b", "negatives": ["c"]}, {"text_pair": "b", "negatives": ["d"]}, None),
        ("rank", {"positives": ["b"], "negatives": ["c"]}, {"positives": ["d"], "negatives": ["c"]}, None),
        ("rank", {"text_pair": "b", "score": 1.0}, {"text_pair": "c", "score": 1.0}, {"text_pair": "b", "score": 0.0}),
        ("classify", {"text_pair": "b"}, {"text_pair": "c"}, {"text_pair": "b", "label": "another", "source": "web"}),
        ("tag", {"entities": []}, None, {"entities": [{"start": 0, "end": 1, "label": "x"}]}),
    ],
)
def test_records_are_the_same_where_all_is_that_is_read_of_them(kind, one, other, like):
    task, test = Task.model_validate(kind), [asked(str(number), **one) for number in range(4)]
    if other is not None:
        refuse_learnt(task, test, [asked(str(number), **other) for number in range(4)], pytest.fail)
    with pytest.raises(Refusal, match="4 of the 4 records"):
        refuse_learnt(task, test, [asked(str(number), **(like or one)) for number in range(4)], pytest.fail)


def test_one_text_of_a_small_test_that_is_learnt_from_too_is_told(unseen, learnt):
    said, task = [], Task.model_validate("classify")
    refuse_learnt(task, unseen[:8], [*learnt, unseen[0]], said.append)
    assert said[0].startswith("1 of the 8 records")
    with pytest.raises(Refusal, match="2 of the 8 records"):
        refuse_learnt(task, unseen[:8], [*learnt, *unseen[:2]], said.append)
