import json
from pathlib import Path

import pytest

from danlu.refusal import Refusal
from danlu.train.recorders.jsonl import Jsonl, read
from danlu.train.recorders.tensorboard import Tensorboard


def line(step: int, loss: float = 0.5) -> dict[str, object]:
    return {"step": step, "epoch": step / 10, "loss": loss, "rate": 1e-3, "seconds": 0.1}


def validated(step: int) -> dict[str, object]:
    return {"step": step, "epoch": step / 10, "validation": {"macro_f1": step / 100}}


def test_a_log_goes_on_after_the_step_of_the_checkpoint(tmp_path: Path) -> None:
    first = Jsonl().open(tmp_path, 0)
    written = [line(10), line(20), validated(20), line(30), validated(40)]
    for item in written:
        first.write(item)
    first.close("done")
    again = Jsonl().open(tmp_path, 20)
    again.write(line(30, loss=0.25))
    assert read(tmp_path / "log.jsonl") == [*written[:3], line(30, loss=0.25)]  # visible before it is closed
    again.close("done")
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]


def test_a_line_that_a_kill_has_cut_off_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps(line(10)) + "\n" + json.dumps(line(20))[:17])
    assert read(path) == [line(10)]
    Jsonl().open(tmp_path, 50).close("done")
    assert path.read_text() == json.dumps(line(10)) + "\n"


@pytest.mark.parametrize("room", [0, 7])
def test_a_full_disk_is_refused_and_the_log_stays_readable(tmp_path: Path, room: int) -> None:
    resource = pytest.importorskip("resource", reason="needs limits on the size of files")
    writer = Jsonl().open(tmp_path, 0)
    writer.write(line(10))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "log.jsonl").stat().st_size + room, limits[1]))
    try:
        with pytest.raises(Refusal, match=r"log\.jsonl: the disk is full"):
            writer.write(line(20))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    writer.close("done")
    assert read(tmp_path / "log.jsonl") == [line(10)]


def test_no_log_has_no_lines(tmp_path: Path) -> None:
    assert read(tmp_path / "log.jsonl") == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_reads_what_was_written_and_hides_what_an_interruption_left(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="needs the extra 'tensorboard'")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for step, lines in ((0, [line(10, 0.9), validated(10), line(20, 0.8)]), (10, [line(20, 0.7)])):
        writer = Tensorboard().open(tmp_path, step)
        for item in lines:
            writer.write(item)
        writer.close("done")
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert set(events.Tags()["scalars"]) == {"train/epoch", "train/loss", "train/rate", "validation/macro_f1"}
    assert [(e.step, round(e.value, 4)) for e in events.Scalars("train/loss")] == [(10, 0.9), (20, 0.7)]
    assert [(e.step, round(e.value, 4)) for e in events.Scalars("validation/macro_f1")] == [(10, 0.1)]
