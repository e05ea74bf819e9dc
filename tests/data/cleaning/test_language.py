"""Texts in the languages that are asked for stay, and others go where the evidence is strong."""

import json
from pathlib import Path

import pytest

from danlu.data.cleaning.cleaner import Cleaner, Filter

DECLARATION: dict[str, str] = json.loads((Path(__file__).parent / "declaration.json").read_text(encoding="utf-8"))
SHARED = Path(__file__).parents[4] / "shared" / "data"


def reasons(keep: list[str], *texts: str) -> list[str | None]:
    cleaner = Cleaner.model_validate({"kind": "language", "keep": keep})
    assert isinstance(cleaner, Filter)
    return cleaner.reasons(texts)


@pytest.mark.parametrize(
    "text", ["nice", "good", "5 stars", "ok", "Great hotel", "this 酒店 is good", "(´･ω･`)", "Wait!"]
)
def test_short_and_mixed_texts_stay_in_english(text: str) -> None:
    assert reasons(["en"], text) == [None]


@pytest.mark.parametrize(
    "text",
    [
        "好の店",
        "今天好开心(￣▽￣)ノ",
        "(´･ω･`)",
        "NICE酒店",
        "ok",
        "《クロノ・トリガー》是一款游戏",
        "佢哋喺邊度",
        "弗里茨·朗（Fritz Lang）",
    ],
)
def test_short_and_mixed_texts_stay_in_chinese(text: str) -> None:
    assert reasons(["zh"], text) == [None]


@pytest.mark.parametrize("keep", ["wuu", "yue", "zh"])
def test_chinese_is_one_language(keep: str) -> None:
    assert reasons([keep], DECLARATION["zh"], DECLARATION["zh-Hant"], "上海闲话交关好听") == [None, None, None]


@pytest.mark.parametrize("language", [name for name in DECLARATION if name not in ("zh", "zh-Hant")])
def test_other_languages_go_and_each_keeps_its_own(language: str) -> None:
    text = DECLARATION[language]
    assert reasons([language], text) == [None]
    assert reasons(["zh"], text) != [None]
    other = "de" if language == "en" else "en"
    assert reasons([other], text) != [None]


@pytest.mark.parametrize(
    ("keep", "text", "reason"),
    [
        ("en", "好", "zh"),
        ("en", "iPhone手机很好用，我很喜欢", "zh"),
        ("en", "Привет, как дела?", "ru"),
        ("zh", "部屋はとても綺麗でした。", "ja"),
        ("zh", "好きです", "ja"),
        ("zh", "ありがとう", "ja"),
        ("ja", "这家酒店很不错，下次还会再来这里住的。", "zh"),
        ("ja", "世界人権宣言", None),
        ("ja", "カメラ", None),
        ("sr", "dobar dan svima", None),
        ("sr", "добар дан свима", None),
        ("ko", "방이 깨끗하고 직원이 친절했습니다.", None),
    ],
)
def test_the_script_decides_first(keep: str, text: str, reason: str | None) -> None:
    assert reasons([keep], text) == [reason]


@pytest.mark.parametrize(
    ("name", "keep", "limit"), [("sst2", "en", 0.001), ("tatoeba", "en", 0.001), ("tatoeba", "zh", 0.001)]
)
def test_few_real_texts_are_dropped(name: str, keep: str, limit: float) -> None:
    """Shares that went before: 10 % of SST-2, 0.8 % of the English of Tatoeba."""
    if not SHARED.is_dir():
        pytest.skip("the shared data are not here")
    if name == "sst2":
        lines = (SHARED / "sst2" / "dev.tsv").read_text(encoding="utf-8").splitlines()[1:]
        texts = [line.split("\t")[0] for line in lines]
    else:
        lines = (SHARED / "tatoeba_cmn_eng" / "cmn.txt").read_text(encoding="utf-8").splitlines()[::4]
        texts = [line.split("\t")[keep == "zh"] for line in lines]
    dropped = [reason for reason in reasons([keep], *texts) if reason]
    assert len(dropped) <= limit * len(texts)
