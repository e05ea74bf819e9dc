"""A server as a whole, from its first line to its last."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from danlu.serve.limits import Limits
from danlu.serve.run import serve
from danlu.serve.shelf import Place, Shelf
from danlu.serve.site import Site

MANY = 100_000  # objects; torch and transformers alone make more


def test_no_collection_of_garbage_looks_through_the_libraries_while_it_serves(bundles: dict[str, Path]) -> None:
    frozen = []

    class Enough(Exception):
        pass

    @contextmanager
    def site(_shelf: Shelf) -> Iterator[Site]:
        frozen.append(gc.get_freeze_count())
        raise Enough
        yield

    place = Place("m", str(bundles["classify"]), threads=1)
    gc.unfreeze()  # what all tests have frozen
    try:
        with pytest.raises(Enough):
            serve([place], site=site, port=0, limits=Limits(), say=lambda _: None)
        assert frozen[0] > MANY
        assert gc.get_freeze_count() == 0
    finally:
        gc.freeze()
