"""Answers from passages: they stand in their documents, or there are none."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.apps.grounded import grounded
from danlu.apps.grounded.bar import PLAIN, Bar
from danlu.apps.grounded.grounded import Grounder
from danlu.bundle.bundle import Bundle, load, save
from danlu.index.document import Document, Found
from danlu.model.sources.scratch import Scratch
from danlu.refusal import Refusal
from danlu.task.task import Task
from danlu.text.tokenizing.tokenizers.bpe import Bpe

TEXTS = {
    "museum": "# Opening hours\n\nWhen does the museum open?\nThe museum opens at nine. It closes on Mondays.",
    "poet": "李白生于碎叶城，后来去了长安。杜甫生于巩县。",
    "tea": "Green tea is drunk without milk. 绿茶不加牛奶。",
}
ALWAYS = Bar({}, 0.0, 0.0)


def look(name: str) -> Document | None:
    return Document(name, TEXTS[name]) if name in TEXTS else None


def passages(*names: str) -> list[Found]:
    return [
        Found(name, "", TEXTS[name], 0, len(TEXTS[name]), 9.0 - place, {"lexical": 9.0 - place}, {})
        for place, name in enumerate(names)
    ]


@pytest.fixture(scope="module")
def reader(tiny_bundle: Callable[[str], Path]) -> Bundle:
    return load(tiny_bundle("answer"), threads=1)


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A model of random weights, with rows that hold passages."""
    folder, task = tmp_path_factory.mktemp("writer") / "bundle", Task.model_validate("causal_lm")
    tokenizer = Bpe(size=300).build(lambda: iter(TEXTS.values()))
    network = Scratch(architecture="llama", layers=1, width=16, heads=2, positions=2048).build(
        task.auto_class, tokenizer, task.config()
    )
    task = task.suited(network, tokenizer, print)
    save(folder, network, tokenizer, task, precision="float32", provenance={}, examples=list(task.sample[:1]))
    return load(folder, threads=1)


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("When does the museum open?", "The museum opens at nine."),
        ("杜甫生于哪里？", "杜甫生于巩县。"),
        ("Is milk drunk with green tea?", "Green tea is drunk without milk."),
    ],
)
def test_without_a_model_the_sentence_that_says_what_was_asked_answers(question: str, text: str) -> None:
    found = Grounder().answer(question, passages("museum", "poet", "tea"), look)
    assert (found.text, found.way) == (text, "sentence")
    (piece,) = found.cited
    assert TEXTS[piece.document][piece.start : piece.end] == text


@pytest.mark.parametrize("question", ["How are aeroplanes built in Brazil?", "量子力学是谁提出的？"])
def test_what_the_passages_say_nothing_of_is_not_answered(question: str) -> None:
    found = Grounder().answer(question, passages("museum", "poet", "tea"), look)
    assert (found.answered, found.why, found.text, found.cited) == (False, "unsure", "", ())
    assert len(found.passages) == 3  # for who wants to look himself


def test_documents_that_have_gone_or_changed_answer_nothing() -> None:
    gone = [
        Found("gone", "", "杜甫生于巩县。", 0, 7, 1.0, {}, {}),
        Found("poet", "", "杜甫生于洛阳。", 15, 22, 1.0, {}, {}),
    ]
    assert Grounder(bar=ALWAYS).answer("杜甫生于哪里？", gone, look).why == "changed"
    assert Grounder(bar=ALWAYS).answer("杜甫生于哪里？", [], look).why == "nothing_found"


@pytest.mark.parametrize("question", ["When does the museum open?", "杜甫生于哪里？", "x" * 20])
def test_a_bundle_of_answer_points_at_what_stands_there(question: str, reader: Bundle) -> None:
    found = Grounder(reader, bar=Bar({"piece": 0.0}, 0.0, 0.0)).answer(question, passages("museum", "poet"), look)
    assert found.way == "extract"
    (piece,) = found.cited
    assert found.text == piece.text == TEXTS[piece.document][piece.start : piece.end]
    assert piece.text


def test_what_a_model_writes_and_nothing_supports_gives_way_to_a_sentence(generator: Bundle) -> None:
    found = Grounder(None, generator, ALWAYS).answer("李白？", passages("poet"), look)
    assert found.way == "sentence"
    assert TEXTS["poet"][found.cited[0].start : found.cited[0].end] == found.text


def test_what_a_model_writes_and_passages_support_is_the_answer(
    generator: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = "杜甫生于巩县[2]。他写了一千首诗[2]。"
    monkeypatch.setattr(grounded, "written", lambda *_: told)  # random weights write nothing of the kind
    found = Grounder(None, generator, ALWAYS).answer("杜甫生于哪里？", passages("tea", "poet"), look)
    assert (found.way, found.text, found.dropped) == ("write", "杜甫生于巩县。[2]", ("他写了一千首诗。",))
    assert [(each.document, each.text) for each in found.cited] == [("poet", "杜甫生于巩县。")]


def test_bundles_of_other_tasks_are_refused(
    reader: Bundle, generator: Bundle, tiny_bundle: Callable[[str], Path]
) -> None:
    with pytest.raises(Refusal, match="bundle of answer"):
        Grounder(generator)
    with pytest.raises(Refusal, match="writes no answers"):
        Grounder(None, reader)
    with pytest.raises(Refusal, match="hold no passage"):
        Grounder(None, load(tiny_bundle("causal_lm"), threads=1))


@pytest.mark.parametrize("question", ["", " \n", "？", "a\0b", "\ud800x", "x" * 2001])
def test_what_is_no_question_is_refused(question: str) -> None:
    with pytest.raises(Refusal, match="the question"):
        Grounder().answer(question, passages("poet"), look)


WORDS = st.lists(
    st.sampled_from([*"李白生于碎叶城长安杜甫谁？", "tea ", "milk ", "museum ", "open ", "1998 ", "\n"]), min_size=1
)


@given(WORDS.map("".join).filter(lambda text: any(sign.isalnum() for sign in text)))
def test_whatever_is_asked_what_is_cited_stands_in_its_document(question: str) -> None:
    found = Grounder(bar=ALWAYS).answer(question, passages("tea", "poet", "museum"), look)
    assert found.answered
    for each in found.cited:
        assert TEXTS[each.document][each.start : each.end] == each.text == found.text


def test_the_plain_bar_looks_at_nothing_but_words() -> None:
    assert set(PLAIN.weights) == {"passage", "sentence", "lead"}
    told = Grounder().signals("杜甫生于哪里？", passages("poet"))
    assert set(PLAIN.weights) < set(told)
    assert Grounder().signals("杜甫生于哪里？", []) == {}
