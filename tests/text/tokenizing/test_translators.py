"""Tokenizers of translators without `tokenizer.json`: texts become what SentencePiece makes of them."""

import copy
import json
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer, M2M100Tokenizer, MarianTokenizer

from danlu.refusal import Refusal
from danlu.text.batching.shards import tokenizer_hash
from danlu.text.tokenizing.folder import open_tokenizer, save_tokenizer
from danlu.text.tokenizing.narrowed import narrowed
from danlu.text.tokenizing.sentence_pieces import read_pieces
from danlu.text.tokenizing.tokenized import tokenized
from danlu.text.tokenizing.tokenizer import Tokenizer, fingerprint, write_by
from danlu.text.tokenizing.tokenizers.extended import Extended

from .translators import CHINESE, ENGLISH, marian, of_many_languages

ODD = ["", " ", "  two  spaces ", "Ｔｅａ", "tab\tand\nline", "▁under", "... …", "ﬁne", "\u200bzero", "the" * 200]
UNREAD = ["😀 tea", "한국어", "½", "I like 茶", "我喜欢 tea"]
SPELT = ["</s>", "<pad>", ">>cmn_Hans<< tea", "a</s>b", "<unk>", "__zh__ tea"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return marian(tmp_path_factory.mktemp("opus") / "opus", ["cmn_Hans", "yue"])


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return of_many_languages(tmp_path_factory.mktemp("m2m") / "m2m")


@pytest.fixture(scope="module")
def ours(folder: Path) -> Tokenizer:
    return open_tokenizer(folder, "opus")


@pytest.fixture(scope="module")
def theirs(folder: Path) -> Any:
    with warnings.catch_warnings(action="ignore"):  # it asks for a library that changes signs first
        tokenizer = MarianTokenizer.from_pretrained(folder)
    tokenizer.punc_normalizer = str
    return tokenizer


def ids(texts: list[str], tokenizer: Tokenizer, *, written: bool = False) -> list[list[int]]:
    return [each.ids for each in tokenized(texts, tokenizer, written=written)]


def test_what_is_read_has_the_numbers_that_transformers_gives(ours: Tokenizer, theirs: Any) -> None:
    texts = [*CHINESE, "", " ", "  我  喜欢 ", "\u3000好\t好\n", "▁我"]
    assert ids(texts, ours) == [theirs(text)["input_ids"] for text in texts]


def test_what_is_written_has_the_numbers_that_transformers_gives(ours: Tokenizer, theirs: Any) -> None:
    texts = [*ENGLISH, *ODD[:4]]
    assert ids(texts, ours, written=True) == [theirs(text_target=text)["input_ids"] for text in texts]
    assert ids(ENGLISH, ours, written=True) != ids(ENGLISH, ours)


@given(st.text("".join(sorted({*"".join(CHINESE)})), max_size=40))
def test_any_text_of_known_characters_is_read_as_by_sentencepiece(ours: Tokenizer, theirs: Any, text: str) -> None:
    assert ids([text], ours) == [theirs(text)["input_ids"]]


@given(st.text("".join(sorted({*"".join(ENGLISH)})), max_size=40))
def test_any_text_of_known_characters_is_written_as_by_sentencepiece(ours: Tokenizer, theirs: Any, text: str) -> None:
    assert ids([text], ours, written=True) == [theirs(text_target=text)["input_ids"]]


@given(st.text(max_size=40))
def test_no_text_becomes_a_special_token(ours: Tokenizer, text: str) -> None:
    special = {*ours.all_special_ids, *ours.get_added_vocab().values()} - {ours.unk_token_id}
    for written in (False, True):
        for spelt in (text, *SPELT):
            (found,) = ids([spelt], ours, written=written)
            assert found[-1] == ours.eos_token_id
            assert not special & {*found[:-1]}


@pytest.mark.parametrize("texts", [CHINESE, ENGLISH])
def test_numbers_are_read_back_as_the_text_was(ours: Tokenizer, theirs: Any, texts: list[str]) -> None:
    for found in ids(texts, ours, written=texts is ENGLISH):
        assert ours.decode(found, skip_special_tokens=True) == theirs.decode(found, skip_special_tokens=True)


def test_texts_of_the_other_side_are_read_piece_by_piece(ours: Tokenizer) -> None:
    for text in UNREAD[3:]:
        assert ours.unk_token_id not in ids([text], ours)[0]


def test_saved_it_stays_what_it_is_and_plain_transformers_reads_alike(
    folder: Path, ours: Tokenizer, tmp_path: Path
) -> None:
    save_tokenizer(copy.deepcopy(ours), tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "marian"}))
    again = open_tokenizer(tmp_path, "again")
    assert fingerprint(again) == fingerprint(ours) != fingerprint(AutoTokenizer.from_pretrained(tmp_path))
    for written in (False, True):
        texts = [*CHINESE, *ENGLISH, *ODD, *UNREAD, *SPELT]
        assert ids(texts, again, written=written) == ids(texts, ours, written=written)
    assert ids(CHINESE, AutoTokenizer.from_pretrained(tmp_path)) == ids(CHINESE, ours)
    assert again.model_max_length == 512
    assert (again.pad_token, again.eos_token, again.bos_token) == ("<pad>", "</s>", None)


