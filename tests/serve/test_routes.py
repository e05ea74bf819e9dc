"""What is served is what the bundle answers in process, by whichever route."""

import base64
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest
from servers import Live, serving

from danlu.bundle import golden, manifest
from danlu.bundle.bundle import load, open_folder
from danlu.recipe.part import kinds
from danlu.serve.limits import Limits
from danlu.serve.shelf import Place, Shelf
from danlu.task.task import Task

TALK = [{"role": "user", "content": "这本书"}]


def close(one: Any, other: Any) -> bool:
    if isinstance(one, float) or isinstance(other, float):
        return one == pytest.approx(other, rel=1e-4, abs=1e-5)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(close(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(close, one, other))
    return bool(one == other)


@pytest.fixture
def client(live: Live) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{live.address}/v1", api_key="none", max_retries=0)


@pytest.mark.parametrize("kind", kinds(Task))
def test_served_answers_are_those_in_process_alone_and_among_31_others(
    live: Live, bundles: dict[str, Path], kind: str
) -> None:
    with load(bundles[kind], threads=1) as bundle:
        records = [dict(record) for record in bundle.task.sample] * 11
        expected = json.loads(json.dumps(bundle.predict(records[:32])))
    together = live.post("/v1/predict", {"model": kind, "records": records[:32]})
    assert together.status_code == 200, together.text
    assert close(together.json()["predictions"], expected)
    alone = live.post("/v1/predict", {"model": kind, "record": records[1]}).json()
    assert close(alone["predictions"][0], expected[1])
    assert alone["usage"]["records"] == 1


def test_who_reads_chinese_is_told_in_both_languages_and_others_in_english(live: Live) -> None:
    with live.client() as client:
        body = {"model": "classify", "record": {"text": "好"}, "modell": 1}
        chinese = client.post("/v1/predict", json=body, headers={"Accept-Language": "zh-CN,zh;q=0.9"}).json()["error"]
        english = client.post("/v1/predict", json=body, headers={"Accept-Language": "en"}).json()["error"]
        others = [
            client.post(path, json={"model": 3}, headers={"Accept-Language": "zh"}).json()["error"]["translated"]
            for path in ("/v1/predict", "/v1/nothing")
        ]
    assert others == ["model: 应为文本", "没有这个地址；路由说明见 /openapi.json"]
    assert chinese["translated"].startswith("'modell' 不是这个请求的键")
    assert chinese["message"] == english["message"]
    assert "translated" not in english


def test_lines_are_answered_in_order_and_a_bad_one_by_itself(live: Live) -> None:
    lines = ['{"text": "好"}', "no json", '{"text": "慢"}', '{"other": 1}', '{"text": "\\ud800"}']
    with live.client() as client:
        answer = client.post("/v1/predict/lines?model=classify", content="\n".join(lines).encode())
    assert answer.status_code == 200
    found = [json.loads(line) for line in answer.text.splitlines()]
    assert ["label" in each for each in found] == [True, False, True, False, False]
    assert [each["error"]["code"] for each in found if "error" in each] == ["not_json", "refused", "not_json"]


def test_a_conversation_streamed_is_the_one_that_is_not(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": "chat", "messages": TALK, "max_tokens": 24, "temperature": 1.5, "seed": 7, "n": 2}
    whole = client.chat.completions.create(**asked)
    pieces = ["", ""]
    reasons: list[Any] = [None, None]
    for chunk in client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}):
        for choice in chunk.choices:
            pieces[choice.index] += choice.delta.content or ""
            reasons[choice.index] = choice.finish_reason or reasons[choice.index]
    assert pieces == [choice.message.content for choice in whole.choices]
    assert reasons == [choice.finish_reason for choice in whole.choices]
    assert chunk.usage == whole.usage
    assert pieces[0] != pieces[1]


