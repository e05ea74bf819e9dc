"""The task `answer`: no character of a context is left out, and an answer is a piece of it."""

import itertools
from functools import cache, partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from danlu.answer.answer import Answer
from danlu.data.characters.alignment import back
from danlu.data.cleaning.cleaner import Cleaner
from danlu.recipe.part import find
from danlu.refusal import Refusal
from danlu.task.excerpts import NOWHERE, borders, content, findings, shares
from danlu.task.rewritten import as_given, rewritten, traced
from danlu.task.task import Task
from danlu.task.tasks.answer import best_threshold
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece

LEARNT = [
    "李白生于碎叶城，后来去了长安。谁在哪里？",
    "The museum opened in 1998 and was rebuilt ten years later. When?",
]
QUESTION = "李白生于哪里？"
PIECES = some.sampled_from(
    [*"李白生于碎叶城长安 \n\t　，。龘", "museum", "opened ", "1998", "\u200b", "\x00", "😀", "é", "e\u0301", "   "]
)
CONTEXTS = some.lists(PIECES, max_size=60).map("".join)


@cache
def tokenizer_of(kind):
    if kind == "bpe":
        return Bpe(size=300).build(lambda: iter(LEARNT))
    return WordPiece(size=150, min_frequency=1).build(lambda: iter(LEARNT))


def answer(**fields):
    return find(Task, "answer")(**fields)


def asked(context, *texts, question=QUESTION):
    answers = [{"text": text, "start": context.index(text)} for text in texts]
    return {"context": context, "question": question, "answers": answers}


def windows(task, record, kind="wordpiece", limit=64, *, labelled=True):
    return task.encode([record], tokenizer_of(kind), limit, labelled=labelled)


@pytest.mark.parametrize("kind", ["wordpiece", "bpe"])
@settings(max_examples=60, deadline=None)
@given(context=CONTEXTS, limit=some.integers(24, 60))
def test_every_character_and_every_token_of_a_context_is_in_a_window(kind, context, limit):
    found = windows(answer(), {"context": context, "question": "谁？"}, kind, limit, labelled=False)
    assert all(len(item) <= limit for item in found)
    read = np.zeros(len(context), bool)
    for start, end in borders(found, len(context)):
        read[start:end] = True
    assert read.all()
    (whole,) = windows(answer(), {"context": context, "question": "谁？"}, kind, 10_000, labelled=False)
    tokens = {tuple(pair) for item in found for pair in item.row.offsets[content(item)].tolist()}
    assert tokens == {tuple(pair) for pair in whole.row.offsets[content(whole)].tolist()}


@settings(max_examples=60, deadline=None)
@given(context=CONTEXTS, data=some.data())
def test_the_targets_of_windows_spell_the_answer_or_point_nowhere(context, data):
    context = f"长安{context}李白"
    start, end = sorted(data.draw(some.tuples(some.integers(0, len(context)), some.integers(0, len(context)))))
    piece = context[start:end].strip()
    if not piece:
        return
    record = {"context": context, "question": "谁？", "answers": [{"text": piece, "start": context.index(piece)}]}
    found = windows(answer(), record, limit=28)
    start, end = context.index(piece), context.index(piece) + len(piece)
    whole = False
    for item, (first, last) in zip(found, borders(found, len(context)), strict=True):
        offsets, places = item.row.offsets, (item.targets["start"], item.targets["end"])
        if first <= start and end <= last:
            whole = True
            told = context[offsets[places[0], 0] : offsets[places[1], 1]]
            assert item.widened or told == piece
        if NOWHERE in places:
            assert places == (NOWHERE, NOWHERE)
            assert not (first <= start and end <= last)
    if not whole:  # longer than what two windows share: what a window has of it is learnt
        assert any(item.targets["start"] != NOWHERE and item.widened for item in found)


