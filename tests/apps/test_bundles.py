"""Bundles of applications: refused where they do not answer as saved, taken anew while they are asked, kept apart."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from servers import serving, shelved

import danlu.serve.run
from danlu.apps import bundles
from danlu.apps.bundles import Role, of_shelf, places
from danlu.apps.grounded.bar import PLAIN
from danlu.apps.knowledge.knowledge import ROLES, Knowledge, Models
from danlu.apps.knowledge.site import site_of
from danlu.apps.monitor.topics import LabelledTopics
from danlu.bundle import golden, manifest
from danlu.bundle.bundle import load
from danlu.cli.main import main
from danlu.index.embedding import Embedder
from danlu.refusal import Refusal
from danlu.serve.limits import Limits
from danlu.serve.shelf import Place, Shelf
from danlu.serve.site import Site

TEXTS = ["这本书写得很好", "物流太慢"]


def changed(source: Path, folder: Path, change: Callable[[Path, dict[str, object]], None]) -> Path:
    """A bundle in the place of whatever is in a folder, whose files agree with what it says of them."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder)
    facts = json.loads((folder / manifest.NAME).read_text(encoding="utf-8"))
    change(folder, facts)
    manifest.write(folder, facts)
    return folder


def another(folder: Path, facts: dict[str, object]) -> None:
    """The same model by another name."""
    facts["provenance"] = {"recipe": "another"}


