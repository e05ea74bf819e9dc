"""Bundles: vectors are kept with the items, another embedder's are made anew, a ranker has a say, a tuned one comes."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from danlu.apps.recommend.bundles import Embedder, reranker
from danlu.apps.recommend.deed import Deed
from danlu.apps.recommend.item import Item
from danlu.apps.recommend.opening import open_place
from danlu.apps.recommend.reranking import reranked
from danlu.apps.recommend.tune import TOLD, pairs_of, refuse_tuned_later, tune
from danlu.bundle.bundle import Bundle, load
from danlu.refusal import Refusal

ITEMS = [Item("a", "这本书", "写得很好"), Item("b", "物流", "太慢"), Item("c", "值读", "一遍")]


@pytest.fixture(scope="module")
def embed(tiny_bundle: Callable[[str], Path]) -> Iterator[Bundle]:
    with load(tiny_bundle("embed"), threads=1) as found:
        yield found


@pytest.fixture(scope="module")
def rank(tiny_bundle: Callable[[str], Path]) -> Iterator[Bundle]:
    with load(tiny_bundle("rank"), threads=1) as found:
        yield found


def test_vectors_are_those_of_the_bundle_and_read_once(embed: Bundle, tmp_path: Path, monkeypatch) -> None:
    with open_place(tmp_path, embedder=(embed.predictor, "one")) as found:
        found.put(ITEMS)
        said = np.array([each["vector"] for each in embed.predict([item.words for item in ITEMS])])
        assert np.allclose(found.space.alike([0]), said[:1] @ said.T, atol=1e-5)
        listed = [each.item.id for each in found.recommend("nobody", 3, interests="这本书 写得很好")]
        assert listed[0] == "a"
    asked: list[str] = []
    read = Embedder.__call__
    monkeypatch.setattr(Embedder, "__call__", lambda self, texts: (asked.extend(texts), read(self, texts))[1])
    with open_place(tmp_path, embedder=(embed.predictor, "one")) as found:
        assert np.allclose(found.space.alike([0]), said[:1] @ said.T, atol=1e-5)
        assert asked == ["a"], "the one that tells how wide vectors are"
        found.put([Item("b", "物流", "很好")])
        assert asked[1:] == ["物流\n很好"]
    with open_place(tmp_path, embedder=(embed.predictor, "two")) as found:
        assert len(asked) == 3 + 3, "those of another embedder are made anew"
        assert found.state()["vectors"] == "embedder"


def test_a_bundle_of_another_task_is_refused(embed: Bundle, rank: Bundle, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="gives no vectors"):
        open_place(tmp_path, embedder=(rank.predictor, "one"))
    with pytest.raises(Refusal, match="ranks nothing"):
        reranker(embed.predictor)


def test_a_ranker_has_a_say_in_the_order_of_the_first(rank: Bundle, filled, tmp_path: Path) -> None:
    read = reranker(rank.predictor)
    scores = read("书", ["很好", "太慢", "很好"])
    assert scores[0] == scores[2] != scores[1]
    view = filled.view("u0")
    places, plain = filled.ranked(view, 24)
    last = {filled.catalogue.items[place].words: float(each) for each, place in enumerate(places)}
    turned, kept = reranked(
        lambda _query, texts: [last[text] for text in texts], places, plain, view, "", filled.catalogue
    )
    assert sorted(turned[:20]) == sorted(places[:20])
    assert (turned[20:] == places[20:]).all()
    assert (kept == plain).all()
    same, _ = reranked(lambda _query, texts: [-last[text] for text in texts], places, plain, view, "", filled.catalogue)
    assert (same == places).all(), "where both say the same"


def test_pairs_are_what_was_read_one_after_the_other_before_the_end() -> None:
    deeds = [
        Deed("u", name, "view", time)
        for name, time in (("a", 0.0), ("b", 50.0), ("b", 60.0), ("c", 90_000.0), ("d", 90_010.0))
    ]
    assert pairs_of(deeds, 1e9) == [("a", "b"), ("c", "d")]
    assert pairs_of(deeds, 90_010.0) == [("a", "b")]
    twice = [*deeds, Deed("v", "d", "view", 1.0), Deed("v", "c", "view", 2.0)]
    assert pairs_of(twice, 1e9)[0] == ("c", "d"), "the closest first"


def test_a_tuning_that_is_killed_leaves_told_what_its_model_may_know(items, deeds, tmp_path: Path, monkeypatch) -> None:
    class Killed(BaseException):
        pass

    def run(_recipe: object, root: Path, **_settings: object) -> dict[str, Path]:
        if killed:
            raise Killed
        (root / "model").mkdir(parents=True, exist_ok=True)
        return {"model": root / "model"}

    def tuned(until: float, model: str = "nowhere", out: str = "out") -> None:
        known = {item.id: item for item in items}
        tune(known, deeds, model, tmp_path / out, until=until, say=lambda _line: None)

    monkeypatch.setattr("danlu.apps.recommend.tune.FEWEST", 1)
    monkeypatch.setattr("danlu.apps.recommend.tune.run", run)
    deeds = [replace(deed, time=deed.time / 10) for deed in deeds]
    end = max(deed.time for deed in deeds)
    killed = True
    with pytest.raises(Killed):
        tuned(end)
    left = str(tmp_path / "out" / "runs" / "model.aside" / "bundle")
    with pytest.raises(Refusal, match="tune one with --until"):
        refuse_tuned_later(left, end - 1)
    killed = False
    tuned(end - 1)
    refuse_tuned_later(str(tmp_path / "out" / "runs" / "model" / "bundle"), end - 1)
    with pytest.raises(Refusal, match="tune one with --until"):
        refuse_tuned_later(left, end - 1)
    tuned(end - 9, left, "further")
    with pytest.raises(Refusal, match="tune one with --until"):
        refuse_tuned_later(str(tmp_path / "further" / "runs" / "model" / "bundle"), end - 9)


def test_an_embedder_is_tuned_by_a_recipe_and_not_used_to_judge_what_it_has_seen(
    tiny_bundle: Callable[[str], Path], items, deeds, tmp_path: Path, monkeypatch
) -> None:
    known = {item.id: item for item in items}
    with pytest.raises(Refusal, match="50 are needed"):
        tune(known, deeds[:20], "nowhere", tmp_path, until=1e10)
    monkeypatch.setattr("danlu.apps.recommend.tune.FEWEST", 20)
    said: list[str] = []
    quick = ["model.train.epochs=1", "model.train.precision=float32"]
    deeds = [replace(deed, time=deed.time / 10) for deed in deeds]  # so that what was read together was so within a day
    end = max(deed.time for deed in deeds)
    come = tune(known, deeds, str(tiny_bundle("embed")), tmp_path / "out", until=end, settings=quick, say=said.append)
    assert come.pairs >= 20
    assert "pairs of items that were read together" in said[0]
    with load(come.bundle, threads=1) as bundle:
        assert bundle.task.kind == "embed"
    refuse_tuned_later(str(come.bundle), end)
    with pytest.raises(Refusal, match="tune one with --until"):
        refuse_tuned_later(str(come.bundle), end - 1)
    (come.bundle.parent / TOLD).write_text("{}")
    with pytest.raises(Refusal, match="cannot be read"):
        refuse_tuned_later(str(come.bundle), end)
