"""How the time of every cleaner, segmenter, tokenizer and reader, and of near-duplicates, grows on hostile texts.

    .venv/bin/python benchmarks/growth.py

A hostile text is one stretch over and over: quotes, brackets, tags, marks, one character. It is measured at a length
and at four times that; where the time is linear in the length, the ratio is 4. Prints a table in Markdown with the text
of the worst ratio for each part. `tests/test_growth.py` holds what this shows.
"""

import gc
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from danlu.data.cleaning.cleaner import Cleaner, Filter, Rewriter
from danlu.data.duplicates.dedup import find_clusters
from danlu.data.duplicates.folded import folded
from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.format import Format
from danlu.recipe.part import find, kinds
from danlu.text.segmenting import segmenter as segmenters
from danlu.text.tokenizing.tokenized import tokenized
from danlu.text.tokenizing.tokenizer import TokenizerSource

STRETCHES = {
    "one letter": "a",
    "的": "的",
    "digits": "1",
    "capitals": "ZX",
    "blanks": " ",
    "line ends": "\r\n",
    "tabs": "a\t",
    "commas": "a,",
    "quotes": '"',
    "apostrophes": "x'",
    "brackets": "([{<",
    "closing brackets": ")]}>",
    "alternating marks": "\u0301\u0323",
    "letters with marks": "e\u0301\u0323",
    "decomposing marks": "\u0f73",
    "joiners": "👩\u200d",
    "halves of flags": "🇨",
    "syllables of parts": "\u1100\u1161\u11a8",
    "open tags": '<a "',
    "tags with quotes": "<a b='<a c=\"",
    "nested blocks": "<div><li>",
    "open comments": "<!--",
    "scripts": "<script>",
    "references": "&amp;",
    "numbered references": "&#1",
    "mail": "a@b.",
    "addresses of pages": "http://a",
    "numbers with points": "1.",
    "numbers with hyphens": "1-",
    "colons": "1:",
    "Latin-1": "Ã©",
    "crosses": "×",
    "words": "的a ",
    "escapes": "\\",
    "csv": 'x","y"\n',
    "columns": "a\tb\n",
    "tagged words": "的/n ",
    "slots": "{{a}}",
    "json": '{"a":[',
    "surrogates": "\ud800",
}
"""What a hostile text is made of, over and over."""

ALIKE = ("templates", "csv, grouped")
"""Subjects that look at the length of a text alone."""

NEEDED: dict[str, dict[str, Any]] = {
    "language": {"keep": ["zh"]},
    "perplexity": {"minimum": 5},
    "extended": {"base": {"kind": "bpe", "size": 300}, "tokens": ["好"]},
}
"""What parts cannot do without."""

GOOD = ["今天天气很好，我们去公园散步。", "The weather is good today; we walk in the park <s> [SEP] a b c."] * 80
WORDS = [["今天", "天气", "很", "好", "，"], ["我们", "去", "公园", "散步", "。"], ["北京", "的", "天气"]] * 20


Run = Callable[[str], object]


class Subject(NamedTuple):
    """A part by its kind, and how it is made in a folder for its files: as what it does with one text."""

    sort: str
    name: str
    make: Callable[[Path], Run]


def subjects() -> Iterator[Subject]:
    """All parts, found by their kinds."""
    for kind in kinds(Cleaner):  # type: ignore[type-abstract]
        yield Subject("cleaner", kind, partial(_of_cleaner, kind))
    yield Subject("folded form", "", lambda _: lambda text: folded([text]))
    for kind in kinds(segmenters.Segmenter):  # type: ignore[type-abstract]
        if kind != "neural":  # is a model: as slow as its rows of tokens are many
            yield Subject("segmenter", kind, partial(_of_segmenter, kind))
    for kind in kinds(TokenizerSource):  # type: ignore[type-abstract]
        yield Subject("tokenizer", kind, partial(_of_tokenizer, kind))
    for kind in kinds(Format):  # type: ignore[type-abstract]
        if kind != "hub":  # reads what a library has stored
            yield Subject("reader", kind, partial(_of_reader, kind))
            yield Subject("reader", f"{kind}, raw", partial(_of_reader, kind, raw=True))
    yield Subject("reader", "folder, html", partial(_of_reader, "folder", suffix=".html"))
    yield Subject("reader", "csv, grouped", _of_groups)
    yield Subject("near-duplicates", "one text", lambda _: lambda text: find_clusters([text, text + "x"]))
    yield Subject("near-duplicates", "templates", lambda _: _of_templates)


def _of_cleaner(kind: str, _: Path) -> Run:
    cleaner = Cleaner.model_validate({"kind": kind, **NEEDED.get(kind, {})}).fitted(GOOD)
    if isinstance(cleaner, Filter):
        return lambda text: cleaner.reasons([text])
    assert isinstance(cleaner, Rewriter)
    return lambda text: (cleaner.rewrite([text]), cleaner.trace(text))


def _of_segmenter(kind: str, folder: Path) -> Run:
    made = segmenters.Segmenter.model_validate({"kind": kind})
    if isinstance(made, segmenters.Learner):
        segmenters.save(folder / kind, made, WORDS)
        made = segmenters.open_segmenter(folder / kind)
    return lambda text: made.segment([text])


