"""What was read in the wrong encoding is mended, and what was read rightly stays, in many languages."""

import csv
import json
import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from danlu.data.characters.alignment import forward
from danlu.data.cleaning.cleaner import Cleaner, Rewriter
from danlu.data.cleaning.likely import likely

DECLARATION: dict[str, str] = json.loads((Path(__file__).parent / "declaration.json").read_text(encoding="utf-8"))
"""Article 1 of the Universal Declaration of Human Rights; the model of characters has not seen it."""

SHARED = Path(__file__).parents[4] / "shared" / "data"

READ_AS = ("latin-1", "cp1252", "cp1250", "cp1251", "cp1254", "iso8859-2", "koi8-r", "mac-roman", "cp437", "cp866")

OTHER_KINDS = [
    *(("gbk", as_, "zh") for as_ in ("latin-1", "cp1252")),
    *(("big5", as_, "zh-Hant") for as_ in ("latin-1", "cp1252")),
    *((written, as_, "ja") for written in ("cp932", "euc_jp") for as_ in ("latin-1", "cp1252")),
    *(("cp949", as_, "ko") for as_ in ("latin-1", "cp1252")),
    *(("cp1251", as_, language) for as_ in ("latin-1", "cp1252") for language in ("ru", "uk")),
    ("koi8-r", "latin-1", "ru"),
    ("cp1253", "latin-1", "el"),
    ("cp1255", "latin-1", "he"),
    ("cp1256", "latin-1", "ar"),
    ("cp874", "latin-1", "th"),
    ("cp932", "gbk", "ja"),
]

CORRECT = (
    "多年····希望",
    "张××××先生",
    "±±±±",
    "÷" * 40,
    "±·" * 30,
    "ÀÁÂÃ",
    "ÀÁÂÃÄÅÆÇÈÉ",
    "àáâãäåæç",
    "°±²³",
    "ÄÖÜ",
    "áéíóú ÁÉÍÓÚ",
    "联通",
    "中国联通公司",
    "É”",
    "CAFÉ”",
    "пункт В»",
    "дії її Її",
    "NÃO",
    "l’été, “à côté” — «là»…”",
    "25 °C × 3 = 75 µm²",
    "茅台酒, T恤",
    "ㄧㄣˋ",
    "αβγ ≈ Ω · π",
    "(´･ω･`) (￣▽￣)ノ",
    "的确§1–2 “好”……——·克林顿·",
)


def mend(text: str) -> str:
    cleaner = Cleaner.model_validate("mojibake")
    assert isinstance(cleaner, Rewriter)
    return cleaner.rewrite([text])[0]


def misread(text: str, written: str, as_: str) -> str:
    """The text as a program shows it that leaves alone the bytes which its encoding does not know."""
    data = text.encode(written)
    if as_ == "gbk":
        return data.decode(as_)
    return "".join(bytes([byte]).decode(as_, errors="ignore") or chr(byte) for byte in data)


@pytest.mark.parametrize("text", CORRECT)
def test_what_is_no_mojibake_stays(text: str) -> None:
    assert mend(text) == text


@pytest.mark.parametrize("language", DECLARATION)
@given(data=st.data())
@settings(max_examples=settings().max_examples // 2)
def test_correct_text_stays_wherever_it_is_cut(language: str, data: st.DataObject) -> None:
    text = DECLARATION[language]
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start, len(text)))
    other = DECLARATION[data.draw(st.sampled_from(sorted(DECLARATION)))]
    for part in (text[start:end], text[start:end].upper(), f"{text[start:end]}{other[start : start + 9]}"):
        assert mend(part) == part


