"""Standoff annotation of brat (Stenetorp et al., 2012): `NAME.ann` beside `NAME.txt`, or a folder of them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from danlu.data.reading.annotated import Span, Unfit, entities_of
from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.source_file import SourceFile, find_source
from danlu.data.reading.text_format import TextFormat
from danlu.data.record import Record
from danlu.refusal import Refusal

_TEXT_BOUND = re.compile(
    r"T\S*\t(?P<label>\S+) (?P<places>\d{1,12} \d{1,12}(?:;\d{1,12} \d{1,12})*)(?:\t(?P<mention>.*))?"
)


class Brat(TextFormat):
    """One record a document, `{"text", "entities", "file"}`, of `.ann` files and the `.txt` files beside them.

    Relations, events, attributes and notes are left out, and told.
    """

    counted_in: ClassVar[str] = "document"
    takes_folders: ClassVar[bool] = True

    pieces: Literal["stop", "join"] = Field(
        default="stop", description="a span in several pieces: a bad row, or one span from the first to the last"
    )

    def inputs(self) -> list[str]:
        """The annotations and their texts."""
        return [self.path] if not self.path.endswith(".ann") else [self.path, f"{self.path[:-4]}.txt"]

    def shards(self) -> list[str]:
        """Paths of the annotations, sorted; see `Format.shards`."""
        folder = Path(self.path)
        if not folder.is_dir():
            return super().shards()
        found = sorted(str(path) for path in folder.rglob("*.ann") if path.is_file())
        if not found:
            raise Refusal(f"{self.path}: holds no file that ends in .ann; give the folder of a brat project")
        return found

    def rows_of(self, shard: str, bad_rows: BadRows) -> Iterator[tuple[int, Record]]:
        """Yield the one document of a file, which is empty where nothing was marked; see `Format.rows_of`."""
        file = Path(shard)
        if not file.is_file() or file.stat().st_size:
            return super().rows_of(shard, bad_rows)
        text = self.whole_text(find_source(f"{shard[:-4]}.txt")).removeprefix("\ufeff")
        return iter([(1, {"text": text, "entities": [], "file": file.stem})])

    def rows(self, source: SourceFile, bad_rows: BadRows) -> Iterator[tuple[int, Record]]:
        """Yield the one document that a file annotates; see `FileFormat.rows`."""
        if not source.name.endswith(".ann") or source.member is not None:
            raise Refusal(f"{source.name}: expected a file that ends in .ann, unpacked, with the .txt beside it")
        text = self.whole_text(find_source(f"{source.name[:-4]}.txt")).removeprefix("\ufeff")
        try:
            spans = [
                span for number, line in self.lines(source, bad_rows) for span in self._spans(number, line, bad_rows)
            ]
            entities = entities_of(text, _as_read(text, spans), bad_rows)
        except Unfit as error:
            bad_rows.reject(source.name, "", str(error))
        else:
            yield 1, {"text": text, "entities": entities, "file": Path(source.name).stem}

    def _spans(self, number: int, line: str, bad_rows: BadRows) -> list[Span]:
        bare = line.rstrip("\r\n")
        if not bare.strip():
            return []
        if not bare.startswith("T"):
            bad_rows.mend("relations, events, attributes and notes left out")
            return []
        matched = _TEXT_BOUND.fullmatch(bare)
        if matched is None:
            raise Unfit(f"line {number}: expected 'T1<TAB>label start end<TAB>text'; mend the line")
        places = [tuple(map(int, piece.split())) for piece in matched["places"].split(";")]
        if len(places) > 1 and self.pieces == "stop":
            raise Unfit(
                f"line {number}: the span is in {len(places)} pieces, which no tag can say; write 'pieces: join' for "
                "one span from the first to the last, or 'on_bad_row: skip' to leave such documents out"
            )
        whole = len(places) == 1
        return [(places[0][0], places[-1][1], matched["label"], matched["mention"] if whole else None)]


def _as_read(text: str, spans: list[Span]) -> list[Span]:
    """The spans with the text that they cover where brat has only written its line ends as spaces."""
    found = []
    for start, end, label, mention in spans:
        covered = text[start:end]
        same = mention is not None and covered.replace("\r", " ").replace("\n", " ") == mention
        found.append((start, end, label, covered if same else mention))
    return found
