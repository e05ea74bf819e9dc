"""What a stage's references stand for: records, tokenizers, folders."""

from collections.abc import Sequence
from pathlib import Path

from danlu.data.cleaner import Rewriter
from danlu.data.format import Format
from danlu.data.prepared import load, load_cleaners
from danlu.data.record import Record
from danlu.refusal import Refusal
from danlu.stages.stage import Place, Reference
from danlu.text.tokenizer import Tokenizer, TokenizerSource
from danlu.text.tokenizers.pretrained import Pretrained

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


def rewriters_for(data: Data | Sequence[Data], place: Place) -> list[Rewriter]:
    """What gave the texts of all these data sets their form; files as they are have had none.

    Raises:
        Refusal: two of them were rewritten differently, so no bundle could treat its questions as both were.
    """
    sources = [data] if isinstance(data, str | Format) else data
    found = [[] if isinstance(source, Format) else load_cleaners(place.path(source)) for source in sources]
    for source, cleaners in zip(sources, found, strict=True):
        if cleaners != found[0]:
            first, other = (", ".join(part.kind for part in parts) or "nothing" for parts in (found[0], cleaners))
            raise Refusal(
                f"{_named(sources[0])} was rewritten by {first} and {_named(source)} by {other}, or with other "
                "settings; prepare both with the same cleaners that rewrite"
            )
    return found[0] if found else []


def _named(source: Data) -> str:
    return source if isinstance(source, str) else source.path


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
