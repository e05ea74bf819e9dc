"""Completions as editors ask for them: what the library writes, exactly between what stands before and behind."""

import json
from typing import Any

import pytest
from servers import Live

from danlu.apps.code.completion import Place, asked
from danlu.apps.code.context import Parts
from danlu.apps.code.repository import MOST_BYTES, Source, read_repository
from danlu.apps.code.routes import OPEN
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
        ({"sufix": "a"}, "'sufix' is no key of this request; did you mean 'suffix'?"),
        ({"max_tokens": 0}, "max_tokens"),
    ],
)
def test_wrong_requests_are_sentences(live: Live, more: dict[str, Any], sentence: str) -> None:
    told = live.post("/v1/completions", {**body(Place("a", None)), **more})
    assert told.status_code == 400
    assert sentence in told.json()["error"]["message"]


def test_files_that_are_too_many_or_too_long_are_left_out(live: Live, gaps: list[tuple[Place, str]]) -> None:
    place, _ = gaps[2]
    near = {"path": "other.py", "text": "def double_price(price):\n    return 2 * price\n"}
    long = {"path": "long.py", "text": near["text"] + " " * MOST_BYTES}
    others = [{"path": f"{number}.py", "text": "x"} for number in range(OPEN - 1)]

    def used(files: list[dict[str, str]]) -> int:
        return int(live.post("/v1/completions", body(place, files=files)).json()["usage"]["prompt_tokens"])

    alone, helped = used([]), used([near])
    assert alone < helped
    assert used([long, *others, near]) == helped
    assert used([*others, {"path": "last.py", "text": "x"}, near]) == used([long]) == alone


def test_line_ends_of_windows_are_read_as_they_were_learnt_and_given_back(
    live: Live, gaps: list[tuple[Place, str]]
) -> None:
    place, middle = gaps[1]
    assert "\n" in middle
    place_there = Place(
        place.before.replace("\n", "\r\n"), (place.behind or "").replace("\n", "\r\n"), "sums\\price.py"
    )
    told = live.post("/v1/completions", body(place_there)).json()
    assert told["usage"] == live.post("/v1/completions", body(place)).json()["usage"]
    assert told["choices"][0]["text"] == middle.replace("\n", "\r\n")
    streamed = live.post("/v1/completions", body(place_there, stream=True)).text
    events = [json.loads(line[6:]) for line in streamed.splitlines() if line.startswith("data: {")]
    assert "".join(each["choices"][0]["text"] for each in events) == middle.replace("\n", "\r\n")
    cut = live.post("/v1/completions", body(place_there, stop="\r\n")).json()["choices"][0]["text"]
    assert cut == middle.partition("\n")[0]


def test_half_of_a_character_that_an_editor_has_cut_is_not_read(live: Live, gaps: list[tuple[Place, str]]) -> None:
    place, middle = gaps[0]
    asked_for = json.dumps(body(place) | {"prompt": f"@{place.before}", "suffix": f"{place.behind}@"})
    cut = asked_for.replace('"@', '"\\ude00', 1).replace('@"', '\\ud83d"', 1)
    with live.client() as client:
        told = client.post("/v1/completions", content=cut, headers={"content-type": "application/json"})
    assert told.status_code == 200, told.text
    assert told.json()["choices"][0]["text"] == middle
