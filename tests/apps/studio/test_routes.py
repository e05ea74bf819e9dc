"""Who may change something through the studio, what can be started by it, and what it answers to nonsense."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from servers import Live, serving
from studio_runs import RECIPE, write_run

from danlu.apps.studio import processes
from danlu.apps.studio.site import site_of
from danlu.apps.studio.studio import Studio
from danlu.cli.studio import command
from danlu.refusal import Refusal
from danlu.serve.keys import Key, hash_of
from danlu.serve.shelf import Shelf


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What would have been started; nothing is."""
    found: list[tuple[Any, ...]] = []

    class Ended:
        def poll(self) -> int:
            return 0

    monkeypatch.setattr(processes, "start", lambda *words: found.append(words) or Ended())
    return found


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    with serving(Shelf([]), site=site_of(Studio(tmp_path / "runs", tmp_path))) as found:
        yield found


def test_only_this_machines_own_page_may_change_anything(
    live: Live, tmp_path: Path, begun: list[tuple[Any, ...]]
) -> None:
    (tmp_path / "r.yaml").write_text(RECIPE.format(name="r"))
    body, host = json.dumps({"recipe": "r.yaml"}), live.address.removeprefix("http://")
    refused = [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "evil.example"}, 421),
        ({"Host": f"evil.example:{live.at[1]}", "Origin": f"http://evil.example:{live.at[1]}"}, 421),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "multipart/form-data"}, 415),
    ]
    with live.client() as client:
        for headers, status in refused:
            for path in ("/v1/start", "/v1/stop", "/v1/resume"):
                asked = client.post(path, content=body, headers={"Content-Type": "application/json"} | headers)
                assert asked.status_code == status
                assert "access-control-allow-origin" not in asked.headers
        assert client.get("/v1/runs", headers={"Host": "evil.example"}).status_code == 421
        assert client.get("/v1/start?recipe=r.yaml").status_code == 405
        assert begun == []
        own = {"Content-Type": "application/json", "Origin": f"http://{host}"}
        assert client.post("/v1/start", content=body, headers=own).json() == {"run": "r"}
    assert [words[1] for words in begun] == ["r.yaml"]


def test_with_keys_all_may_look_and_an_admin_alone_may_change(tmp_path: Path, begun: list[tuple[Any, ...]]) -> None:
    (tmp_path / "r.yaml").write_text(RECIPE.format(name="r"))
    keys = (Key(name="reader", sha256=hash_of("a")), Key(name="admin", sha256=hash_of("b"), admin=True))
    with (
        serving(Shelf([]), site=site_of(Studio(tmp_path / "runs", tmp_path)), keys=keys) as live,
        live.client() as client,
    ):
        assert client.get("/v1/runs").status_code == 401
        assert client.get("/v1/runs", headers={"Authorization": "Bearer a"}).status_code == 200
        for key, status in (("a", 403), ("c", 401), ("b", 200)):
            asked = client.post("/v1/start", json={"recipe": "r.yaml"}, headers={"Authorization": f"Bearer {key}"})
            assert asked.status_code == status
    assert len(begun) == 1


def test_another_host_demands_keys(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="could start trainings; make a key"):
        command(tmp_path, host="0.0.0.0", port=0)


def test_what_is_wrong_with_a_recipe_or_a_bundle_is_told_in_the_language_of_who_asks(
    live: Live, tmp_path: Path
) -> None:
    (tmp_path / "r.yaml").write_text("- no recipe\n")
    with live.client() as client:
        english, chinese = (
            client.get("/v1/runs", headers={"Accept-Language": language}).json() for language in ("en", "zh-TW,zh")
        )
    ((wrong,), (in_chinese,)) = (
        [each["wrong"] for each in found["recipes"] if each["file"] == "r.yaml"] for found in (english, chinese)
    )
    assert wrong.endswith("a recipe is a mapping with the keys 'name' and 'stages'; what stands there is ['no recipe']")
    assert in_chinese.endswith("配方是含键 'name' 和 'stages' 的映射；而那里写的是 ['no recipe']")


