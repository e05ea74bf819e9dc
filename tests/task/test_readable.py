"""A batch as people read it: Chinese whole, the truth behind what is hidden, in colour only what the loss counts."""

from collections.abc import Iterator

import numpy as np
import pytest

from danlu.data.record import Record
from danlu.task.readable import readable, spelled
from danlu.task.task import Task
from danlu.text.tokenizing.tokenizer import Tokenizer, TokenizerSource

TEXTS = ["今天的天气很好，我们去公园散步。", "The train leaves at nine in the morning.", "北京是中国的首都。"]


def made(kind: str, size: int) -> Tokenizer:
    def texts() -> Iterator[str]:
        yield from TEXTS * 3

    return TokenizerSource.model_validate({"kind": kind, "size": size}).build(texts)


@pytest.fixture(scope="module")
def wordpiece() -> Tokenizer:
    return made("wordpiece", 90)


@pytest.fixture(scope="module")
def bpe() -> Tokenizer:
    return made("bpe", 300)


def rows_of(task: Task, records: list[Record], tokenizer: Tokenizer) -> list:
    fitted = task.fitted(records)
    encoded = fitted.encode(records, tokenizer, 64, labelled=True)
    batch = fitted.collate(encoded, 64, tokenizer, np.random.default_rng(0))
    return readable(batch, fitted, tokenizer, rows=8)


@pytest.mark.parametrize("kind", ["wordpiece", "bpe"])
def test_what_is_spelled_is_the_text(kind: str, request: pytest.FixtureRequest) -> None:
    tokenizer: Tokenizer = request.getfixturevalue(kind)
    for text in TEXTS:
        ids = tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids
        pieces = list(spelled(ids, tokenizer))
        assert sum(count for count, _ in pieces) == len(ids)
        told = "".join(piece for _, piece in pieces)
        assert told.strip().casefold() == text.casefold()
        assert "\ufffd" not in told


def test_a_masked_batch_shows_the_truth_behind_each_mask(wordpiece: Tokenizer) -> None:
    task = Task.model_validate({"kind": "masked_lm", "masked": 1.0, "replaced": 0.0, "share": 0.3})
    rows = rows_of(task, [{"text": text} for text in TEXTS], wordpiece)
    masks = [piece for row in rows for piece in row.pieces if piece.text.strip() == "[MASK]"]
    assert masks
    assert all(piece.role == "learnt" and piece.truth for piece in masks)
    assert not [piece for row in rows for piece in row.pieces if piece.role == "learnt" and piece not in masks]
    for row, text in zip(rows, TEXTS, strict=True):
        whole = "".join(piece.truth or piece.text for piece in row.pieces if piece.role != "special")
        assert whole.replace(" ", "").casefold() == text.replace(" ", "").casefold()
        assert row.padding > 0


def test_a_classified_row_shows_its_label_and_counts_no_token(wordpiece: Tokenizer) -> None:
    rows = rows_of(
        Task.model_validate("classify"),
        [{"text": TEXTS[0], "label": "天气"}, {"text": TEXTS[2], "label": "城市"}],
        wordpiece,
    )
    assert [row.label for row in rows] == ["天气", "城市"]
    assert {piece.role for row in rows for piece in row.pieces} == {"special", "context"}


def test_tagged_neighbours_stay_apart_and_entities_are_whole(wordpiece: Tokenizer) -> None:
    entities = [
        {"start": 0, "end": 1, "label": "place"},
        {"start": 1, "end": 2, "label": "place"},
        {"start": 3, "end": 5, "label": "country"},
    ]
    (row,) = rows_of(Task.model_validate("tag"), [{"text": TEXTS[2], "entities": entities}], wordpiece)
    assert [(piece.text, piece.truth) for piece in row.pieces if piece.truth] == [
        ("北", "place"),
        ("京", "place"),
        ("中国", "country"),
    ]
    assert {piece.role for piece in row.pieces} == {"learnt", "special"}


def test_a_causal_row_counts_all_but_the_first_token_of_each_document(bpe: Tokenizer) -> None:
    (row,) = rows_of(Task.model_validate("causal_lm"), [{"text": "北京"}, {"text": "公园"}], bpe)
    documents = {piece.document for piece in row.pieces}
    assert documents == {0, 1}
    for document in documents:
        pieces = [piece for piece in row.pieces if piece.document == document]
        assert pieces[0].role != "learnt"
        assert {piece.role for piece in pieces[1:]} == {"learnt"}
    assert all(text in "".join(piece.text for piece in row.pieces) for text in ("北京", "公园"))
