"""What a stage's references stand for: records, tokenizers, folders."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from danlu.data.format import Format
from danlu.data.prepared import load
from danlu.data.record import Record
from danlu.recipe.part import Part
from danlu.refusal import Refusal
from danlu.stages.stage import Place, Reference
from danlu.text.tokenizer import Tokenizer, TokenizerSource
from danlu.text.tokenizers.pretrained import Pretrained

PartType = TypeVar("PartType", bound=Part)

Data = Reference | Format
"""A prepared data set (`@stage`, `@stage:split`), or files as they are."""


def records_of(data: Data | Sequence[Data], split: str, place: Place) -> list[Record]:
    """The records of one split of each data set, one after the other.

    `@stage:name` is that split whatever is asked for; files as they are have no split but `train`.

    Raises:
        Refusal: a data set that is not there or cannot be read.
    """
    records: list[Record] = []
    for source in [data] if isinstance(data, str | Format) else data:
        if isinstance(source, Format):
            records += source.read() if split == "train" else ()
        else:
            named = source.partition(":")[2]
            records += load(place.path(source), named or split)
    return records


def has_split(data: Data | Sequence[Data], split: str, place: Place) -> bool:
    """Whether each of the data sets is prepared and has this split."""
    sources = [data] if isinstance(data, str | Format) else data
    return all(
        isinstance(source, str) and ":" not in source and (place.path(source) / f"{split}.parquet").is_file()
        for source in sources
    )


def tokenizer_of(tokenizer: Reference | TokenizerSource | None, model_path: str | None, place: Place) -> Tokenizer:
    """The tokenizer of a stage, of a part that needs no training text, or the one beside the model's weights.

    Raises:
        Refusal: the part learns from text, which is the work of a stage of its own.
    """
    if isinstance(tokenizer, TokenizerSource):
        if not tokenizer.inputs():
            raise Refusal(
                f"a tokenizer of kind '{tokenizer.kind}' is learnt from text; add a stage of kind 'tokenizer' with it "
                "and write 'tokenizer: \"@NAME\"' with that stage's name here"
            )
        return tokenizer.build(lambda: iter(()))
    path = str(place.path(tokenizer) / "tokenizer") if tokenizer else model_path
    assert path is not None
    return Pretrained(path=path).build(lambda: iter(()))


def bundle_folder(path: str, place: Place) -> Path:
    """Where a bundle lies: of an `@stage`, or a folder as it is."""
    return place.path(path) / "bundle" if path.startswith("@") else Path(path)


def at_place(part: PartType, place: Place) -> PartType:
    """The part with each `@stage` in its fields, and in the parts in it, as the folder of that stage's bundle."""
    found: dict[str, Any] = {}
    for name, value in part:
        if isinstance(value, str) and value.startswith("@"):
            found[name] = str(bundle_folder(value, place))
        elif isinstance(value, Part):
            found[name] = at_place(value, place)
    return part.model_copy(update=found)
