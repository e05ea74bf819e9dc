"""Vectors and rankings: what is asked of a model for them."""

from typing import Any

import pytest
from servers import Live

from danlu.serve.json_answer import JsonAnswer
from danlu.serve.routes import predict, vectors

DOCUMENTS = ["快", "好书", "这本书写得很好，值得一读。" * 3, "快", "天下雨"]


def test_each_document_is_a_record_of_its_own_and_its_score_that_among_all(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    async def answers(service: Any, call: Any, model: Any, records: list[Any]) -> Any:
        asked.extend(records)
        return await predict.answers(service, call, model, records)

    monkeypatch.setattr(vectors, "answers", answers)
    found = live.post("/v1/rerank", {"model": "rank", "query": "书", "documents": DOCUMENTS}).json()["results"]
    distinct = list(dict.fromkeys(DOCUMENTS))
    assert asked == [{"text": "书", "candidates": [each]} for each in distinct]
    record = {"text": "书", "candidates": distinct}
    (listed,) = live.post("/v1/predict", {"model": "rank", "record": record}).json()["predictions"]
    scores = dict(zip(listed["ranking"], listed["scores"], strict=True))
    assert [each["index"] for each in found] == sorted(range(5), key=lambda place: (-scores[DOCUMENTS[place]], place))
    assert [each["relevance_score"] for each in found] == pytest.approx(
        [scores[each["document"]["text"]] for each in found], rel=1e-5
    )


@pytest.mark.parametrize(
    ("module", "path", "body"),
    [
        (vectors, "/v1/embeddings", {"model": "embed", "input": ["好", "书"]}),
        (predict, "/v1/predict", {"model": "embed", "texts": ["好", "书"]}),
    ],
)
def test_many_numbers_are_written_at_once(
    live: Live, monkeypatch: pytest.MonkeyPatch, module: Any, path: str, body: Any
) -> None:
    written: list[Any] = []

    def kept(value: Any) -> JsonAnswer:
        written.append(value)
        return JsonAnswer(value)

    monkeypatch.setattr(module, "JsonAnswer", kept)
    assert live.post(path, body).json() == written[0]
