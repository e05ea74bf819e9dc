"""Whatever comes in, nothing of it is a mistake of the server, and nobody gets another's answer."""

import json
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from servers import Live

from danlu.serve.models import MODELS

ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def schema(live: Live) -> Any:
    return schemathesis.openapi.from_url(f"{live.address}/openapi.json")


@pytest.mark.parametrize("path", [path for path in MODELS.posts if not path.startswith("/admin")])
def test_what_the_interface_allows_and_what_it_does_not_is_never_a_mistake_of_ours(schema: Any, path: str) -> None:
    few = max(6, settings().max_examples // 5)  # one is dear, with all that is laid out for it

    @settings(max_examples=few, suppress_health_check=list(HealthCheck), deadline=None, database=None)
    @given(case=schema[path]["POST"].as_strategy())
    def ask(case: Any) -> None:
        assert case.call().status_code < 500

    ask()


@pytest.mark.parametrize("path", [path for path in MODELS.posts if not path.startswith("/admin")])
def test_any_value_of_any_key_is_answered_or_refused(live: Live, path: str) -> None:
    good = {"model": "chat", "messages": [{"role": "user", "content": "书"}], "max_tokens": 3}
    good |= {
        "prompt": "书",
        "input": "书",
        "query": "书",
        "documents": ["好"],
        "record": {"text": "书"},
        "correct": True,
    }
    names = sorted(MODELS.posts[path][1].model_fields)

    with live.client() as client:

        @settings(max_examples=settings().max_examples // 2, deadline=None, database=None)
        @given(name=st.sampled_from(names), value=ODD)
        def ask(name: str, value: Any) -> None:
            body = {key: known for key, known in good.items() if key in names} | {name: value}
            answer = client.post(path, content=json.dumps(body).encode("utf-8", "surrogatepass"))
            assert answer.status_code < 500, answer.text

        ask()


def test_a_crowd_of_mixed_requests_gets_each_its_own_answer(live: Live) -> None:
    texts = [f"{'好' * (number % 7 + 1)}慢书{'这本' * (number % 3)}" for number in range(24)]
    alone = {
        text: live.post("/v1/predict", {"model": "classify", "text": text}).json()["predictions"] for text in texts
    }

    def client(number: int) -> list[int]:
        dice, statuses = random.Random(number), list[int]()
        with live.client() as http:
            for _ in range(6):
                text = dice.choice(texts)
                match dice.randrange(4):
                    case 0:
                        body: dict[str, Any] = {"model": "chat", "messages": [{"role": "user", "content": text}]}
                        answer = http.post("/v1/chat/completions", json={**body, "max_tokens": 5})
                    case 1:
                        answer = http.post("/v1/predict", content=b"{" * dice.randrange(1, 400))
                    case _:
                        answer = http.post("/v1/predict", json={"model": "classify", "text": text})
                        assert answer.json()["predictions"][0]["label"] == alone[text][0]["label"]
                statuses.append(answer.status_code)
        return statuses

    with ThreadPoolExecutor(24) as pool:
        statuses = [status for found in pool.map(client, range(24)) for status in found]
    assert set(statuses) <= {200, 400}
    assert live.service.gate.tokens == live.service.gate.waiting == 0
