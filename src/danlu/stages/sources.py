"""What a stage's references stand for: records, tokenizers, folders."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from danlu.data.cleaning.clean import clean_records
from danlu.data.cleaning.cleaner import Rewriter
from danlu.data.corpus.prepared import load, load_cleaners, stream
from danlu.data.corpus.survey import counted_labels
from danlu.data.labels import Spellings, spellings
from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.format import Format
from danlu.data.record import Record
from danlu.recipe.part import Part
from danlu.refusal import Refusal
from danlu.stages.stage import Place, Reference
from danlu.text.segmenting.segmenter import Segmenter

if TYPE_CHECKING:
    from danlu.text.tokenizing.tokenizer import Tokenizer, TokenizerSource  # brings transformers

CHUNK = 4096  # records that are held at a time while a data set is streamed

PartType = TypeVar("PartType", bound=Part)

Data = Reference | Format
"""A prepared data set (`@stage`, `@stage:split`), or files as they are."""


def records_of(data: Data | Sequence[Data], split: str, place: Place, *, labelled: bool = False) -> list[Record]:
    """The records of one split of each data set, one after the other.

    `@stage:name` is that split whatever is asked for; files as they are have no split but `train`. Where the records
    must be `labelled`, a row of a file with an empty label is a bad row, and labels that are spelled in several ways
    are told.

    Raises:
        Refusal: a data set that is not there or cannot be read.
    """
    records: list[Record] = []
    with BadRows(place.folder / "bad_rows.jsonl") as bad_rows:
        for source in [data] if isinstance(data, str | Format) else data:
            if isinstance(source, Format):
                records += source.read(bad_rows=bad_rows, labelled=labelled) if split == "train" else ()
            else:
                named = source.partition(":")[2]
                records += load(place.path(source), named or split)
    spelled = spellings(counted_labels(records)) if labelled else Spellings()
    for line in [*bad_rows.in_words(place.language), *spelled.in_words(place.language)]:
        place.say(line)
    return records


def stream_of(
    data: Data | Sequence[Data], split: str, place: Place, *, labelled: bool = False
) -> Iterator[list[Record]]:
    """The records of `records_of`, a chunk at a time, so that memory does not grow with the data.

    Raises:
        Refusal: a data set that is not there or cannot be read.
    """
    for source in [data] if isinstance(data, str | Format) else data:
        if isinstance(source, str):
            yield from stream(place.path(source), source.partition(":")[2] or split)
        elif split == "train":
            records = source.read(labelled=labelled)
            while chunk := list(islice(records, CHUNK)):
                yield chunk


def rewriters_for(data: Data | Sequence[Data], place: Place) -> list[Rewriter]:
    """What gave the texts of all these data sets their form; files as they are have had none.

    Raises:
        Refusal: two of them were rewritten differently, so no bundle could treat its questions as both were.
    """
    sources = [data] if isinstance(data, str | Format) else data
    found = [[] if isinstance(source, Format) else load_cleaners(place.path(source)) for source in sources]
    for source, cleaners in zip(sources, found, strict=True):
        if cleaners != found[0]:
            raise Refusal(
                f"{_named(sources[0])} was rewritten by {_in_words(found[0])} and {_named(source)} by "
                f"{_in_words(cleaners)}, or with other settings; prepare both with the same cleaners that rewrite"
            )
    return found[0] if found else []


def as_rewritten(data: Data | Sequence[Data], rewriters: Sequence[Rewriter], place: Place) -> list[Record]:
    """The training records of data sets in the form that `rewriters` have given to those that are learnt with them.

    Raises:
        Refusal: one was prepared with other cleaners that rewrite.
    """
    for source in [data] if isinstance(data, str | Format) else data:
        own = [] if isinstance(source, Format) else load_cleaners(place.path(source))
        if own and own != list(rewriters):
            raise Refusal(
                f"{_named(source)} was rewritten by {_in_words(own)}, and the records beside it by "
                f"{_in_words(rewriters)}, or with other settings; prepare both with the same cleaners that rewrite"
            )
    return clean_records(records_of(data, "train", place), rewriters).records


def _in_words(parts: Sequence[Rewriter]) -> str:
    return ", ".join(part.kind for part in parts) or "no cleaner"


def _named(source: Data) -> str:
    return source if isinstance(source, str) else source.path


def has_split(data: Data | Sequence[Data], split: str, place: Place) -> bool:
    """Whether each of the data sets is prepared and has this split."""
    return len(with_split(data, split, place)) == (1 if isinstance(data, str | Format) else len(data))


def with_split(data: Data | Sequence[Data], split: str, place: Place) -> list[Data]:
    """Those of the data sets that are prepared and have this split."""
    return [
        source
        for source in ([data] if isinstance(data, str | Format) else data)
        if isinstance(source, str) and ":" not in source and (place.path(source) / f"{split}.parquet").is_file()
    ]


def tell_left_aside(data: Data | Sequence[Data], split: str, place: Place) -> None:
    """Tell of a split that lies beside one that is named, and so is nowhere read; the data may name it as well."""
    named = [source for source in ([data] if isinstance(data, str | Format) else data) if isinstance(source, str)]
    for source in named:
        whole, _, own = source.partition(":")
        if own == "train" and f"{whole}:{split}" not in named and (place.path(whole) / f"{split}.parquet").is_file():
            place.say(f"{source} is that split alone, so {whole}:{split} is left aside; write {whole} to have it too")


def held_out(data: Data | Sequence[Data], place: Place) -> list[Record]:
    """The validation records of those data sets that have some; it is told where others have none."""
    tell_left_aside(data, "validation", place)
    held, count = with_split(data, "validation", place), 1 if isinstance(data, str | Format) else len(data)
    if 0 < len(held) < count:
        place.say(f"validation: {len(held)} of the {count} data sets have a split for it, and the others none")
    return records_of(held, "validation", place) if held else []


def tokenizer_of(tokenizer: "Reference | TokenizerSource | None", model_path: str | None, place: Place) -> "Tokenizer":
    """The tokenizer of a stage, of a part that needs no training text, or the one beside the model's weights.

    Raises:
        Refusal: the part learns from text, which is the work of a stage of its own.
    """
    from danlu.text.tokenizing.tokenizer import TokenizerSource
    from danlu.text.tokenizing.tokenizers.pretrained import Pretrained

    if isinstance(tokenizer, TokenizerSource):
        if not tokenizer.inputs():
            raise Refusal(
                f"a tokenizer of kind '{tokenizer.kind}' is learnt from text; add a stage of kind 'tokenizer' with it "
                "and write 'tokenizer: \"@NAME\"' with that stage's name here"
            )
        return resolved(tokenizer, place).build(lambda: iter(()))
    path = str(place.path(tokenizer) / "tokenizer") if tokenizer else model_path
    assert path is not None
    return Pretrained(path=path).build(lambda: iter(()))


def resolved(tokenizer: "TokenizerSource", place: Place) -> "TokenizerSource":
    """The part with the folder of a stage's tokenizer, bundle or segmenter for each `@stage` that is a path in it."""

    def replaced(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        plain = {key: replaced(item) for key, item in value.items()}
        path = plain.get("path")
        if isinstance(path, str) and path.startswith("@"):
            folders = [place.path(path) / name for name in ("tokenizer", "bundle", "segmenter")]
            plain["path"] = str(next((folder for folder in folders if folder.is_dir()), folders[0]))
        return plain

    from danlu.text.tokenizing.tokenizer import TokenizerSource

    return TokenizerSource.model_validate(replaced(tokenizer.to_plain()))


def bundle_folder(path: str, place: Place) -> Path:
    """Where a bundle lies: of an `@stage`, of one of its tasks (`@stage:task`), or a folder as it is."""
    if not path.startswith("@"):
        return Path(path)
    task = path.partition(":")[2]
    return place.path(path) / "bundles" / task if task else place.path(path) / "bundle"


def at_place(part: PartType, place: Place) -> PartType:
    """The part with each `@stage` in its fields, and in the parts in it, as the folder of that stage's bundle."""
    found: dict[str, Any] = {}
    for name, value in part:
        if isinstance(value, str) and value.startswith("@"):
            found[name] = str(bundle_folder(value, place))
        elif isinstance(value, Part):
            found[name] = at_place(value, place)
    return part.model_copy(update=found)


def with_segmenters(part: PartType, place: Place) -> PartType:
    """The part with the folder of a stage's segmenter, or bundle, for each `@stage` that a segmenter in it names."""
    found: dict[str, Any] = {}
    for name, value in part:
        if isinstance(value, Part):
            found[name] = with_segmenters(value, place)
        elif isinstance(part, Segmenter) and isinstance(value, str) and value.startswith("@"):
            own = place.path(value) / "segmenter"
            found[name] = str(own if own.is_dir() else bundle_folder(value, place))
    return part.model_copy(update=found) if found else part
