"""Adapters beside a bundle that is served."""

from pathlib import Path

import pytest

import danlu
from danlu.refusal import Refusal
from danlu.serve.shelf import Place, Shelf
from danlu.stages.run import Run

TEXTS = ["这家店真是失望", "喜欢", "昨天收到的东西我觉得一下", "看了喜欢"]


def test_a_server_puts_adapters_beside_a_bundle_and_asks_them_by_name(trained: Run, adapted: Path) -> None:
    shelf = Shelf([Place("m", str(trained["base"]), "float32", adapters=(("liked", str(trained["liked"])),))])
    shelf.open()
    try:
        assert shelf.names == ["m", "m/liked"]
        with shelf.lease("m/liked") as model:
            folder = model.bundle.folder
            found = model.predictor.predict([{"text": text} for text in TEXTS])
            expected = danlu.load(adapted, "float32").predict(TEXTS, "liked")
            assert [each["label"] for each in found] == [each["label"] for each in expected]
            for one, other in zip(found, expected, strict=True):
                assert one["scores"] == pytest.approx(other["scores"], rel=1e-4, abs=1e-5)
    finally:
        shelf.close()
    assert not folder.exists()
    with pytest.raises(Refusal, match="lenght"):
        Shelf([Place("m", str(trained["base"]), adapters=(("a", str(trained["liked"].parent / "lenght")),))]).open()
