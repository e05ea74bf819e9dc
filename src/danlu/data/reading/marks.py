"""Two marked words in a sentence, as SemEval-2010 task 8 marks them: `the <e1>child</e1> in the <e2>cradle</e2>`."""

import re

from danlu.data.record import Record


def read_marks(sentence: str, head: str, tail: str) -> Record | None:
    """Text, head and tail of a sentence with `<head>...</head>` and `<tail>...</tail>`, each once; else None.

    White space just inside a mark is no part of the span, and stays only between two letters.
    """
    text, opened, spans = "", "", {}
    pieces = re.split(rf"(</?(?:{re.escape(head)}|{re.escape(tail)})>)", sentence)
    for place, piece in enumerate(pieces):
        if place % 2 == 0:
            if opened:
                gap = " " if piece[:1].isspace() and text[-1:].isalnum() else ""
                start = len(text) + len(gap)
                text += gap + piece.strip()
                spans[opened] = {"start": start, "end": len(text)}
                outside = pieces[place + 2] if place + 2 < len(pieces) else ""
                text += " " if piece[-1:].isspace() and outside[:1].isalnum() else ""
            else:
                text += piece
            continue
        name = piece.strip("</>")
        if piece.startswith("</") != bool(opened) or (opened and name != opened) or (not opened and name in spans):
            return None
        opened = "" if opened else name
    if opened or set(spans) != {head, tail} or any(span["start"] == span["end"] for span in spans.values()):
        return None
    return {"text": text, "head": spans[head], "tail": spans[tail]}
