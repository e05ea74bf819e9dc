"""Vectors of a bundle: the order beside numpy, whose vectors they are, and what has none yet."""

import copy
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from danlu.bundle.bundle import Bundle, load
from danlu.index.document import Document
from danlu.index.embedding import Embedder
from danlu.index.index import Index
from danlu.index.matrix import Matrix, nearest
from danlu.index.stores.sqlite import FILE
from danlu.refusal import Refusal

TEXTS = ["这本书写得很好", "物流太慢", "值得再读一遍", "书写得好", "太慢太慢", "一本书"]
DOCUMENTS = [Document(f"d{number}", text) for number, text in enumerate(TEXTS)]


@pytest.fixture(scope="module")
def embedder(tiny_bundle: Callable[[str], Path]) -> "Bundle":
    return load(tiny_bundle("embed"))


@pytest.fixture(scope="module")
def another(embedder: Bundle) -> Bundle:
    other = copy.copy(embedder)
    other.facts = embedder.facts | {"digest": "another"}
    return other


def unit(bundle: Bundle, texts: list[str]) -> np.ndarray:
    return np.array([each["vector"] for each in bundle.predict(texts)], np.float32)


def test_the_order_by_vectors_is_that_of_all_cosines(tmp_path: Path, embedder: Bundle) -> None:
    with Index.open(tmp_path, embedder=embedder, prefixes=("好", "书")) as index:
        index.put(DOCUMENTS)
        found = {each.document: each.ways["vector"] for each in index.search("读书", 100)}
        cosines = unit(embedder, [f"书{text}" for text in TEXTS]) @ unit(embedder, ["好读书"])[0]
        assert found == pytest.approx({f"d{number}": cosine for number, cosine in enumerate(cosines)}, abs=2e-5)
        by_vector = sorted(index.search("QQ", 100), key=lambda each: -each.ways["vector"])
        assert [each.document for each in index.search("QQ", 3)] == [each.document for each in by_vector[:3]]


def test_the_nearest_are_those_of_numpy_whatever_changed_meanwhile() -> None:
    rng = np.random.default_rng(0)
    vectors = {number: rng.normal(size=4).astype("<f4") for number in range(200)}

    class Rows:
        def rows(self, statement, values=()):
            if "danlu_passages" in statement:
                return iter([(number,) for number in sorted({*vectors, *bare})])
            return iter([(number, vectors[number].tobytes()) for number in values if number not in bare])

    bare = {1000, 1001}  # passages without a vector
    matrix, query = Matrix(), rng.normal(size=4).astype(np.float32)
    for generation in range(8):
        only = set(rng.choice(400, 150).tolist()) if generation % 2 else None
        found = nearest(matrix.seen_by(Rows(), str(generation)), query, 7, only)
        all_ = {number: float(vector @ query) for number, vector in vectors.items() if only is None or number in only}
        expected = sorted(all_.items(), key=lambda each: (-each[1], each[0]))[:7]
        assert [number for number, _ in found] == [number for number, _ in expected]
        assert [score for _, score in found] == pytest.approx([score for _, score in expected], abs=1e-5)
        for number in rng.choice(sorted(vectors), 40, replace=False).tolist():
            del vectors[number]
        vectors |= {200 + 40 * generation + number: rng.normal(size=4).astype("<f4") for number in range(40)}
    vectors.clear()
    assert nearest(matrix.seen_by(Rows(), "empty"), query, 7) == []


def test_vectors_of_another_embedder_are_refused_until_made_anew(
    tmp_path: Path, embedder: Bundle, another: Bundle
) -> None:
    with Index.open(tmp_path, embedder=embedder) as index:
        index.put(DOCUMENTS)
        for given in ({"embedder": another}, {"embedder": embedder, "prefixes": ("query: ", "passage: ")}):
            with pytest.raises(Refusal, match="made by another embedder than"):
                Index.open(tmp_path, **given)
        before = index.search("书")
        with Index.open(tmp_path, embedder=another, anew=True) as renewed:
            assert [each.ways for each in renewed.search("书")] == [each.ways for each in before]
        with pytest.raises(Refusal, match="another embedder"):
            index.search("书")
        with pytest.raises(Refusal, match="another embedder"):
            index.put([Document("late", "一本书")])
    with pytest.raises(Refusal, match="another embedder"):
        Index.open(tmp_path, embedder=embedder)


