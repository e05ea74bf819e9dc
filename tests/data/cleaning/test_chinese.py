"""Known conversions, which would find a broken version of OpenCC."""

from types import SimpleNamespace

import pytest

from danlu.data.cleaning.cleaner import Cleaner, Rewriter
from danlu.data.cleaning.cleaners import chinese

KNOWN = {
    "simplified": [
        ("手机坏了", "手机坏了"),
        ("坏人破坏，土坯", "坏人破坏，土坯"),
        ("漢字轉換，乾坤與乾燥", "汉字转换，乾坤与干燥"),
        ("皇后在後面", "皇后在后面"),
        ("發現頭髮", "发现头发"),
        ("瞭解他", "了解他"),
        ("看著他", "看着他"),
        ("隨著時間過去，他戴著帽子", "随着时间过去，他戴着帽子"),
        ("著名的原著，成績顯著", "著名的原著，成绩显著"),
        ("名著、专著、土著、编著、见微知著", "名著、专著、土著、编著、见微知著"),
        ("赵涛著的《书》，著有《诗》", "赵涛著的《书》，著有《诗》"),
        ("懂么？什么", "懂么？什么"),
    ],
    "traditional": [
        ("手机坏了", "手機壞了"),
        ("理发后发展，面包在里面", "理髮後發展，麪包在裏面"),
        ("干杯，干净", "乾杯，乾淨"),
    ],
    "taiwan": [("里面的软件", "裡面的軟件"), ("看着他", "看著他")],
    "hongkong": [("里面", "裏面")],
}


@pytest.mark.parametrize(("to", "text", "right"), [(to, *pair) for to, pairs in KNOWN.items() for pair in pairs])
def test_known_conversions(to: str, text: str, right: str) -> None:
    cleaner = Cleaner.model_validate({"kind": "chinese", "to": to})
    assert isinstance(cleaner, Rewriter)
    assert cleaner.rewrite([text]) == [right]
    assert cleaner.rewrite([right]) == [right]


def test_a_broken_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As 1.3.2 and 1.4.0 are."""

    class Broken:
        def __init__(self, configuration: str) -> None:
            pass

        def convert(self, text: str) -> str:
            return text.replace("坏", "坯")

    chinese._converter.cache_clear()
    monkeypatch.setattr(chinese, "needed", lambda *_: SimpleNamespace(OpenCC=Broken))
    cleaner = Cleaner.model_validate("chinese")
    assert isinstance(cleaner, Rewriter)
    with pytest.raises(ValueError, match="pip install -U"):
        cleaner.rewrite(["手机坏了"])
    chinese._converter.cache_clear()