@pytest.mark.parametrize("name", ["chnsenticorp", "sst2", "tatoeba", "cmrc", "songci"])
def test_real_texts_stay(name: str) -> None:
    if not SHARED.is_dir():
        pytest.skip("the shared data are not here")
    texts = {
        "chnsenticorp": lambda: [],
        "sst2": lambda: (SHARED / "sst2" / "dev.tsv").read_text(encoding="utf-8").splitlines(),
        "tatoeba": lambda: (SHARED / "tatoeba_cmn_eng" / "cmn.txt").read_text(encoding="utf-8").splitlines()[:8000],
        "cmrc": lambda: (SHARED / "cmrc2018" / "cmrc2018_trial.json").read_text(encoding="utf-8").splitlines(),
        "songci": lambda: (SHARED / "songci" / "ci.song.0.json").read_text(encoding="utf-8").splitlines()[:4000],
    }[name]()
    if name == "chnsenticorp":
        with (SHARED / "bdci_car_2018" / "train_2.csv").open(encoding="utf-8-sig", newline="") as stream:
            texts = [row[1] for row in csv.reader(stream)][:6000]
    cleaner = Cleaner.model_validate("mojibake")
    assert isinstance(cleaner, Rewriter)
    assert [pair for pair in zip(cleaner.rewrite(texts), texts, strict=True) if pair[0] != pair[1]] == []


@pytest.mark.parametrize("language", DECLARATION)
def test_utf8_that_was_read_in_one_byte_encodings_is_mended(language: str) -> None:
    text = DECLARATION[language]
    for as_ in READ_AS[[*DECLARATION].index(language) % 2 :: 2]:  # by turns: each language in five of ten
        assert mend(misread(text, "utf-8", as_)) == text, as_


@pytest.mark.parametrize(("written", "as_", "language"), OTHER_KINDS)
def test_other_kinds_are_mended(written: str, as_: str, language: str) -> None:
    text = "".join(c for c in DECLARATION[language] if c.encode(written, errors="ignore"))
    assert mend(misread(text, written, as_)) == text


@pytest.mark.parametrize("language", DECLARATION)
def test_utf8_that_was_read_as_gbk_is_mended_where_no_byte_was_lost(language: str) -> None:
    """Words of an even number of bytes, of which GBK loses none; letters of Latin scripts stand within words."""
    words = []
    for word in DECLARATION[language].replace("，", " ").split():
        try:
            if not word.isascii() and word.encode().decode("gbk").isalpha():
                words.append(word[:30])
        except UnicodeError:
            continue
    text = " ".join(words[:4])
    if len(text) < 6 or language in ("vi", "hi", "th", "ko", "ja"):
        pytest.skip("GBK loses bytes of nearly every word")
    assert mend(text.encode().decode("gbk")) == text


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("ÐŸÑ€Ð¸Ð²ÐµÑ‚", "Привет"),
        ("ÄãºÃ", "你好"),
        ("Ïðèâåò", "Привет"),
        ("袩褉懈胁械褌", "Привет"),
        ("caf茅", "café"),
        ("25Â°C costs Â£5", "25°C costs £5"),
        ("â€œquotedâ€\x9d itâ€™s", "“quoted” it’s"),
        ("voilÃ  tout", "voilà tout"),
        ("多年····，ÄãºÃ£¬ÊÀ½ç", "多年····，你好，世界"),
        ("Ã\x83Â©tÃ\x83Â©", "été"),
        ("谋眔硂產繺芔", "覺得這家餐廳"),
        ("涴模絃泆竭疑", "这家餐厅很好"),
        ("它说浣犲ソ涓栫晫吧", "它说你好世界吧"),
        ("‚±‚ñ‚É‚¿‚Í", "こんにちは"),
        ("a\x92s \ud83d\ude00", "a’s 😀"),
    ],
)
def test_known_cases(wrong: str, right: str) -> None:
    assert mend(wrong) == right


def test_marks_move_with_the_characters() -> None:
    text = "cafÃ© ÐŸÑ€Ð¸Ð²ÐµÑ‚ end"
    cleaner = Cleaner.model_validate("mojibake")
    assert isinstance(cleaner, Rewriter)
    alignments = cleaner.trace(text)
    assert mend(text) == "café Привет end"
    assert forward(alignments, text.index("Ð"), text.index(" end")) == (5, 11)
    assert forward(alignments, len(text) - 3, len(text)) == (12, 15)


def test_the_model_finds_words_likelier_than_what_they_are_misread_as() -> None:
    for text in DECLARATION.values():
        wrong = misread(text, "utf-8", "latin-1")
        if wrong != text:
            assert likely().bits(text).sum() < likely().bits(wrong).sum()


def test_a_row_of_one_character_or_of_the_alphabet_is_no_surprise() -> None:
    assert likely().bits("×" * 100).mean() <= 5
    assert likely().bits(string.ascii_uppercase).mean() <= 5
