"""What a page of another site may not ask of a server that wants no key, through a browser on its machine."""

import re

from fastapi import Request

from danlu.serve.keys import Key
from danlu.serve.problem import Problem

LOCAL = ("127.0.0.1", "::1", "localhost")
JSON = ("application/json", "application/x-ndjson", "application/jsonl")


def refuse_foreign(request: Request) -> None:
    """Raises `Problem` for a request of another site's page, or by a name that somebody has given to this machine."""
    host = request.headers.get("host", "").lower()
    server = request.scope.get("server") or ("", None)
    name = re.sub(r":\d*$", "", host).strip("[]")
    if server[0] in LOCAL and name not in LOCAL:
        told = "this server is of this machine alone; ask it as localhost, or start it with --keys"
        raise Problem(421, "wrong_host", told)
    origin = request.headers.get("origin")
    if origin is not None and origin.lower().partition("://")[2] != host:
        raise Problem(403, "foreign_origin", "without keys only this server's own page may ask; start it with --keys")


def welcomed(request: Request, origins: frozenset[str]) -> str | None:
    """The other site whose page asks, if it is one of those that may."""
    origin = request.headers.get("origin")
    return origin if origin is not None and origin in origins else None


def guest(request: Request, a_minute: int) -> Key:
    """What stands for the key of a machine that has none, where none is wanted."""
    client = request.client.host if request.client is not None else "nobody"
    return Key(name=f"guest {client}"[:64], sha256="0" * 64, requests_per_minute=a_minute)


def refuse_other_kinds(request: Request) -> None:
    """Raises `Problem` for a body that says that it is no JSON, as forms of web pages do."""
    kind = request.headers.get("content-type", JSON[0]).partition(";")[0].strip().lower()
    if kind not in JSON and not kind.endswith("+json"):
        raise Problem(415, "not_json", f"the body is '{kind:.40}'; send JSON with 'Content-Type: application/json'")
