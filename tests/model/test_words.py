"""Texts with words that they must have: the best of all, drawn as often as the model says, whatever the tokens are."""

import itertools
import math
from collections import Counter
from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from danlu.model.ends import Ends
from danlu.model.must_have import has, units_of
from danlu.model.policies.words import Words
from danlu.model.token_bytes import token_bytes
from danlu.model.written import Written
from danlu.refusal import Refusal
from danlu.text.tokenizing.tokenizer import Tokenizer, TokenizerSource

TEXTS = [
    "这款手机很轻便，续航也长。手机壳送一个。",
    "A light phone with a long battery life. The start of art, as ever: smart. Smart s.",
] * 2
KINDS: dict[str, dict[str, Any]] = {
    "bpe": {"kind": "bpe", "size": 330, "min_frequency": 1},
    "unigram": {"kind": "unigram", "size": 300, "style": "decoder"},
    "char": {"kind": "char", "size": 90, "style": "decoder"},
}


def made(kind: str) -> Tokenizer:
    return TokenizerSource.model_validate(KINDS[kind]).build(lambda: iter(TEXTS))


@pytest.fixture(scope="module")
def tokenizers() -> dict[str, Tokenizer]:
    return {kind: made(kind) for kind in KINDS}


def random_text(tokenizer: Tokenizer, policy: Words, seed: int) -> Written:
    """What a model writes that knows nothing, and likes some tokens much more than others."""
    end = tokenizer.eos_token_id
    ends = Ends(tokenizer, frozenset({end}), policy.max_new_tokens, stop=policy.stop)
    found = policy.begin([end], seed, ends)
    generator = torch.Generator().manual_seed(seed)
    while found.parents:
        policy.advance([found], torch.randn(len(found.parents), len(tokenizer), generator=generator) * 4)
    return found.written()[0]


@settings(max_examples=20)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    words=st.lists(
        st.one_of(
            st.text("这款手机很轻便续航也长壳送一个", min_size=1, max_size=4),
            st.text("aeghilnoprstv", min_size=1, max_size=7),
            st.sampled_from(["Smart", "A light phone", "手机 art", "机s"]),
        ),
        min_size=1,
        max_size=4,
        unique=True,
    ),
    temperature=st.sampled_from([0.0, 0.8]),
    room=st.integers(0, 12),
    seed=st.integers(0, 99),
)
def test_all_words_are_there_whatever_the_tokens_and_the_model(
    tokenizers: dict[str, Tokenizer], kind: str, words: list[str], temperature: float, room: int, seed: int
) -> None:
    tokenizer = tokenizers[kind]
    policy = Words(words=words, max_new_tokens=200, temperature=temperature, beams=4, seed=seed)
    least = policy.begin([0], 0, Ends(tokenizer, frozenset({0}), 200)).open[0].standing.need
    tight = policy.model_copy(update={"max_new_tokens": int(least) + room})
    written = random_text(tokenizer, tight, seed)
    assert [word for word in words if not has(written.text, word)] == []
    assert len(written.ids) <= least + room


class Toy:
    """Tokens that are letters, and one of two."""

    NAMES = ("甲", "乙", "甲乙", "</s>")
    END = 3

    def __init__(self) -> None:
        from tokenizers import Tokenizer as Backend
        from tokenizers import decoders, models

        backend = Backend(models.WordLevel({name: number for number, name in enumerate(self.NAMES)}, unk_token="甲"))
        backend.decoder = decoders.Fuse()
        self.tokenizer = Tokenizer(tokenizer_object=backend, eos_token="</s>")

    @staticmethod
    @cache
    def logits(written: tuple[int, ...]) -> Tensor:
        """A model that is known: what comes next depends on all that was written."""
        seed = sum((token + 1) * 7**place for place, token in enumerate(written))
        return torch.randn(4, generator=torch.Generator().manual_seed(seed)) * 2

    def every(self, longest: int) -> dict[tuple[int, ...], float]:
        """All texts that end by themselves or at the greatest length, with their log-probabilities."""
        found = {}
        for length in range(1, longest + 1):
            for ids in itertools.product(range(4), repeat=length):
                if self.END not in ids[:-1] and (ids[-1] == self.END or length == longest):
                    steps = enumerate(ids)
                    found[ids] = sum(float(self.logits(ids[:place]).log_softmax(-1)[token]) for place, token in steps)
        return found

    def text(self, ids: tuple[int, ...]) -> str:
        return "".join(self.NAMES[token] for token in ids if token != self.END)

    def search(self, policy: Words, number: int = 0) -> Written:
        ends = Ends(self.tokenizer, frozenset({self.END}), policy.max_new_tokens)
        found = policy.begin([], number, ends)
        while found.parents:
            policy.advance([found], torch.stack([self.logits(begun.ids) for begun in found.open]))
        return found.written()[0]


WIDE: dict[str, Any] = {"beams": 256, "top_k": None, "patience": 1e6, "length_penalty": 0.0}


