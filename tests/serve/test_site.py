"""What an application puts on a server: routes, a page, leave for other sites, and what goes on meanwhile."""

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from fastapi.responses import JSONResponse, Response
from servers import serving

from danlu.serve.body import Body, checked
from danlu.serve.keys import Key, hash_of
from danlu.serve.limits import Limits
from danlu.serve.service import Call, Service
from danlu.serve.site import Site

HOME, SHOP, OTHER = "http://localhost", "https://shop.example", "https://other.example"
KEY = "danlu-secret"


class Said(Body):
    """Some words."""

    words: str


async def said(_service: Service, call: Call) -> Response:
    """Say it again."""
    return JSONResponse({"said": checked(Said, call.value).words, "key": call.key.name if call.key else None})


async def found(_service: Service, call: Call) -> Response:
    """Tell what was asked."""
    return JSONResponse(call.value)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("packages")
    (folder / "little_shop" / "page").mkdir(parents=True)
    (folder / "little_shop" / "__init__.py").touch()
    (folder / "little_shop" / "page" / "app.js").write_text("// the shop\n")
    sys.path.insert(0, str(folder))
    yield "little_shop"
    sys.path.remove(str(folder))
    sys.modules.pop("little_shop", None)


@pytest.fixture(scope="module")
def went() -> list[str]:
    return []


@pytest.fixture(scope="module")
def address(package: str, went: list[str]) -> Iterator[str]:
    @asynccontextmanager
    async def around(_service: Service) -> AsyncIterator[None]:
        went.append("entered")
        yield
        went.append("left")

    site = Site(
        posts={"/v1/said": (said, Said), "/v1/inner": (said, Said)},
        gets={"/v1/found/{name}": found},
        pages=("danlu.serve", package),
        public=frozenset({"/v1/said"}),
        origins=frozenset({SHOP}),
        a_minute=3,
        around=around,
    )
    with serving(site=site, keys=(Key(name="mine", sha256=hash_of(KEY)),)) as live:
        yield live.address
    assert went == ["entered", "left"]


def asked(
    address: str, method: str, path: str, *, origin: str = "", key: str = "", json: object = None
) -> httpx2.Response:
    headers = {"Origin": origin} if origin else {}
    headers |= {"Authorization": f"Bearer {key}"} if key else {}
    with httpx2.Client(base_url=address, trust_env=False, verify=False) as client:
        return client.request(method, path, headers=headers, json=json)


def test_routes_of_an_application_are_guarded_as_all_others(address: str, went: list[str]) -> None:
    assert asked(address, "POST", "/v1/inner", json={"words": "茶"}).status_code == 401
    assert went == ["entered"]
    assert asked(address, "POST", "/v1/inner", json={"words": "茶"}, key=KEY).json() == {"said": "茶", "key": "mine"}
    wrong = asked(address, "POST", "/v1/inner", json={"wrods": "茶"}, key=KEY)
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "unknown_parameter")
    assert asked(address, "GET", "/v1/found/a?b=c").status_code == 401
    assert asked(address, "GET", "/v1/found/a?b=c", key=KEY).json() == {"name": "a", "b": "c"}
    assert asked(address, "GET", "/v1/models", key=KEY).status_code == 404


def test_other_sites_ask_what_is_public_and_no_more_of_it_than_they_may(address: str) -> None:
    body = {"words": "hello"}
    before = asked(address, "OPTIONS", "/v1/said", origin=SHOP)
    assert (before.status_code, before.headers["access-control-allow-origin"]) == (204, SHOP)
    assert "access-control-allow-origin" not in asked(address, "OPTIONS", "/v1/said", origin=OTHER).headers
    assert asked(address, "OPTIONS", "/v1/inner", origin=SHOP).status_code == 405
    assert asked(address, "POST", "/v1/said", origin=OTHER, json=body).status_code == 401
    assert asked(address, "POST", "/v1/said", json=body).status_code == 401
    answers = [asked(address, "POST", "/v1/said", origin=SHOP, json=body) for _ in range(4)]
    assert [each.status_code for each in answers] == [200, 200, 200, 429]
    assert answers[0].json()["said"] == "hello"
    assert {each.headers["access-control-allow-origin"] for each in answers} == {SHOP}
    assert asked(address, "POST", "/v1/said", json=body, key=KEY).status_code == 200


def test_the_page_has_the_common_files_and_those_of_the_application(address: str) -> None:
    with httpx2.Client(base_url=address, trust_env=False, verify=False) as client:
        folder = client.get("/").text.split('src="')[1].split("/app.js")[0]
        assert client.get(f"/{folder}/app.js").text == "// the shop\n"
        assert "export function frame" in client.get(f"/{folder}/frame.js").text
        assert client.get(f"/{folder}/vendor/htm-preact.js").status_code == 200


def test_the_routes_of_an_application_are_told(address: str) -> None:
    told = asked(address, "GET", "/openapi.json", key=KEY).json()["paths"]
    assert set(told) == {"/v1/said", "/v1/inner", "/v1/found/{name}", "/health/live", "/health/ready", "/metrics"}
    assert told["/v1/found/{name}"]["get"]["summary"] == "Tell what was asked."


def test_guests_who_have_gone_are_forgotten(tmp_path: Path) -> None:
    from danlu.serve.gate import MANY, MINUTE, Gate

    now = [0.0]
    gate = Gate(Limits(), clock=lambda: now[0])
    for number in range(MANY + 1):
        gate.request(Key(name=f"guest {number}", sha256="0" * 64, requests_per_minute=1))
    now[0] = MINUTE + 1
    gate.request(Key(name="guest last", sha256="0" * 64, requests_per_minute=1))
    assert len(gate._spent) == 1
