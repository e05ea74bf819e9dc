"""What formats a file may be in, the likeliest first; which of them it is, is found by reading it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from danlu.apps.guessing.calls import tells_of_calls
from danlu.apps.guessing.files import Given
from danlu.apps.guessing.several import several
from danlu.apps.guessing.tables import Table, look_at
from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.charset import SAMPLE, likeliest, perhaps
from danlu.data.reading.guess import SUFFIXES, holds_json_lines
from danlu.data.reading.json_text import parse
from danlu.data.reading.lines import lines
from danlu.data.reading.source_file import SourceFile, find_paths, find_source
from danlu.data.record import Record
from danlu.refusal import Refusal

HEAD = 400  # lines that are looked at

_BINARY = {"parquet", "arrow", "pdf", "brat"}
_TAGGED = re.compile(r"(?:^|\s)\[?[^\s/]+/[A-Za-z]{1,5}(?:\][A-Za-z]+)?(?!\S)")
_ANNOTATED = {"annotations", "completions", "annotation_id", "annotator"}
_TEXTS = ("text", "content", "sentence", "originalText", "context", "tokens")
_HAN = re.compile("[\u4e00-\u9fff]")

Settings = dict[str, Any]


def candidates(given: Given, stated: Mapping[str, Any]) -> Iterator[Settings]:
    """Settings of formats that may fit, without `path`; those that were stated hold in all of them.

    Raises:
        Refusal: there is no such file, or it cannot be read as text.
    """
    fixed = given.fixed | dict(stated)
    if "kind" in fixed and fixed["kind"] not in ("csv", "tsv"):
        yield fixed
        return
    if Path(given.path).is_dir():
        yield {"kind": "brat" if any(Path(given.path).rglob("*.ann")) else "folder"} | fixed
        return
    paths = find_paths(given.path)
    source = find_source(paths[0], fixed.get("member"))
    kind = SUFFIXES.get(f".{source.inner_name.rpartition('.')[2].lower()}", "")
    if kind in _BINARY or (kind == "folder" and "kind" not in fixed):
        yield {"kind": kind} | ({"unit": "page"} if kind == "pdf" and len(paths) == 1 else {}) | fixed
        return
    if "encoding" not in fixed and (encoding := told_encoding(source)):
        fixed["encoding"] = encoding
    if "kind" not in fixed and (kind in ("json", "jsonl") or (kind not in ("csv", "tsv") and _is_json(source))):
        yield from (settings | fixed for settings in _json(source, fixed.get("encoding", "auto")))
        return
    head = head_of(source, fixed.get("encoding", "auto"))
    yield from (settings | fixed for settings in _text(head, fixed.get("kind") or kind, fixed))


def told_encoding(source: SourceFile) -> str | None:
    """The encoding to state, where danlu's own reading would not go on without; None where it would."""
    try:
        list(islice(lines(source, "auto", BadRows(stop=True)), HEAD))
    except Refusal:
        with source.open() as stream:
            found = [line for line in islice(stream, HEAD * 4) if not line.isascii()]
        sample = b"".join(found)[:SAMPLE]
        named = (perhaps(found) if _reads(found, "gb18030") else "") or likeliest(sample)
        return named if named and _reads(found, named) else None
    return None


def head_of(source: SourceFile, encoding: str) -> list[str]:
    """The first lines that can be read."""
    return [line for _, line in islice(lines(source, encoding, BadRows()), HEAD)]


def _reads(found: Sequence[bytes], encoding: str) -> bool:
    try:
        return bool(b"".join(found).decode(encoding))
    except (UnicodeDecodeError, LookupError):
        return False


def _is_json(source: SourceFile) -> bool:
    """Whether a file whose name does not say so begins as JSON does: a list of objects, or one a line."""
    with source.open() as stream:
        start = stream.peek(64).lstrip(b"\xef\xbb\xbf \t\r\n")
    return holds_json_lines(source) or (start[:1] == b"[" and start[1:].lstrip()[:1] == b"{")


def _text(head: Sequence[str], kind: str, fixed: Mapping[str, Any]) -> Iterator[Settings]:
    """Text that is no JSON: tables, tags a line, marks, words, plain lines."""
    tabs = kind == "tsv" or any("\t" in line for line in head[:20])
    table = look_at(head, tabs=kind == "tsv" or (tabs and kind != "csv"), delimiter=fixed.get("delimiter"))
    filled = [line for line in head if line.strip()]
    if not filled:
        raise Refusal("the file holds white space alone; give one with data")
    sure = kind in ("csv", "tsv", "conll")
    if kind == "conll" or (not sure and _in_columns(head)):
        yield from _conll(head)
    if not sure and sum(len(_TAGGED.findall(line)) >= 0.7 * len(line.split()) for line in filled) > 0.8 * len(filled):
        yield {"kind": "pfr"}
    if sum("<e1>" in line and "</e2>" in line for line in filled) > 0.5 * len(filled):
        yield {"kind": "marked"}
    if kind in ("csv", "tsv") or (table and table.even and len(filled) > 1):
        yield from _table(table, kind, head)
    if kind not in ("csv", "tsv", "conll"):
        if _segmented(filled):
            yield {"kind": "words"}
        yield {"kind": "text"}


def _table(table: Table | None, kind: str, head: Sequence[str]) -> Iterator[Settings]:
    if table is None:  # one column
        name = head[0].strip().strip('"')
        named = name.isidentifier() and len(name) < 20 and len(head) > 1
        yield {"kind": kind or "csv"} | ({} if named else {"header": ["text"]})
        return
    tabs = table.delimiter == "\t" and kind != "csv"
    settings: Settings = {"kind": "tsv" if tabs else "csv"}
    if tabs and table.quoted:
        settings["quoting"] = True
    if not tabs and table.delimiter != ",":
        settings["delimiter"] = table.delimiter
    if not table.header:
        settings["header"] = [f"column{number}" for number in range(table.columns)]
    yield settings
    names = settings.get("header") or [name.strip() for name in table.rows[0]]
    yield from (settings | each for each in several(names, table.rows[1 if table.header else 0 :]))


