"""The channels there are, by the name of their kind."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from danlu.apps.monitor.channels.channel import Channel
from danlu.apps.monitor.channels.dingtalk import DingTalk
from danlu.apps.monitor.channels.feishu import Feishu
from danlu.apps.monitor.channels.mail import Mail
from danlu.apps.monitor.channels.webhook import Webhook
from danlu.apps.monitor.channels.wecom import WeCom
from danlu.recipe.part import nearest
from danlu.recipe.read import Written, sentences
from danlu.refusal import Refusal

KINDS: dict[str, type[Channel]] = {
    "webhook": Webhook,
    "mail": Mail,
    "dingtalk": DingTalk,
    "wecom": WeCom,
    "feishu": Feishu,
}


def channel_of(name: str, values: Mapping[str, Any], where: str) -> Channel:
    """The channel that plain values describe. Raises `Refusal` naming `where` and the key that is wrong."""
    kind = values.get("kind")
    if kind not in KINDS:
        known = ", ".join(KINDS)
        raise Refusal(
            f"{where}: channels.{name}: expected a kind of {known}{nearest(str(kind), list(KINDS)) if kind else ''}"
        )
    given = {key: value for key, value in values.items() if key != "kind"}
    try:
        return KINDS[kind].model_validate(given)
    except ValidationError as error:
        raise Refusal(sentences(error, Written(f"{where}: channels.{name}", given))) from None
