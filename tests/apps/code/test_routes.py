"""Completions as editors ask for them: what the library writes, exactly between what stands before and behind."""

import json
from typing import Any

import pytest
from servers import Live

from danlu.apps.code.completion import Place, asked
from danlu.apps.code.context import Parts
from danlu.apps.code.repository import Source, read_repository
from danlu.bundle.bundle import Bundle

POLICY: dict[str, Any] = {"kind": "greedy", "max_new_tokens": 40}


def body(place: Place, **more: Any) -> dict[str, Any]:
    told = {"model": "any", "prompt": place.before, "suffix": place.behind, "path": place.path}
    return {**told, "max_tokens": 40, "temperature": 0, **more}


def test_what_was_served_is_what_the_library_writes_and_the_file_is_whole_again(
    live: Live, bundle: Bundle, gaps: list[tuple[Place, str]]
) -> None:
    for place, middle in gaps:
        told = live.post("/v1/completions", body(place)).json()
        text = told["choices"][0]["text"]
        record = asked(place, None, bundle.tokenizer, bundle.network.limit, 40)
        assert text == bundle.generate([record], POLICY)[0][0].text
        assert text == middle
        assert place.before + text + (place.behind or "") == gaps[0][0].before + gaps[0][1] + gaps[0][0].behind
        assert told["choices"][0]["finish_reason"] == "stop"


def test_a_stream_says_the_same(live: Live, gaps: list[tuple[Place, str]]) -> None:
    place, middle = gaps[1]
    told = live.post("/v1/completions", body(place, stream=True)).text
    events = [json.loads(line[6:]) for line in told.splitlines() if line.startswith("data: {")]
    assert "".join(each["choices"][0]["text"] for each in events) == middle


def test_files_of_the_repository_and_open_ones_are_read_too(
    beside_files: Live, live: Live, bundle: Bundle, repository: Any, gaps: list[tuple[Place, str]]
) -> None:
    place, _ = gaps[2]
    parts = Parts(read_repository(repository).files)
    record = asked(place, parts, bundle.tokenizer, bundle.network.limit, 40)
    assert record["text"].startswith("# file: sums/")
    assert not record["text"].startswith("# file: sums/price.py")
    told = beside_files.post("/v1/completions", body(place)).json()
    assert told["choices"][0]["text"] == bundle.generate([record], POLICY)[0][0].text
    near = Source("other.py", "def double_price(price):\n    return 2 * price\n")
    record = asked(place, Parts([near]), bundle.tokenizer, bundle.network.limit, 40)
    assert record["text"].startswith("# file: other.py\ndef double_price")
    files = [{"path": near.path, "text": near.text}]
    told = live.post("/v1/completions", body(place, files=files)).json()
    assert told["choices"][0]["text"] == bundle.generate([record], POLICY)[0][0].text


def test_what_is_longer_than_the_model_takes_is_cut_to_the_nearest_lines(live: Live, bundle: Bundle) -> None:
    place = Place("".join(f"price_{number} = {number}\n" for number in range(3000)), "\n".join(["end()"] * 3000))
    told = live.post("/v1/completions", body(place)).json()
    assert told["usage"]["total_tokens"] <= bundle.network.limit
    assert told["usage"]["prompt_tokens"] > bundle.network.limit // 2
    told = live.post("/v1/completions", {"prompt": "", "max_tokens": 4}).json()
    assert told["usage"]["completion_tokens"] <= 4


def test_a_suffix_is_refused_in_a_sentence_where_no_gap_can_be_filled(without_gaps: Live, live: Live) -> None:
    told = without_gaps.post("/v1/completions", body(Place("a = ", "b\n")))
    assert told.status_code == 400
    error = told.json()["error"]
    assert error["message"].startswith("the tokenizer has no tokens that name prefix, suffix and middle")
    assert error["param"] == "suffix"
    for behind in (None, "", "\n \n"):  # editors send these at the end of a file
        told = without_gaps.post("/v1/completions", body(Place("a = ", behind)))
        assert told.status_code == 200
    fills = []
    for server in (without_gaps, live):
        with server.client() as client:
            fills.append(client.get("/v1/code").json()["fills"])
            assert client.get("/v1/models").json()["data"][0]["id"] == "code"
    assert fills == [False, True]


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"prompt": 3}, "prompt"),
        ({"prompt": ["a", "b"]}, "expected one text"),
        ({"files": [{"path": "a"}]}, "files.0.text"),
        ({"files": [{"path": "a", "text": "b"}] * 33}, "files"),
        ({"sufix": "a"}, "'sufix' is no key of this request; did you mean 'suffix'?"),
        ({"max_tokens": 0}, "max_tokens"),
    ],
)
def test_wrong_requests_are_sentences(live: Live, more: dict[str, Any], sentence: str) -> None:
    told = live.post("/v1/completions", {**body(Place("a", None)), **more})
    assert told.status_code == 400
    assert sentence in told.json()["error"]["message"]
