"""Known answers of the cleaners that drop texts, and what happens without a library."""

import importlib
import sys
from pathlib import Path

import pytest

from danlu.data.cleaning.cleaner import Cleaner, Filter


def part(kind: str, **fields: object) -> Cleaner:
    return Cleaner.model_validate({"kind": kind, **fields})


def reasons(kind: str, *texts: str, **fields: object) -> list[str | None]:
    cleaner = part(kind, **fields)
    assert isinstance(cleaner, Filter)
    return cleaner.reasons(texts)


def test_length_is_counted_in_characters() -> None:
    assert reasons("length", " 好 ", "好看", "好看得很", minimum=2, maximum=3) == ["too short", None, "too long"]


def test_languages_are_told_apart() -> None:
    texts = [
        "这家酒店很不错，下次还来。",
        "The room was clean and the staff were friendly.",
        "Das Zimmer war sauber und das Personal sehr freundlich.",
        "部屋はとても綺麗でした。",
        "방이 깨끗하고 직원이 친절했습니다.",
        "12345 !!!",
        "",
    ]
    assert reasons("language", *texts, keep=["zh", "en"]) == [None, None, "de", "ja", "ko", None, None]
    assert reasons("language", *texts, keep=["de"]) == ["zh", "en", None, "ja", "ko", None, None]
    with pytest.raises(ValueError, match="is no code"):
        part("language", keep=["English"])


def test_many_texts_at_once_get_the_languages_that_py3langid_gives_one_by_one() -> None:
    import py3langid

    from danlu.data.cleaning.cleaners.language import by_model

    texts = ["Bonjour tout le monde", "HELLO THERE, WORLD", "Привет, как дела?", "¿Dónde está?", "e\u0301tude"]
    texts += [text * 7 for text in texts]
    assert by_model(["", "?"]) == [None, None]
    assert by_model(texts) == [py3langid.classify(text)[0] for text in texts]


def test_texts_that_repeat_themselves_are_dropped() -> None:
    good = "今天天气很好，我们一家人到郊外去放风筝，孩子们玩得很开心，回来时天已经黑了。"
    texts = [
        good,
        "很好很好" * 10,
        good + "！" * 60,
        "！？——，。；：（）《》" * 2,
        "买一送一，仅此一天，欢迎选购。\n" * 5 + good,
        "哈" * 10,
    ]
    assert reasons("repetition", *texts) == [
        None,
        "repeated pieces",
        "one character repeated",
        "mostly signs",
        "repeated lines",
        None,
    ]
    assert reasons("repetition", *texts * 300) == reasons("repetition", *texts) * 300  # whatever stands beside


def test_text_unlike_good_text_is_dropped(tmp_path: Path) -> None:
    sentences = [f"第{n}位客人说，房间{n % 7}楼的服务很好，早餐也不错，下次还会再来。" for n in range(400)]
    noise = "卍氼鑫淼焱垚犇骉麤猋羴飍蟲刕劦孨叒叕" * 2
    learnt = part("perplexity").fitted(sentences)
    assert isinstance(learnt, Filter)
    assert learnt.reasons([noise, sentences[3], "短"]) == ["unlike good text", None, None]
    assert learnt.reasons([sentences[3]]) == [None]  # whatever stands beside
    good = tmp_path / "good.txt"
    good.write_text("\n".join(sentences), encoding="utf-8")
    from_file = part("perplexity", good=str(good))
    assert from_file.inputs() == [str(good)]
    assert reasons("perplexity", noise, sentences[3], good=str(good)) == ["unlike good text", None]
    with pytest.raises(ValueError, match="found 3 texts of 20 characters in the head of the data"):
        part("perplexity").fitted(sentences[:3])


@pytest.mark.parametrize(("kind", "module"), [("chinese", "opencc"), ("language", "py3langid.langid")])
def test_a_library_that_is_absent_is_named_with_its_extra(
    kind: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = importlib.import_module(f"danlu.data.cleaning.cleaners.{kind}")
    for function in vars(cached).values():
        if hasattr(function, "cache_clear"):
            function.cache_clear()
    for name in [name for name in sys.modules if name.split(".")[0] == module.split(".")[0]]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, module, None)
    cleaner = part(kind, **({"keep": ["en"]} if kind == "language" else {}))
    with pytest.raises(ValueError, match=r"pip install 'danlu\[clean\]'"):
        cleaner.reasons(["Hello"]) if isinstance(cleaner, Filter) else cleaner.rewrite(["漢Ã©"])  # type: ignore[union-attr]
