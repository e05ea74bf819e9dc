"""Recorders of tracking tools, by what each tool finds in what was left; tools that are not there are skipped."""

import json
import re
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from danlu.machine.ranks import Ranks
from danlu.recipe import lock
from danlu.recipe.lock import Lock
from danlu.recipe.part import find, kinds
from danlu.refusal import Refusal, without_secrets
from danlu.train.events import Best, Ended, Reported, Returned, Validated
from danlu.train.recorder import Recorder
from danlu.train.recorders.jsonl import read
from danlu.train.recording import recorded
from danlu.train.tracked import numbers, told

pytestmark = pytest.mark.filterwarnings("ignore")  # of the tools
FINGERPRINT = "0123456789abcdef" * 4
ADDRESS = "https://reader:hunter2@data.example/reviews.csv?token=tell-nobody"
SECRETS = ("hunter2", "tell-nobody", "key-of-the-tool")
ENDED = Ended(Best({}, {}, 40, None))


@dataclass
class Found:
    """A record as its tool reads it: what it is of, its settings, each number with its step, how it was left."""

    name: str
    config: dict[str, Any] = field(default_factory=dict)
    points: list[tuple[str, int, float]] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)


def of_tensorboard(runs: Path) -> list[Found]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(runs / "model" / "tensorboard")).Reload()
    found = Found("model")
    found.points = [(name, e.step, e.value) for name in events.Tags()["scalars"] for e in events.Scalars(name)]
    texts = {
        tag: [e.tensor_proto.string_val[0].decode() for e in events.Tensors(tag)] for tag in events.Tags()["tensors"]
    }
    (settings,) = texts["recipe/text_summary"]
    found.config = dict(re.findall(r"^ +(\w+): (\S+)$", settings, re.MULTILINE))
    found.outcomes = texts["outcome/text_summary"]
    return [found]