def test_vectors_of_the_same_model_under_its_former_name_stay(
    tmp_path: Path, embedder: Bundle, another: Bundle
) -> None:
    with Index.open(tmp_path, embedder=embedder) as index:
        index.put(DOCUMENTS)
    former = f"embed-{embedder.facts['digest'][:16]}-base\n\n"
    with closing(sqlite3.connect(tmp_path / FILE)) as file, file:
        assert file.execute("UPDATE danlu_settings SET value = ? WHERE name = 'embedder'", (former,)).rowcount == 1
    with pytest.raises(Refusal, match="another embedder"):
        Index.open(tmp_path, embedder=another)
    for _ in range(2):
        Index.open(tmp_path, embedder=embedder).close()


def test_what_was_put_without_an_embedder_is_given_vectors_when_there_is_one(tmp_path: Path, embedder: Bundle) -> None:
    with Index.open(tmp_path) as index:
        index.put(DOCUMENTS)
        assert {frozenset(each.ways) for each in index.search("书")} == {frozenset({"lexical"})}
    with Index.open(tmp_path, embedder=embedder) as index:
        assert len(index.search("书", 100)) == len(TEXTS)
        assert all("vector" in each.ways for each in index.search("书", 100))
    with Index.open(tmp_path) as index:
        index.put([Document("late", "一本书")])
    with Index.open(tmp_path, embedder=embedder) as index:
        assert {each.document for each in index.search("一本书", 2)} == {"d5", "late"}


def test_what_another_put_without_an_embedder_is_given_vectors_by_who_has_one(tmp_path: Path, embedder: Bundle) -> None:
    (tmp_path / "docs").mkdir()
    with Index.open(tmp_path / "index", embedder=embedder) as index:
        index.refresh(tmp_path / "docs")
        with Index.open(tmp_path / "index") as other:
            other.put([Document("late", "一本书")])
            (tmp_path / "docs" / "new.txt").write_text("这本书写得很好")
            other.refresh(tmp_path / "docs")
        assert not any("vector" in each.ways for each in index.search("书", 100) if each.document == "late")
        index.refresh(tmp_path / "docs")
        found = index.search("书", 100)
        assert {each.document for each in found} == {"late", "new.txt"}
        assert all("vector" in each.ways for each in found)


def test_of_a_passage_longer_than_the_model_reads_all_is_read(embedder: Bundle) -> None:
    asked = Embedder(embedder)
    long = "这本书写得很好。物流太慢。" * 24
    vector = asked.passages([long, "一本书"])
    assert np.linalg.norm(vector, axis=1) == pytest.approx([1, 1], abs=1e-5)
    parts = asked._parts(long, "")
    assert "".join(parts) == long
    assert len(parts) > 1
    assert all(len(embedder.tokenizer(part)["input_ids"]) <= embedder.facts["max_length"] for part in parts)
    mean = unit(embedder, parts).sum(0)
    assert vector[0] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)


def test_the_ranker_has_the_last_word_on_the_best(tmp_path: Path, tiny_bundle: Callable[[str], Path]) -> None:
    ranker = load(tiny_bundle("rank"))
    with Index.open(tmp_path, reranker=ranker) as index:
        index.put([*DOCUMENTS, Document("again", TEXTS[3])])
        found = index.search("书写得好")
        (told,) = ranker.predict([{"text": "书写得好", "candidates": list({each.text: 0 for each in found})}])
        assert list(dict.fromkeys(each.text for each in found)) == told["ranking"]
        assert [each.score for each in found] == [each.ways["rank"] for each in found]
        assert {each.document for each in found} >= {"d3", "again"}


@pytest.mark.parametrize(("given", "told"), [("embedder", "gives no vectors"), ("reranker", "ranks no documents")])
def test_bundles_of_other_tasks_are_refused(
    tmp_path: Path, tiny_bundle: Callable[[str], Path], given: str, told: str
) -> None:
    with pytest.raises(Refusal, match=f"was trained for classify, which {told}"):
        Index.open(tmp_path / "index", **{given: load(tiny_bundle("classify"))})
    assert not (tmp_path / "index").exists()
