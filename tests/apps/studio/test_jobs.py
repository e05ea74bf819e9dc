"""Processes in the background: their lines, their results, and their end."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from danlu.apps.studio import jobs as module
from danlu.apps.studio.jobs import Job, Jobs
from danlu.refusal import Refusal

SLEEP = "import time; print('begun', flush=True); time.sleep(60)"


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    (tmp_path / "timeit.py").write_text("raise SystemExit('what lies beside the data was run')")
    found = Jobs(tmp_path)
    yield found
    found.close()


def ended(job: Job) -> Job:
    job.process.wait(60)
    while job.state == "running":
        time.sleep(0.01)
    return job


def timed(statement: str) -> list[str]:
    return ["timeit", "-n1", "-r1", statement]


def test_lines_progress_result_and_page_are_told_and_the_folder_goes_in_the_end(jobs: Jobs) -> None:
    def words(folder: Path) -> list[str]:
        told = "print('one\\rtwo'); print('\\x1e3/4 rows'); print('真 \\x1b[1m')"
        return timed(
            f"import pathlib; f = pathlib.Path({str(folder)!r}); {told}; (f / 'result.json').write_text('[1]')"
        )

    job = ended(jobs.start("read", "working:x", words, language="zh"))
    told = job.plain()
    assert (told["state"], told["progress"], told["result"], told["page"]) == ("done", "3/4 rows", True, False)
    assert told["lines"][:2] == ["two", "真 \x1b[1m"]
    assert job.result() == [1]
    with pytest.raises(Refusal, match="there is no page"):
        jobs.page(job.id)
    (job.folder / "page.html").write_text("<p>")
    assert jobs.page(job.id) == b"<p>"
    jobs.close()
    assert not job.folder.exists()


def test_what_fails_is_told_and_what_is_stopped_ends(jobs: Jobs) -> None:
    failed = ended(jobs.start("read", "x", lambda _: timed("raise OSError")))
    assert failed.plain()["state"] == "failed"
    with pytest.raises(Refusal, match="there is no result"):
        failed.result()
    job = jobs.start("read", "x", lambda _: timed(SLEEP))
    jobs.stop(job.id)
    assert ended(job).plain()["state"] == "stopped"
    with pytest.raises(Refusal, match="no longer known"):
        jobs.find("0" * 32)


def test_no_more_are_begun_than_may_be_under_way(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 1)
    job = jobs.start("read", "x", lambda _: timed(SLEEP))
    with pytest.raises(Refusal, match="under way"):
        jobs.start("read", "x", lambda _: timed(SLEEP))
    jobs.drop(job.id)
    assert job.process.poll() is not None
    assert jobs.all() == []