def test_byte_pairs_of_many_languages_are_those_of_transformers(many: Path, tmp_path: Path) -> None:
    ours, theirs = open_tokenizer(many, "m2m"), M2M100Tokenizer.from_pretrained(many)
    texts = [*CHINESE, *ENGLISH, *ODD, *UNREAD]
    found = [each.ids for each in tokenized(texts, ours, special=False)]
    assert found == [theirs(text, add_special_tokens=False)["input_ids"] for text in texts]
    for code in ("en", "zh", "zu"):
        assert ours.convert_tokens_to_ids(f"__{code}__") == theirs.get_lang_id(code)
    save_tokenizer(ours, tmp_path)
    assert fingerprint(open_tokenizer(tmp_path, "again")) == fingerprint(ours)
    assert not (tmp_path / "danlu_target_tokenizer.json").exists()


def test_words_that_somebody_has_added_keep_their_numbers(folder: Path, tmp_path: Path) -> None:
    with warnings.catch_warnings(action="ignore"):
        added = MarianTokenizer.from_pretrained(folder)
    added.add_tokens(["丹炉"])
    added.add_special_tokens({"extra_special_tokens": ["<deep>"]}, replace_extra_special_tokens=False)
    added.save_pretrained(tmp_path)
    ours = open_tokenizer(tmp_path, "added")
    for token in ("丹炉", "<deep>"):
        assert ours.convert_tokens_to_ids(token) == added.convert_tokens_to_ids(token)
    found = [each.ids for each in tokenized(["丹炉", "<deep>"], ours, special=False, written=True)]
    assert added.convert_tokens_to_ids("丹炉") in found[0]
    assert added.convert_tokens_to_ids("<deep>") not in found[1]
    (tmp_path / "added_tokens.json").write_text('{"丹炉": 3}')
    with pytest.raises(Refusal, match="'丹炉' was added with a number that is taken"):
        open_tokenizer(tmp_path, "added")


def test_words_that_transformers_adds_where_languages_are_refused(many: Path, tmp_path: Path) -> None:
    added = M2M100Tokenizer.from_pretrained(many)
    added.add_tokens(["丹炉"])
    assert added.convert_tokens_to_ids("丹炉") == added.get_lang_id("af")
    added.save_pretrained(tmp_path)
    with pytest.raises(Refusal, match="'丹炉' was added with a number that is taken"):
        open_tokenizer(tmp_path, "added")


def test_shards_tell_two_ways_to_cut_what_is_written_apart(ours: Tokenizer) -> None:
    other = copy.deepcopy(ours)
    write_by(other, copy.deepcopy(ours.backend_tokenizer))
    assert tokenizer_hash(other) != tokenizer_hash(ours)
    assert fingerprint(other) != fingerprint(ours)


@pytest.mark.parametrize("letters", [65, 1_000_000])
def test_a_piece_that_is_longer_than_any_is_refused(letters: int, tmp_path: Path) -> None:
    made, piece = marian(tmp_path / "opus"), "b" * letters
    told = b"\x0a" + _size(letters) + piece.encode()
    (made / "source.spm").write_bytes((made / "source.spm").read_bytes() + b"\x0a" + _size(len(told)) + told)
    with pytest.raises(Refusal, match=r"source\.spm: the piece 'b+…' has more than 64"):
        open_tokenizer(made, "opus")
    names = json.loads((made / "vocab.json").read_text("utf-8"))
    (marian(made) / "vocab.json").write_text(json.dumps(names | {piece: len(names)}))
    with pytest.raises(Refusal, match=r"vocab\.json: the token 'b+…' has more than 64"):
        open_tokenizer(made, "opus")


