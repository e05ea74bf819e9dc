"""The clients of examples/serve ask a server that is alive, and a replica for Ray answers as it does."""

import asyncio
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from servers import Live, serving

from danlu.serve.feedback import Feedback
from danlu.serve.keys import add_key, read_keys
from danlu.serve.models import MODELS as SITE
from danlu.serve.shelf import Place, Shelf

FOLDER = Path(__file__).parents[2] / "examples" / "serve"
MODELS = {"reviews": "classify", "shop": "chat", "pairs": "embed", "queries": "rank"}


@pytest.fixture(scope="module")
def four(tiny_bundle: Callable[[str], Path]) -> Iterator[Shelf]:
    """The models that the examples ask."""
    shelf = Shelf([Place(name, str(tiny_bundle(kind)), threads=1) for name, kind in MODELS.items()])
    shelf.open()
    yield shelf
    shelf.close()


@pytest.fixture
def guarded(four: Shelf, tmp_path: Path) -> Iterator[tuple[Live, dict[str, str]]]:
    """A server that wants a key and keeps feedback, and what a client must know of it."""
    key = add_key(tmp_path / "keys.yaml", "ops", admin=True)
    store = Feedback(f"sqlite:///{(tmp_path / 'feedback.db').as_posix()}")
    with serving(four, keys=read_keys(tmp_path / "keys.yaml"), feedback=store) as live:
        yield live, {"DANLU_URL": live.address, "DANLU_KEY": key}
    store.close()


def called(*command: str, **known: str) -> subprocess.CompletedProcess[str]:
    told = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    told |= {"PYTHONIOENCODING": "utf-8"} | known
    return subprocess.run(command, env=told, capture_output=True, encoding="utf-8", timeout=60, check=False)


def example(name: str) -> Any:
    """A module of the examples."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_ask_py_gets_labels_a_stream_vectors_and_a_ranking(guarded: tuple[Live, dict[str, str]]) -> None:
    live, known = guarded
    headers = {"Authorization": f"Bearer {known['DANLU_KEY']}"}
    asked = {"model": "reviews", "texts": ["物流很快", "It broke after a week."]}
    expected = live.post("/v1/predict", asked, headers=headers).json()["predictions"]
    done = called(sys.executable, str(FOLDER / "ask.py"), **known)
    assert (done.returncode, done.stderr) == (0, "")
    first, second, models, *others = done.stdout.splitlines()
    assert [line.split()[0] for line in (first, second)] == [each["label"] for each in expected]
    assert models == str(list(MODELS))
    assert re.search(r"^alike: [-\d.]+$", done.stdout, re.MULTILINE)
    assert sorted(line.split(maxsplit=1)[1] for line in others[-2:]) == ["今天下雨。", "杜甫生于巩县。"]


def test_ask_py_says_why_it_was_refused(four: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(four) as live:
        monkeypatch.setenv("DANLU_URL", live.address)
        with pytest.raises(
            SystemExit, match="404 model_not_found: there is no model 'reveiws'; did you mean 'reviews'"
        ):
            example("ask").ask("/v1/predict", {"model": "reveiws", "text": "好"})


@pytest.mark.skipif(not (shutil.which("bash") and shutil.which("curl")), reason="there is no curl here")
def test_curl_sh_asks_every_route_once(guarded: tuple[Live, dict[str, str]]) -> None:
    _, known = guarded
    done = called("bash", str(FOLDER / "curl.sh"), **known)
    assert (done.returncode, done.stderr) == (0, "")
    parts = re.split(r"^(/\S+)$", done.stdout, flags=re.MULTILINE)[1:]
    said = {path.partition("?")[0]: text for path, text in zip(parts[::2], parts[1::2], strict=True)}
    asked_by_openai_alone = {"/v1/completions"}
    assert said.keys() >= {*SITE.posts, "/v1/predict/lines", "/v1/models"} - asked_by_openai_alone
    assert len(json.loads(said["/v1/predict"])["predictions"]) == 2
    assert ["label" in json.loads(line) for line in said["/v1/predict/lines"].split("\n") if line] == [True, True]
    assert said["/v1/chat/completions"].rstrip().endswith("data: [DONE]")
    assert len(json.loads(said["/v1/embeddings"])["data"]) == 2
    assert len(json.loads(said["/v1/rerank"])["results"]) == 1
    assert json.loads(said["/v1/feedback"])["object"] == "feedback"
    assert json.loads(said["/admin/reload"]) == {"reloaded": ["reviews"]}
    assert json.loads(said["/health/live"])["status"] == "live"
    assert json.loads(said["/health/ready"])["status"] == "ready"
    assert "danlu_requests_total" in said["/metrics"]
    refused = called("bash", str(FOLDER / "curl.sh"), **(known | {"DANLU_KEY": "danlu-wrong"}))
    assert refused.returncode == 22  # curl's, for a status of 400 or more
    assert '"key_wrong"' in refused.stdout


def test_what_docker_asks_tells_a_server_that_is_ready_from_one_that_is_not(four: Shelf) -> None:
    text = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
    (told,) = re.findall(r"^HEALTHCHECK[^[]*CMD (\[.*\])$", text, re.MULTILINE)
    python, *words = json.loads(told)
    assert python == "python"
    with serving(four) as live:
        own = [word.replace("8000", live.address.rpartition(":")[2]) for word in words]
        assert called(sys.executable, *own).returncode == 0
        live.service.stopping = True
        assert called(sys.executable, *own).returncode == 1
    assert called(sys.executable, *own).returncode == 1


def test_a_replica_for_ray_answers_as_the_server_but_is_not_reloaded(
    four: Shelf, tiny_bundle: Callable[[str], Path]
) -> None:
    built = example("ray_serve").builder([f"reviews={tiny_bundle('classify')}"], 1)()
    bodies = [{"model": "reviews", "texts": [f"第{number}本书很好", "物流太慢"]} for number in range(12)]

    async def ask() -> tuple[list[Any], httpx2.Response]:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=built), base_url="http://here") as client:
            found = await asyncio.gather(*(client.post("/v1/predict", json=body) for body in bodies))
            return [each.json()["predictions"] for each in found], await client.post("/admin/reload", json={})

    found, reload = asyncio.run(ask())
    assert reload.status_code == 404
    with serving(four) as live:
        for body, predictions in zip(bodies, found, strict=True):
            expected = live.post("/v1/predict", body).json()["predictions"]
            assert [each["scores"] for each in predictions] == [
                pytest.approx(each["scores"], rel=1e-4) for each in expected
            ]
