"""Records through cleaners, one after the other; what marks characters moves with them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from pydantic import ValidationError

from danlu.data.cleaning.cleaner import Cleaner, Filter, Rewriter
from danlu.data.cleaning.rewriting import TOKENS, rewrite_messages, rewrite_texts, rewrite_tokens
from danlu.data.record import Record
from danlu.language import translator
from danlu.refusal import Refusal

SAMPLES = 20
"""Dropped texts that are kept for each reason, to be looked at."""

ROUNDS = 4
"""Times that all rewriters see a text again which they have changed: one may make what another one looks for."""

_SAMPLE_CHARACTERS = 500


@dataclass
class Cleaned:
    """What cleaners leave of records.

    - `dropped`: how many were dropped, by `kind: reason`; `samples`: the first of these texts.
    - `changed`: how many were rewritten, by the kind of the cleaner.
    - `lost_spans`: marked spans of which nothing was left, by the kind of the cleaner.
    """

    records: list[Record] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    lost_spans: Counter[str] = field(default_factory=Counter)
    samples: dict[str, list[str]] = field(default_factory=dict)

    def count(self, later: Self) -> None:
        """Add the counts and samples of what comes later in the data; its records are not taken."""
        self.dropped += later.dropped
        self.changed += later.changed
        self.lost_spans += later.lost_spans
        for reason, texts in later.samples.items():
            kept = self.samples.setdefault(reason, [])
            kept += texts[: SAMPLES - len(kept)]

    def in_words(self, language: str = "en") -> list[str]:
        """What was done, in a few lines for a terminal, in English or Chinese."""
        _ = translator(language)
        told = []
        if self.changed:
            told.append(_("rewritten records: {counts}").format(counts=_counted(self.changed)))
        if self.dropped:
            told.append(
                _("dropped by cleaners: {counts}; samples in dropped.json").format(counts=_counted(self.dropped))
            )
        if self.lost_spans:
            told.append(_("marked spans of which nothing was left: {counts}").format(counts=_counted(self.lost_spans)))
        return told


@dataclass(frozen=True)
class Cleaning:
    """Cleaners over the text in `column`, as a function that other processes can run."""

    cleaners: tuple[Cleaner, ...]
    column: str

    def __call__(self, records: list[Record], filtered: bool) -> Cleaned:
        """Records through all cleaners if they are `filtered`, else through those that rewrite."""
        return clean_records(records, self.cleaners if filtered else rewriters(self.cleaners), self.column)


def fitted(cleaners: Sequence[Cleaner], texts: Sequence[str]) -> list[Cleaner]:
    """The cleaners with what they learn from the first texts of the data."""
    return [cleaner.fitted(texts) for cleaner in cleaners]


def rewriters(cleaners: Iterable[Cleaner]) -> list[Rewriter]:
    """Those that give texts another form: what a bundle must do to the texts it is asked about."""
    return [cleaner for cleaner in cleaners if isinstance(cleaner, Rewriter)]


def rewriters_of(plain: Any, where: str) -> list[Rewriter]:
    """Rewriters from plain data that was written down with `to_plain`.

    Raises:
        Refusal: a part is not known here, or is no rewriter; names `where` it is written.
    """
    try:
        found = [Cleaner.model_validate(item) for item in plain]
    except (ValidationError, TypeError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise Refusal(f"{where}: a cleaner cannot be read ({reason}); upgrade danlu") from None
    wrong = [cleaner.kind for cleaner in found if not isinstance(cleaner, Rewriter)]
    if wrong:
        raise Refusal(f"{where}: the cleaner '{wrong[0]}' rewrites nothing; remove it from the list")
    return rewriters(found)


def samples_rewritten(parts: Sequence[Rewriter]) -> list[str]:
    """What rewriters, one after the other, make of the samples of all of them: it tells their versions apart."""
    texts = [text for part in parts for text in part.sample]
    for part in parts:
        texts = part.rewrite(texts)
    return texts


def clean_records(records: Sequence[Record], cleaners: Sequence[Cleaner], column: str = "text") -> Cleaned:
    """Rewrite and filter records, in order; those that are given are left as they are.

    `column` holds the text that filters judge (where it is missing: the tokens, the context, or the messages).
    Spans in `entities`, `answers`, `head` and `tail` move with their text; one of which nothing is left goes. A
    record whose text, or whose head or tail, has gone is dropped. What is rewritten goes through all rewriters again
    until none changes it, so that rewriting what is left, as a bundle does, changes nothing.
    """
    cleaned = _clean_once(records, cleaners, column)
    again = rewriters(cleaners)
    if len(again) > 1:
        given = set(map(id, records))
        for _ in range(ROUNDS):
            rows = [row for row, record in enumerate(cleaned.records) if id(record) not in given]
            given |= {id(cleaned.records[row]) for row in rows}
            if not _settle(cleaned, rows, again, column):
                break
    return cleaned


def _settle(cleaned: Cleaned, rows: Sequence[int], again: Sequence[Rewriter], column: str) -> bool:
    """Rewrite these records once more; whether any of them changed, which is rare."""
    later = _clean_once([cleaned.records[row] for row in rows], again, column)
    if not later.changed:
        return False
    later.changed.clear()  # they were counted before
    if len(later.records) == len(rows):
        for row, record in zip(rows, later.records, strict=True):
            cleaned.records[row] = record
        cleaned.count(later)
        return True
    left: dict[int, list[Record]] = {}
    for row in rows:  # one by one, to know which of them have gone
        one = _clean_once([cleaned.records[row]], again, column)
        one.changed.clear()
        left[row] = one.records
        cleaned.count(one)
    cleaned.records = [kept for row, record in enumerate(cleaned.records) for kept in left.get(row, [record])]
    return True


def _clean_once(records: Sequence[Record], cleaners: Sequence[Cleaner], column: str) -> Cleaned:
    cleaned = Cleaned(list(records))
    for cleaner in cleaners:
        before = cleaned.records
        if isinstance(cleaner, Rewriter):
            reasons = _rewrite(cleaned, cleaner, column)
        else:
            assert isinstance(cleaner, Filter), f"{cleaner.kind} is neither a Rewriter nor a Filter"
            reasons = cleaner.reasons([judged_text(record, column) for record in before])
        if any(reasons):
            _drop(cleaned, cleaner.kind, reasons, before, column)
    return cleaned


def judged_text(record: Record, column: str = "text") -> str:
    """The text by which a record is judged."""
    for name in (column, "context", "source"):
        if isinstance(record.get(name), str):
            return str(record[name])
    for name in TOKENS:
        if isinstance(record.get(name), list):
            return " ".join(map(str, record[name]))
    contents = [message.get("content") for message in record.get("messages", ()) if isinstance(message, dict)]
    return "\n".join(content for content in contents if isinstance(content, str))


def _counted(counts: "Counter[str]") -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.most_common())


def _rewrite(cleaned: Cleaned, rewriter: Rewriter, column: str) -> list[str | None]:
    """Put the rewritten records in place, and give for each the reason to drop it, or None."""
    kind = rewriter.kind
    old, new = cleaned.records, list(cleaned.records)
    names = set[str]().union(*old)
    cleaned.lost_spans[kind] += rewrite_texts(new, rewriter, names, column)
    rewrite_tokens(new, rewriter, names)
    rewrite_messages(new, rewriter, names)
    cleaned.records = new
    reasons: list[str | None] = [None] * len(new)
    changed = [row for row, (before, after) in enumerate(zip(old, new, strict=True)) if after is not before]
    cleaned.changed[kind] += len(changed)
    for row in changed:
        before, after = old[row], new[row]
        if not judged_text(after, column).strip() and judged_text(before, column).strip():
            reasons[row] = "nothing left"
        elif any(name in before and name not in after for name in ("head", "tail")):
            reasons[row] = "head or tail gone"
    for counts in (cleaned.lost_spans, cleaned.changed):
        if not counts[kind]:
            del counts[kind]
    return reasons


def _drop(cleaned: Cleaned, kind: str, reasons: list[str | None], before: list[Record], column: str) -> None:
    for reason, record in zip(reasons, before, strict=True):
        if reason is not None:
            name = f"{kind}: {reason}"
            cleaned.dropped[name] += 1
            kept = cleaned.samples.setdefault(name, [])
            if len(kept) < SAMPLES:
                kept.append(judged_text(record, column)[:_SAMPLE_CHARACTERS])
    cleaned.records = [record for record, reason in zip(cleaned.records, reasons, strict=True) if reason is None]
