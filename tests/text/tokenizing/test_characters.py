"""Text without spaces cut into single characters, by tokenizers that would join them."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, pre_tokenizers, trainers

from danlu.text.tokenizing.tokenized import tokenized
from danlu.text.tokenizing.tokenizer import Tokenizer

CORPUS = [
    "他在美国纽约出生，在美国纽约大学。",
    "《变形金刚》，《变形金刚》、《在》",
    "born in New York, in 1998. ",
] * 20
TEXTS = st.text(st.sampled_from("他在美国纽约《》，、 aNewYork19.カナ🙂"), max_size=24)


def _trained(kind: str) -> Tokenizer:
    if kind == "unigram":  # as sentencepiece
        backend = Backend(models.Unigram())
        backend.pre_tokenizer = pre_tokenizers.Metaspace()
        backend.decoder = decoders.Metaspace()
        trainer = trainers.UnigramTrainer(vocab_size=120, special_tokens=["<unk>"], unk_token="<unk>")
    else:
        backend = Backend(models.BPE())
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=kind == "prefixed")
        backend.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=["<unk>"], initial_alphabet=alphabet)
    backend.train_from_iterator(CORPUS, trainer)
    return Tokenizer(tokenizer_object=backend, unk_token="<unk>")


TOKENIZERS = {kind: _trained(kind) for kind in ("unigram", "bytes", "prefixed")}


def _alone(character: str) -> bool:
    """Whether a character stands by itself: one of a script without spaces, or a sign."""
    unspaced = unicodedata.name(character, "").startswith(("CJK UNIFIED", "KATAKANA"))
    return unspaced or unicodedata.category(character)[0] in "PS"


@pytest.mark.parametrize("kind", ["unigram", "bytes"])
@given(text=TEXTS)
def test_no_token_holds_two_characters_of_which_each_stands_alone(kind: str, text: str) -> None:
    (encoding,) = tokenized([text], TOKENIZERS[kind], characters=True)
    covered = set[int]()
    for start, end in encoding.offsets:
        ink = [place for place in range(start, end) if not text[place].isspace()]
        covered |= set(ink)
        assert len(ink) < 2 or not any(_alone(text[place]) for place in ink)
    assert covered == {place for place, character in enumerate(text) if not character.isspace()}


@pytest.mark.parametrize("kind", ["unigram", "bytes"])
def test_they_are_joined_otherwise_and_words_with_spaces_stay_as_they_are(kind: str) -> None:
    (joined,) = tokenized(CORPUS[:1], TOKENIZERS[kind])
    (apart,) = tokenized(CORPUS[:1], TOKENIZERS[kind], characters=True)
    assert len(set(joined.offsets)) < len(CORPUS[0]) == len(set(apart.offsets))
    words = ["born in New York", "a", ""]
    plain, characters = (
        [each.ids for each in tokenized(words, TOKENIZERS[kind], characters=value)] for value in (False, True)
    )
    assert plain == characters
    assert [each.ids for each in tokenized(CORPUS[:1], TOKENIZERS[kind])] == [joined.ids]  # the tokenizer is unchanged


def test_a_tokenizer_that_puts_a_space_before_each_piece_cuts_as_ever() -> None:
    (plain,), (characters,) = (
        [*tokenized(CORPUS[:1], TOKENIZERS["prefixed"], characters=value)] for value in (False, True)
    )
    assert plain.ids == characters.ids
