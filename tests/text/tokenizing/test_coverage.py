import pytest

from danlu.text.tokenizing.coverage import coverage, in_words, readable_tokens
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.text.tokenizing.tokenizers.char import Char
from danlu.text.tokenizing.tokenizers.word import Word

TEXTS = ["今天 walk 12", "天天 go 12345 ！", ""]


def test_a_tokenizer_of_characters_costs_one_token_a_character():
    found = coverage(TEXTS, Char().build(lambda: iter(TEXTS)))
    characters = set("".join(TEXTS))
    assert (found.size, found.used) == (len(characters) + 5, len(characters))
    assert (found.characters, found.tokens, found.unknown) == (23, 23, 0)
    assert {name: use.tokens_per_character for name, use in found.scripts.items()} == dict.fromkeys(found.scripts, 1.0)
    assert {name: use.characters for name, use in found.scripts.items()} == {
        "han": 4, "latin": 6, "digits": 7, "other": 1,
    }  # fmt: skip
    assert found.scripts["latin"].tokens_per_word == 3.0  # walk, go
    assert found.scripts["digits"].tokens_per_word == 3.5
    assert found.scripts["han"].tokens_per_word is None
    assert found.rarest[0][1] == 1


def test_unknown_words_are_counted_where_they_stand():
    found = coverage(["今天 walk far", "walk"], Word(min_frequency=2).build(lambda: iter(["walk walk"])))
    assert (found.tokens, found.unknown) == (4, 2)
    assert found.scripts["han"].tokens_per_character == 0.5
    assert found.scripts["latin"].tokens_per_word == 1.0
    assert found.longest[0] == ("walk", 2)


def test_bytes_are_counted_for_the_character_that_they_spell():
    tokenizer = Bpe(size=264).build(lambda: iter(["go"]))
    found = coverage(["天 go"], tokenizer)
    assert found.scripts["han"].tokens_per_character == 3.0
    assert found.scripts["latin"].tokens_per_word == 1.0 if "Ġgo" in tokenizer.get_vocab() else 3.0


def test_no_more_is_looked_at_than_was_asked_for():
    def endless():
        while True:
            yield "今天天气很好"

    found = coverage(endless(), Char().build(lambda: iter(["今天"])), limit=20)
    assert found.characters == found.tokens == 20


def test_pieces_read_as_what_they_stand_for():
    tokenizer = Bpe(size=300).build(lambda: iter(["今天 go go"] * 9))
    token = tokenizer("今天")["input_ids"]
    assert readable_tokens(tokenizer, token) == ["今天"]
    first = tokenizer("龘")["input_ids"][0]
    (read,) = readable_tokens(tokenizer, [first])
    assert ascii("龘".encode())[2:-1].startswith(read), "bytes that are no whole character are told as bytes"
    parts = coverage(["龘龘 今天"], tokenizer)
    assert all(piece.isascii() or piece == "今天" for piece, _ in parts.rarest)
    assert "\\xe9" in in_words(parts, "en")[-1]
    assert "\\\\" not in in_words(parts, "en")[-1]
    assert parts.longest[0][0] == "今天" or len(parts.longest[0][0]) > 2


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_report_is_told_in_lines(language):
    found = coverage(TEXTS, Char().build(lambda: iter(TEXTS)))
    lines = in_words(found, language)
    assert len(lines) == 8
    assert any("23" in line for line in lines)
    assert found.to_plain()["scripts"]["han"]["characters"] == 4
