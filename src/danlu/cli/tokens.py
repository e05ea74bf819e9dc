"""`danlu tokens TEXT`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from danlu.refusal import Refusal

if TYPE_CHECKING:
    from danlu.text.tokenizing.tokenizer import Tokenizer


def command(
    text: Annotated[str, typer.Argument(help="the text to look at")],
    *,
    tokenizer: Annotated[
        str | None, typer.Option(help="folder of a tokenizer, a stage or a bundle, or a name on the hub")
    ] = None,
    segmenter: Annotated[
        str | None, typer.Option(help="what tells words apart: a kind such as jieba, or the folder of a trained one")
    ] = None,
    neighbours: Annotated[int, typer.Option(min=0, max=1000, help="tokens with like embeddings, with a bundle")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="print json instead of a table")] = False,
) -> None:
    """Show how a text is cut: words, pieces with their numbers and characters, and with a bundle their neighbours."""
    import json

    from danlu.machine.terminal import as_text, show

    text = as_text(text, "TEXT")
    if tokenizer is None and segmenter is None:
        raise Refusal("there is nothing to cut the text with; give --tokenizer FOLDER, --segmenter KIND, or both")
    found = look_at(text, tokenizer, segmenter, neighbours)
    if as_json:
        show(json.dumps(found, ensure_ascii=False))
    else:
        _show(found)


def look_at(text: str, tokenizer: str | None, segmenter: str | None, neighbours: int) -> dict[str, Any]:
    """What the command shows, as plain values: the text, `segments`, `tokens` and `one_hot`, the shape (T, V).

    Raises:
        Refusal: there is no such tokenizer, bundle or segmenter.
    """
    found: dict[str, Any] = {"text": text, "characters": len(text)}
    if segmenter is not None:
        found["segments"] = _segments(text, segmenter)
    if tokenizer is not None:
        opened, model = _opened(tokenizer, neighbours)
        found |= _pieces(text, opened)
        if model is not None:
            _add_neighbours(found["tokens"], opened, model, neighbours)
    return found


def _segments(text: str, name: str) -> list[str]:
    from danlu.bundle.named_segmenter import named_segmenter

    return named_segmenter(name).segment([text])[0]


def _opened(path: str, neighbours: int) -> "tuple[Tokenizer, Any]":
    """The tokenizer of a folder or name, and the model of a bundle if its embeddings are wanted."""
    from danlu.text.tokenizing.tokenizers.pretrained import Pretrained

    inside = [Path(path) / name for name in ("bundle", "tokenizer", "")]
    folder = next((folder for folder in inside if (folder / "tokenizer.json").is_file()), Path(path))
    if (folder / "danlu.json").is_file() and neighbours:
        from danlu.bundle.bundle import exact, load
        from danlu.engine.engines.torch import TorchNetwork

        bundle = load(folder, exact(folder))
        return bundle.tokenizer, bundle.model if isinstance(bundle.network, TorchNetwork) else None
    name = str(folder) if folder.is_dir() else path
    return Pretrained(path=name).build(lambda: iter(())), None


def _pieces(text: str, tokenizer: "Tokenizer") -> dict[str, Any]:
    from danlu.text.tokenizing.coverage import readable_tokens
    from danlu.text.tokenizing.tokenized import tokenized

    encoding = next(tokenized([text], tokenizer))
    read = readable_tokens(tokenizer, encoding.ids)
    rows = zip(encoding.ids, encoding.tokens, read, encoding.offsets, encoding.special_tokens_mask, strict=True)
    tokens = [
        {
            "piece": piece,
            "reads": reads,
            "id": number,
            "start": start,
            "end": end,
            "special": bool(special),
            "unknown": number == tokenizer.unk_token_id,
        }
        for number, piece, reads, (start, end), special in rows
    ]
    return {"tokens": tokens, "one_hot": [len(tokens), len(tokenizer)]}


def _add_neighbours(tokens: list[dict[str, Any]], tokenizer: "Tokenizer", model: Any, count: int) -> None:
    from danlu.model.nearest import nearest_tokens
    from danlu.text.tokenizing.coverage import readable_tokens

    rows = nearest_tokens(model, [token["id"] for token in tokens], count)
    for token, row in zip(tokens, rows, strict=True):
        names = readable_tokens(tokenizer, [number for number, _ in row])
        token["nearest"] = [
            {"piece": name, "id": number, "cosine": round(cosine, 4)}
            for name, (number, cosine) in zip(names, row, strict=True)
        ]


def _show(found: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    from danlu.language import default, translator
    from danlu.machine.terminal import console, on_one_line, visible

    _ = translator(default())
    screen = console()
    screen.print(Text(visible(found["text"])))
    if "segments" in found:
        words = Text(" | ", "dim").join(Text(visible(word)) for word in found["segments"])
        screen.print(Text(_("words: ") if found["segments"] else ""), words, sep="")
    if "tokens" not in found:
        return
    headings = [_("piece"), _("reads"), _("number"), _("characters"), _("text")]
    table = Table(*headings, box=None, pad_edge=False, header_style="dim")
    if any("nearest" in token for token in found["tokens"]):
        table.add_column(_("nearest embeddings"))
    for token in found["tokens"]:
        style = "dim" if token["special"] else "red" if token["unknown"] else ""
        span = "" if token["end"] == token["start"] else f"{token['start']}-{token['end']}"
        cells = [token["piece"], token["reads"], str(token["id"]), span, found["text"][token["start"] : token["end"]]]
        near = "  ".join(f"{other['piece']} {other['cosine']:.2f}" for other in token.get("nearest", ()))
        table.add_row(*(Text(on_one_line(cell), style) for cell in [*cells, *([near] if "nearest" in token else [])]))
    screen.print(table)
    length, size = found["one_hot"]
    told = _("{tokens} tokens of {characters} characters; as one-hot rows: {tokens} x {size:,}")
    screen.print(told.format(tokens=length, characters=found["characters"], size=size))
