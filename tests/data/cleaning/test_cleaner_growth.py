"""Hostile texts take a cleaner no more than linear time."""

from functools import partial

import pytest
from in_proportion import BOUND, growth

from danlu.data.cleaning.cleaner import Cleaner, Rewriter

SOURCE = [f"第{n}位客人说，房间{n % 7}楼的服务很好，早餐也不错，下次还会再来。" for n in range(200)]

CLEANERS = [
    {"kind": "mojibake"},
    {"kind": "personal"},
    {"kind": "language", "keep": ["en"], "sample": 1000},
    {"kind": "repetition"},
    {"kind": "perplexity"},
    {"kind": "chinese"},
    {"kind": "chinese", "to": "traditional"},
]

PIECES = {
    "bracket": "(",
    "brackets": "（）[]{}<>",
    "quotes": "“\"'”",
    "one letter": "a",
    "one character": "的",
    "marks": "e\u0301\u0316",
    "digits": "1",
    "telephone": "13800138000",
    "grouped digits": "1 2-3 ",
    "pluses": "+1 ",
    "at": "a@",
    "dots": "a.b@c.",
    "addresses": "1.1.1.",
    "colons": "a::",
    "misread": "Ã",
    "misread accents": "Ã©",
    "misread words": "Ã© x",
    "misread Chinese": "ÄãºÃ",
    "misread Cyrillic": "Ïðè âåò ",
    "read as GBK": "浣犲ソ",
    "read as GBK, mixed": "浣犲ソ好",
    "controls": "\x92",
    "dots and crosses": "±·",
    "particles": "看著",
}


def clean(cleaner: Cleaner, text: str) -> None:
    cleaner.rewrite([text]) if isinstance(cleaner, Rewriter) else cleaner.reasons([text])  # type: ignore[attr-defined]


@pytest.mark.parametrize("plain", CLEANERS, ids=lambda plain: "-".join(map(str, plain.values())))
def test_time_grows_with_the_text(plain: dict[str, object]) -> None:
    cleaner = Cleaner.model_validate(plain).fitted(SOURCE)
    clean(cleaner, "e\u0301 Ã© 好 浣犲ソ 13800138000")
    for name, piece in PIECES.items():
        one, four = (partial(clean, cleaner, piece * (size // len(piece))) for size in (2_000, 8_000))
        assert growth(one, four) < BOUND, name