def test_a_chinese_answer_begins_and_ends_inside_what_a_tokenizer_joins():
    joins = Bpe(size=330, min_frequency=2).build(lambda: iter(["李白生于碎叶城后来去了长安"] * 9))
    record, inexact = asked("李白生于碎叶城，后来去了长安。", "碎叶"), {}
    for cut in ("characters", "tokenizer"):
        task = answer(cut=cut).fitted([record])
        [item] = task.encode([record], joins, 64, labelled=True)
        inexact[task.cut] = item.widened
    assert inexact == {"characters": 0, "tokenizer": 1}


def test_an_answer_inside_a_token_is_widened_and_counted():
    (row,) = windows(answer(), asked("The museum opened.", "useum"))
    if row.row.offsets[row.targets["start"], 0] == 4:
        assert row.widened == 1
    (row,) = windows(answer(), asked("The museum opened.", " museum "))
    assert row.widened == 0  # white space is no part of an answer


def best_by_hand(logits, items, longest, count):
    """Every pair of tokens of every window, as its logarithm of a share; the likeliest of each piece."""
    found = {}
    for scores, item in zip(logits, items, strict=True):
        places = [NOWHERE, *content(item)]
        logs = scores[places] - np.log(np.exp(scores[places].astype(float)).sum(0))
        for (i, one), (j, other) in itertools.combinations_with_replacement(list(enumerate(places))[1:], 2):
            if j - i < longest:
                key = int(item.row.offsets[one, 0]), int(item.row.offsets[other, 1])
                found[key] = max(found.get(key, -np.inf), logs[i, 0] + logs[j, 1])
    return sorted(found.items(), key=lambda each: -each[1])[:count]


@settings(max_examples=25, deadline=None)
@given(context=CONTEXTS, seed=some.integers(0, 999), longest=some.sampled_from([1, 3, 64]))
def test_the_best_answers_are_those_of_all_pairs_and_pieces_of_the_context(context, seed, longest):
    context = f"长安{context}李白"
    items = windows(answer(), {"context": context, "question": "谁？"}, limit=32, labelled=False)
    rng = np.random.default_rng(seed)
    logits = [rng.normal(size=(len(item), 2)).astype(np.float32) * 3 for item in items]
    found = findings(logits, items, longest, 20)
    expected = best_by_hand(logits, items, longest, 20)
    assert [piece.score for piece in found.pieces] == pytest.approx([score for _, score in expected], abs=1e-5)
    pieces, none = shares(found, 0.0)
    assert sum(pieces) + none == pytest.approx(1)
    prediction = answer(longest_answer=longest, answers=3, no_answer=True).decode(logits, items, {"context": context})
    assert len(prediction["answers"]) == 3 or len(found.pieces) < 3
    held = answer(longest_answer=longest, no_answer=True, threshold=seed / 100 - 5).decode(
        logits, items, {"context": context}
    )
    assert held["score"] == max(each["score"] for each in held["answers"]), "what is given is told to be the likeliest"
    for each in [prediction, *prediction["answers"]]:
        assert each["start"] is None or each["text"] == context[each["start"] : each["end"]]
    never = answer(longest_answer=longest).decode(logits, items, {"context": context})
    assert never["text"]  # no question without an answer was learnt


@settings(max_examples=80, deadline=None)
@given(some.lists(some.tuples(some.integers(-5, 5), some.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0])), max_size=12))
def test_the_threshold_is_the_best_that_there_is(pairs):
    lacks, gains = [float(lack) for lack, _ in pairs], [gain for _, gain in pairs]

    def gained(threshold):
        return sum(gain for lack, gain in zip(lacks, gains, strict=True) if lack <= threshold)

    best = max(gained(threshold) for threshold in [-9.0, *np.arange(-6, 7), *(np.arange(-6, 7) + 0.5)])
    assert gained(best_threshold(lacks, gains)) == pytest.approx(best)