def _of_tokenizer(kind: str, folder: Path) -> Run:
    if kind == "pretrained":
        find(TokenizerSource, "wordpiece")(size=300).build(lambda: iter(GOOD)).save_pretrained(folder / "tokenizer")
        NEEDED[kind] = {"path": str(folder / "tokenizer")}
    made = TokenizerSource.model_validate({"kind": kind, **NEEDED.get(kind, {})}).build(lambda: iter(GOOD))
    return lambda text: list(tokenized([text], made))


def _of_reader(kind: str, folder: Path, *, raw: bool = False, suffix: str = "") -> Run:
    path = folder / f"{kind}{'-raw' if raw else ''}{suffix or '.txt'}"
    given = {"kind": kind, "path": str(path), "on_bad_row": "skip"}
    header = b"text,label\n" if kind == "csv" else b""

    def read(text: str) -> None:
        content = text.encode("utf-8", "replace")
        path.write_bytes(header + content if raw or suffix else _content(kind, content.decode()))
        with suppress(Exception):  # what readers say of what they cannot read is tested elsewhere
            for _ in Format.model_validate(given).read(bad_rows=BadRows()):
                pass

    return read


def _of_groups(folder: Path) -> Run:
    path = folder / "grouped.csv"
    given = {"kind": "csv", "path": str(path), "group": "text", "collect": {"labels": "label"}}

    def read(text: str) -> None:
        path.write_text(
            "text,label\n" + "".join(f"{text[:9]!r},{n}\n" for n in range(len(text) // 8)), errors="replace"
        )
        with suppress(Exception):
            list(Format.model_validate(given).read())

    return read


def _content(kind: str, text: str) -> bytes:
    """A file of the kind that holds the text, well formed as far as that goes."""
    line = " ".join(text.split())
    if kind in ("arrow", "parquet"):
        table, target = pa.table({"text": [text]}), pa.BufferOutputStream()
        if kind == "parquet":
            pq.write_table(table, target)
        else:
            with pa.ipc.new_file(target, table.schema) as writer:
                writer.write_table(table)
        return bytes(target.getvalue())
    if kind == "pdf":
        return b"%PDF-1.4\n1 0 obj\n<<>>\nstream\n" + text.encode()
    said = [{"role": "user", "content": text}, {"role": "assistant", "content": text}]
    forms: dict[str, str] = {
        "chat": json.dumps({"messages": said}),
        "csv": 'text,label\n"' + text.replace('"', '""') + '",a\n',
        "tsv": f"text\tlabel\n{line}\ta\n",
        "json": json.dumps([{"text": text}]),
        "jsonl": json.dumps({"text": text}) + "\n",
        "spans": json.dumps({"text": text, "label": [[0, 1, "x"]]}) + "\n",
        "squad": json.dumps(
            {"data": [{"paragraphs": [{"context": text, "qas": [{"id": "1", "question": text, "answers": []}]}]}]}
        ),
        "conll": "\n".join(f"{word}\tO" for word in line.split()) + "\n",
        "marked": f'1\t"<e1>{line}</e1> <e2>b</e2>"\nOther\n',
        "pfr": f"19980101-01-001-001/m  {line}/n\n",
    }
    return forms.get(kind, text).encode()


def _of_templates(text: str) -> None:
    """As many texts of one template as the text has eights of characters."""
    find_clusters([f"订单{number}已经发货，请注意查收" for number in range(len(text) // 8)])


def seconds(run: Run, text: str, times: int) -> float:
    """The best of several, without collections: what others left would be gone through here."""
    best = float("inf")
    gc.disable()
    try:
        for _ in range(times):
            begun = time.process_time()
            run(text)
            best = min(best, time.process_time() - begun)
    finally:
        gc.enable()
    return best


def growth(run: Run, stretch: str, length: int, times: int = 1) -> tuple[float, float]:
    """Seconds for a hostile text of so many characters, and for one four times as long."""
    small, large = (seconds(run, repeated(stretch, size), times) for size in (length, 4 * length))
    return small, large


def repeated(stretch: str, size: int) -> str:
    """A stretch over and over, so many characters."""
    return (stretch * (size // len(stretch) + 1))[:size]


def main(length: int = 25_000) -> None:
    print(
        f"| part | kind | worst text | {length:,} characters, ms | {4 * length:,} | ratio |\n|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as folder:
        for subject in subjects():
            found = []
            run = subject.make(Path(folder))
            for name, stretch in STRETCHES.items():
                run(stretch)  # what is made at first use
                small, large = growth(run, stretch, length)
                if large > 6 * small:
                    small, large = growth(run, stretch, length, 3)
                found.append((large / max(small, 1e-3), small, large, name))
                if subject.name in ALIKE:
                    break
            ratio, small, large, name = max(found)
            print(f"| {subject.sort} | {subject.name} | {name} | {1e3 * small:.1f} | {1e3 * large:.1f} | {ratio:.1f} |")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
