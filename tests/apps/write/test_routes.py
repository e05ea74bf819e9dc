"""The writer over HTTP: what the library writes, and sentences for what cannot be."""

from collections.abc import Callable
from pathlib import Path

import pytest
from servers import Live

from danlu.apps.write.wish import Wish
from danlu.apps.write.writer import drafts
from danlu.bundle.bundle import Bundle


def test_it_answers_as_the_library_with_the_reasons(live: Live, chat: Bundle, tones: Bundle) -> None:
    label = tones.task.label_names()[0]
    body = {"keywords": ["书 "], "words": ["物流", "art"], "at_most": 10, "drafts": 2, "tone": label, "seed": 3}
    told = live.post("/v1/write", body)
    assert told.status_code == 200
    answer = told.json()
    wish = Wish(keywords=("书",), words=("物流", "art"), at_most=10, drafts=2, tone=label, seed=3)
    found = drafts(chat, wish, tones)
    assert [each["text"] for each in answer["drafts"]] == [draft.text for draft in found]
    assert answer["drafts"][0]["words"] == {"物流": True, "art": True}
    assert answer["drafts"][0]["reasons"] == pytest.approx(dict(found[0].reasons), abs=1e-4)
    assert (answer["language"], answer["unit"], answer["at_least"], answer["at_most"]) == ("zh", "characters", 5, 10)
    assert answer["usage"]["drafts"] == 4
    assert answer["brief"].startswith("写一段文字。\n关键词：书\n")
    with live.client() as client:
        told = client.get("/v1/writer").json()
    assert (told["task"], told["tones"]) == ("chat", list(tones.task.label_names()))


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        ({}, 400, "nothing is asked for"),
        ({"keywords": "书"}, 400, "keywords: Input should be a valid list"),
        ({"words": ["书"], "wrods": ["a"]}, 400, "'wrods' is no key of this request; did you mean 'words'?"),
        ({"words": ["书"], "drafts": 99}, 400, "drafts: "),
        ({"words": ["书"], "tone": "grim"}, 400, "the tone 'grim' is none of those"),
        ({"words": ["一本很好的书"], "at_most": 2}, 400, "the words alone have 6 characters, and at_most is 2"),
        ({"words": ["\ud800"]}, 400, ""),
        ({"outline": ["物" * 500] * 16, "drafts": 1}, 400, "tokens"),
    ],
)
def test_what_cannot_be_is_a_sentence(live: Live, body: dict[str, object], status: int, sentence: str) -> None:
    import json

    with live.client() as client:
        told = client.post("/v1/write", content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert told.status_code == status, told.text
    assert sentence in told.json()["error"]["message"]
    assert "\n" not in told.json()["error"]["message"]


def test_commands_refuse_in_a_sentence(
    tiny_bundle: Callable[[str], Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from danlu.cli.main import main

    monkeypatch.setenv("DANLU_LANGUAGE", "en")
    chat = str(tiny_bundle("chat"))
    for words, sentence in (
        (["write"], "nothing writes yet: give --generator FOLDER"),
        (["write", "--sample", "--generator", chat], "leave one of them out"),
        (["write", "draft", "--generator", chat], "nothing is asked for"),
        (["write", "draft", "书", "--generator", str(tiny_bundle("classify"))], "is of the task classify"),
        (["write", "--generator", str(tiny_bundle("classify")), "--port", "0"], "is of the task classify"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["app", *words])
        assert ended.value.code == 2
        assert sentence in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main(["app", "write", "draft", "书", "--word", "物流", "--at-most", "12", "--drafts", "1", "--generator", chat])
    out = capsys.readouterr().out
    assert ended.value.code == 0
    assert "物流" in out
    assert "1 of 1 must-have words" in out
