"""All that serves takes the same options, and hands them on."""

import importlib
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import danlu.serve.run
from danlu.cli import serve
from danlu.cli.app import names
from danlu.cli.serving import HOST, PORT, Host, Keys, LogTexts, Port, serve_site
from danlu.serve.shelf import Place, Shelf
from danlu.serve.site import Site

COMMON = {"host": (Host, HOST), "port": (Port, PORT), "keys": (Keys, None), "log_texts": (LogTexts, False)}


def test_every_application_and_the_server_of_bundles_take_the_same_options() -> None:
    starts = [importlib.import_module(f"danlu.cli.apps.{name}").COMMANDS["start"] for name in names()]
    assert len(starts) >= 6
    for start in (serve.command, *starts):
        told = inspect.signature(start).parameters
        assert {name: (told[name].annotation, told[name].default) for name in COMMON} == COMMON, start.__module__


@pytest.mark.parametrize("log_texts", [True, False])
def test_they_are_handed_to_the_server(log_texts: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def site(_shelf: Shelf) -> Iterator[Site]:
        yield Site(posts={})

    given: dict[str, Any] = {}
    monkeypatch.setattr(danlu.serve.run, "serve", lambda places, **told: given.update(told, places=places))
    serve_site([Place("x", "y")], site, host="::1", port=7, keys=tmp_path, log_texts=log_texts)
    kept = {name: given[name] for name in ("places", "site", "host", "port", "keys", "texts_told")}
    assert kept == {
        "places": [Place("x", "y")], "site": site, "host": "::1", "port": 7, "keys": tmp_path, "texts_told": log_texts,
    }  # fmt: skip