def test_a_threshold_is_fitted_only_where_there_are_questions_without_an_answer():
    task = answer()
    assert task.fitted(task.sample).no_answer is True
    assert task.fitted(task.sample[:2]).no_answer is False

    def never():
        raise AssertionError("nothing is to be computed")
        yield

    assert task.fitted(task.sample[:2]).settled(task.sample, never()).threshold is None
    assert answer(no_answer=True, threshold=0.5).settled(task.sample, never()).threshold == 0.5
    records, fitted = list(task.sample), task.fitted(task.sample)
    rows = [windows(fitted, record) for record in records]
    sure = [np.zeros((len(items[0]), 2), np.float32) for items in rows]
    for scores, (item,), nothing in zip(sure, rows, (3.0, 3.0, 9.0), strict=True):
        scores[item.targets["start"], 0] = scores[item.targets["end"], 1] = 6.0
        scores[NOWHERE] = nothing
    settled = fitted.settled(records, zip(([scores] for scores in sure), rows, strict=True))
    assert settled.threshold is not None
    told = [settled.decode([scores], items, record) for scores, items, record in zip(sure, rows, records, strict=True)]
    assert [each["text"] for each in told] == ["碎叶城", "1998", ""]
    assert told[2]["start"] is None
    assert told[2]["answers"][0]["text"] == ""


def test_an_answer_is_a_piece_of_the_context_as_it_was_given():
    rewriters = [find(Cleaner, kind)() for kind in ("html", "whitespace", "normalise")]
    given_ = {"context": "Ｔｈｅ  museum &amp; <b>tower</b>\u3000opened in １９９８.", "question": "When did it open?"}
    (record,) = rewritten([given_], rewriters)
    assert record["context"] != given_["context"]
    piece = "1998"
    start = record["context"].index(piece)
    found = {"text": piece, "start": start, "end": start + len(piece), "score": 0.5}
    told = as_given({**found, "answers": [found]}, given_, record, rewriters, find(Answer, "excerpt")(), "context")
    assert told["text"] == given_["context"][told["start"] : told["end"]] == "１９９８"
    assert told["answers"][0]["text"] == "１９９８"
    assert partial(back, traced(given_["context"], rewriters))(start, start + 4) == (told["start"], told["end"])


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        ({"context": "碎叶城", "question": " ", "answers": []}, "record 2: the question is empty"),
        ({"context": " ", "question": "谁？", "answers": []}, "record 2: the context is empty"),
        (
            {"context": "李白生于碎叶城。", "question": "谁？", "answers": [{"text": "碎叶域", "start": 4}]},
            "record 2: the answer '碎叶域' is nowhere in the context; most like it is '碎叶城' at character 4; mend",
        ),
        (
            {"context": "李白生于碎叶城。", "question": "谁？", "answers": [{"text": "碎叶城", "start": 1}]},
            "record 2: the answer '碎叶城' does not stand at character 1 of the context, but at 4; mend its 'start'",
        ),
        ({"context": "李白", "question": "谁？", "answers": ["李白"]}, "record 2: column 'answers' must be a list of"),
        (
            {"context": "李白", "question": "谁？", "answers": [{"text": "", "start": 0}]},
            "record 2: an answer is empty",
        ),
        ({"context": "李白", "question": "谁？"}, "record 2: there is no column 'answers'"),
        (
            {"context": "李白", "question": "谁？" * 80, "answers": []},
            r"record 2: the question is \d+ tokens longer than the half of a row of 64 tokens that it may take",
        ),
    ],
)
def test_what_cannot_be_learnt_is_refused_in_a_sentence(record, sentence):
    with pytest.raises(Refusal, match=sentence):
        answer().encode([asked("李白生于碎叶城。", "碎叶城"), record], tokenizer_of("wordpiece"), 64, labelled=True)


def test_data_without_any_answer_are_refused():
    with pytest.raises(Refusal, match="column 'answers': there is no answer in the training data"):
        answer().fitted([{"context": "李白", "question": "谁？", "answers": []}])
