"""The body of a request: bounded, plain, and of the keys that its route takes."""

from collections.abc import Mapping
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import ClientDisconnect

from danlu.data.reading.json_text import parse
from danlu.recipe.part import nearest
from danlu.refusal import Refusal
from danlu.serve.asking import Gone
from danlu.serve.problem import Problem


class Body(BaseModel):
    """What a route takes; other keys are refused by name."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    model: str | None = None


BodyType = TypeVar("BodyType", bound=Body)


async def raw(request: Request, most: int) -> bytes:
    """The bytes of the body. Raises `Problem` for more than `most`, as soon as that is known."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem(415, "encoded", "the body is compressed, and plain JSON is taken alone")
    told = request.headers.get("content-length", "0")
    if told.isdecimal() and len(told) < 20 and int(told) > most:
        raise _too_large(most)
    parts, size = [], 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > most:
                raise _too_large(most)
            parts.append(part)
    except ClientDisconnect:
        raise Gone from None
    return b"".join(parts)


def plain(data: bytes, where: str = "the body") -> dict[str, Any]:
    """The object that some bytes hold. Raises `Problem` for what is no JSON, or none that can be written again."""
    try:
        value = parse(data.decode("utf-8"), where)
    except UnicodeDecodeError:
        raise Problem(400, "not_utf8", f"{where}: is no UTF-8") from None
    except Refusal as refusal:
        raise Problem(400, "not_json", str(refusal)) from None
    if not isinstance(value, dict):
        raise Problem(400, "not_an_object", f"{where}: expected a JSON object")
    return value


def checked(
    kind: type[BodyType], value: Mapping[str, Any], ignored: Mapping[str, tuple[Any, ...]] | None = None
) -> BodyType:
    """The body as its route takes it.

    `ignored` names keys that are taken though they do nothing, each with the values that would do nothing anywhere;
    none: any value.

    Raises:
        Problem: a key is not known, or would change the answer and cannot; or a value is of another kind.
    """
    kept = dict(value)
    for name, harmless in (ignored or {}).items():
        if name in kept and kept.pop(name) not in (harmless or (value[name],)):
            told = f"'{name}' cannot be had here, and the answer would be another without it; leave it out"
            raise Problem(400, "unsupported_parameter", told, name)
    if unknown := [name for name in kept if name not in kind.model_fields]:
        told = f"'{unknown[0]:.80}' is no key of this request{nearest(unknown[0][:80], list(kind.model_fields))}"
        raise Problem(400, "unknown_parameter", told, unknown[0][:80])
    try:
        return kind.model_validate(kept)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "body"
        raise Problem(400, "invalid_value", f"{place:.200}: {first['msg']:.300}", place[:200]) from None


def _too_large(most: int) -> Problem:
    return Problem(413, "too_large", f"the body has more than {most:,} bytes; send less at once")
