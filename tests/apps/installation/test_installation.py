"""What `danlu doctor` finds, on machines that are made up where this one has nothing wrong."""

import json
import subprocess
import sys
import threading
import time
import tomllib
from collections import namedtuple
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import close_session

from danlu.apps.installation import computing, packages, surroundings
from danlu.apps.installation.examine import examine
from danlu.apps.installation.finding import Finding
from danlu.language import translator
from danlu.machine.memory import memory_limit

ROOT = Path(__file__).parents[3]
EN = translator("en")


def one(found: Iterator[Finding], name: str) -> Finding:
    (finding,) = [each for each in found if each.name == name]
    return finding


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What danlu's metadata ask for; tests put lines in."""
    lines: list[str] = []
    monkeypatch.setattr(packages, "requires", lambda _: lines)
    return lines


def test_each_extra_has_a_purpose_and_no_other_has() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    known = set(project["optional-dependencies"]) - packages.FOR_DEVELOPERS
    assert set(packages.purposes(EN)) == known


def test_packages_in_wrong_versions_are_told_with_what_mends_them(asked: list[str]) -> None:
    asked += ["pytest<2", "no-such-package>=1", "numpy>=1", "nowhere; sys_platform == 'none'"]
    found = list(packages.look_at_packages(EN))
    assert [(each.name, each.level) for each in found] == [
        ("package pytest", "wrong"), ("package no-such-package", "wrong")
    ]  # fmt: skip
    assert found[0].remedy == f"{sys.executable} -m pip install 'pytest<2'"
    assert found[1].said == "no-such-package is not installed"


def test_extras_are_there_or_not_with_those_that_they_name(asked: list[str]) -> None:
    asked += ["numpy", "danlu[b]; extra == 'a'", "pytest<2; extra == 'b'", "not-there; extra == 'b'"]
    assert [each.name for each in packages.wanted_by(None)] == ["numpy"]
    assert [(each.name, each.there is None, each.fits) for each in packages.wanted_by("a")] == [
        ("pytest", False, False), ("not-there", True, False)
    ]  # fmt: skip


def card(major: int, built: list[str]) -> SimpleNamespace:
    facts = SimpleNamespace(name="Card", total_memory=8e9, major=major, minor=0)
    return SimpleNamespace(cuda=SimpleNamespace(get_device_properties=lambda _: facts, get_arch_list=lambda: built))


def test_a_card_that_torch_was_not_built_for_is_wrong() -> None:
    new = ["sm_75", "sm_80", "sm_90a", "compute_120"]
    assert computing._card(card(9, new), 0, EN).level == "right"
    old = computing._card(card(6, new), 0, EN)
    assert (old.level, "compute capability 6.0" in old.said, "cu126" in str(old.remedy)) == ("wrong", True, True)


def test_a_card_that_a_torch_of_processors_leaves_alone_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "0000:01:00.0"
    place.mkdir()
    (place / "information").write_text("Model: \t\t NVIDIA RTX 4090\nIRQ: 1\n")
    monkeypatch.setattr(computing, "CARDS", (tmp_path, tmp_path / "none"))
    torch = SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: False))
    (found,) = computing._cards(torch, None, EN)
    assert (found.level, "NVIDIA RTX 4090" in found.said) == ("note", True)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    (hidden,) = computing._cards(torch, "13.0", EN)
    assert hidden.remedy == "unset CUDA_VISIBLE_DEVICES"


