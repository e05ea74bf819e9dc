"""The page at `/`: files of this package, and nothing from elsewhere."""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from fastapi import FastAPI
from fastapi.responses import Response

from danlu.serve.problem import Problem

POLICY = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
KINDS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".txt": "text/plain"}
SAFE = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class Page:
    """All files of the page.

    - `stamp`: a hash of them, which is part of the address of each, so that a browser keeps them until one changes.
    """

    stamp: str
    index: bytes
    files: dict[str, bytes]


def add_page(app: FastAPI, packages: tuple[str, ...] = ("danlu.serve",)) -> None:
    """Put the page at `/`, and its files below `/page/`: those in the folder `page` of each package."""

    @app.get("/", include_in_schema=False)
    async def index() -> Response:
        """What a browser opens."""
        page = read_page(packages)
        headers = {**SAFE, "Cache-Control": "no-cache"}
        return Response(page.index, media_type="text/html; charset=utf-8", headers=headers)

    @app.get("/page/{stamp}/{path:path}", include_in_schema=False)
    async def file(stamp: str, path: str) -> Response:
        """A file of it."""
        page = read_page(packages)
        if stamp != page.stamp or path not in page.files:
            return Problem(404, "no_such_file", "the page has no such file; load it anew").response()
        headers = {**SAFE, "Cache-Control": FOREVER}
        return Response(page.files[path], media_type=_kind(path), headers=headers)


@cache
def read_page(packages: tuple[str, ...] = ("danlu.serve",)) -> Page:
    """The files, read once; of two of one name that of the later package."""
    found: dict[str, bytes] = {}
    for package in packages:
        folder = files(package) / "page"
        for inner in (folder, folder / "vendor"):
            prefix = "" if inner is folder else "vendor/"
            if inner.is_dir():
                found |= {prefix + each.name: each.read_bytes() for each in inner.iterdir() if each.is_file()}
    index = found.pop("index.html")
    named = b"".join(name.encode() + b"\0" + data for name, data in sorted(found.items()))
    stamp = hashlib.sha256(named).hexdigest()[:16]
    return Page(stamp, index.replace(b"{stamp}", stamp.encode()), found)


def _kind(path: str) -> str:
    return f"{KINDS.get(path[path.rfind('.') :], 'application/octet-stream')}; charset=utf-8"
