from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from danlu.answer.answer import Answer
from danlu.data.cleaning.clean import clean_records, rewriters
from danlu.data.cleaning.cleaner import Cleaner
from danlu.data.cleaning.rewriting import rewrite_texts
from danlu.recipe.part import find
from danlu.task.rewritten import as_given, rewritten
from danlu.text.batching.align import joined

USUAL = rewriters([Cleaner.model_validate(kind) for kind in ("html", "control", "normalise", "whitespace")])
SPANS = find(Answer, "spans")()


def found_in(text: str, word: str) -> dict[str, Any]:
    start = text.index(word)
    return {"start": start, "end": start + len(word), "label": "x", "text": word, "score": 0.5}


def test_spans_are_those_of_the_text_as_it_was_given() -> None:
    given = {"text": "  ＡＢＣ在<b>北\u200b京</b>  。"}
    (record,) = rewritten([given], USUAL)
    assert record["text"] == "ABC在北京 。"
    prediction = {"entities": [found_in(record["text"], word) for word in ("ABC", "北京", "。")], "other": 1}
    answer = as_given(prediction, given, record, USUAL, SPANS)
    assert [entity["text"] for entity in answer["entities"]] == ["ＡＢＣ", "北\u200b京", "。"]
    for entity in answer["entities"]:
        assert given["text"][entity["start"] : entity["end"]] == entity["text"]
    assert answer["other"] == 1
    assert as_given({"label": "a"}, given, record, USUAL, find(Answer, "label")()) == {"label": "a"}


def test_documents_and_options_are_called_as_they_were_given() -> None:
    given = {"text": "ＡＢ", "candidates": ["ＡＢ", "x", "AB", "Ｃ"]}
    (record,) = rewritten([given], USUAL)
    assert record == {"text": "AB", "candidates": ["AB", "x", "C"]}
    ranking = find(Answer, "ranking")()
    answer = as_given({"ranking": ["C", "AB", "x"], "scores": [0.9, 0.5, 0.1]}, given, record, USUAL, ranking)
    assert answer == {"ranking": ["Ｃ", "ＡＢ", "AB", "x"], "scores": [0.9, 0.5, 0.5, 0.1]}
    judged = {"text": "q", "positives": ["ＡＢ"], "negatives": ["<b>x</b>"]}
    (record,) = rewritten([judged], USUAL)
    answer = as_given({"ranking": ["x", "AB"], "scores": [0.9, 0.5]}, judged, record, USUAL, ranking)
    assert answer["ranking"] == ["<b>x</b>", "ＡＢ"]
    chosen = {"question": "q", "choices": ["ＡＢ", "Ｃ"]}
    (record,) = rewritten([chosen], USUAL)
    prediction = {"choice": 1, "option": "C", "scores": [0.1, 0.9]}
    assert as_given(prediction, chosen, record, USUAL, find(Answer, "choice")())["option"] == "Ｃ"
    elsewhere = {
        "question": "ｑ",
        "options": ["ＡＢ", "Ｃ"],
        "choices": 3,
        "negatives": None,
    }  # slots: {choice: options}
    (record,) = rewritten([elsewhere], USUAL)
    prediction = {"choice": 1, "option": "Ｃ", "scores": [0.1, 0.9]}
    assert as_given(prediction, elsewhere, record, USUAL, find(Answer, "choice")()) == prediction


def test_spans_of_tokens_are_those_of_the_tokens_as_they_were_given() -> None:
    given = {"tokens": ["ＡＢ", "\u200b", "went", "to", "北\u200b京"]}
    (record,) = rewritten([given], USUAL)
    assert record["tokens"] == ["AB", "\u200b", "went", "to", "北京"]
    new = joined(record["tokens"])[0]
    answer = as_given(
        {"entities": [found_in(new, "AB"), found_in(new, "北京")], "tags": []}, given, record, USUAL, SPANS
    )
    old = joined(given["tokens"])[0]
    assert [old[entity["start"] : entity["end"]] for entity in answer["entities"]] == ["ＡＢ", "北\u200b京"]


def test_spans_of_words_are_those_of_the_words_as_they_were_given() -> None:
    given = {"words": ["ＡＢ", "在", "北\u200b京", "。"]}
    (record,) = rewritten([given], USUAL)
    assert record == clean_records([given], USUAL).records[0] == {"words": ["AB", "在", "北京", "。"]}
    new, old = "".join(record["words"]), "".join(given["words"])
    answer = as_given({"entities": [found_in(new, "AB"), found_in(new, "北京")]}, given, record, USUAL, SPANS)
    assert [old[entity["start"] : entity["end"]] for entity in answer["entities"]] == ["ＡＢ", "北\u200b京"]
    assert [entity["text"] for entity in answer["entities"]] == ["ＡＢ", "北\u200b京"]


def test_records_that_need_no_change_are_given_back_themselves() -> None:
    records = [{"text": "好"}, {"text": 7}, {"other": "x"}]
    assert all(new is old for new, old in zip(rewritten(records, USUAL), records, strict=True))
    assert rewritten(records, []) is records


@given(st.lists(st.sampled_from(["好", "ＡＢ", " ", "\u200b", "<b>", "＜b＞", "&lt;", "e\u0301", "\n"]), max_size=10))
@settings(deadline=None)
def test_what_is_asked_is_rewritten_as_what_was_learnt_from(pieces: list[str]) -> None:
    records = [{"text": "".join(pieces) + "尾"}]
    learnt_from = clean_records(records, USUAL).records
    assert rewritten(records, USUAL) == learnt_from
    assert rewritten(learnt_from, USUAL) == learnt_from
    once_more = list(learnt_from)
    for part in USUAL:
        rewrite_texts(once_more, part, {"text"})
    assert once_more == learnt_from