def test_who_has_a_card_of_amd_is_not_sent_to_the_tools_of_nvidia(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for node, unit in (("0", "0"), ("1", "29772")):  # the first is the processor
        (tmp_path / node).mkdir()
        (tmp_path / node / "gpu_id").write_text(unit)
    monkeypatch.setattr(computing, "CARDS", (tmp_path / "none", tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    torch = SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: False))
    for built, remedy in ((None, "https://pytorch.org/get-started/locally/"), ("7.1", "rocminfo")):
        (found,) = computing._cards(torch, built, EN)
        assert ("AMD 29772" in found.said, found.remedy) == (True, remedy)


def test_a_torch_that_cannot_be_imported_is_wrong_and_the_rest_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process of its own, as for people whose installation is broken."""
    script = (
        "import sys; sys.modules['torch'] = None\n"
        "from danlu.cli.main import main; sys.argv[1:] = ['doctor', '--json']; main()"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (1, "")
    found = {each["name"]: each for each in json.loads(ran.stdout)["findings"]}
    assert found["torch"]["level"] == "wrong"
    assert "pip install --force-reinstall torch" in found["torch"]["remedy"]
    assert {"python", "packages", "memory", "working folder", "clock"} <= set(found)


def test_memory_counts_within_the_limit_of_the_container(tmp_path: Path) -> None:
    assert memory_limit(tmp_path) == (float("inf"), 0.0)
    (tmp_path / "memory.max").write_text("max\n")
    assert memory_limit(tmp_path)[0] == float("inf")
    (tmp_path / "memory.max").write_text("3000000000\n")
    (tmp_path / "memory.current").write_text("2500000000\n")
    found = one(computing.look_at_memory(EN, tmp_path), "memory")
    assert found.level == "note"
    assert found.said.startswith("0.5 GB of 3.0 GB memory are free (the container's limit)")
    (tmp_path / "memory.stat").write_text("anon 1000000000\ninactive_file 1500000000\n")  # given back when needed
    assert memory_limit(tmp_path) == (3e9, 1e9)


def test_cores_that_a_setting_leaves_idle_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    (found,) = computing.look_at_cores(EN, tmp_path)
    assert found.said.startswith("1 of ")


def test_rates_of_one_core_are_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {"one core, float32": 9e10, "one core, bfloat16": 2e11, "linear, float32, plain": 7e9, "float32": 1.8e11}
    monkeypatch.setattr("danlu.machine.device.best_dtype", lambda: "torch.bfloat16")
    monkeypatch.setattr("danlu.machine.device.best_ever", lambda _: kept)
    (said,) = [each.said for each in computing._formats(EN)]
    assert said.endswith("(10^9 operations a second of one core as measured: bfloat16 200, float32 90)")
    kept["bfloat16"] = 3.6e11
    (said,) = [each.said for each in computing._formats(EN)]
    assert said.endswith("(10^9 operations a second as measured: bfloat16 360, float32 180)")


def test_folders_without_room_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(surroundings.shutil, "disk_usage", lambda _: usage(1, 1, 50_000_000))
    found = one(surroundings.look_at_folders(EN, {"HF_HOME": str(tmp_path)}), "hub cache")
    assert (found.level, str(tmp_path / "hub") in found.said) == ("wrong", True)
    monkeypatch.setattr(surroundings.os, "access", lambda *_: False)
    assert one(surroundings.look_at_folders(EN, {}), "working folder").level == "wrong"


def test_the_cache_of_the_hub_is_where_its_client_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    assert surroundings.hub_cache({}) == Path("~/.cache/huggingface/hub").expanduser()
    assert surroundings.hub_cache({"HF_HOME": "/a"}) == Path("/a/hub")
    assert surroundings.hub_cache({"HF_HOME": "/a", "HF_HUB_CACHE": "/b"}) == Path("/b")
    assert surroundings.hub_cache(surroundings.os.environ).name == Path(constants.HF_HUB_CACHE).name


def test_a_terminal_without_utf8_is_told() -> None:
    assert one(surroundings.look_at_language(EN, "UTF-8"), "language").level == "right"
    found = one(surroundings.look_at_language(EN, "gbk"), "language")
    assert (found.level, found.remedy) == ("note", "export PYTHONUTF8=1 LC_ALL=C.UTF-8")


def test_a_clock_that_is_behind_is_wrong() -> None:
    assert one(surroundings.look_at_clock(EN, time.time()), "clock").level == "right"
    assert one(surroundings.look_at_clock(EN, 1e9), "clock").level == "wrong"


def test_settings_are_told_without_secrets() -> None:
    environment = {
        "https_proxy": "socks5://me:hunter2@proxy:1080",
        "HF_TOKEN": "hf_hunter3",
        "HF_HUB_OFFLINE": "1",
    }
    found = {each.name: each for each in surroundings.look_at_settings(EN, environment)}
    assert set(found) == {"settings", "offline", "proxy"}
    assert "HF_TOKEN is set" in found["settings"].said
    assert "HTTPS_PROXY=socks5://proxy:1080" in found["settings"].said
    assert "hunter" not in "".join(each.said for each in found.values())


class Hub(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        pass


def test_the_hub_is_asked_once_and_any_answer_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    server = HTTPServer(("127.0.0.1", 0), Hub)
    address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    assert one(surroundings.look_at_network(EN, {"HF_ENDPOINT": address}), "hub").level == "right"
    thread.join()
    server.server_close()
    silent = one(surroundings.look_at_network(EN, {"HF_ENDPOINT": address}), "hub")
    assert (silent.level, silent.remedy) == ("note", "unset HF_ENDPOINT")
    kept = {"HF_ENDPOINT": address, "HF_HUB_OFFLINE": "1"}
    assert one(surroundings.look_at_network(EN, kept), "hub").remedy == "unset HF_HUB_OFFLINE"
    assert one(surroundings.look_at_network(EN, {"HF_ENDPOINT": "file:///etc"}), "hub").said.endswith("is no address")


@pytest.mark.parametrize("name", ["ALL_PROXY", "HTTP_PROXY"])
def test_the_hub_is_asked_by_the_proxy_that_its_client_takes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for other in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(other, raising=False)
    server = HTTPServer(("127.0.0.1", 0), Hub)
    monkeypatch.setenv(name, f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    close_session()
    try:
        asked = one(surroundings.look_at_network(EN, {"HF_ENDPOINT": "http://hub.invalid"}), "hub")
    finally:
        close_session()
    thread.join()
    server.server_close()
    assert asked.level == "right"


def test_the_variable_that_moves_the_cache_is_the_one_that_is_set(tmp_path: Path) -> None:
    usage = {"HF_HUB_CACHE": "/proc/none"}
    (found,) = [each for each in surroundings.look_at_folders(EN, usage) if each.name == "hub cache"]
    assert "HF_HUB_CACHE=" in (found.remedy or "")
    (found,) = [
        each for each in surroundings.look_at_folders(EN, {"HF_HOME": "/proc/none"}) if each.name == "hub cache"
    ]
    assert "HF_HOME=" in (found.remedy or "")


def test_the_network_is_asked_only_where_that_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("danlu.apps.installation.examine.look_at_network", lambda _: iter([Finding("hub", "note", "")]))
    english, chinese = list(examine("en")), list(examine("zh", network=True))
    assert [each.name for each in chinese] == [*(each.name for each in english), "hub"]
    said = dict(zip([each.said for each in english], [each.said for each in chinese], strict=False))
    assert said["no graphics card: danlu computes on the processor"] == "没有显卡：danlu 在处理器上计算"
    assert all(each.remedy for each in english if each.level == "wrong")
