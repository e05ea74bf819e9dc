"""Tasks that learn from text alone: how long their rows are where a model takes longer ones than a batch."""

from pathlib import Path
from typing import Any

import pytest

from danlu.task.task import Task
from danlu.task.windowed import Windowed
from danlu.text.batching.flat import FlatTokens, write_tokens
from danlu.text.batching.shards import Manifest
from danlu.text.batching.windows import documents
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece

TEXT = "the cat sat on the mat " * 40
WORDS = WordPiece(size=60, min_frequency=1).build(lambda: iter([TEXT]))
LIMIT, ROOM = 8192, 32
TASKS: list[dict[str, Any]] = [
    {"kind": "causal_lm"},
    {"kind": "causal_lm", "pack": False},
    {"kind": "masked_lm"},
    {"kind": "masked_lm", "pack": True},
    {"kind": "replaced_token"},
    {"kind": "permuted_lm"},
    {"kind": "denoise", "corruption": {"kind": "bart", "infill": 0, "delete": 0.1}, "shape": "encoder_decoder"},
]


def task_of(fields: dict[str, Any], **more: Any) -> Windowed:
    found = Task.model_validate(fields | more)
    assert isinstance(found, Windowed)
    return found


@pytest.mark.parametrize("fields", TASKS, ids=lambda fields: "-".join(map(str, fields.values())))
def test_no_row_is_longer_than_a_batch_unless_texts_are_not_split(fields: dict[str, Any], tmp_path: Path) -> None:
    task, records = task_of(fields), [{"text": TEXT}]
    for labelled in (True, False):
        assert max(map(len, task.encode(records, WORDS, LIMIT, labelled=labelled))) > 200
        assert max(map(len, task.cut_at(ROOM).encode(records, WORDS, LIMIT, labelled=labelled))) <= ROOM
    assert ROOM / 2 < max(map(len, task.learnable(records, WORDS, LIMIT, ROOM))) <= ROOM
    whole = task_of(fields, too_long="truncate")
    assert max(map(len, whole.learnable(records, WORDS, LIMIT, ROOM))) > 200
    if fields != {"kind": "masked_lm", "pack": True}:
        shards = write_tokens(tmp_path, [documents([TEXT], WORDS)], len(WORDS))
        flat = FlatTokens(tmp_path, Manifest("tokens", "", tuple(shards), {"vocabulary": len(WORDS)}))
        assert ROOM / 2 < max(map(len, task.rows(flat, WORDS, LIMIT, ROOM))) <= ROOM


def test_where_a_batch_takes_examples_rows_are_as_long_as_the_model_and_the_recipe_allow() -> None:
    assert task_of({"kind": "masked_lm"}).cut_at(0).max_length is None
    assert task_of({"kind": "masked_lm", "max_length": 16}).cut_at(ROOM).max_length == 16
    packs = task_of({"kind": "causal_lm"})
    assert packs.cut_at(0).max_length == packs.usual_row  # type: ignore[attr-defined]
    assert task_of({"kind": "causal_lm", "max_length": 5000}).cut_at(0).max_length == 5000
    assert task_of({"kind": "causal_lm", "pack": False}).cut_at(0).max_length is None
