"""Words are weighed as the formula of BM25 says, and vectors are cosines; embedded ones are kept."""

from collections import Counter
from math import log

import numpy as np

from danlu.apps.recommend.item import Item
from danlu.apps.recommend.terms import Counted, terms_of
from danlu.apps.recommend.vectors import Words
from danlu.text.segmenting.segmenters.rules import Rules

ITEMS = [
    Item("a", "", "Tea and a kettle, tea again"),
    Item("b", "绿茶", "泡茶要水"),
    Item("c", "", "a bicycle"),
    Item("d", "", "……"),
]


def words(items: list[Item]) -> Words:
    found = Words(Counted(Rules()))
    found.put(list(enumerate(items)))
    return found


def test_words_are_those_of_english_and_characters_and_pairs_of_chinese() -> None:
    assert terms_of(["Tea，泡茶 TEA"], Rules()) == [Counter({"tea": 2, "泡": 1, "茶": 1, "泡茶": 1})]


def test_bm25_is_its_formula() -> None:
    documents = terms_of([item.words for item in ITEMS], Rules())
    lengths = [each.total() for each in documents]
    usual = sum(lengths) / 3  # the last has no words
    weights = {0: 0.5, 1: 2.0}

    def score(document: Counter[str], length: int) -> float:
        total = 0.0
        for term, asked in ((term, weights[of] * documents[of][term]) for of in weights for term in documents[of]):
            having = sum(term in each for each in documents)
            count = document[term]
            rarity = log(1 + (3 - having + 0.5) / (having + 0.5))
            total += asked * rarity * count * 2.2 / (count + 1.2 * (0.25 + 0.75 * length / usual)) if count else 0.0
        return total

    found = words(ITEMS).bm25_of(list(weights), np.array([*weights.values()]))
    assert np.allclose(found, [score(*each) for each in zip(documents, lengths, strict=True)])
    assert (words(ITEMS).bm25_of([], np.zeros(0)) == 0).all()


def test_cosines_are_between_nothing_and_one_and_an_item_without_words_is_like_none() -> None:
    space = words(ITEMS)
    rows = np.asarray(space.vectors().todense())
    assert np.allclose(np.linalg.norm(rows, axis=1), [1, 1, 1, 0])
    assert np.allclose(space.alike([0, 1]), rows[[0, 1]] @ rows.T)
    assert np.allclose(space.between([0, 2, 3]), rows[[0, 2, 3]] @ rows[[0, 2, 3]].T)
    fits = space.fits("a bicycle")
    assert fits.argmax() == 2
    assert fits.max() <= 1 + 1e-9
    assert (space.fits("") == 0).all()


def test_an_item_that_changes_is_weighed_anew_as_if_it_had_always_been_so() -> None:
    space = words([*ITEMS[:3], Item("d", "", "tea")])
    space.vectors()
    space.put([(3, ITEMS[3])])
    assert np.allclose(space.alike([0]), words(ITEMS).alike([0]))
    assert words(ITEMS).shared(1, "我爱绿茶") == ["绿茶"]
    assert words([Item("a", "", "好的乌龙茶 Oolong")]).shared(0, "找乌龙茶，Oolong 茶") == ["oolong", "乌龙茶"]


def test_words_are_counted_once_for_all_spaces_and_those_that_no_item_has_any_more_are_forgotten() -> None:
    counted = Counted(Rules())
    one, two = Words(counted), Words(counted)
    for version in range(20):
        one.put([(0, Item("a", "", f"tea {version}")), (1, Item("b", "", "kettle"))])
        one.of_text(f"a query {version}")
        assert len(counted) == 2
    two.put([(0, Item("a", "", "tea 19")), (1, Item("c", "", "tea 19"))])
    assert two._terms[0] is two._terms[1] is one._terms[0]
    one.put([(0, Item("a", "", "wheel"))])
    assert len(counted) == 3
    del two
    assert len(counted) == 2


def test_equal_items_stand_in_the_order_of_their_names_whenever_they_came(opened) -> None:
    names = ["c", "a", "d", "b"]
    one = opened()
    one.put([Item(name, "the same") for name in names])
    one.put([Item("a", "another")])
    one.put([Item("a", "the same")])
    one.remove(["c"])
    one.put([Item("c", "the same")])
    for found in (one, opened()):
        assert [each.item.id for each in found.recommend("somebody", 3)] == ["a", "b", "c"]
        assert [each.item.id for each in found.recommend("somebody", 4)] == ["a", "b", "c", "d"]
