"""Judges that are rules behind a real server: what they say is known, and so is how they are asked."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import binomtest

from danlu.evaluate.judging.answers import Pair, read_pairs
from danlu.evaluate.judging.endpoint import Endpoint
from danlu.evaluate.judging.judged import REPLIES, Judged, Replies, judge, summed_up, write_judged
from danlu.evaluate.judging.template import JudgeTemplate, read_judge_template
from danlu.evaluate.scoring.examine import digest
from danlu.refusal import Refusal

PLAIN = JudgeTemplate.model_validate(
    {"prompt": "{question}|{first}|{second}|", "verdicts": {"first": "1st", "second": "2nd", "tie": "equal"}}
)
Asked = list[dict[str, Any]]


@contextmanager
def answering(rule: Callable[[str, int], tuple[int, object]]) -> Iterator[tuple[str, Asked]]:
    """A server on this machine; `rule` gives status and reply from what the user says and the number of the request."""
    asked: Asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append({"path": self.path, "headers": dict(self.headers), "body": body})
            status, said = rule(body["messages"][-1]["content"], len(asked))
            plain = {"choices": [{"message": {"content": said}}]} if status == 200 else {"error": {"message": said}}
            data = said if isinstance(said, bytes) else json.dumps(plain).encode()
            self.send_response(status)
            self.send_header("Retry-After", "7")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def longer(said: str, _number: int) -> tuple[int, str]:
    _, first, second, _ = said.split("|")
    if len(first) == len(second):
        return 200, "equal"
    return 200, "the 2nd? no: 1st" if len(first) > len(second) else "2nd"


def pairs(*answers: tuple[str, str]) -> list[Pair]:
    return [Pair(f"q{number}", "", one, two, "a, line 1") for number, (one, two) in enumerate(answers)]


PAIRS = pairs(("long one", "short"), ("a", "longer"), ("even", "long"), ("the longest", "no"))


def test_a_judge_by_length_agrees_with_itself_and_prefers_no_place() -> None:
    with answering(longer) as (url, asked):
        judged = judge(PAIRS, PLAIN, Endpoint(url, "m"), Replies(None), together=2)
    assert [each.winner for each in judged] == ["one", "two", "tie", "one"]
    plain = summed_up(PAIRS, judged)
    assert (plain["wins"], plain["ties"], plain["losses"], plain["unclear"]) == (2, 1, 1, 0)
    assert plain["win_rate"]["value"] == pytest.approx(2.5 / 4)
    assert plain["agreement"]["value"] == 1.0
    assert plain["first_place"]["value"] == 0.5
    assert len(asked) == 8
    assert {each["path"] for each in asked} == {"/v1/chat/completions"}
    assert {each["body"]["model"] for each in asked} == {"m"}
    assert {each["body"]["temperature"] for each in asked} == {0}
    assert not any("Authorization" in each["headers"] for each in asked)


def test_a_judge_that_always_takes_the_first_never_agrees_and_all_are_ties() -> None:
    with answering(lambda _said, _number: (200, "1st")) as (url, _):
        judged = judge(PAIRS, PLAIN, Endpoint(url, "m"), Replies(None))
    plain = summed_up(PAIRS, judged)
    assert plain["ties"] == 4
    assert plain["agreement"]["value"] == 0.0
    assert plain["win_rate"]["value"] == 0.5
    assert plain["win_rate"]["low"] < 0.2  # of four pairs that say nothing
    assert plain["win_rate"]["high"] > 0.8
    low, high = binomtest(4, 4).proportion_ci(0.95, "wilson")
    assert plain["first_place"] == {"value": 1.0, "low": pytest.approx(low), "high": high}


def test_a_reply_without_a_verdict_is_counted_and_is_no_agreement() -> None:
    with answering(lambda _said, _number: (200, "I like both very much")) as (url, _):
        judged = judge(PAIRS[:1], PLAIN, Endpoint(url, "m"), Replies(None))
    plain = summed_up(PAIRS[:1], judged)
    assert (plain["unclear"], plain["ties"], plain["agreement"]["value"], plain["first_place"]) == (2, 1, 0.0, None)


def test_a_busy_server_is_asked_again_after_longer_and_longer_waits() -> None:
    waits: list[float] = []
    busy = {1: 429, 2: 503}
    with answering(lambda said, number: (busy[number], "busy") if number in busy else longer(said, number)) as (
        url,
        asked,
    ):
        endpoint = Endpoint(url, "m", wait=waits.append)
        assert endpoint.reply(PLAIN.messages("q", "", "long one", "no")) == "the 2nd? no: 1st"
    assert len(asked) == 3
    assert waits == [7.0, 7.0]  # as the server asks
    waits.clear()
    with answering(lambda _said, _number: (500, "broken")) as (url, asked):
        endpoint = Endpoint(url, "m", tries=5, wait=waits.append)
        with pytest.raises(Refusal, match=r"does not answer after 5 tries \(status 500: broken\)"):
            endpoint.reply(PLAIN.messages("q", "", "a", "b"))
    assert len(asked) == 5
    assert waits[:3] == [7.0, 7.0, 7.0]
    assert 8 <= waits[3] <= 12
    with pytest.raises(Refusal, match="does not answer after 2 tries"):
        Endpoint(url, "m", tries=2, wait=waits.append).reply(PLAIN.messages("q", "", "a", "b"))  # nobody is there now


def test_a_request_that_is_refused_is_not_repeated_and_the_key_is_never_shown(tmp_path: Path) -> None:
    key = "sk-very-secret"
    with answering(lambda _said, _number: (401, f"the key {key} is wrong")) as (url, asked):
        endpoint = Endpoint(url, "m", key)
        with pytest.raises(Refusal, match="refuses the request") as refused:
            judge(PAIRS, PLAIN, endpoint, Replies(tmp_path / REPLIES), together=1)
    assert asked[0]["headers"]["Authorization"] == f"Bearer {key}"
    assert key not in str(refused.value)
    assert key not in repr(endpoint)
    assert not (tmp_path / REPLIES).exists()
    with pytest.raises(Refusal, match=r"a key would go to example\.org unencrypted") as refused:
        Endpoint("http://example.org/v1", "m", key)
    assert key not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x/v1",
        "http://[::1",
        "http://x:99999/v1",
        "http://a..b/v1",
        "127.0.0.1:80/v1",
        "http:///v1",
        "",
        "http://me:pass@x/v1",
        "http://127.0.0.1:9/a b",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(Refusal, match="--url"):
        Endpoint(url, "m")


@pytest.mark.parametrize("said", [b"<html>", b"[]", b'{"choices": []}', b"[" * 100_000, b"x" * (2**20 + 1)])
def test_what_is_no_chat_completion_is_refused(said: bytes) -> None:
    message = [{"role": "user", "content": ""}]
    with (
        answering(lambda _said, _number: (200, said)) as (url, _),
        pytest.raises(Refusal, match=r"sends no chat completion|sends more than"),
    ):
        Endpoint(url, "m", tries=1).reply(message)


def test_what_was_said_is_not_asked_again(tmp_path: Path) -> None:
    file = tmp_path / "out" / REPLIES
    with answering(longer) as (url, asked):
        first = judge(PAIRS, PLAIN, Endpoint(url, "m"), Replies(file))
        with file.open("ab") as lines:
            lines.write(b'{"asked": "cut sho')
        assert judge(PAIRS, PLAIN, Endpoint(url, "m"), Replies(file)) == first
        assert len(asked) == 8
        judge(PAIRS[:1], PLAIN, Endpoint(url, "other"), Replies(file))
        assert len(asked) == 10
    write_judged(tmp_path / "out", summed_up(PAIRS, first), PAIRS, first)
    lines = [json.loads(line) for line in (tmp_path / "out" / "verdicts.jsonl").read_text().splitlines()]
    assert [line["winner"] for line in lines] == ["one", "two", "tie", "one"]


def test_the_last_verdict_of_a_reply_is_meant_and_orders_are_turned_back() -> None:
    ours = read_judge_template("en")
    assert ours.verdict("[[A]] would be wrong, so [[B]]") == "second"
    assert ours.verdict("none") is None
    assert read_judge_template("zh").verdict("结论：[[C]]") == "tie"
    assert Judged(("first", "second")).winner == "one"
    assert Judged(("second", "first")).winner == "two"
    assert (Judged(("first", "first")).winner, Judged(("first", "first")).agrees) == ("tie", False)
    assert (Judged(("tie", "tie")).winner, Judged(("tie", "tie")).agrees) == ("tie", True)
    assert ours.messages("q", "", "{second}", "B")[1]["content"].count("{second}") == 1


def test_answers_come_from_what_danlu_writes(tmp_path: Path) -> None:
    record = {"text": "why?", "target": "because"}
    (tmp_path / "predicted.jsonl").write_text(json.dumps({**record, "prediction": {"text": "so"}}) + "\n")
    (tmp_path / "evaluation").mkdir()
    line = {"digest": digest(record), "gold": ["because"], "answer": ["thus"]}
    (tmp_path / "evaluation" / "answers.jsonl").write_text(json.dumps(line) + "\n")
    (pair,) = read_pairs(tmp_path / "predicted.jsonl")
    assert (pair.question, pair.one, pair.two) == ("why?", "so", "because")
    (pair,) = read_pairs(tmp_path / "evaluation", records=[record])
    assert (pair.question, pair.one, pair.two) == ("why?", "thus", "because")
    (pair,) = read_pairs(tmp_path / "predicted.jsonl", tmp_path / "evaluation", records=[record])
    assert (pair.question, pair.reference, pair.one, pair.two) == ("why?", "because", "so", "thus")
    with pytest.raises(Refusal, match=r"line 1: its record is not among those of --data"):
        read_pairs(tmp_path / "evaluation", records=[{"text": "other"}])


@pytest.mark.parametrize(
    ("ours", "theirs", "sentence"),
    [
        ('{"answer": "a"}\n', None, r"a\.jsonl, line 1: there is no reference"),
        ('{"answer": 3}\n', None, r"a\.jsonl, line 1: there is no text in 'answer'"),
        ("[1]\n", None, r"a\.jsonl, line 1: expected an object"),
        ("\n", None, "there are no answers in it"),
        ('{"answer": "a"}\n', '{"answer": "a"}\n{"answer": "b"}\n', "has 1 answers and .* 2"),
        ('{"question": "x", "answer": "a"}\n', '{"question": "y", "answer": "a"}\n', r"line 1 answer other questions"),
    ],
)
def test_wrong_answers_are_refused(tmp_path: Path, ours: str, theirs: str | None, sentence: str) -> None:
    (tmp_path / "a.jsonl").write_text(ours)
    if theirs is not None:
        (tmp_path / "b.jsonl").write_text(theirs)
    with pytest.raises(Refusal, match=sentence):
        read_pairs(tmp_path / "a.jsonl", tmp_path / "b.jsonl" if theirs is not None else None)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            "prompt: '{first}'\nverdicts: {first: a, second: b, tie: c}\n",
            r"t\.yaml line 1: prompt: has no slot \{second\}",
        ),
        ("prompt: '{first}{second}{x}'\nverdicts: {first: a, second: b, tie: c}\n", r"has the slot \{x\}"),
        ("prompt: '{first}{second}'\n", "verdicts"),
        ("prompt: '{first}{second}'\nverdicts: {first: a, second: b, tie: ''}\n", "tie"),
    ],
)
def test_a_wrong_template_is_refused(tmp_path: Path, content: str, sentence: str) -> None:
    (tmp_path / "t.yaml").write_text(content)
    with pytest.raises(Refusal, match=sentence):
        read_judge_template(str(tmp_path / "t.yaml"))
    with pytest.raises(Refusal, match="there is no such template"):
        read_judge_template(str(tmp_path / "none.yaml"))


def test_what_was_asked_of_a_conversation_stands_before_its_last_answer(tmp_path: Path) -> None:
    system, user = {"role": "system", "content": "Be short."}, {"role": "user", "content": "why?"}
    said = {"role": "assistant", "content": "because"}
    (tmp_path / "a.jsonl").write_text(json.dumps({"messages": [user, said], "prediction": {"text": "so"}}) + "\n")
    (tmp_path / "b.jsonl").write_text(json.dumps({"messages": [user, said], "prediction": {"text": "thus"}}) + "\n")
    assert read_pairs(tmp_path / "a.jsonl", tmp_path / "b.jsonl")[0].question == "why?"
    record = {"messages": [system, user, said, user, said]}
    for name, answer in (("one", "x"), ("two", "y")):
        (tmp_path / name).mkdir()
        line = {"digest": digest(record), "gold": [], "answer": [answer]}
        (tmp_path / name / "answers.jsonl").write_text(json.dumps(line) + "\n")
    (pair,) = read_pairs(tmp_path / "one", tmp_path / "two", records=[record])
    assert pair.question == "system: Be short.\n\nuser: why?\n\nassistant: because\n\nuser: why?"


def test_answers_to_other_records_are_no_pairs(tmp_path: Path) -> None:
    for name, text in (("one", "x"), ("two", "y")):
        (tmp_path / name).mkdir()
        line = {"digest": digest({"text": text}), "gold": [], "answer": ["a"]}
        (tmp_path / name / "answers.jsonl").write_text(json.dumps(line) + "\n")
    with pytest.raises(
        Refusal, match=r"line 1 answer other records; give evaluations of the same data in the same order"
    ):
        read_pairs(tmp_path / "one", tmp_path / "two")


def test_who_stops_does_not_wait_for_a_silent_judge() -> None:
    speaks, spoken = threading.Event(), list[str]()

    class Silent:
        """Answers the first question, and the other one when it is told to, or late."""

        def of(self, _endpoint: object, messages: list[dict[str, str]]) -> str:
            if not any("q0" in each["content"] for each in messages):
                speaks.wait(5)
                spoken.append("late")
            return "[[A]]"

    def interrupted(_count: int) -> None:
        raise KeyboardInterrupt

    told = (read_judge_template("en"), Endpoint("http://127.0.0.1:9", "judge"))
    try:
        with pytest.raises(KeyboardInterrupt):
            judge(pairs(("a", "b"), ("c", "d")), *told, Silent(), together=2, seen=interrupted)  # type: ignore[arg-type]
        assert spoken == []
    finally:
        speaks.set()
