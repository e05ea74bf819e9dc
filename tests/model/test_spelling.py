"""Tokens as text while they come."""

from collections.abc import Sequence
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.model.spelling import Spelling, context, spelled
from danlu.text.tokenizing.tokenizer import Tokenizer, TokenizerSource, backend_for_text, special_ids

TEXTS = ["床前明月光，疑是地上霜。", "All that glisters is not gold.", "👩‍👩‍👧 naïve café 😀", "don't stop , now ."]
KINDS = {
    "bpe": {"kind": "bpe", "size": 290, "min_frequency": 1},
    "unigram": {"kind": "unigram", "size": 300},
    "wordpiece": {"kind": "wordpiece", "size": 150, "min_frequency": 1},
    "char": {"kind": "char", "size": 100},
}


@pytest.fixture(scope="module", params=KINDS)
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return TokenizerSource.model_validate(KINDS[request.param]).build(lambda: iter(TEXTS))


def pieces(ids: Sequence[int], tokenizer: Tokenizer, stop: Sequence[str] = (), before: Sequence[int] = ()) -> list[str]:
    spelling, found = Spelling(tokenizer, stop, before), []
    for token in ids:
        found.append(spelling.add(token))
        if spelling.stopped:
            break
    found.append(spelling.rest())
    assert "".join(found) == spelling.text
    return found


@pytest.mark.parametrize("text", TEXTS)
def test_the_pieces_joined_are_the_text_and_none_splits_a_character(text: str, tokenizer: Tokenizer) -> None:
    ids = backend_for_text(tokenizer).encode(text, add_special_tokens=False).ids
    for cut in range(len(ids) + 1):
        before, rest = context(ids[:cut], tokenizer), ids[cut:]
        if cut and tokenizer.decode(ids[:cut]).endswith("�"):
            continue
        found = pieces(rest, tokenizer, before=before)
        assert "".join(found) == spelled(rest, tokenizer, before)
        assert not any("�" in piece for piece in found)
    assert "".join(pieces(ids, tokenizer)) == spelled(ids, tokenizer)


def test_special_tokens_that_are_text_come_with_it_and_others_do_not(tokenizer: Tokenizer) -> None:
    kept, *others = sorted(special_ids(tokenizer))
    ids = backend_for_text(tokenizer).encode("All that", add_special_tokens=False).ids
    row = [*ids, kept, *others[:1], *ids, *others[:1]]
    silent = special_ids(tokenizer) - {kept}
    spelling = Spelling(tokenizer, (), (), silent)
    found = [spelling.add(token) for token in row] + [spelling.rest()]
    assert "".join(found) == spelled(row, tokenizer, (), silent) == spelling.text
    word = str(tokenizer.convert_ids_to_tokens(kept))
    first, second = spelling.text.split(word)
    assert first.split() == second.split() == spelled(ids, tokenizer).split()


def test_a_continuation_keeps_the_space_before_its_first_word() -> None:
    tokenizer = TokenizerSource.model_validate(KINDS["unigram"]).build(lambda: iter(TEXTS))
    ids = backend_for_text(tokenizer).encode("All that gold", add_special_tokens=False).ids
    whole = spelled(ids, tokenizer)
    for cut in range(1, len(ids)):
        assert spelled(ids[:cut], tokenizer) + spelled(ids[cut:], tokenizer, context(ids[:cut], tokenizer)) == whole


@cache
def _bytes() -> Tokenizer:
    return TokenizerSource.model_validate({"kind": "bpe", "size": 264}).build(lambda: iter(["ab"]))


@given(text=st.text("ab明\n", max_size=12), stop=st.lists(st.text("ab明\n", min_size=1, max_size=3), max_size=2))
def test_a_text_ends_before_the_first_of_what_stops_it_however_tokens_lie(text: str, stop: list[str]) -> None:
    tokenizer = _bytes()
    ids = backend_for_text(tokenizer).encode(text, add_special_tokens=False).ids
    places = [place for each in stop if (place := text.find(each)) >= 0]
    # what stops is seen when its last byte comes: of several, the one that is complete first
    ends = [place + len(each) for each in stop if (place := text.find(each)) >= 0]
    right = (
        text
        if not places
        else min(text[: text.find(each)] for each in stop if each in text and text.find(each) + len(each) == min(ends))
    )
    assert "".join(pieces(ids, tokenizer, stop)) == right


@given(text=st.text("ab 床前世界\n😀é", max_size=12), cut=st.integers(0, 40))
@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_a_text_that_ends_within_a_character_has_all_before_it(kind: str, text: str, cut: int) -> None:
    tokenizer = _trained(kind)
    ids = backend_for_text(tokenizer).encode(text, add_special_tokens=False).ids[:cut]
    found = spelled(ids, tokenizer)
    assert "".join(pieces(ids, tokenizer)) == found
    assert "�" not in found
    assert tokenizer.decode(ids).startswith(found.rstrip("�")) or "�" in tokenizer.decode(ids)


@cache
def _trained(kind: str) -> Tokenizer:
    return TokenizerSource.model_validate(KINDS[kind]).build(lambda: iter(["ab", "good"]))


def test_bytes_of_whole_characters_before_one_that_is_not_finished_are_text() -> None:
    tokenizer = _trained("unigram")
    ids = backend_for_text(tokenizer).encode("你好世界", add_special_tokens=False).ids
    assert [spelled(ids[: len(ids) - left], tokenizer) for left in range(4)] == [
        "你好世界",
        "你好世",
        "你好世",
        "你好世",
    ]


def test_a_character_that_is_not_finished_is_left_out() -> None:
    tokenizer = _bytes()
    ids = backend_for_text(tokenizer).encode("a明", add_special_tokens=False).ids
    assert len(ids) == 4
    assert "".join(pieces(ids[:3], tokenizer)) == spelled(ids[:3], tokenizer) == "a"
