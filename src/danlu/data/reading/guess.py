"""The kind of a file, told by its suffix."""

import codecs

from danlu.data.reading.json_text import parse
from danlu.data.reading.lines import lines
from danlu.data.reading.source_file import SourceFile, find_paths, find_source
from danlu.recipe.part import nearest
from danlu.refusal import Refusal

SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".txt": "text",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".conll": "conll",
    ".ann": "brat",
    ".pdf": "pdf",
    ".md": "folder",
    ".html": "folder",
    ".htm": "folder",
}
"""The kind of a file by its suffix."""


def kind_of_file(path: str, member: str | None = None) -> str:
    """The kind of a file, or of the first that a pattern means, by its suffix; packing aside.

    Raises:
        Refusal: there is no such file, or its suffix is not known.
    """
    source = find_source(find_paths(path)[0], member)
    suffix = f".{source.inner_name.rpartition('.')[2].lower()}"
    if suffix not in SUFFIXES:
        raise Refusal(
            f"{source.name}: the suffix '{suffix}' tells no format{nearest(suffix, list(SUFFIXES))}; "
            f"rename the file to one of {', '.join(SUFFIXES)}, or name its 'kind' in a recipe"
        )
    kind = SUFFIXES[suffix]
    return "jsonl" if kind == "json" and holds_json_lines(source) else kind


def holds_json_lines(source: SourceFile, encoding: str = "auto") -> bool:
    """Whether a file with json holds one object a line, whatever its name; many publishers call such files .json."""
    with source.open() as stream:
        start = stream.peek(8).replace(b"\0", b"").lstrip(codecs.BOM_UTF8 + codecs.BOM_UTF16 + b" \t\r\n")
    if start[:1] == b"[":  # a list, which may be one line of hundreds of megabytes
        return False
    try:
        first = next((line for _, line in lines(source, encoding) if line.strip()), "")
        return isinstance(parse(first, source.name), dict)
    except Refusal:  # of a first line that is no JSON, or too long
        return False
