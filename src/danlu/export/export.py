"""Export a bundle: written, opened again, compared with the original, and only then there."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from danlu.bundle import card, golden, manifest, signature
from danlu.bundle.adapt import refuse_place
from danlu.bundle.bundle import load, open_folder
from danlu.data.record import Record
from danlu.engine.engine import Network
from danlu.engine.graph_network import GraphNetwork
from danlu.engine.predict import Predictor
from danlu.export.calls import call_of
from danlu.export.compare import furthest, refuse_other_writing
from danlu.export.target import Original, Target
from danlu.machine.files import folder_in_place, move_into_place, scratch_folder, write_text
from danlu.machine.located import at_home
from danlu.machine.seed import drawn
from danlu.model.weights import INDEX, find_weights
from danlu.refusal import Refusal
from danlu.task.task import Prediction

MOST = 512
"""Records at most whose answers are compared, drawn from all that are given."""

TOLERANCES: Mapping[str, float] = {"float32": golden.TOLERANCES["float32"], "bfloat16": 3e-2, "float16": 1e-2}
"""How far what is said may differ, by precision; of numbers above 1 relative. Of fewer bits answers alone tell."""

FEW_BITS = {"int8": 0.1, "int8_weights": 0.05, "int4_weights": 0.05}
"""How far a score may drift between machines: activations in 8 bits are added up in another order, and saturate."""


@dataclass(frozen=True)
class Exported:
    """What was exported, and how far its answers are from those of the original.

    - `path`: the folder, or the file; `opens`: whether it is a bundle, which `danlu.load` opens.
    - `furthest`: the largest difference of a number in the answers to the records; above 1 relative to it.
    - `agreeing`, `asked`: how many answers say the same: labels and texts are equal, and numbers within the tolerance
      of the precision where that has 16 bits or more, or where answers are nothing but numbers.
    - `before`, `after`: bytes of the weights.
    """

    path: Path
    target: str
    precision: str
    opens: bool
    furthest: float
    agreeing: int
    asked: int
    before: int
    after: int


def export(
    bundle_folder: str | Path, to: str | Path, target: Target, *, records: Sequence[Record] | None = None
) -> Exported:
    """Write a bundle as `target` to the new folder or file `to`; the bundle stays as it is.

    What is exported is opened again and compared with the original: what the model says, over several lengths and
    sizes of batches; texts as they are written; the answers to the golden records. A difference above the tolerance
    is a failure, and nothing is left. Of precisions below 16 bits the answers alone are compared, and how many agree
    is told. `records` are those on whose answers that is counted, and of which `int8_static` learns its scales; None:
    the golden records.

    Raises:
        Refusal: there is something at `to`; the bundle has adapters, or is an export already; scales need records; a
            package is missing; the model cannot be exported so; or what was exported answers otherwise.
    """
    folder, final = manifest.find(bundle_folder), at_home(to)
    refuse_place(folder, to)
    facts = manifest.read(folder)
    _refuse(folder, facts)
    if target.precision in target.learns and not records:
        raise Refusal(
            f"{target.precision} learns how large activations become, of records; give some: --calibration DATA"
        )
    with load(folder, "float32") as bundle, _place(final, target) as place:
        original = Original(bundle, list(records or golden.read(folder)["records"]))
        engine = target.write(original, place)
        if engine is None:
            network = target.network(original, place)
            with Predictor(network, bundle.task, bundle.tokenizer, rewriters=bundle.rewriters) as predictor:
                return _compared(original, target, network, predictor, place, final)
        told = _told(facts, folder, place, target)
        told["engine"] = engine.to_plain()
        with open_folder(place, told, None, None) as written:
            found = _compared(original, target, written.network, written.predictor, place, final)
            golden.write(place, written.predictor, golden.read(folder)["records"])
        told["provenance"]["exported"] |= {"furthest": found.furthest, "agreeing": found.agreeing, "asked": found.asked}
        write_text(place / manifest.CARD, card.write(final.name, told, bundle.task, facts.get("language", "en")))
        manifest.write(place, told)
        return found


def _refuse(folder: Path, facts: dict[str, Any]) -> None:
    kind = facts["engine"]["kind"]
    if kind != "torch":
        raise Refusal(f"{folder}: is an export already, for the engine {kind}; export the bundle that it was made of")
    if names := list(facts.get("adapters", {})):
        raise Refusal(
            f"{folder}: has adapters ({', '.join(names)}), and an export is of one set of weights; fold one into them "
            f"first: danlu merge {folder} {names[0]} --output FOLDER"
        )


@contextmanager
def _place(final: Path, target: Target) -> Iterator[Path]:
    """Where a target writes: what is there in the end is put in its place, and nothing if that fails."""
    if target.makes != "file":
        with folder_in_place(final) as temporary, _named(temporary, final):
            yield temporary
        return
    with scratch_folder(final) as temporary, _named(temporary / final.name, final):
        yield temporary / final.name
        move_into_place(temporary / final.name, final)


@contextmanager
def _named(temporary: Path, final: Path) -> Iterator[None]:
    """Let what is refused name the place that was asked for, instead of the one that is gone with the refusal."""
    try:
        yield
    except Refusal as refused:
        raise Refusal(str(refused).replace(str(temporary), str(final))) from refused


def _told(facts: dict[str, Any], folder: Path, place: Path, target: Target) -> dict[str, Any]:
    """What `danlu.json` is to say; all files but weights and what is made anew are copied."""
    weights = {*find_weights(folder, str(folder)).files, INDEX, golden.NAME, signature.NAME}
    for name in facts["files"].keys() - weights:
        manifest.copy(folder, name, place)
    known, before = facts.get("versions", {}), facts.get("provenance", {})
    if target.precision not in TOLERANCES:
        before = card.unscored(before)
    return {
        **{key: value for key, value in facts.items() if key != "base"},
        "danlu": version("danlu"),
        "tolerances": golden.TOLERANCES | FEW_BITS,
        "provenance": before
        | {"exported": {"of": facts.get("digest"), "target": target.kind, "precision": target.precision}},
        "versions": known | {name: found for name in ("onnxruntime", "openvino", "nncf") if (found := _version(name))},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _compared(
    original: Original, target: Target, network: Network, predictor: Predictor, place: Path, final: Path
) -> Exported:
    """How far the answers are from those of the original.

    Raises:
        Refusal: further than the precision allows.
    """
    bundle, exact = original.bundle, TOLERANCES.get(target.precision)
    model = getattr(network, "model")  # noqa: B009 - of an engine of graphs, or of torch
    if exact is not None:
        call = call_of(bundle.task, bundle.model, bundle.tokenizer, bundle.network.limit)
        apart, where = furthest(original, model, call)
        if apart > exact:
            raise Refusal(
                f"{final}: what the model says differs from the original by {apart:.2g} ({where}), more than "
                f"{exact:g}, so nothing was exported; keep the bundle, which torch computes"
            )
        if isinstance(network, GraphNetwork) and model.past:
            refuse_other_writing(original, network, final)
    places = drawn(range(len(original.records)), MOST, 0, "compare")
    asked = [original.records[place] for place in places]
    before, after = bundle.predict(asked), predictor.predict(asked)
    drifted, agreeing = golden.drift(before, after, _tolerance(target.precision, before))
    if exact is not None and agreeing < len(asked):
        number = places[[_same(*pair, exact) for pair in zip(before, after, strict=True)].index(False)]
        raise Refusal(
            f"{final}: {len(asked) - agreeing} of {len(asked)} records, such as {number + 1}, are answered otherwise "
            "than by the original, so nothing was exported; keep the bundle, which torch computes"
        )
    return Exported(
        final,
        target.kind,
        target.precision,
        target.makes == "bundle",
        drifted,
        agreeing,
        len(asked),
        _size(bundle.folder),
        _size(place),
    )


def _tolerance(precision: str, answers: Sequence[Prediction]) -> float:
    """How far the numbers of answers that agree may lie apart; below 16 bits any way, where the answers have words."""
    if precision in TOLERANCES:
        return TOLERANCES[precision]
    return float("inf") if _has_words(answers) else FEW_BITS.get(precision, FEW_BITS["int8"])


def _has_words(said: Any) -> bool:
    """Whether anything in an answer is no number with a fraction: a text, a label, a place."""
    if isinstance(said, dict):
        return any(map(_has_words, said.values()))
    return any(map(_has_words, said)) if isinstance(said, list | tuple) else not isinstance(said, float)


def _same(before: Prediction, after: Prediction, tolerance: float) -> bool:
    return golden.drift([before], [after], tolerance)[1] == 1


_WEIGHTS = {".safetensors", ".onnx", ".data", ".weights", ".gguf"}


def _size(place: Path) -> int:
    files = [place] if place.is_file() else [path for path in place.rglob("*") if path.suffix in _WEIGHTS]
    return sum(path.stat().st_size for path in files)