def test_what_beams_write_is_streamed_as_one_piece_and_tells_no_token(bundles: dict[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(bundles["translate"], tmp_path / "beams"))
    facts = json.loads((folder / "danlu.json").read_text(encoding="utf-8"))
    facts["task"]["policy"] = {"kind": "beam", "beams": 3, "returned": 2, "max_new_tokens": 8}
    with open_folder(folder, facts, None, 1) as bundle:
        golden.write(folder, bundle.predictor, list(bundle.task.sample[:1]))
    manifest.write(folder, facts)
    shelf = Shelf([Place("m", str(folder), threads=1)])
    shelf.open()
    try:
        with serving(shelf, Limits()) as live:
            client = openai.OpenAI(base_url=f"{live.address}/v1", api_key="none", max_retries=0)
            whole = client.completions.create(model="m", prompt="这本书")
            pieces = ["", ""]
            for chunk in client.completions.create(model="m", prompt="这本书", stream=True):
                for choice in chunk.choices:
                    pieces[choice.index] += choice.text
            assert any(pieces)
            assert pieces == [choice.text for choice in whole.choices]
            assert [choice.index for choice in whole.choices] == [0, 1]
            with pytest.raises(openai.BadRequestError, match="policy 'beam'"):
                client.completions.create(model="m", prompt="这本书", logprobs=1)
    finally:
        shelf.close()


def test_completions_tell_how_likely_each_token_was(client: openai.OpenAI) -> None:
    whole = client.completions.create(model="causal_lm", prompt="这本书", max_tokens=6, logprobs=2, temperature=0)
    (choice,) = whole.choices
    assert choice.logprobs is not None
    assert len(choice.logprobs.tokens or ()) == 6
    for log, best in zip(choice.logprobs.token_logprobs or (), choice.logprobs.top_logprobs or (), strict=True):
        assert log == pytest.approx(max(best.values()))  # the likeliest is chosen
    told = client.chat.completions.create(model="chat", messages=TALK, max_tokens=4, logprobs=True, top_logprobs=3)
    content = told.choices[0].logprobs.content
    assert all(len(each.top_logprobs) == 3 and each.logprob <= 0 for each in content)


def test_vectors_are_those_of_the_bundle_in_both_codings(client: openai.OpenAI, bundles: dict[str, Path]) -> None:
    with load(bundles["embed"], threads=1) as bundle:
        expected = [each["vector"] for each in bundle.predict(["好", "这本书"])]
    for coding in ("float", "base64"):
        found = client.embeddings.create(model="embed", input=["好", "这本书"], encoding_format=coding)
        vectors: Any = [each.embedding for each in found.data]
        if coding == "base64":
            vectors = [np.frombuffer(base64.b64decode(each), "<f4") for each in vectors]
        np.testing.assert_allclose(vectors, expected, atol=1e-5)
    with pytest.raises(openai.BadRequestError, match="vectors of this model have 16 numbers"):
        client.embeddings.create(model="embed", input="好", dimensions=7)


def test_documents_are_ranked_as_in_process(live: Live, bundles: dict[str, Path]) -> None:
    documents = ["快", "好书", "快"]
    with load(bundles["rank"], threads=1) as bundle:
        (expected,) = bundle.predict([{"text": "书", "candidates": ["快", "好书"]}])
    found = live.post("/v1/rerank", {"model": "rank", "query": "书", "documents": documents, "top_n": 3}).json()
    assert sorted(each["index"] for each in found["results"]) == [0, 1, 2]
    assert found["results"][0]["document"]["text"] == expected["ranking"][0]
    assert found["results"][0]["relevance_score"] == pytest.approx(expected["scores"][0], rel=1e-4)


def test_a_form_is_kept(client: openai.OpenAI) -> None:
    schema = {
        "type": "object",
        "properties": {"好": {"type": "boolean"}},
        "required": ["好"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "told", "schema": schema}}
    found = client.chat.completions.create(model="chat", messages=TALK, max_tokens=60, response_format=form)
    assert json.loads(found.choices[0].message.content).keys() == {"好"}


CHAT = "/v1/chat/completions"
LONG = [{"role": "user", "content": "书" * 500}]
ROBOT = [{"role": "robot", "content": "x"}]


@pytest.mark.parametrize(
    ("path", "body", "status", "code", "param"),
    [
        (CHAT, {"model": "chat", "messages": TALK, "audio": {}}, 400, "unsupported_parameter", "audio"),
        (CHAT, {"model": "chat", "messages": TALK, "temprature": 1}, 400, "unknown_parameter", "temprature"),
        (CHAT, {"model": "chat", "messages": TALK, "user": "u", "store": False}, 200, None, None),
        (CHAT, {"model": "chat", "messages": TALK, "logprobs": False, "top_logprobs": 0}, 200, None, None),
        (CHAT, {"model": "chat", "messages": TALK, "top_logprobs": 1}, 400, "invalid_value", "top_logprobs"),
        (CHAT, {"model": "chat", "messages": TALK, "prompt_cache_retention": "24h"}, 200, None, None),
        (CHAT, {"model": "chta", "messages": TALK}, 404, "model_not_found", "model"),
        (CHAT, {"model": "classify", "messages": TALK}, 400, "wrong_task", "model"),
        (CHAT, {"model": "chat", "messages": ROBOT}, 400, "refused", "messages"),
        (CHAT, {"model": "chat", "messages": LONG}, 400, "context_length_exceeded", "messages"),
        (CHAT, {"model": "chat", "messages": TALK, "temperature": 0, "n": 2}, 400, "invalid_value", "n"),
        ("/v1/completions", {"model": "causal_lm", "prompt": [1, 2]}, 400, "unsupported_parameter", "prompt"),
        ("/v1/completions", {"model": "classify", "prompt": "书"}, 400, "refused", "prompt"),
        ("/v1/embeddings", {"model": "rank", "input": "书"}, 400, "wrong_task", "model"),
        ("/v1/predict", {"model": "../../etc/passwd", "text": "书"}, 404, "model_not_found", "model"),
        ("/v1/predict", {"text": "书"}, 400, "model_missing", "model"),
        ("/v1/predict", {"model": "classify", "text": 3}, 400, "invalid_value", "text"),
        ("/v1/predict", {"model": "classify", "records": [{"wrong": "书"}]}, 400, "refused", "records"),
        ("/v1/predict", {"model": "classify", "texts": ["书"] * 5000}, 413, "too_many_records", "texts"),
        ("/v1/nothing", {}, 404, "no_such_route", None),
    ],
)
def test_what_cannot_be_answered_is_told_with_its_reason(
    live: Live, path: str, body: dict[str, Any], status: int, code: str | None, param: str | None
) -> None:
    answer = live.post(path, body)
    assert answer.status_code == status, answer.text
    if code:
        error = answer.json()["error"]
        assert (error["code"], error["param"]) == (code, param)
        assert error["message"]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b'{"model": "classify", "text": "\\ud800"}', "not_json"),
        (b'{"model": "classify", "text": NaN}', "invalid_value"),
        (b"[" * 100_000, "not_json"),
        (b"\xff\xfe", "not_utf8"),
        (b"[]", "not_an_object"),
        (b"", "not_json"),
    ],
)
def test_what_is_no_request_is_told_so(live: Live, data: bytes, code: str) -> None:
    with live.client() as client:
        answer = client.post("/v1/predict", content=data)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == code


def test_a_body_may_begin_with_a_mark_of_utf_8(live: Live) -> None:
    with live.client() as client:
        for marks, status in ((b"\xef\xbb\xbf", 200), (b"\xef\xbb\xbf" * 2, 400)):
            answer = client.post("/v1/predict", content=marks + b'{"model": "classify", "text": "x"}')
            assert answer.status_code == status, answer.text


def test_models_tell_what_they_read_and_the_interface_shows_their_samples(live: Live) -> None:
    with live.client() as client:
        models = client.get("/v1/models").json()["data"]
        interface = client.get("/openapi.json").json()
        ready = client.get("/health/ready")
        metrics = client.get("/metrics").text
    assert {each["id"] for each in models} == set(kinds(Task))
    content = interface["paths"]["/v1/predict"]["post"]["requestBody"]["content"]["application/json"]
    assert {each["value"]["model"] for each in content["examples"].values()} == set(kinds(Task))
    assert ready.status_code == 200
    assert "danlu_requests_total" in metrics
