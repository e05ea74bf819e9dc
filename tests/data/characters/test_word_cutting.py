"""One rule of words for segmenters and augmenters: what a reader would never part is never parted."""

import re

import pytest

from danlu.data.augmenting.augmenter import Augmenter
from danlu.data.characters.word_cutting import word_borders
from danlu.text.segmenting.segmenter import Segmenter

WHOLE = [
    "3.14", "1,000,000.5", "192.168.1.1", "12:30", "12:30:45", "2024-05-31", "2024/5/31", "１２：３０", "３．１４",
    "13800138000", "010-62751234", "3-5", "1/2", "v2.0", "2.0rc1",
    "COVID-19", "state-of-the-art", "don't", "don’t", "o'clock", "T-1000", "a_1", "snake_case", "18-year-old",
    "по-русски", "5й",
    "a@b.com", "li.lei+x@mail.example.com.cn", "a-b@c-d.org", "abc_1@qq.com",
    "https://example.org/a?b=c&d=1.0#e", "http://x.cn/y_z-1", "www.example.com/a", "ftp://10.0.0.1:21/x",
    "café", "cafe\u0301s", "e\u0323\u0301a", "नमस्ते", "हिन्दी", "عَرَبِي", "שָׁלוֹם", "한국어", "한국", "می\u200cخواهم",
    "𝒙𝒚", "ﬁn", "²", "½",
]  # fmt: skip
"""Words with letters or digits."""

SIGNS = [
    "🇨🇳", "👍🏽", "👩‍👩‍👧", "👨🏿‍🚀", "❤️", "❤️‍🔥", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🏳️‍🌈", "1️⃣", "……", "——", "！！！",
]  # fmt: skip
"""One character to a reader, or a run of one mark."""

AROUND = ["{}", "看{}吧", " {} ok", "（{}）", "「{}」的", "a {}, b", "{}\n{}", "{} {}。"]
APART = [
    ("1. a.b 2.", "1|.| |a|.|b| |2|."),
    ("end.Next", "end|.|Next"),
    ("a@b.com.", "a@b.com|."),
    ("@user 好", "@|user| |好"),
    ("-x- 'y' 1- 3.", "-|x|-| |'|y|'| |1|-| |3|."),
    ("见 https://a.cn/b。或", "见| |https://a.cn/b|。|或"),
    ("(http://a.cn/b).", "(|http://a.cn/b|)|."),
    ("好:12", "好|:|12"),
    ("🇨🇳🇺🇸 👍🏽👎", "🇨🇳|🇺🇸| |👍🏽|👎"),
    ("邮箱a@b.com，13:00", "邮|箱|a@b.com|，|13:00"),
    ("a://b", "a://b"),
    ("x:// y", "x|:|//| |y"),
]


def rules(text: str) -> list[str]:
    return Segmenter.model_validate("rules").segment([text])[0]


@pytest.mark.parametrize("word", [*WHOLE, *SIGNS])
def test_rules_keep_together_what_belongs_together(word: str) -> None:
    for around in AROUND:
        text = around.format(word, word)
        assert rules(text).count(word) == around.count("{}"), text
        assert "".join(rules(text)) == text


@pytest.mark.parametrize("cut", ["jieba", "character"])
@pytest.mark.parametrize("word", [*WHOLE, *SIGNS])
def test_augmenters_see_the_same_words(word: str, cut: str) -> None:
    for around in AROUND:
        text = around.format(word, word)
        words = [text[start:end] for start, end in word_borders([text], cut)[0]]
        if any(letter.isalnum() for letter in word):
            assert words.count(word) == around.count("{}")
        else:  # no word, so that nothing changes it
            assert not any(mark in word and not mark.isalnum() for mark in words)


@pytest.mark.parametrize(("text", "expected"), APART)
def test_what_is_apart_is_cut(text: str, expected: str) -> None:
    assert rules(text) == expected.split("|")


@pytest.mark.parametrize("kind", ["swap", "delete", "insert", "synonym", "keyboard", "homophone", "lookalike"])
def test_no_augmenter_takes_apart_what_belongs_together(kind: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("lexicon") / "a.tsv"
    path.write_text("价格\t价钱\n3\t三\n14\t十四\ngood\tfine\n19\tnineteen\n", encoding="utf-8")
    given = {"path": str(path)} if kind == "synonym" else {}
    augmenter = Augmenter.model_validate({"kind": kind, "copies": 8, "share": 0.5, **given})
    figures = [word for word in WHOLE if re.fullmatch(r"[0-9.,:/\-]+", word)]
    records = [
        {"text": f"价格{word} good {sign}！房间{word}不错 {sign}{sign}"} for word in figures for sign in SIGNS[:8]
    ]
    import numpy as np

    made = augmenter.augment(records, np.random.default_rng(0))
    assert made
    for row in made:
        source = records[row["source_row"]]["text"]
        word = next(word for word in sorted(figures, key=len, reverse=True) if f"价格{word} " in source)
        sign = source[-4:] if len(source) < 4 else source.rpartition(" ")[2]
        assert set(re.findall(r"[0-9][0-9.,:/\-]*[0-9]", row["text"])) <= {word, word * 2, f"{word}{word}"}
        assert row["text"].count(sign[: len(sign) // 2]) >= 3  # none is parted, nor gone
