"""An assistant over HTTP: the answers of the library, guarded; the widget for named websites alone."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import httpx2
import pytest
from servers import serving

from danlu.apps.assistant import conversations
from danlu.apps.assistant import serving as serving_of
from danlu.apps.assistant.assistant import Assistant
from danlu.apps.assistant.opening import opened
from danlu.apps.assistant.serving import origins_of, site_of
from danlu.machine.database import Unreachable
from danlu.refusal import Refusal
from danlu.serve.keys import Key, hash_of
from danlu.serve.metrics import Metrics

SHOP, OTHER, KEY = "https://shop.example", "https://other.example", "danlu-secret"


@pytest.fixture(scope="module")
def answering(learnt: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Assistant]]:
    folder = shutil.copytree(learnt, tmp_path_factory.mktemp("serving") / "assistant")
    with opened(folder) as assistant:
        site = site_of(assistant, origins=frozenset([SHOP]), a_minute=1000, say=lambda _line: None)
        with serving(site=site, keys=(Key(name="mine", sha256=hash_of(KEY)),)) as live:
            yield live.address, assistant


@pytest.fixture(scope="module")
def client(answering: tuple[str, Assistant]) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=answering[0], timeout=60, trust_env=False, verify=False) as found:
        yield found


def post(client: httpx2.Client, path: str, body: object, origin: str = "", key: str = KEY) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return client.post(path, json=body, headers=headers | ({"Origin": origin} if origin else {}))


@pytest.mark.parametrize("question", ["怎么退货？", "where is my parcel", "Who won the match?", "包邮"])
def test_an_answer_over_http_is_that_of_the_library(
    client: httpx2.Client, answering: tuple[str, Assistant], question: str
) -> None:
    own = answering[1].ask(question).plain()
    served = post(client, "/v1/ask", {"question": question}).json()
    given = post(client, "/widget/ask", {"question": question}, SHOP, "").json()
    for name in ("turn", "session"):
        assert len({own.pop(name), served.pop(name), given.pop(name)}) == 3
    assert served == own
    assert given == {name: own[name] for name in ("begun", "kind", "text", "language")}  # no other customer's question


def test_the_widget_answers_named_websites_alone_and_the_desk_wants_a_key(client: httpx2.Client) -> None:
    ask = {"question": "包邮吗"}
    assert post(client, "/widget/ask", ask, SHOP, "").headers["access-control-allow-origin"] == SHOP
    assert post(client, "/widget/ask", ask, OTHER, "").status_code == 401
    assert "access-control-allow-origin" not in post(client, "/widget/ask", ask, OTHER, "").headers
    for path in ("/v1/ask", "/v1/judge", "/v1/done", "/v1/back", "/v1/send-again", "/v1/person"):
        assert post(client, path, ask, SHOP, "").status_code == 401
    assert client.get("/v1/state", headers={"Origin": SHOP}).status_code == 401
    turn = post(client, "/widget/ask", ask, SHOP, "").json()["turn"]
    wrong = post(client, "/widget/judge", {"turn": turn, "verdict": "corrected", "answer": "x"}, SHOP, "")
    assert wrong.status_code == 400
    assert post(client, "/widget/judge", {"turn": turn, "verdict": "wrong"}, SHOP, "").status_code == 201
    state = client.get("/v1/state", headers={"Authorization": f"Bearer {KEY}"}).json()
    assert turn in [each["id"] for each in state["complaints"]]
    script = client.get("/widget.js")
    assert script.headers["cross-origin-resource-policy"] == "cross-origin"
    assert "innerHTML" not in script.text


def test_what_a_person_does_at_the_desk(client: httpx2.Client) -> None:
    asked = post(client, "/v1/ask", {"question": "Do you repair bicycles?"}).json()
    assert asked["kind"] == "person"
    answer = {"turn": asked["turn"], "verdict": "corrected", "answer": "We repair bicycles on Fridays."}
    assert post(client, "/v1/judge", answer).status_code == 201
    assert post(client, "/v1/ask", {"question": "Do you repair bicycles?"}).json()["text"] == answer["answer"]
    more = post(client, "/v1/person", {"session": asked["session"]}).json()
    assert more["kind"] == "person"
    headers = {"Authorization": f"Bearer {KEY}"}
    waits = client.get("/v1/state", headers=headers).json()["waiting"]
    found = next(each for each in waits if each["session"] == asked["session"])
    assert post(client, "/v1/done", {"handover": found["id"], "turn": found["turn"]}).json() == {}
    turns = client.get(f"/v1/conversations/{asked['session']}", headers=headers).json()["turns"]
    assert [turn["kind"] for turn in turns] == ["person", "person"]
    assert post(client, "/v1/send-again", {}).json() == {"again": 0}
    assert post(client, "/v1/back", {"number": 9}).status_code == 400
    assert post(client, "/v1/back", {"number": 1}).json() == {"serves": 1}


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/v1/ask", {}, "invalid_value"),
        ("/v1/ask", {"question": ""}, "refused"),
        ("/v1/ask", {"question": "x" * 4001}, "refused"),
        ("/v1/ask", {"question": "x" * 16_001}, "invalid_value"),
        ("/v1/ask", {"question": 1}, "invalid_value"),
        ("/v1/ask", {"question": "x", "language": "fr"}, "invalid_value"),
        ("/v1/ask", {"question": "x", "sesion": "y"}, "unknown_parameter"),
        ("/v1/judge", {"turn": "x", "verdict": "right"}, "refused"),
        ("/v1/judge", {"turn": "x" * 41, "verdict": "right"}, "invalid_value"),
        ("/v1/person", {"session": "x"}, "refused"),
        ("/v1/done", {"handover": "x"}, "invalid_value"),
        ("/v1/done", {"handover": "x", "turn": "x"}, "refused"),
        ("/v1/back", {"number": 10**400}, None),
    ],
)
def test_what_cannot_be_answered_is_a_sentence(
    client: httpx2.Client, path: str, body: object, code: str | None
) -> None:
    answer = post(client, path, body)
    assert answer.status_code == 400
    assert code in (None, answer.json()["error"]["code"])
    assert answer.json()["error"]["message"]


def test_a_database_that_does_not_answer_is_told_and_the_server_goes_on(
    client: httpx2.Client, answering: tuple[str, Assistant], monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_given: object, **_told: object) -> None:
        raise Unreachable("assistant.db: does not answer (locked); try again")

    with monkeypatch.context() as patch:
        patch.setattr(answering[1], "ask", gone)
        answer = post(client, "/v1/ask", {"question": "包邮吗"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert post(client, "/v1/ask", {"question": "包邮吗"}).status_code == 200
    metrics = client.get("/metrics", headers={"Authorization": f"Bearer {KEY}"}).text
    assert "danlu_assistant_outbox_failed 0.0" in metrics


def test_old_conversations_are_forgotten_by_a_timer_that_outlives_a_database_that_is_away(
    assistant: Assistant, clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    assistant.now = clock
    session = assistant.ask("Who won?").session
    forget, said = conversations.forget, list[str]()
    failures = [Unreachable("assistant.db: does not answer (locked); try again")]
    monkeypatch.setattr(serving_of, "FORGET", 0.0)

    async def until_it_is_gone() -> int:
        loop, gone = asyncio.get_running_loop(), asyncio.Queue[int]()

        def watched(*given: object) -> None:
            if failures:
                raise failures.pop()
            loop.call_soon_threadsafe(gone.put_nowait, forget(*given))  # type: ignore[arg-type]

        monkeypatch.setattr(conversations, "forget", watched)
        around = site_of(assistant, say=said.append).around
        async with around(SimpleNamespace(metrics=Metrics())), asyncio.timeout(60):  # type: ignore[arg-type, misc]
            assert await gone.get() == 0, "nothing is old yet"
            clock.time += (assistant.patience.days + 1) * 86_400
            while not (count := await gone.get()):
                pass
        return count

    assert asyncio.run(until_it_is_gone()) == 1
    with assistant.store.begin() as connection:
        assert conversations.turns_of(connection, session) == []
    assert said == ['{"event": "assistant", "failed": "assistant.db: does not answer (locked); try again"}']


@pytest.mark.parametrize(
    "given", ["shop.example", "https://shop.example/", "*", "https://u@shop.example", "https://a:x"]
)
def test_websites_are_named_as_browsers_do(given: str) -> None:
    with pytest.raises(Refusal, match=r"--origin .* expected a website without a path"):
        origins_of([given])
