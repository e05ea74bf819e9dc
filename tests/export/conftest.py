"""Exports of tiny bundles, made once."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from danlu.data.record import Record
from danlu.export.export import Exported, export
from danlu.export.target import Target


@pytest.fixture(scope="session")
def exported(tiny_bundle: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Exported]:
    """A function that exports the tiny bundle of a task; only to be read."""
    root = tmp_path_factory.mktemp("exports")

    @cache
    def made(kind: str, target: str, precision: str = "float32", records: tuple[int, ...] = ()) -> Exported:
        from danlu.bundle.bundle import load

        chosen = Target.model_validate({"kind": target, "precision": precision})
        with load(tiny_bundle(kind)) as bundle:
            sample: list[Record] = [bundle.task.tried(), *bundle.task.sample]
        shown = [sample[number % len(sample)] for number in records] or None
        return export(tiny_bundle(kind), root / f"{kind}-{target}-{precision}", chosen, records=shown)

    return made