def test_nothing_but_a_recipe_of_the_folder_is_started(
    live: Live, tmp_path: Path, begun: list[tuple[Any, ...]]
) -> None:
    (tmp_path / "r.yaml").write_text(RECIPE.format(name="r"))
    (tmp_path / "out.yaml").write_text(RECIPE.format(name="../out"))
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "r.yaml").write_text(RECIPE.format(name="r"))
    for recipe in (
        "",
        "inner/r.yaml",
        "../r.yaml",
        str(tmp_path / "r.yaml"),
        "--help",
        "r",
        "rows.csv",
        "r.yaml\0",
        "out.yaml",
    ):
        assert live.post("/v1/start", {"recipe": recipe}).status_code in (400, 404), recipe
    for overrides in (
        ["--root"],
        ["--debug"],
        ["x" * 3000 + "=1"],
        ["a\0=1"],
        ["name=../../x"],
        ["name=.ssh"],
        ["name=[1]"],
    ):
        assert live.post("/v1/start", {"recipe": "r.yaml", "overrides": overrides}).status_code == 400, overrides
    assert live.post("/v1/start", {"recipe": "r.yaml", "command": "sh"}).status_code == 400
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "linked").symlink_to(tmp_path)
    assert live.post("/v1/start", {"recipe": "r.yaml", "overrides": ["name=linked"]}).status_code == 404
    assert begun == []
    assert live.post("/v1/start", {"recipe": "r.yaml", "overrides": ["--root=/=1", "seed=2"]}).status_code == 400
    assert live.post("/v1/start", {"recipe": "r.yaml", "overrides": ["seed=2"]}).status_code == 200
    ((folder, recipe, overrides, root, working),) = begun
    assert (folder, recipe, root, working) == (tmp_path / "runs" / "r", "r.yaml", tmp_path / "runs", tmp_path)
    assert list(overrides) == ["seed=2"]


def test_a_run_that_nothing_is_known_of_is_neither_stopped_nor_gone_on_with(live: Live, tmp_path: Path) -> None:
    write_run(tmp_path / "runs", "old", state="running")
    assert live.post("/v1/stop", {"run": "old"}).json()["error"]["code"] == "not_running"
    assert live.post("/v1/resume", {"run": "old"}).json()["error"]["code"] == "no_such_recipe"
    assert live.post("/v1/stop", {"run": ".."}).status_code == 404


def test_nonsense_is_refused_in_a_sentence_and_never_our_mistake(live: Live, tmp_path: Path) -> None:
    write_run(tmp_path / "runs", "old")
    asked = [
        *(
            "run",
            "run?run=",
            "run?run=..",
            "run?run=%00",
            "run?run=%FF%FE",
            "curves?run=old",
            "curves?run=old&stage=test",
        ),
        *("curves?run=old&stage=..%2F..", "samples?run=old&stage=%2Fetc", "comparison", "comparison?runs=[1]"),
        *(
            "comparison?runs=[[[",
            "comparison?runs=" + "[" * 5000,
            'comparison?runs=["old","\\ud800"]',
            "comparison?runs={}",
        ),
    ]
    with live.client() as client:
        for each in asked:
            answer = client.get(f"/v1/{each}")
            assert 400 <= answer.status_code < 500, each
            assert answer.json()["error"]["message"]


def test_halves_of_characters_and_endless_numbers_are_answered(live: Live, tmp_path: Path) -> None:
    run = write_run(tmp_path / "runs", "old")
    (run / "model" / "samples.jsonl").write_text(
        '{"step": 1, "samples": [{"input": "\\ud800", "written": 5}, 7]}\n{"a\n'
    )
    (run / "model" / "log.jsonl").write_text(
        '{"step": 1, "loss": 1e999, "validation": {"f1": NaN, "\\ud800": Infinity}}\n'
    )
    with live.client() as client:
        (sample,) = client.get("/v1/samples?run=old&stage=model").json()["samples"]
        assert sample["samples"][0]["written"] == "5"
        assert client.get("/v1/curves?run=old&stage=model").json()["validations"][0]["metrics"]["f1"] is None


def test_a_run_that_is_removed_while_it_is_looked_at_is_a_sentence(live: Live, tmp_path: Path) -> None:
    run = write_run(tmp_path / "runs", "old")
    write_run(tmp_path / "runs", "other")
    asked = ["run?run=old", "curves?run=old&stage=model", "samples?run=old&stage=model", 'comparison?runs=["old"]']
    with live.client() as client:
        assert [client.get(f"/v1/{each}").status_code for each in asked] == [200] * 4
        (run / "model" / "log.jsonl").unlink()
        assert client.get("/v1/curves?run=old&stage=model").json()["error"]["code"] == "no_log"
        shutil.rmtree(run)
        assert {client.get(f"/v1/{each}").json()["error"]["code"] for each in asked} == {"no_such_run"}
        assert [each["name"] for each in client.get("/v1/runs").json()["runs"]] == ["other"]
        chinese = client.get("/v1/run?run=old", headers={"Accept-Language": "zh-CN"}).json()["error"]
        assert chinese["translated"] == "这里（已）没有训练 'old'"
