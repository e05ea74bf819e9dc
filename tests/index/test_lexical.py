"""The order by words, beside BM25 as its formula has it."""

import math
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from danlu.index.document import Document
from danlu.index.index import Index
from danlu.index.tokens import query_tokens, tokens
from danlu.refusal import Refusal

WORDS = ["茶", "喝茶", "银行", "中国", "E-1042", "v2.1", "cats", "cat", "the", "user_id", "。", "C++"]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)


def brute_force(texts: dict[str, str], query: str) -> list[tuple[str, float]]:
    """BM25 with k1 = 1.2 and b = 0.75; weights of tokens as FTS5 has them (Robertson and Zaragoza, 2009)."""
    counts = {name: Counter(tokens(text)) for name, text in texts.items()}
    mean = sum(count.total() for count in counts.values()) / max(len(counts), 1)
    scores: Counter[str] = Counter()
    for token in query_tokens(query):
        having = [name for name, count in counts.items() if count[token]]
        weight = max(math.log((len(counts) - len(having) + 0.5) / (len(having) + 0.5)), 1e-6)
        for name in having:
            times = counts[name][token]
            scores[name] += weight * times * 2.2 / (times + 1.2 * (0.25 + 0.75 * counts[name].total() / mean))
    return sorted(scores.items(), key=lambda each: (-round(each[1], 8), each[0]))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(TEXTS, max_size=8), gone=st.sets(st.integers(0, 7)), query=TEXTS)
def test_the_order_is_that_of_bm25(tmp_path: Path, texts: list[str], gone: set[int], query: str) -> None:
    with Index.open(tmp_path / "index") as index:
        index.remove(index.names())
        index.put(Document(f"d{number}", text) for number, text in enumerate(texts))
        index.remove(f"d{number}" for number in gone)
        left = {f"d{number}": text for number, text in enumerate(texts) if text and number not in gone}
        found = [(each.document, each.score) for each in index.search(query, 100)]
        expected = brute_force(left, query)
        assert [name for name, _ in found] == [name for name, _ in expected]
        assert [score for _, score in found] == pytest.approx([score for _, score in expected], abs=1e-8)


def test_only_documents_with_the_facts_are_found_and_the_best_of_them(tmp_path: Path) -> None:
    with Index.open(tmp_path) as index:
        index.put(
            Document(f"d{n:02}", f"茶 {'茶 ' * n}", facts={"even": str(n % 2 == 0), "n": str(n)}) for n in range(30)
        )
        assert {each.facts["even"] for each in index.search("茶", 10, {"even": "True"})} == {"True"}
        assert len(index.search("茶", 100, {"even": "True"})) == 15
        assert [each.document for each in index.search("茶", 5, {"even": "True", "n": "4"})] == ["d04"]
        assert index.search("茶", 5, {"n": "' OR 1=1"}) == []


def test_the_title_is_looked_at_too_and_a_passage_is_where_it_says(tmp_path: Path) -> None:
    text = "第一段。" * 120 + "\n\n" + "Second part. " * 90
    with Index.open(tmp_path) as index:
        index.put([Document("a", text, "退货说明", {"kind": "guide"})])
        found = index.search("退货 second")
        assert len(found) > 1
        assert found[0].text.startswith("Second part")
        for each in found:
            assert each.text == text[each.start : each.end]
            assert (each.title, each.facts, each.ways) == ("退货说明", {"kind": "guide"}, {"lexical": each.score})


@pytest.mark.parametrize(
    "query", ["", " ", '"', "* OR (", "'; DROP TABLE danlu_documents", "\0", "\ud800", "- ( )", "NEAR(a"]
)
def test_nonsense_is_a_query_like_any_other(tmp_path: Path, query: str) -> None:
    with Index.open(tmp_path) as index:
        index.put([Document("a", "a near table")])
        assert len(index.search(query)) in (0, 1)
        assert len(index) == 1


def test_what_cannot_be_looked_for_or_kept_is_a_sentence(tmp_path: Path) -> None:
    with Index.open(tmp_path) as index:
        for query, limit, told in (
            ("a", 0, "expected 1 to"),
            ("a", 1001, "expected 1 to"),
            ("a" * 10_001, 1, "shorten"),
        ):
            with pytest.raises(Refusal, match=told):
                index.search(query, limit)
        for where in ({"n": 3}, {str(number): "" for number in range(21)}):
            with pytest.raises(Refusal, match="where: expected up to 20 facts"):
                index.search("a", where=where)  # type: ignore[arg-type]
        for document, told in (
            (Document("", "a"), "the id is empty"),
            (Document("x", "a\0"), "document 'x': the text holds NUL"),
            (Document("x", "a\ud800"), "half a character"),
            (Document("x", "a", "t" * 1001), "the title has 1,001 characters"),
            (Document("x", "a", facts={"n": 3}), "fact 'n' is of type int"),  # type: ignore[dict-item]
            (Document("x", "a", facts={str(n): "" for n in range(101)}), "up to 100"),
        ):
            with pytest.raises(Refusal, match=told):
                index.put([Document("before", "b"), document])
            assert index.document("x") is None


def test_many_equal_passages_are_in_the_order_of_their_ids(tmp_path: Path) -> None:
    with Index.open(tmp_path) as index:
        index.put(Document(f"d{(n * 7) % 300:03}", "the same text") for n in range(300))
        assert [each.document for each in index.search("same", 7)] == [f"d{n:03}" for n in range(7)]


def test_an_index_of_older_tokens_is_looked_up_by_new_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as older:
        older.setattr("danlu.index.store.tokens", lambda text: ["x"] if text else [])
        with Index.open(tmp_path) as index:
            index.put([Document("a", "喝茶"), Document("b", "coffee")])
            assert index.search("coffee") == []
    with Index.open(tmp_path) as index, index._store.writing() as session:
        session.keep_setting("tokens", "0")
    with Index.open(tmp_path) as index:
        assert [each.document for each in index.search("coffee")] == ["b"]
        assert index.search("x") == []
        index.remove(["b"])
        assert index.search("coffee") == []


def test_an_index_of_a_newer_danlu_and_what_is_none_are_refused(tmp_path: Path) -> None:
    with Index.open(tmp_path / "a") as index, index._store.writing() as session:
        session.keep_setting("format", "99")
    with pytest.raises(Refusal, match="was made by a newer danlu"):
        Index.open(tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "index.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(Refusal, match="cannot be opened as an index"):
        Index.open(tmp_path / "b")
    (tmp_path / "c").write_text("")
    with pytest.raises(Refusal, match="is a file; give a folder"):
        Index.open(tmp_path / "c")