def _in_columns(head: Sequence[str]) -> bool:
    """Whether lines have a token and a tag, with blank lines between sentences."""
    filled = [line.split() for line in head if line.strip()]
    tags = [fields[-1] for fields in filled if len(fields) > 1]
    entities = sum(bool(re.fullmatch(r"O|[BIESMLU]-\S+", tag)) for tag in tags)
    return entities > 0.9 * len(filled) and any(tag != "O" for tag in tags)


def _conll(head: Sequence[str]) -> Iterator[Settings]:
    """The columns of tokens and tags: the tags first where they are, else last; with other tags as they are."""
    filled = [line.split() for line in head if line.strip() and not line.startswith(("#", "-DOCSTART-"))]
    comment = {"comment": "# "} if sum(line.startswith("# ") for line in head) > 1 else {}
    first = sum(bool(re.fullmatch(r"O|[BIESMLU]-\S+", fields[0])) for fields in filled)
    yield {"kind": "conll"} | ({"token": -1, "tag": 0} if filled and first > 0.9 * len(filled) else {}) | comment


def _segmented(filled: Sequence[str]) -> bool:
    """Whether spaces stand between the words of Chinese."""
    words = [word for line in filled for word in line.split()]
    chinese = [word for word in words if _HAN.search(word)]
    return len(chinese) > 0.5 * len(words) and sum(map(len, chinese)) < 3 * len(chinese)


def _json(source: SourceFile, encoding: str) -> Iterator[Settings]:
    """Objects of annotation tools, dialogues, questions, or plain ones."""
    listed = not holds_json_lines(source, encoding) or _one_object(source, encoding)
    first, under = _first_object(source, encoding) if listed else (_first_line(source, encoding), "")
    where = {"kind": "json", **({"under": under} if under else {})} if listed else {"kind": "jsonl"}
    if (under == "data" and "paragraphs" in first) or {"context", "question", "answers"} <= first.keys():
        yield {"kind": "squad"}
    if not under and (isinstance(first.get("question"), dict) or isinstance(first.get("choices"), dict)):
        yield {"kind": "choices"}
    if {"questions", "options", "answers"} <= first.keys():  # RACE
        yield {"kind": "choices"}
    if not under and isinstance(first.get("h"), dict) and isinstance(first.get("t"), dict):
        yield {"kind": "relations"}
    if {"subj_start", "obj_start"} <= first.keys() or {"tokens", "h", "t"} <= first.keys():  # TACRED, FewRel
        yield {"kind": "relations"}
    tool = _ANNOTATED & first.keys()
    if tool and ("data" in first or tool & {"annotation_id", "annotator"}):
        yield from ({"kind": "label_studio", "text": key} for key in _text_keys(first.get("data", first)))
    if tells_of_calls(first):
        yield {"kind": "chat", **({"under": under} if under else {}), "calls": "kept"}
    yield where | _joined(first)
    if not under:
        for text in _text_keys(first):
            named = {} if text == "text" else {"text": text}
            yield {"kind": "doccano"} | named
            for key, value in first.items():
                if key != text and isinstance(value, list | dict):
                    yield {"kind": "spans", **named, **({} if key == "label" else {"spans": key})}
    if {"messages", "conversations", "instruction"} & first.keys():
        yield {"kind": "chat", **({"under": under} if under else {})}


def _joined(first: Record) -> Settings:
    """Lists of texts, such as the lines of a poem, joined to one text."""
    lists = {
        key: "\n"
        for key, value in first.items()
        if isinstance(value, list) and value and all(isinstance(item, str) for item in value)
    }
    wanted = {key: end for key, end in lists.items() if key in ("paragraphs", "paragraph", "lines", "text", "content")}
    return {"join": wanted} if wanted else {}


def _text_keys(first: Any) -> list[str]:
    """The keys that may hold the text, the likeliest first."""
    texts = [key for key, value in first.items() if isinstance(value, str)] if isinstance(first, dict) else []
    return sorted(texts, key=lambda key: (key not in _TEXTS, _TEXTS.index(key) if key in _TEXTS else -len(first[key])))


def _first_line(source: SourceFile, encoding: str) -> Record:
    line = next((line for _, line in lines(source, encoding, BadRows()) if line.strip()), "{}")
    value = parse(line, source.name)
    return value if isinstance(value, dict) else {}


def _one_object(source: SourceFile, encoding: str) -> bool:
    """Whether the file is one object, on one line, that holds the list of the records."""
    filled = [line for line in head_of(source, encoding)[:2] if line.strip()]
    if len(filled) != 1:
        return False
    value = parse(filled[0], source.name)
    return any(isinstance(item, list) and item and isinstance(item[0], dict) for item in value.values())


def _first_object(source: SourceFile, encoding: str) -> tuple[Record, str]:
    """The first object of the list at the top, or of the longest under a key, and that key."""
    value = parse("".join(line for _, line in lines(source, encoding, BadRows())), source.name)
    under = ""
    if isinstance(value, dict):
        lists = {key: item for key, item in value.items() if isinstance(item, list) and item}
        under = max(lists, key=lambda key: len(lists[key]), default="")
        value = lists.get(under, [value])
    first = value[0] if isinstance(value, list) and value else {}
    if isinstance(first, list):  # a passage of C3
        return {"questions": [], "options": [], "answers": []}, under
    return (first if isinstance(first, dict) else {}), under
