"""How the studio answers: in a thread, as JSON, and what changes something to those alone who may."""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from fastapi.responses import Response

from danlu.serve.body import Body, checked
from danlu.serve.problem import Problem
from danlu.serve.routes.operations import refuse_strangers
from danlu.serve.service import Call, Service
from danlu.serve.site import Handler

Kind = TypeVar("Kind", bound=Body)


def changing(change: Callable[[Kind], Any], kind: type[Kind]) -> tuple[Handler, type[Body]]:
    """A handler of bodies of a kind, one after the other; with keys for admins, else for this machine alone."""

    async def answer(service: Service, call: Call) -> Response:
        refuse_strangers(service, call)
        body = checked(kind, call.value)
        return told(await call.asking.apart(lambda: change(body), service.changing))

    answer.__doc__ = change.__doc__
    return answer, kind


def reading(read: Callable[[Mapping[str, str]], Any]) -> Handler:
    """A handler of what the values of an address ask for.

    Its `notes`, and what is `wrong` with recipes and bundles, are told in the language of who asks.
    """

    async def answer(_service: Service, call: Call) -> Response:
        return told(await call.asking.apart(lambda: _worded(read(call.value), call.asking.worded)))

    answer.__doc__ = read.__doc__
    return answer


def told(value: Any) -> Response:
    """JSON in ASCII: what no encoding can write is escaped; what is no finite number is null."""
    try:
        text = json.dumps(value, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(value), allow_nan=False)
    return Response(text, media_type="application/json")


def whole(asked: Mapping[str, str], name: str, default: int) -> int:
    """A whole number of an address. Raises `Problem` for what is none."""
    given = asked.get(name, str(default))
    if not (given.isascii() and given.isdigit() and len(given) < 16):
        raise Problem(400, "invalid_value", f"{name}: expected a whole number, not '{given:.40}'", name)
    return int(given)


def _worded(value: Any, worded: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        if value.get("notes"):
            value["notes"] = [worded(note) for note in value["notes"]]
        for each in (*value.get("recipes", ()), *value.get("bundles", ())):
            if each.get("wrong"):
                each["wrong"] = worded(each["wrong"])
    return value


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
