"""Judged answers become rows to learn from."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import postgres_server
import pytest
import sqlalchemy as sql
from servers import Live, serving

import danlu
from danlu.data.reading.format import Format
from danlu.refusal import Refusal
from danlu.serve.feedback import TABLE, Feedback
from danlu.serve.shelf import Shelf


def test_judgements_are_kept_and_prepare_reads_them_back(shelf: Shelf, tmp_path: Path) -> None:
    url = f"sqlite:///{(tmp_path / 'judged' / 'feedback.db').as_posix()}"
    stores = [Feedback(url), Feedback(url)]  # of two servers
    truths = ["good", "bad"]
    with serving(shelf, feedback=stores[0]) as one, serving(shelf, feedback=stores[1]) as two:

        def judge(number: int) -> int:
            record = {"text": f"第{number}条评论 😀"}
            label = truths[number % 2]
            body = {"model": "classify", "record": record, "correct": False, "truth": {"label": label}}
            return (one if number % 3 else two).post("/v1/feedback", body).status_code

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(judge, range(40))) == {201}
        empty = one.post("/v1/feedback", {"model": "classify", "record": {"text": "x"}})
        wrong = one.post("/v1/feedback", {"model": "classify", "record": {"text": "x"}, "truth": {"lable": "good"}})
        assert (empty.status_code, wrong.status_code) == (400, 400)
        nul = one.post("/v1/feedback", {"model": "classify", "record": {"text": "x\0"}, "comment": "a\0b"})
        assert (nul.status_code, nul.json()["error"]["param"]) == (400, "comment")
        assert wrong.json()["error"]["param"] == "truth"
    for store in stores:
        store.close()
    data = {"kind": "sql", "path": url, "table": TABLE, "expand": ["record", "truth"]}
    rows = list(Format.model_validate(data).read(("text", "label")))
    assert sorted(row["text"] for row in rows) == sorted(f"第{number}条评论 😀" for number in range(40))
    recipe = {"name": "learnt", "stages": {"clean": {"kind": "prepare", "data": data, "split": {"test": 0.2}}}}
    run = danlu.run(recipe, root=tmp_path / "runs", say=lambda _line: None)
    assert (run["clean"] / "train.jsonl").exists() or any(run["clean"].iterdir())


def test_a_judgement_is_of_the_model_that_gave_the_answer(shelf: Shelf, tmp_path: Path) -> None:
    url = f"sqlite:///{(tmp_path / 'feedback.db').as_posix()}"
    store = Feedback(url)
    with serving(shelf, feedback=store) as live:
        answer = live.post("/v1/predict", {"model": "classify", "text": "好"})
        with shelf.lease("classify") as model:
            assert answer.headers["x-fingerprint"] == model.fingerprint
        body = {"model": "classify", "record": {"text": "好"}, "correct": True}
        for told in ({"fingerprint": "danlu-0123456789abcdef-base"}, {}):
            assert live.post("/v1/feedback", body | told).status_code == 201
        wrong = live.post("/v1/feedback", body | {"fingerprint": "a\0b"})
        assert wrong.json()["error"]["param"] == "fingerprint"
    store.close()
    rows = Format.model_validate({"kind": "sql", "path": url, "table": TABLE}).read(("fingerprint",))
    assert [row["fingerprint"] for row in rows] == ["danlu-0123456789abcdef-base", answer.headers["x-fingerprint"]]


def test_without_a_database_it_is_told_how_to_get_one(live: Live) -> None:
    refused = live.post("/v1/feedback", {"model": "classify", "record": {"text": "x"}, "correct": True})
    assert refused.status_code == 404
    assert "--feedback" in refused.json()["error"]["message"]
    with pytest.raises(Refusal, match="--feedback: 'csv' is no database"):
        Feedback("csv://x")


@pytest.mark.skipif(bool(postgres_server.missing()), reason=postgres_server.missing())
def test_an_older_table_takes_the_fingerprint_of_a_model_with_an_adapter() -> None:
    whose = "a" * 43 + "+" + "b" * 43
    with postgres_server.server() as url:
        Feedback(url).close()
        engine = sql.create_engine(url)
        with engine.begin() as connection:
            connection.execute(sql.text(f"ALTER TABLE {TABLE} ALTER COLUMN fingerprint TYPE VARCHAR(64)"))
        engine.dispose()
        kept = Feedback(url)
        try:
            assert kept.add(model="m", fingerprint=whose, record={"text": "a"}, correct=True) == 1
            with kept.reading() as connection:
                assert connection.execute(sql.text(f"SELECT fingerprint FROM {TABLE}")).scalar_one() == whose
        finally:
            kept.close()
