"""Rows that cannot be read: the first stops, or all are counted and written aside."""

import json
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from danlu.language import translator
from danlu.machine.files import full_disk_refused
from danlu.refusal import Refusal

SHOWN = 20
"""Sentences that are kept in memory."""

_RAW_LIMIT = 10_000
"""Characters of a row that are written aside; a row of hundreds of megabytes is told by its beginning."""


class BadRows:
    """Where rows go that cannot be read, when a format says `on_bad_row: skip`.

    Each becomes a line of `aside`, `{"file", "place", "reason", "row"}`, which is there when the block is left
    without an error, if there was any such row. A stage may read several times: what is there already stays, for a
    stage's folder belongs to one state of its data.

        with BadRows(folder / "bad_rows.jsonl") as bad_rows:
            records = list(source.read(bad_rows=bad_rows))

    - `count`: rows that were left out; `by_file`: the same by file.
    - `mended`: rows that were kept but corrected, by what was done.
    - `first`: the first sentences, at most `SHOWN`.
    """

    def __init__(self, aside: Path | None = None, *, stop: bool = False) -> None:
        """Write to `aside`, or only count; with `stop`, the first bad row raises its sentence instead."""
        self.stop = stop
        self.by_file: Counter[str] = Counter()
        self.mended: Counter[str] = Counter()
        self.first: list[str] = []
        self.aside = aside
        self._file: IO[str] | None = None

    @property
    def count(self) -> int:
        """Rows that were left out."""
        return self.by_file.total()

    def reject(self, file: str, place: str, reason: str, row: Any = None) -> None:
        """Leave out a row: `place` such as `line 7`, why and what to do about it, and what stands there.

        Raises:
            Refusal: this stops at the first bad row, or the disk is full.
        """
        sentence = f"{file}, {place}: {reason}" if place else f"{file}: {reason}"
        if self.stop:
            raise Refusal(sentence)
        self.by_file[file] += 1
        if len(self.first) < SHOWN:
            self.first.append(sentence)
        if self.aside is not None:
            self._write(self.aside, {"file": file, "place": place, "reason": reason, "row": _cut(row)})

    def stopping(self) -> "BadRows":
        """One that stops at the first bad row, and counts what is mended here."""
        found = BadRows(stop=True)
        found.mended = self.mended
        return found

    def mend(self, what: str) -> None:
        """Count a row that was kept, with what was corrected in it."""
        self.mended[what] += 1

    def in_words(self, language: str = "en") -> list[str]:
        """What was left out and mended, a line each, in English or Chinese; nothing if all was well."""
        _ = translator(language)
        told = [_("mended: {what}, {count:,} times").format(what=w, count=n) for w, n in sorted(self.mended.items())]
        if self.count:
            told.append(
                _("{count:,} bad rows left out; the first: {first}").format(count=self.count, first=self.first[0])
            )
            if self.aside is not None:
                told.append(_("all of them are in {file}").format(file=self.aside))
        return told

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.aside is None:
            return
        if self._file is not None:
            file, self._file = self._file, None
            try:
                with full_disk_refused(self.aside):
                    file.close()  # writes what is still held in memory
                if kind is None:
                    self._put_beside_others(self.aside)
            finally:
                self._partial(self.aside).unlink(missing_ok=True)

    def _put_beside_others(self, aside: Path) -> None:
        """Leave what was written, behind the rows that an earlier reading left there; each row once."""
        partial = self._partial(aside)
        if aside.is_file():
            both = partial.with_name(f"{partial.name}.both")
            try:
                with full_disk_refused(aside), both.open("wb") as out:
                    written: set[int] = set()
                    for path in (aside, partial):
                        with path.open("rb") as lines:
                            for line in lines:
                                if (known := hash(line)) not in written:
                                    written.add(known)
                                    out.write(line)
                both.replace(partial)
            finally:
                both.unlink(missing_ok=True)
        partial.replace(aside)

    def _write(self, aside: Path, line: dict[str, Any]) -> None:
        with full_disk_refused(aside):
            if self._file is None:
                aside.parent.mkdir(parents=True, exist_ok=True)
                self._file = self._partial(aside).open("w", encoding="utf-8", errors="backslashreplace")
            self._file.write(json.dumps(line, ensure_ascii=False, default=repr) + "\n")

    @staticmethod
    def _partial(aside: Path) -> Path:
        return aside.with_name(f".{aside.name}.partial")


def _cut(row: Any) -> Any:
    """The row, or the beginning of it as text."""
    if isinstance(row, bytes):
        row = row[: 4 * _RAW_LIMIT].decode("utf-8", errors="backslashreplace")
    text = row if isinstance(row, str) else json.dumps(row, ensure_ascii=False, default=repr)
    return row if len(text) <= _RAW_LIMIT else f"{text[:_RAW_LIMIT]}…"