def _size(value: int) -> bytes:
    """A number as protocol buffers write it."""
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


@pytest.mark.parametrize("lacking", ["source.spm", "target.spm", "vocab.json"])
def test_a_file_that_is_lacking_is_named(lacking: str, tmp_path: Path) -> None:
    made = marian(tmp_path / "opus")
    (made / lacking).unlink()
    with pytest.raises(Refusal, match=f"a translator of Marian has a {lacking} as well"):
        open_tokenizer(made, "opus")


@pytest.mark.parametrize(
    "options",
    [{"remove_extra_whitespaces": False}, {"add_dummy_prefix": False}, {"user_defined_symbols": ["tea", "在"]},
     {"normalization_rule_name": "identity"}, {"byte_fallback": True, "vocab_size": 400}],
)  # fmt: skip
def test_other_options_of_sentencepiece_are_followed(options: dict[str, Any], tmp_path: Path) -> None:
    made = marian(tmp_path / "opus", trained=options)
    with warnings.catch_warnings(action="ignore"):
        theirs = MarianTokenizer.from_pretrained(made)
    theirs.punc_normalizer = str
    ours = open_tokenizer(made, "opus")
    texts = [*ENGLISH, "", "  tea  a ", "I like\ttea"]
    assert ids(texts, ours, written=True) == [theirs(text_target=text)["input_ids"] for text in texts]


@pytest.mark.parametrize("options", [{"treat_whitespace_as_suffix": True}, {"model_type": "char"}])
def test_ways_to_cut_that_no_translator_has_are_refused(options: dict[str, Any], tmp_path: Path) -> None:
    made = marian(tmp_path / "opus", trained=options)
    with pytest.raises(Refusal, match="in a way that no translator is known to do"):
        open_tokenizer(made, "opus")


def test_what_is_damaged_is_told_in_a_sentence(tmp_path: Path) -> None:
    made = marian(tmp_path / "opus")
    whole = (made / "target.spm").read_bytes()
    for damaged in (b"", b"\xff" * 40, whole[:-3], whole[: len(whole) // 2], b"no model at all", whole[1:]):
        (made / "target.spm").write_bytes(damaged)
        with pytest.raises(Refusal, match=r"target\.spm: (is no model of SentencePiece|holds no pieces)|other numbers"):
            open_tokenizer(made, "opus")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"vocab.json": {"</s>": 0, "<unk>": 2}}, "numbers from 0 on"),
        ({"vocab.json": {"</s>": "0", "<unk>": 1}}, "numbers from 0 on"),
        ({"vocab.json": {"</s>": 0, "x": 1}}, "'<unk>' and '</s>' among them"),
        ({"vocab.json": {"</s>": 0, "<unk>": 1, "qq": 2}}, "none of the pieces"),
        ({"tokenizer_config.json": {"separate_vocabs": True}}, "a vocabulary each"),
    ],
)
def test_a_vocabulary_that_does_not_fit_is_told(change: dict[str, Any], told: str, tmp_path: Path) -> None:
    made = marian(tmp_path / "opus")
    for name, plain in change.items():
        (made / name).write_text(json.dumps(plain))
    with pytest.raises(Refusal, match=told):
        open_tokenizer(made, "opus")


def test_sentencepiece_and_its_file_say_the_same_of_each_piece(folder: Path) -> None:
    from sentencepiece import SentencePieceProcessor

    read, pieces = read_pieces(folder / "source.spm"), SentencePieceProcessor(model_file=str(folder / "source.spm"))
    known = [n for n in range(pieces.get_piece_size()) if not pieces.is_control(n) and not pieces.is_unknown(n)]
    assert read.scores == {pieces.id_to_piece(number): pieces.get_score(number) for number in known}
    assert (read.joined, read.bytes_spelt, read.prefix, read.fewer_spaces) == (False, False, True, True)


def test_two_ways_to_cut_are_neither_narrowed_nor_extended(folder: Path, ours: Tokenizer) -> None:
    with pytest.raises(Refusal, match="cannot be narrowed"):
        narrowed(copy.deepcopy(ours), [0, 1])
    base = {"kind": "pretrained", "path": str(folder)}
    with pytest.raises(Refusal, match="cannot be extended"):
        Extended.model_validate({"base": base, "tokens": ["丹炉"]}).build(lambda: iter([]))
