"""What bundles of every kind write for a wish, and in which order it is shown."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from danlu.apps.write.brief import brief, read_form
from danlu.apps.write.ranked import WEIGHTS, Candidate, ranked
from danlu.apps.write.sampled import descriptions
from danlu.apps.write.shown import lines
from danlu.apps.write.wish import Wish
from danlu.apps.write.writer import drafts, refuse_no_tones, refuse_others
from danlu.bundle.bundle import Bundle, load
from danlu.model.must_have import has, units_of
from danlu.refusal import Refusal

WISH = Wish(keywords=("书",), words=("物流", "art"), at_least=4, at_most=8, drafts=1)


@pytest.mark.parametrize("kind", ["chat", "causal_lm", "summarise", "encoder_decoder"])
def test_every_kind_that_writes_gives_drafts_with_all_words(
    kind: str, tiny_bundle: Callable[[str], Path], encoder_decoder: Path
) -> None:
    with load(encoder_decoder if kind == "encoder_decoder" else tiny_bundle(kind), threads=1) as bundle:
        found = drafts(bundle, WISH, form="{keywords}\n" if kind == "encoder_decoder" else None)
    assert len(found) == 1
    for draft in found:
        assert all(has(draft.text, word) for word in WISH.words)
        assert draft.missing == ()
        assert units_of(draft.text, "characters") <= 8


def test_others_are_refused_in_a_sentence(chat: Bundle, tones: Bundle) -> None:
    with pytest.raises(Refusal, match="is of the task classify, and the writer takes one of chat, causal_lm"):
        refuse_others(tones)
    with pytest.raises(Refusal, match="is of the task chat, and tones are judged by one of the task classify"):
        refuse_no_tones(chat)
    with pytest.raises(Refusal, match="the tone 'grim' is none of those that are judged here: "):
        drafts(chat, Wish(words=("书",), tone="grim"), tones)
    for wish, sentence in (
        (Wish(), "nothing is asked for; give keywords"),
        (Wish(keywords=("a" * 61,)), "a keyword has 61 characters; at most 60"),
        (Wish(words=(" ",)), "a word is empty; leave it out"),
        (Wish(words=tuple("abcdefghijklmnopq")), "17 are given of 'word'; at most 16"),
        (Wish(style="x", at_least=9, at_most=3), "at least 9 words and at most 3"),
        (Wish(style="x", at_most=4001), "is to have 4,001 words; at most 4,000"),
    ):
        with pytest.raises(Refusal, match=sentence):
            wish.checked()


def test_white_space_and_words_given_twice_say_nothing() -> None:
    wish = Wish(keywords=(" 书 ",), words=(" a b", "a b "), style=" x ", tone="\ty")
    assert (wish.keywords, wish.words, wish.style, wish.tone) == (["书"], ["a b"], "x", "y")


def test_a_tone_is_judged_and_more_is_written_to_choose_from(chat: Bundle, tones: Bundle) -> None:
    label = tones.task.label_names()[0]
    wish = Wish(words=("书",), tone=label, at_most=8, drafts=2)
    found = drafts(chat, wish, tones)
    said = tones.predict([draft.text for draft in found])
    assert [draft.reasons["tone"] for draft in found] == pytest.approx(
        [each["scores"][label] for each in said], abs=1e-4
    )


def test_a_brief_says_what_is_asked_in_the_language_of_the_wish(tmp_path: Path) -> None:
    text = brief(Wish(keywords=("茶壶", "陶瓷"), words=("耐热",), tone="lively", at_most=40))
    assert text == "写一段文字。\n关键词：茶壶、陶瓷\n语气：活泼\n必须包含：耐热\n字数：20到40"
    text = brief(Wish(keywords=("teapot",), outline=("a", "b"), style="dry"))
    assert text == "Write a short text.\nKeywords: teapot\nOutline: a; b\nStyle: dry"
    assert "关键词：a" in brief(Wish(keywords=("a",), language="zh"))
    form = tmp_path / "form.txt"
    form.write_text("Sell this:\n{keywords}\nwith {words}\nin {style}\n", encoding="utf-8")
    assert brief(Wish(keywords=("tea",), words=("hot", "sweet")), read_form(form)) == "Sell this:\ntea\nwith hot, sweet"
    for wrong, sentence in (
        ("Hello", "has no slot"),
        ("{topic}", "there is no slot {topic}"),
        ("{words}" * 2000, "10,000"),
    ):
        form.write_text(wrong, encoding="utf-8")
        with pytest.raises(Refusal, match=sentence):
            read_form(form)
    with pytest.raises(Refusal, match="cannot be read"):
        read_form(tmp_path / "none")


def test_a_form_is_read_by_characters_and_as_editors_on_windows_save_it(tmp_path: Path) -> None:
    form = tmp_path / "form.txt"
    for more in (9_950, 9_951, 9_952):
        text = "{keywords}\n" + "写" * (more - 11) + "\n{words}"
        form.write_bytes(text.replace("\n", "\r\n").encode("utf-8-sig"))
        assert read_form(form) == text
    form.write_text("{keywords}" + "写" * 9_991, encoding="utf-8")
    with pytest.raises(Refusal, match="has more than 10,000 characters"):
        read_form(form)
    form.write_bytes("{keywords} 编".encode("gb18030"))
    with pytest.raises(Refusal, match="is no UTF-8"):
        read_form(form)


def test_drafts_stand_by_words_then_length_then_score_and_those_alike_come_later() -> None:
    wish = Wish(words=("light",), at_least=3, at_most=6, drafts=4)
    texts = [
        "A light old lamp.",
        "A dark old lamp.",
        "A light old lamp.",
        "Light.",
        "Soft light all night.",
        "A light old lamp!",
    ]
    found = ranked([Candidate(text, -4.0, 5, ended=True) for text in texts], wish)
    assert [draft.text for draft in found] == [texts[0], texts[4], texts[5], texts[3]]
    assert [draft.off for draft in found] == [0, 0, 0, 2]
    first = found[0]
    assert first.perplexity == pytest.approx(math.exp(0.8))
    assert first.reasons == {"likelihood": 1.0, "fresh": 1.0, "whole": 1.0, "apart": 1.0}
    assert first.score == 1.0
    third = found[2]  # the same words as the first: 3 of 3 pairs
    assert third.reasons["apart"] == 0.0
    assert third.score == pytest.approx(1 - WEIGHTS["apart"] / sum(WEIGHTS[name] for name in third.reasons))
    worse = ranked(
        [Candidate("so so so so so so so", -50.0, 7, ended=False), Candidate("A lamp.", -4.0, 5, ended=True)],
        Wish(style="x", at_least=0),
    )
    assert [draft.text for draft in worse] == ["A lamp.", "so so so so so so so"]
    assert worse[1].reasons["fresh"] == 0.25
    assert worse[1].reasons["whole"] == 0.0
    shown = list(lines(found, wish, "en"))
    assert shown[0] == "1. A light old lamp."
    assert "1 of 1 must-have words" in shown[1]
    assert "必有词 1/1" in next(line for line in lines(found, wish, "zh") if line.startswith("   "))


@given(
    st.lists(
        st.tuples(st.text("ab 。", max_size=8), st.floats(-60, 0), st.booleans(), st.floats(0, 1)),
        min_size=1,
        max_size=6,
    ),
    st.integers(1, 4),
)
@settings(max_examples=60)
def test_whatever_was_written_has_a_place_by_what_it_lacks(
    written: list[tuple[str, float, bool, float]], count: int
) -> None:
    wish = Wish(words=("a", "b"), at_least=2, at_most=5, drafts=count, tone="x")
    candidates = [Candidate(text.strip(), log, 4, ended, tone) for text, log, ended, tone in written]
    found = ranked(candidates, wish)
    assert len(found) == min(count, len({each.text for each in candidates}))
    keys = [(len(draft.missing), draft.off) for draft in found]
    assert keys == sorted(keys)
    assert all(0 <= value <= 1 for draft in found for value in [draft.score, *draft.reasons.values()])


def test_the_sample_is_in_both_languages_and_its_texts_have_their_keywords() -> None:
    rows = descriptions()
    assert len(rows) >= 48
    assert {each["tone"] for each in rows} == {"lively", "sober"}
    chinese = [each for each in rows if Wish(keywords=(each["text"][:50],)).spoken == "zh"]
    assert 20 <= len(chinese) <= len(rows) - 20
    missing = [each for each in rows if not has(each["text"].lower(), each["keywords"][0])]
    assert missing == []
