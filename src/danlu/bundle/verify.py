"""Does a bundle still answer, here and now, as it did when it was saved, alone and with each of its adapters?"""

from pathlib import Path

from danlu.bundle import golden
from danlu.bundle.adapter import BASE
from danlu.bundle.bundle import Bundle, load
from danlu.refusal import Refusal


def verify(path: str | Path, precision: str | None = None, key: str | Path | None = None) -> list[str]:
    """One sentence for every difference from the golden outputs; none if the bundle answers as it did.

    `key` is the file of a public key, with which the bundle must be signed. Raises `Refusal` where `load` does, and
    where golden outputs are damaged.
    """
    with load(path, precision, key=key) as bundle:
        return differences(bundle)


def differences(bundle: Bundle) -> list[str]:
    """The same of a bundle that is open.

    Raises:
        Refusal: golden outputs, or an adapter, are damaged.
    """
    tolerances = bundle.facts.get("tolerances", golden.TOLERANCES)
    found: list[str] = []
    for name in (BASE, *bundle.adapters):
        told = golden.replayed(bundle.golden_of(name), bundle.folder, bundle.predictor_of(name), tolerances)
        found += [difference if name == BASE else f"adapter {name}, {difference}" for difference in told]
    return found


def verified(path: str | Path) -> Bundle:
    """The bundle of a folder, opened, if it answers as it did. Raises `Refusal` otherwise, and where `load` does."""
    bundle = load(path)
    try:
        refuse_drift(bundle)
    except BaseException:
        bundle.close()
        raise
    return bundle


def refuse_drift(bundle: Bundle) -> None:
    """Raise `Refusal` for a bundle that does not answer as it did when it was saved, or whose files are damaged."""
    if found := differences(bundle):
        raise Refusal(
            f"{bundle.folder}: does not answer as it did when it was saved ({found[0]}); see: danlu verify, and copy "
            "or train it again"
        )
