"""Robots and webhooks: what they are sent, what they refuse, and that no text of outsiders is markup."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from monitor_web import Web

from danlu.apps.monitor.channel import Channel
from danlu.apps.monitor.channels.dingtalk import plain
from danlu.apps.monitor.channels.webhook import Webhook
from danlu.apps.monitor.message import Message
from danlu.machine.web import Failed

MESSAGE = Message("k" * 32, "价格：负面上升", "12 of 20\n- 太贵了", {"key": "k" * 32, "topic": "价格"})


def json_answer(value: object, status: int = 200, **headers: str) -> Any:
    return lambda path, sent, body: (status, headers, json.dumps(value).encode())


def test_a_webhook_has_the_key_and_a_signature(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", f"{web.url}/in?token=hidden")
    Webhook(url="$HOOK", sign="s").send(MESSAGE)
    path, headers, body = web.asked[0]
    assert (path, headers["idempotency-key"]) == ("/in?token=hidden", MESSAGE.key)
    told = json.loads(body)
    assert told == {**MESSAGE.plain, "title": MESSAGE.title, "text": MESSAGE.text}
    signed = json.dumps([headers["idempotency-key"], told["title"]], ensure_ascii=False).encode()
    assert headers["x-signature"] == hmac.new(b"s", signed, hashlib.sha256).hexdigest()
    for status in (301, 400, 500):
        web.answer = json_answer({}, status, Location="/other")
        with pytest.raises(Failed) as failed:
            Webhook(url="$HOOK").send(MESSAGE)
        assert "hidden" not in str(failed.value)
    assert len(web.asked) == 4
    monkeypatch.delenv("HOOK")
    with pytest.raises(Failed, match="HOOK is not set"):
        Webhook(url="$HOOK").send(MESSAGE)


@pytest.mark.parametrize(
    ("kind", "taken", "refused", "inside"),
    [
        ("dingtalk", {"errcode": 0, "errmsg": "ok"}, {"errcode": 310000, "errmsg": "sign not match"}, "markdown"),
        ("wecom", {"errcode": 0, "errmsg": "ok"}, {"errcode": 93000, "errmsg": "invalid webhook url"}, "text"),
        ("feishu", {"code": 0, "msg": "success"}, {"code": 19021, "msg": "sign match fail"}, "content"),
        ("feishu", {"StatusCode": 0}, {}, "content"),
    ],
)
def test_robots_that_refuse_with_status_200_have_refused(
    web: Web, kind: str, taken: object, refused: object, inside: str
) -> None:
    channel = Channel.model_validate({"kind": kind, "url": f"{web.url}/robot?key=1"})
    web.answer = json_answer(taken)
    channel.send(MESSAGE)
    assert MESSAGE.title in json.dumps(web.bodies[0][inside], ensure_ascii=False)
    for answer in (json_answer(refused), json_answer([1]), lambda *_: (200, {}, b"<html>")):
        web.answer = answer
        with pytest.raises(Failed, match="refuses the message"):
            channel.send(MESSAGE)


@pytest.mark.parametrize("kind", ["webhook", "dingtalk"])
def test_an_address_of_the_environment_may_end_in_a_line_and_one_that_is_none_is_not_told(
    web: Web, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    channel = Channel.model_validate({"kind": kind, "url": "$HOOK"})
    web.answer = json_answer({"errcode": 0})
    monkeypatch.setenv("HOOK", f"{web.url}/robot\n")
    channel.send(MESSAGE)
    assert len(web.bodies) == 1
    for wrong in ("hooks.example.org/services/HIDDEN", "https://hooks.example.org/ HIDDEN"):
        monkeypatch.setenv("HOOK", wrong)
        with pytest.raises(Failed, match="its 'url' is no address of http or https") as failed:
            channel.send(MESSAGE)
        assert "HIDDEN" not in str(failed.value)


def test_robots_sign_as_their_makers_say(web: Web) -> None:
    web.answer = json_answer({"errcode": 0, "code": 0})
    for kind in ("dingtalk", "feishu"):
        Channel.model_validate({"kind": kind, "url": f"{web.url}/r?t=1", "sign": "SEC"}).send(MESSAGE)
    from urllib.parse import parse_qs, urlsplit

    asked = parse_qs(urlsplit(web.asked[0][0]).query)
    now = asked["timestamp"][0]
    expected = hmac.new(b"SEC", f"{now}\nSEC".encode(), hashlib.sha256).digest()
    assert base64.b64decode(asked["sign"][0]) == expected
    body = web.bodies[1]
    expected = hmac.new(f"{body['timestamp']}\nSEC".encode(), b"", hashlib.sha256).digest()
    assert base64.b64decode(body["sign"]) == expected


def test_a_text_for_wecom_calls_nobody(web: Web) -> None:
    web.answer = json_answer({"errcode": 0})
    Channel.model_validate({"kind": "wecom", "url": web.url}).send(Message("k", "t", "<@zhangsan> 快看", {}))
    assert web.bodies[0]["text"]["content"] == "t\n\uff1c@zhangsan> 快看"


def test_a_text_for_wecom_is_cut_between_characters(web: Web) -> None:
    web.answer = json_answer({"errcode": 0})
    Channel.model_validate({"kind": "wecom", "url": web.url}).send(Message("k", "t", "字" * 2000, {}))
    text = web.bodies[0]["text"]["content"]
    assert 2040 < len(text.encode()) <= 2048
    assert set(text[2:]) == {"字"}


@settings(max_examples=200, deadline=None)
@given(st.text("\\`*_[]()#!|<>~&$-+=.1a字:;/@ ", min_size=1, max_size=30), st.sampled_from(["### ", "- "]))
def test_a_text_of_an_outsider_is_shown_by_dingtalk_as_it_stands(text: str, before: str) -> None:
    line = " ".join(text.split())
    assume(line)
    shown = MarkdownIt().enable(["table", "strikethrough"]).parse(before + plain(line))
    inner = [child for token in shown for child in token.children or ()]
    assert "".join(child.content for child in inner) == line
    assert {child.type for child in inner} == {"text"}
    assert {token.type.removesuffix("_open").removesuffix("_close") for token in shown} <= {
        "heading", "bullet_list", "list_item", "paragraph", "inline",
    }  # fmt: skip


def test_outsiders_call_nobody_and_hide_no_address_in_a_chat(web: Web) -> None:
    web.answer = json_answer({"errcode": 0, "code": 0})
    text = 'x\n- <at user_id="all"></at> [bank](http://x.example/) http://x.example/a_b?c=[d](e)'
    for kind in ("dingtalk", "feishu"):
        Channel.model_validate({"kind": kind, "url": web.url}).send(Message("k", "**t**", text, {}))
    dingtalk, feishu = web.bodies[0]["markdown"]["text"], web.bodies[1]["content"]["text"]
    assert "### \\*\\*t\\*\\*" in dingtalk
    assert "\\[bank\\]\\(http://x.example/\\)" in dingtalk
    assert dingtalk.endswith(" http://x.example/a%5Fb?c=%5Bd%5D%28e%29")
    assert "<" not in feishu
    assert "[bank]" not in feishu
