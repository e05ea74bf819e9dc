import numpy as np
import pytest

from danlu.evaluate.classical.baseline import Baseline
from danlu.recipe.part import find
from danlu.refusal import Refusal
from danlu.task.tasks.choose import Choose
from danlu.task.tasks.embed import Embed
from danlu.task.tasks.prefer import Prefer
from danlu.task.tasks.rewrite import Rewrite
from danlu.task.tasks.summarise import Summarise
from danlu.task.tasks.translate import Translate

LEXICON = {"猫": "cat", "狗": "dog", "看": "sees", "追": "chases", "红": "red", "大": "big"}


def pairs(count):
    rng = np.random.default_rng(0)
    every = [rng.permutation(list(LEXICON))[: rng.integers(2, 5)].tolist() for _ in range(count)]
    return [{"text": "，".join(words), "translation": ", ".join(LEXICON[w] for w in words)} for words in every]


def answers(kind, task, train, texts, **settings):
    return [
        each["text"]
        for each in find(Baseline, kind)(**settings).fit_predict(task, train, [{"text": text} for text in texts])
    ]


def test_word_by_word_finds_the_lexicon_behind_the_pairs():
    found = answers("word_by_word", Translate(), pairs(150), ["大，猫，追，狗", "红xyz"], words="character")
    assert found == ["big, cat, chases, dog", "red xyz"]


def test_word_by_word_needs_pairs():
    with pytest.raises(Refusal, match="There are no training records"):
        answers("word_by_word", Translate(), [], ["a"])


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("今天下雨。路上很滑。", "今天下雨。"),
        ("他说：“走吧！”然后走了。", "他说：“走吧！”"),
        ("It costs 3.5 dollars. Cheap.", "It costs 3.5 dollars."),
        ("a heading\nand more", "a heading"),
        ("no end", "no end"),
        ("  ", ""),
    ],
)
def test_lead_is_the_first_sentence(text, first):
    assert answers("lead", Summarise(), [], [text]) == [first]


def test_copy_is_the_text():
    assert answers("copy", Rewrite(), [], ["我门 去"]) == ["我门 去"]


def test_the_choice_that_shares_most_with_the_text_is_chosen():
    train = [{"text": "今天下雨了", "choices": ["下雪", "天晴"], "answer": 0}]
    test = [
        {"text": "小明去了北京的公园", "question": "小明在哪里？", "choices": ["上海的剧院", "北京的公园"]},
        {"text": "The dog ate the bone.", "choices": ["A cat slept.", "The dog ate.", "Nobody came."]},
        {"text": "", "choices": ["☃", "x"]},
    ]
    found = find(Baseline, "tfidf_choice")(pieces="characters").fit_predict(Choose(), [*train, *test], test[:1])
    found += find(Baseline, "tfidf_choice")().fit_predict(Choose(), [*train, *test[1:]], test[1:])
    assert [each["choice"] for each in found[:2]] == [1, 1]
    assert found[0]["option"] == "北京的公园"
    assert all(sum(each["scores"]) == pytest.approx(1) for each in found)


def test_texts_are_found_by_the_rare_pieces_that_they_share():
    records = [
        {"text": "茶怎么泡", "text_pair": "泡茶要热水"},
        {"text": "where is the museum", "text_pair": "the museum is in London"},
        {"text": "☃", "text_pair": "李白生于碎叶城"},
    ]
    found = find(Baseline, "tfidf_retrieval")(pieces="characters").fit_predict(Embed(), records, records)
    assert [each["ranking"][0] for each in found[:2]] == ["泡茶要热水", "the museum is in London"]
    assert found[0]["scores"] == sorted(found[0]["scores"], reverse=True)


def test_longer_prefers_the_length_that_most_pairs_prefer():
    train = [{"chosen": "a long one", "rejected": "short"}] * 3 + [{"chosen": "a", "rejected": "bc"}, {"label": True}]
    test = [
        {"chosen": "longest", "rejected": "long"},
        {"chosen": "a", "rejected": "bc"},
        {"chosen": "a", "rejected": "b"},
    ]
    found = find(Baseline, "longer")().fit_predict(Prefer(), train, test)
    assert [each["margin"] for each in found] == pytest.approx([np.log(4 / 2), -np.log(4 / 2), 0])
    assert [each["preferred"] for each in found] == ["chosen", "rejected", "rejected"]
    assert all(sum(np.exp(each["log_probabilities"])) == pytest.approx(1) for each in found)
    with pytest.raises(Refusal, match="form preference"):
        find(Baseline, "longer")().fit_predict(Translate(), train, test)
