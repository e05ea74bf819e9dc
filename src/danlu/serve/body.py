"""The body of a request: bounded, plain, and of the keys that its route takes."""

import asyncio
import re
from codecs import BOM_UTF8
from collections.abc import Mapping
from typing import Any, TypeVar, get_args

from fastapi import Request
from pydantic import BaseModel, ConfigDict, FailFast, ValidationError, ValidationInfo, field_validator
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

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: Any, told: ValidationInfo) -> Any:
        if isinstance(value, bool) and not _takes(cls.model_fields[str(told.field_name)].annotation, bool):
            raise ValueError("true and false are not taken here")
        return value


def _takes(annotation: Any, kind: type) -> bool:
    """Whether a value of a kind is one of those that an annotation names."""
    return annotation is kind or any(_takes(each, kind) for each in get_args(annotation))


SECONDS = 30.0
"""That a body may take to arrive."""
DROPPED = 16
"""Times the limit that are read and dropped before the refusal, which nobody reads who is cut off in mid-sending."""
COUNTED = ("records", "texts", "input", "documents")
"""Keys whose lists are as long as the limit of records says."""
MANY = {"stop": 64, "logit_bias": 1024}
"""Keys whose entries cost time with each token that is written, and how many may be."""


class FirstMistake(FailFast):
    """Marks a list that is looked at no further than to its first mistake, of which there may be millions."""

    __hash__ = object.__hash__  # as a union wants of its members


BodyType = TypeVar("BodyType", bound=Body)


async def raw(request: Request, most: int, ends: float) -> bytes:
    """The bytes of the body, but for a mark of UTF-8 at its beginning.

    Raises:
        Problem: they are more than `most`, or are not there at `ends`, or `SECONDS` from now. None beyond `most` are
            kept, and none beyond `DROPPED` times as many waited for.
    """
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem(415, "encoded", "the body is compressed, and plain JSON is taken alone")
    told = request.headers.get("content-length", "0")
    foretold = int(told) if told.isdecimal() and len(told) < 20 else 0
    if foretold > most and (foretold > DROPPED * most or "expect" in request.headers):  # who asks first has not begun
        raise _too_large(most)
    parts, size = [], 0
    try:
        async with asyncio.timeout_at(min(ends, asyncio.get_running_loop().time() + SECONDS)):
            async for part in request.stream():
                size += len(part)
                if size > DROPPED * most:
                    raise _too_large(most)
                if max(size, foretold) <= most:
                    parts.append(part)
                else:
                    parts.clear()
    except ClientDisconnect:
        raise Gone from None
    except TimeoutError:
        if max(size, foretold) > most:
            raise _too_large(most) from None
        raise Problem(408, "slow_body", "the body did not come to its end in time; send it faster, or less") from None
    if size > most:
        raise _too_large(most)
    return b"".join(parts).removeprefix(BOM_UTF8)


CUT = frozenset({"/v1/completions"})
"""Paths to which editors send what stands beside a cursor, cut by units of UTF-16 wherever they like."""
_HALF = re.compile(
    r"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\(?!u[dD][89a-fA-F]).)|\\u[dD][89a-fA-F][0-9a-fA-F]{2}",
    re.DOTALL,
)
"""What a backslash begins in JSON: as the first group all but half of a surrogate pair."""


def plain(data: bytes, where: str = "the body", *, cut: bool = False) -> dict[str, Any]:
    """The object that some bytes hold; where texts were `cut`, without the halves of characters that are left.

    Raises:
        Problem: it is no JSON, or none that can be written again.
    """
    try:
        text = data.decode("utf-8")
        value = parse(_HALF.sub(r"\1", text) if cut else text, where)
    except UnicodeDecodeError:
        raise Problem(400, "not_utf8", f"{where}: is no UTF-8") from None
    except Refusal as refusal:
        raise Problem(400, "not_json", str(refusal)) from None
    if not isinstance(value, dict):
        raise Problem(400, "not_an_object", f"{where}: expected a JSON object")
    return value


def refuse_many(value: Mapping[str, Any], records: int) -> None:
    """Raises `Problem` for more of anything than is taken, before each is looked at."""
    for name, given in value.items():
        most = records if name in COUNTED else MANY.get(name)
        if most is not None and isinstance(given, list | dict) and len(given) > most:
            status, code = (413, "too_many_records") if name in COUNTED else (400, "invalid_value")
            more = ", or lines to /v1/predict/lines" if name in ("records", "texts") else ""
            told = f"'{name}' has {len(given):,} entries, and {most:,} are taken at once; send fewer{more}"
            raise Problem(status, code, told, name)


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
