"""Hostile texts take a cleaner no more than linear time."""

import time

import pytest

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


def seconds(cleaner: Cleaner, text: str) -> float:
    began = time.process_time()
    cleaner.rewrite([text]) if isinstance(cleaner, Rewriter) else cleaner.reasons([text])  # type: ignore[attr-defined]
    return time.process_time() - began


@pytest.mark.parametrize("plain", CLEANERS, ids=lambda plain: "-".join(map(str, plain.values())))
def test_time_grows_with_the_text(plain: dict[str, object]) -> None:
    cleaner = Cleaner.model_validate(plain).fitted(SOURCE)
    seconds(cleaner, "e\u0301 Ã© 好 浣犲ソ 13800138000")
    for name, piece in PIECES.items():
        texts = [piece * (size // len(piece)) for size in (2_000, 8_000)]
        one, four = (seconds(cleaner, text) for text in texts)
        if four >= 9 * max(one, 0.01):  # the least of two, where something came between
            one, four = (min(took, seconds(cleaner, text)) for took, text in zip((one, four), texts, strict=True))
        assert four < 9 * max(one, 0.01), f"{name}: {one:.3f} s, and {four:.3f} s for four times as much"