def drifted(folder: Path, facts: dict[str, object]) -> None:
    """Golden outputs that the model does not give."""
    file = folder / golden.NAME
    told = json.loads(file.read_text(encoding="utf-8"))
    told["predictions"][0] = dict.fromkeys(told["predictions"][0])
    file.write_text(json.dumps(told), encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (["assistant", "--sample", "--embedder"], "embed"),
        (["knowledge", "--sample", "--embedder"], "embed"),
        (["recommend", "--sample", "--embedder"], "embed"),
        (["monitor", "--sample", "--topics"], "classify"),
        (["write", "--tones"], "classify"),
        (["code", "--bundle"], "causal_lm"),
    ],
)
def test_what_does_not_answer_as_it_did_is_refused_at_the_start(
    words: list[str], kind: str, tiny_bundle: Callable[[str], Path], tmp_path: Path, capsys, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bundle = changed(tiny_bundle(kind), tmp_path / "bundle", drifted)
    more = ["--generator", str(tiny_bundle("causal_lm"))] if "--tones" in words else []
    with pytest.raises(SystemExit) as ended:
        main(["app", *words, str(bundle), *more, "--port", "0"])
    assert ended.value.code == 2
    assert f"{bundle}: does not answer as it did when it was saved (example 1" in capsys.readouterr().err


def test_whoever_asks_a_shelf_is_answered_by_what_is_open_now_and_nothing_unfit_takes_its_place(
    tiny_bundle: Callable[[str], Path], tmp_path: Path
) -> None:
    roles = {"topics": Role(LabelledTopics)}
    folder = shutil.copytree(tiny_bundle("classify"), tmp_path / "bundle")
    with shelved(places({"topics": folder}, roles, threads=1)) as shelf:
        topics = of_shelf(shelf, roles)["topics"]
        assert topics is not None
        asked = LabelledTopics(topics)
        for kind in ("classify", "multilabel"):
            changed(tiny_bundle(kind), folder, lambda _folder, _facts: None)
            assert shelf.reload() == ["topics"]
            with load(tiny_bundle(kind), threads=1) as own:
                assert topics.task == own.task
                assert asked.topics(TEXTS) == LabelledTopics(own).topics(TEXTS)
        for source, told in (("embed", "give a bundle of the task multilabel or classify"), ("classify", "as it did")):
            changed(tiny_bundle(source), folder, drifted)
            with pytest.raises(Refusal, match=told):
                shelf.reload()
            assert topics.task.kind == "multilabel"


def test_a_model_of_which_vectors_are_kept_stays_until_the_end(
    tiny_bundle: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_bundle("embed"), tmp_path / "bundle")
    with shelved(places({"embedder": folder}, {"embedder": Role(Embedder, kept=True)}, threads=1)) as shelf:
        assert shelf.reload() == ["embedder"]
        changed(tiny_bundle("embed"), folder, another)
        with pytest.raises(Refusal, match="is another model than the one that serves as 'embedder'"):
            shelf.reload()


def test_a_threshold_that_was_fitted_with_a_reader_is_not_used_with_the_next(
    tiny_bundle: Callable[[str], Path], tmp_path: Path
) -> None:
    documents = tmp_path / "documents"
    documents.mkdir()
    (documents / "pool.md").write_text("The pool is deep.", encoding="utf-8")
    folder = shutil.copytree(tiny_bundle("answer"), tmp_path / "bundle")
    with shelved(places({"reader": folder}, ROLES, threads=1)) as shelf:
        models = Models(**of_shelf(shelf, ROLES))
        with Knowledge.open(documents, str(tmp_path / "index"), models) as knowledge:
            knowledge.keep_threshold(replace(PLAIN, least=0.5, models=models.told))
            knowledge.ask("Is the pool deep?")
            assert (knowledge.grounder.bar.least, knowledge.notes) == (0.5, [])
            with serving(shelf, site=site_of(knowledge, 0)) as live, live.client() as client:
                assert client.get("/health/ready").json() == {"status": "ready", "models": ["reader"]}
                changed(tiny_bundle("answer"), folder, another)
                shelf.reload()
                assert client.post("/v1/ask", json={"question": "Is the pool deep?"}).status_code == 200
                assert "fitted with other models" in client.get("/v1/documents").json()["notes"][0]
                (folder / "golden.json").write_text("{}", encoding="utf-8")
                shelf.replay()
                assert client.get("/health/ready").status_code == 503
            assert knowledge.grounder.bar == PLAIN


def test_what_an_application_holds_is_let_go_of_before_its_bundles(
    tiny_bundle: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    went: list[list[str]] = []
    shelves: list[Shelf] = []

    async def ended(*_told: object) -> None:
        went.append(shelves[0].names)

    @contextmanager
    def site(shelf: Shelf) -> Iterator[Site]:
        shelves.append(shelf)
        try:
            yield Site(posts={})
        finally:
            went.append(shelf.names)

    monkeypatch.setattr(danlu.serve.run, "_serve", ended)
    place = Place("topics", str(tiny_bundle("classify")), threads=1)
    danlu.serve.run.serve([place], site=site, port=0, limits=Limits(), say=lambda _line: None)
    assert went == [["topics"], ["topics"]]
    assert shelves[0].names == []


def test_one_command_opens_and_closes_them_and_refuses_what_would_not_do(tiny_bundle: Callable[[str], Path]) -> None:
    roles = {"embedder": Role(Embedder), "ranker": Role(Embedder)}
    with bundles.opened({"embedder": tiny_bundle("embed")}, roles, threads=1) as found:
        assert found["ranker"] is None
        assert found["embedder"] is not None
        predictor = found["embedder"].predictor
    with pytest.raises(Refusal, match="this bundle was closed"):
        predictor.predict([{"text": "x"}])
    with (
        pytest.raises(Refusal, match="gives no vectors"),
        bundles.opened({"ranker": tiny_bundle("classify")}, roles, threads=1),
    ):
        pass


def test_a_fingerprint_tells_models_and_what_serves_of_them_apart(
    tiny_bundle: Callable[[str], Path], tmp_path: Path
) -> None:
    other = changed(tiny_bundle("embed"), tmp_path / "bundle", another)
    with load(tiny_bundle("embed"), threads=1) as one, load(other, threads=1) as two:
        names = [one.fingerprint, two.fingerprint, replace(one, serves="legal").fingerprint]
        old = replace(one, facts={key: value for key, value in one.facts.items() if key != "digest"})
        assert len(set(names)) == 3
        assert one.fingerprint_of("legal") == names[2]
        assert old.fingerprint == one.fingerprint, "also of a bundle of format 1, which holds no digest"
