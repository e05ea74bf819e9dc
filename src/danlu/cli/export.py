"""`danlu export BUNDLE TO`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from danlu.data.reading.settings import SETTINGS

if TYPE_CHECKING:
    from danlu.export.target import Target


def command(
    bundle: Annotated[str, typer.Argument(help="folder of a bundle")],
    to: Annotated[str, typer.Argument(help="new folder, or new file of gguf")],
    settings: Annotated[list[str] | None, typer.Argument(help=f"of the calibration data: {SETTINGS}")] = None,
    *,
    target: Annotated[str, typer.Option("--to", help="onnx, openvino, gguf or safetensors")] = "onnx",
    precision: Annotated[str | None, typer.Option(help="float32, float16, bfloat16, int8_static, ...")] = None,
    calibration: Annotated[
        Path | None, typer.Option(help="records of the task: of which int8_static learns, and answers are compared")
    ] = None,
    split: Annotated[str | None, typer.Option(help="which split of a prepare stage; validation")] = None,
) -> None:
    """Write a bundle for another program or engine; it is opened again and compared before it is called done.

    onnx and openvino give a bundle that danlu computes with ONNX Runtime or OpenVINO: predict, evaluate and serve take
    it as any other. gguf is a file for llama.cpp, safetensors a plain folder of transformers. `danlu list target` shows
    the precisions of each. In 16 and 32 bits a difference above the tolerance is a failure, and nothing is left; in
    fewer, how many answers agree with the original is printed, and kept in the bundle.
    """
    from danlu.export.export import export
    from danlu.machine.terminal import say

    chosen = _target(target, precision)
    records = None if calibration is None else _records(calibration, split, settings or [], bundle)
    found = export(bundle, to, chosen, records=records)
    say(
        f"{found.path}: {found.target} in {found.precision}, {found.after / 2**20:,.1f} MiB of weights instead of "
        f"{found.before / 2**20:,.1f}; on {found.asked} records numbers moved by at most {found.furthest:.2g}, and "
        f"{found.agreeing} of {found.asked} answers agree"
    )


def _target(kind: str, precision: str | None) -> "Target":
    """What the words ask for. Raises `Refusal` for a target that there is not, and for a precision that it lacks."""
    from pydantic import ValidationError

    from danlu.export.target import Target
    from danlu.refusal import Refusal

    try:
        return Target.model_validate({"kind": kind} | ({} if precision is None else {"precision": precision}))
    except ValidationError as error:
        (first, *_) = error.errors()
        if first["type"] == "kind":
            raise Refusal(f"--to: {first['msg']}") from None
        raise Refusal(f"--precision '{precision}': {kind} has {first['ctx']['expected']}") from None


def _records(data: Path, split: str | None, settings: list[str], bundle: str) -> list[dict[str, object]]:
    """The records of a file, or of a split of prepared data, with the columns that the task of the bundle reads.

    Raises `Refusal` where they have others.
    """
    from danlu.bundle import manifest
    from danlu.bundle.adapter import BASE, asked_for
    from danlu.data.corpus.prepared import load as load_prepared
    from danlu.data.corpus.prepared import split_of
    from danlu.data.reading.format import guess
    from danlu.refusal import Refusal

    folder = manifest.find(bundle)
    task = asked_for(manifest.read(folder), BASE, folder).task
    prepared = data.is_dir() and not settings
    chosen = split_of(data, split, "validation", prepared=prepared)
    records = load_prepared(data, chosen) if chosen else list(guess(str(data), settings=settings).read(labelled=False))
    for number, record in enumerate(records, 1):
        lacking = [name for name in task.reads if name not in record]
        if lacking:
            raise Refusal(
                f"{data}: record {number:,} has no column '{lacking[0]}', which the task {task.kind} reads; there are: "
                f"{', '.join(record)}"
            )
    return records
