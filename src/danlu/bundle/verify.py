"""Does a bundle still answer, here and now, as it did when it was saved, alone and with each of its adapters?"""

from pathlib import Path

from danlu.bundle import golden
from danlu.bundle.adapter import BASE, folder_of
from danlu.bundle.bundle import load


def verify(path: str | Path, precision: str | None = None, key: str | Path | None = None) -> list[str]:
    """One sentence for every difference from the golden outputs; none if the bundle answers as it did.

    `key` is the file of a public key, with which the bundle must be signed. Raises `Refusal` where `load` does, and
    where golden outputs are damaged.
    """
    with load(path, precision, key=key) as bundle:
        tolerances = bundle.facts.get("tolerances", golden.TOLERANCES)
        differences = golden.replayed(bundle.folder, bundle.predictor_of(BASE), tolerances)
        for name in bundle.adapters:
            found = golden.replayed(folder_of(bundle.folder, name), bundle.predictor_of(name), tolerances)
            differences += [f"adapter {name}, {difference}" for difference in found]
    return differences