def of_wandb(runs: Path) -> list[Found]:
    """The files that `wandb sync` reads: blocks of LevelDB's log with wandb's own messages."""
    import wandb
    from wandb.proto.wandb_internal_pb2 import Record

    wandb.teardown()  # its own process may still be writing
    found: dict[str, Found] = {}
    for file in sorted((runs / "wandb.record").rglob("*.wandb")):
        told = Found("")
        for data in entries(file.read_bytes(), 7):
            record = Record.FromString(data)
            if record.HasField("run"):
                told = found.setdefault(record.run.run_id, Found(record.run.display_name))
                told.config |= {item.key: json.loads(item.value_json) for item in record.run.config.update}
            told.config |= {item.key: json.loads(item.value_json) for item in record.config.update}
            items = {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
            told.points += [(name, items["_step"], value) for name, value in items.items() if "/" in name]
            said = [json.loads(item.value_json) for item in record.summary.update if item.key == "outcome"]
            told.outcomes += said
    return list(found.values())


def entries(data: bytes, header: int) -> Iterator[bytes]:
    at, parts = header, b""
    while at + 7 <= len(data):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        length, sort = struct.unpack_from("<HB", data, at + 4)
        parts += data[at + 7 : at + 7 + length]
        at += 7 + length
        if sort in (1, 4):
            yield parts
            parts = b""


def of_mlflow(runs: Path) -> list[Found]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{runs / 'mlflow.db'}")
    (experiment,) = [each for each in client.search_experiments() if each.name == "reviews"]
    found = []
    for run in reversed(client.search_runs([experiment.experiment_id])):
        histories = [client.get_metric_history(run.info.run_id, name) for name in run.data.metrics]
        points = [(each.key, each.step, each.value) for history in histories for each in history]
        stands = {"FINISHED": "done", "KILLED": "interrupted"}[run.info.status]
        assert stands == run.data.tags["outcome"].replace("returned", "interrupted")
        found.append(Found(run.info.run_name, dict(run.data.params), points, [run.data.tags["outcome"]]))
    return found


def of_swanlab(runs: Path) -> list[Found]:
    import yaml
    from swanlab.proto.swanlab.record.v1.record_pb2 import Record
    from swanlab.proto.swanlab.run.v1.run_pb2 import RunState
    from swanlab.sdk.internal.core_python.store import DataStoreReader

    words = {"success": "done", "aborted": "interrupted"}
    found: dict[str, Found] = {}
    for file in sorted((runs / "swanlab.record").rglob("*.swanlab")):
        reader, here = DataStoreReader(), Found("")
        reader.open(file)
        while (data := reader.scan()) is not None:
            record = Record.FromString(data)
            if record.HasField("start"):
                here = found.setdefault(record.start.id, Found(record.start.name))
            if record.HasField("scalar"):
                here.points.append((record.scalar.key, record.scalar.step, record.scalar.value.number))
            if record.HasField("finish"):
                state = RunState.Name(record.finish.state).rpartition("_")[2].lower()
                here.outcomes.append(
                    {"success": "done", "finished": "done"}.get(state, words.get(state, "interrupted"))
                )
        reader.close()
        config = yaml.safe_load((file.parent / "files" / "config.yaml").read_text(encoding="utf-8")) or {}
        here.config |= {name: item["value"] for name, item in config.items()}
    return list(found.values())


READERS: dict[str, Callable[[Path], list[Found]]] = {
    "tensorboard": of_tensorboard,
    "wandb": of_wandb,
    "mlflow": of_mlflow,
    "swanlab": of_swanlab,
}


def line(step: int, loss: float = 0.5) -> Reported:
    return Reported({"step": step, "epoch": step / 10, "loss": loss, "rate": 1e-3, "seconds": 0.1})


def validated(step: int) -> Validated:
    return Validated({"step": step, "epoch": step / 10, "validation": {"macro_f1": step / 100, "of": "text"}}, 0)


@pytest.fixture
def training(tmp_path: Path) -> Path:
    """The folder of a training in a run, with its lock."""
    section = {"kind": "train", "data": {"kind": "csv", "path": without_secrets(ADDRESS)}, "train": {"rate": 1e-3}}
    folder = tmp_path / "reviews" / "model"
    folder.mkdir(parents=True)
    lock.save(folder, Lock("model", "running", FINGERPRINT, 7, section, {}, {}, {"danlu": "0.1.0"}))
    return folder


@pytest.fixture(params=READERS)
def tool(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    for module in find(Recorder, request.param).modules:  # type: ignore[type-abstract]
        pytest.importorskip(module, reason=f"needs the extra '{request.param}'")
    for name in ("WANDB_API_KEY", "SWANLAB_API_KEY", "MLFLOW_TRACKING_TOKEN"):
        monkeypatch.setenv(name, f"key-of-the-tool-{'0' * 30}")
    return str(request.param)


def refuse_the_net(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    asked: list[object] = []
    real = socket.socket.connect

    def connect(self: socket.socket, address: object) -> None:
        if self.family == socket.AF_UNIX or (isinstance(address, tuple) and address[0] == "127.0.0.1"):
            return real(self, address)  # the process of wandb that writes
        asked.append(address)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *given, **_: asked.append(given) or [])
    return asked


def test_every_tool_is_read_back() -> None:
    assert set(READERS) == set(kinds(Recorder)) - {"jsonl"}  # type: ignore[type-abstract]


def test_a_training_that_goes_on_is_one_record_without_doubled_steps(
    tool: str, training: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    asked, said = refuse_the_net(monkeypatch), list[str]()
    recorder = find(Recorder, tool)()  # type: ignore[type-abstract]
    with recorded(training, 0, [recorder], say=said.append) as record:
        for event in (line(10, 0.9), line(20, 0.8), validated(20), line(30, 0.7)):
            record(event)
    first = READERS[tool](training.parent)
    assert [found.outcomes[-1] for found in first] == ["interrupted"]
    with recorded(training, 20, [recorder], say=said.append) as record:
        for event in (line(30, 0.7), line(40, 0.6), validated(40), ENDED):
            record(event)
    (found,) = READERS[tool](training.parent)
    assert (found.name, found.outcomes[-1]) == ("model", "done")
    points = {(name, step): round(value, 4) for name, step, value in found.points}
    assert len(points) == len(found.points)
    assert {step: value for (name, step), value in points.items() if name == "train/loss"} == {
        10: 0.9, 20: 0.8, 30: 0.7, 40: 0.6
    }  # fmt: skip
    assert {step: value for (name, step), value in points.items() if name == "validation/macro_f1"} == {
        20: 0.2,
        40: 0.4,
    }
    assert {name for name, _ in points} == {"train/epoch", "train/loss", "train/rate", "validation/macro_f1"}
    rate = found.config["rate" if tool == "tensorboard" else "train.rate"]
    assert float(rate) == 1e-3
    assert (asked, said) == ([], [])
    left = b"".join(path.read_bytes() for path in training.parent.rglob("*") if path.is_file())
    assert not [secret for secret in SECRETS if secret.encode() in left]
    assert b"data.example" in left
    assert capfd.readouterr().out == ""


def test_where_a_training_goes_back_another_record_has_what_holds(tool: str, training: Path) -> None:
    recorder = find(Recorder, tool)()  # type: ignore[type-abstract]
    with recorded(training, 0, [recorder]) as record:
        for event in (line(10, 0.9), line(20, 0.8), line(30, 70.0)):
            record(event)
        record(Returned({"step": 20, "epoch": 2.0, "event": "returned"}, "went back", 20))
        for event in (line(30, 0.7), ENDED):
            record(event)
    records = READERS[tool](training.parent)
    whole = [found for found in records if found.outcomes[-1] == "done"]
    assert len(whole) == 1
    losses = sorted((step, round(value, 4)) for name, step, value in whole[0].points if name == "train/loss")
    assert losses == [(10, 0.9), (20, 0.8), (30, 0.7)]
    assert len(records) == (1 if tool == "tensorboard" else 2)  # which hides what holds no more


def failing(method: str) -> Recorder:
    class Failing(find(Recorder, "jsonl")):  # type: ignore[misc]
        def open(self, folder: Path, step: int) -> "Failing":
            self._fail("open")
            return self

        def write(self, _: object) -> None:
            self._fail("write")

        def close(self, _: str) -> None:
            self._fail("close")

        def _fail(self, here: str) -> None:
            if here == method:
                raise RuntimeError("https://me:hunter2@tool.example says no\nand why")

    Failing.__module__ = "outside.failing"
    return Failing()


@pytest.mark.parametrize("method", ["open", "write", "close"])
def test_a_tracker_that_fails_is_told_once_and_the_training_goes_on(training: Path, method: str) -> None:
    said = list[str]()
    with recorded(training, 0, [failing(method)], say=said.append) as record:
        for event in (line(10), line(20), validated(20), ENDED):
            record(event)
    assert said == [
        "the recorder 'failing' has failed (https://tool.example says no); the training goes on without it, "
        "and log.jsonl has every line"
    ]
    assert [entry["step"] for entry in read(training / "log.jsonl")] == [10, 20, 20]


def test_of_several_ranks_the_first_writes(training: Path) -> None:
    with recorded(training, 0, [failing("open")], Ranks(rank=1, count=2)) as record:
        record(line(10))
    assert [path.name for path in training.iterdir()] == [lock.NAME]


def test_what_is_not_installed_is_refused_before_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("danlu.machine.extra.find_spec", lambda _: None)
    for kind in READERS:
        with pytest.raises(Refusal, match=rf"train.recorders: '{kind}' needs the package '\w+'; run: pip install"):
            find(Recorder, kind)().refuse_missing()  # type: ignore[type-abstract]


def test_a_training_inside_of_a_stage_is_named_by_its_place(training: Path) -> None:
    inside = training / "steps" / "ewc" / "1"
    inside.mkdir(parents=True)
    subject = told(inside)
    assert (subject.recipe, subject.name, subject.fingerprint) == ("reviews", "model/steps/ewc/1", FINGERPRINT[:12])
    assert subject.flat["data.path"] == "https://data.example/reviews.csv?token=***"
    assert told(training.parent.parent / "else").flat == {}


def test_numbers_alone_are_told() -> None:
    assert numbers({"step": 1, "event": "spike", "loss": 2, "whole": True, "seconds": 3.0}) == {"train/loss": 2}