@pytest.mark.parametrize(
    ("words", "bounds"),
    [
        (["乙"], {}),
        (["甲乙"], {"at_least": 3}),
        (["乙甲", "甲乙"], {}),
        (["乙甲乙"], {"at_most": 4}),
        (["甲甲", "乙"], {"at_least": 4, "at_most": 4}),
    ],
)
@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_wide_beams_find_the_best_of_all_texts_that_have_the_words(
    words: list[str], bounds: dict[str, int], penalty: float
) -> None:
    toy, longest = Toy(), 4
    fits = {
        ids: value / len(ids) ** penalty
        for ids, value in toy.every(longest).items()
        if all(word in toy.text(ids) for word in words)
        and bounds.get("at_least", 0) <= len(toy.text(ids)) <= bounds.get("at_most", 99)
    }
    best = max(fits, key=lambda ids: fits[ids])
    written = toy.search(Words(words=words, max_new_tokens=longest, **{**WIDE, "length_penalty": penalty}, **bounds))
    assert written.ids.tolist() == [token for token in best if token != toy.END]
    assert written.log_probability == pytest.approx(toy.every(longest)[best], abs=1e-4)


def test_under_a_temperature_texts_come_as_often_as_among_all_that_have_the_words() -> None:
    toy = Toy()
    logs = {ids: value for ids, value in toy.every(3).items() if "乙甲" in toy.text(ids)}
    total = sum(math.exp(value) for value in logs.values())
    policy = Words(words=["乙甲"], max_new_tokens=3, temperature=1.0, **WIDE)
    drawn = Counter(tuple(toy.search(policy, number).ids.tolist()) for number in range(150))
    for ids, value in logs.items():
        share = math.exp(value) / total
        plain = tuple(token for token in ids if token != toy.END)
        assert abs(drawn[plain] / 150 - share) < 4 * math.sqrt(share * (1 - share) / 150) + 1e-9
    assert sum(drawn.values()) == 150
    assert len(drawn) > 2


@pytest.mark.parametrize("kind", KINDS)
def test_the_bytes_of_tokens_joined_are_their_text(tokenizers: dict[str, Tokenizer], kind: str) -> None:
    tokenizer = tokenizers[kind]
    ids = tokenizer.encode(TEXTS[0] + TEXTS[1], add_special_tokens=False)
    joined = b"".join(token_bytes(tokenizer).of[token] for token in ids).decode()
    assert joined.lstrip() == tokenizer.decode(ids, clean_up_tokenization_spaces=False).lstrip() == TEXTS[0] + TEXTS[1]


def test_a_word_stands_by_itself_in_scripts_with_spaces_and_anywhere_in_chinese() -> None:
    for text, word in (("The art.", "art"), ("Art is", "art"), ("手机壳", "手机"), ("用art吧", "art"), ("4G网", "4G")):
        assert has(text, word)
    for text, word in (("A start", "art"), ("artist", "art"), ("ART", "art"), ("iphone", "iPhone"), ("14G", "4G")):
        assert not has(text, word)
    assert units_of("手 机。", "characters") == 3
    assert units_of(" a light  phone ", "words") == 3


def test_lengths_are_held_and_what_cannot_be_is_one_sentence(tokenizers: dict[str, Tokenizer]) -> None:
    tokenizer = tokenizers["bpe"]
    for unit, low, high in (("characters", 9, 12), ("words", 3, 4)):
        for seed in range(2):
            policy = Words(words=["smart", "手机"], max_new_tokens=30, at_least=low, at_most=high, unit=unit, beams=4)
            assert units_of(random_text(tokenizer, policy, seed).text, policy.unit) <= high
    for sentence, fields in {
        r"policy.words: the words take \d+ tokens, and 2 may be written": {"words": ["A light phone"]},
        "policy.words: the words alone have 3 words, and at_most is 2": {
            "words": ["light", "a a"], "at_most": 2, "unit": "words", "max_new_tokens": 50,
        },
    }.items():  # fmt: skip
        room = fields.get("max_new_tokens", 2)
        with pytest.raises(Refusal, match=sentence):
            Words(**{"max_new_tokens": room, **fields}).begin([0], 0, Ends(tokenizer, frozenset({0}), room))
    with pytest.raises(Refusal, match="the tokens of this model cannot write '鲸'"):
        Words(words=["鲸"]).begin([0], 0, Ends(tokenizers["char"], frozenset({0}), 99))
    with pytest.raises(ValueError, match="at_least 5 is more than at_most 4"):
        Words(at_least=5, at_most=4)
    with pytest.raises(ValueError, match="'no_repeat_ngram' would forbid words"):
        Words(words=["a"], no_repeat_ngram=3)
    with pytest.raises(ValueError, match="'choices' says of what form the whole text is"):
        Words(words=["a"], choices=["a"])


def test_what_stops_a_text_does_not_take_its_words(tokenizers: dict[str, Tokenizer]) -> None:
    tokenizer = tokenizers["bpe"]
    with pytest.raises(Refusal, match="'a' stops the text, and is in 'smart'"):
        random_text(tokenizer, Words(words=["smart"], stop=["a"]), 0)
    for seed in range(4):
        policy = Words(words=["long"], stop=["a"], max_new_tokens=20, beams=4, temperature=1.0)
        written = random_text(tokenizer, policy, seed)
        assert has(written.text, "long")
        assert "a" not in written.text


def test_words_whose_tokens_the_model_must_not_write_are_refused(tokenizers: dict[str, Tokenizer]) -> None:
    tokenizer = tokenizers["bpe"]
    never = tuple(number for number, piece in enumerate(token_bytes(tokenizer).of) if b"\xe6" in piece)
    policy = Words(words=["手"], beams=2, max_new_tokens=4)
    found = policy.begin([0], 0, Ends(tokenizer, frozenset({0}), 4, never=never))

    def write() -> None:
        while found.parents:
            policy.advance([found], torch.zeros(len(found.parents), len(tokenizer)))

    with pytest.raises(Refusal, match="is told never to write some tokens of the words"):
        write()
