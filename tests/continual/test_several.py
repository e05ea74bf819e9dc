"""Rows of several tasks in one batch cost what each of their tasks says."""

import numpy as np

from danlu.continual.several import Several, named
from danlu.task.task import Task
from danlu.text.batching.encoded import Encoded
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.text.tokenizing.tokenizers.extended import Extended

TEXTS = ["床前明月光，疑是地上霜。", "Nobody waits, for the train leaves at nine.", "It is late."]


def test_rows_cost_what_their_own_task_says() -> None:
    words = Extended(base=Bpe(size=300, mask="<mask>"), sentinels=30).build(lambda: iter(TEXTS))
    tasks = {
        "mend": Task.model_validate({"kind": "denoise", "corruption": "t5", "shape": "encoder_decoder", "start": 1}),
        "find": Task.model_validate("rank"),
    }
    read = {
        "mend": [{"text": text} for text in TEXTS],
        "find": [{"text": "when", "positives": TEXTS[2:], "negatives": TEXTS[:2]}],
    }
    encoded = {name: task.encode(read[name], words, 60, labelled=True) for name, task in tasks.items()}
    several = Several(tasks, {name: name for name in tasks}, words, {})
    rows: list[Encoded] = [
        *named(encoded["mend"][:1], "mend"),
        *named(encoded["find"], "find"),
        *named(encoded["mend"][1:], "mend"),
    ]
    found = several.sizes(rows)
    mend, find = (tasks[name].sizes(encoded[name], words) for name in tasks)
    assert mend.targets is not None
    assert find.rows is not None
    assert found.widths.tolist() == np.insert(mend.widths, 1, find.widths).tolist()
    assert found.rows is not None
    assert found.rows.tolist() == [1, int(find.rows[0]), 1, 1]
    assert found.targets is not None
    assert found.targets.tolist() == np.insert(mend.targets, 1, 0).tolist()
    alone = several.sizes(rows[1:2])
    assert alone.targets is None
