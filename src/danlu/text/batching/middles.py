"""Documents whose middle is written last, so that a model learns to fill a gap (Bavarian et al., 2022).

The order is prefix, suffix, middle, each after a token that names it; the end token of a document ends the middle.
The cuts fall between characters, wherever these stand in their tokens, since those who ask stop in words as well; half
of them fall between lines, where editors ask most, as a model that knows middles from within words alone begins within
one there too.
"""

import re
from collections.abc import Sequence

import numpy as np

from danlu.machine.seed import generator
from danlu.refusal import Refusal
from danlu.text.batching.encoded import Encoded, Ids, Row
from danlu.text.batching.windows import TooLong, around, cut, documents, ended
from danlu.text.tokenizing.tokenized import tokenized
from danlu.text.tokenizing.tokenizer import Tokenizer

SENTINELS = (
    ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),  # Qwen2.5-Coder, CodeGemma
    ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),  # StarCoder
    ("<fim-prefix>", "<fim-suffix>", "<fim-middle>"),  # SantaCoder
    ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),  # DeepSeek-Coder
    ("▁<PRE>", "▁<SUF>", "▁<MID>"),  # Code Llama
)
"""What tokenizers call prefix, suffix and middle."""

WHOLE = 0.5  # share of the middles of texts of several lines that are whole lines

ROOM = 16  # tokens of a window that are left for three more tokens and for words that a cut makes two of


def sentinels(tokenizer: Tokenizer) -> tuple[str, str, str]:
    """The tokens before a prefix, a suffix and a middle.

    Raises `Refusal` where a tokenizer has none.
    """
    known = tokenizer.get_vocab()
    for names in SENTINELS:
        if all(name in known for name in names):
            return names
    raise Refusal(
        "the tokenizer has no tokens that name prefix, suffix and middle, which 'fill_in_the_middle' and a 'suffix' "
        f"need; add them with tokenizer: {{kind: extended, base: ..., special: {list(SENTINELS[0])}}}"
    )


def with_middles(
    texts: Sequence[str], tokenizer: Tokenizer, share: float, limit: int, too_long: TooLong
) -> list[Encoded]:
    """A row of at most `limit` tokens a document, or a window of one; a `share` of them has its middle last.

    What is drawn depends on the characters of the row alone. A row that would be longer than `limit` with its middle
    last stays as it is.
    """
    names, found = sentinels(tokenizer), []
    for record, ids in enumerate(_documents(texts, tokenizer, names)):
        windows, characters = [Encoded(record, (Row(ids),))], [texts[record]]
        if len(ids) > limit:
            size = limit if too_long == "stop" else limit - min(ROOM, limit // 4)
            windows = cut(windows[0], np.ones(len(ids), bool), size, too_long, overlap=1)
            characters = _characters(windows, texts[record], tokenizer, names)
        for window, text in zip(windows, characters, strict=True):
            random = generator("fill in the middle", text)
            if text and random.random() < share:
                start, end = sorted(random.integers(0, len(text), 2, endpoint=True).tolist())
                if "\n" in text and random.random() < WHOLE:
                    start, end = _whole_lines(text, start, end)
                ordered = _ordered(text[:start], text[end:], text[start:end], tokenizer, names)
                if len(ordered) <= limit:
                    window.rows = (Row(ordered),)
            found.append(window)
    return found


def _whole_lines(text: str, start: int, end: int) -> tuple[int, int]:
    """The lines from the one that holds `start` up to the one that holds `end`, or the one that holds both."""
    first, last = (text.rfind("\n", 0, place) + 1 for place in (start, end))
    return first, last if last > first else text.find("\n", end) + 1 or len(text)


def before_middle(prefix: str, suffix: str, tokenizer: Tokenizer) -> Ids:
    """What is read before the text between two others is written.

    Raises `Refusal` as `sentinels` does.
    """
    ids = _ordered(prefix, suffix, "", tokenizer, sentinels(tokenizer))
    return ids if tokenizer.eos_token_id is None else ids[:-1]


def _ordered(prefix: str, suffix: str, middle: str, tokenizer: Tokenizer, names: Sequence[str]) -> Ids:
    """Prefix, suffix and middle, each behind its token, as a document of its own."""
    ids, known = list[int](), tokenizer.get_vocab()
    for name, text in zip(names, (prefix, suffix, middle), strict=True):
        pieces = tokenized(_pieces(text, names), tokenizer, offsets=False, special=False)
        ids += [known[name], *(number for piece in pieces for number in piece.ids)]
    return ended(ids, tokenizer)


def _documents(texts: Sequence[str], tokenizer: Tokenizer, names: Sequence[str]) -> list[Ids]:
    """As `documents`; that a text spells what names a middle makes it none, also where a tokenizer finds it there."""
    found = documents(texts, tokenizer)
    for number, text in enumerate(texts):
        pieces = _pieces(text, names)
        if len(pieces) > 1:
            encodings = tokenized(pieces, tokenizer, offsets=False, special=False)
            found[number] = ended([one for encoding in encodings for one in encoding.ids], tokenizer)
    return found


def _characters(windows: Sequence[Encoded], text: str, tokenizer: Tokenizer, names: Sequence[str]) -> list[str]:
    """The characters of each window of a document, from where the one before it ends."""
    ends, length = [0], 0
    pieces = _pieces(text, names)
    for piece, encoding in zip(pieces, tokenized(pieces, tokenizer, special=False), strict=True):
        ends += [length + end for _, end in encoding.offsets]
        length += len(piece)
    lead, before, found = around(tokenizer)[0], 0, []
    for window in windows:
        last = min(max(window.start + len(window) - lead, 0), len(ends) - 1)
        end = length if last == len(ends) - 1 else max(before, ends[last])
        found.append(text[before:end])
        before = end
    return found


def _pieces(text: str, names: Sequence[str]) -> list[str]:
    """The text, cut behind the first character of all that spells one of the names."""
    spelt = "|".join(f"(?<={re.escape(name[0])})(?={re.escape(name[1:])})" for name in names)
    return re.split(spelt, text)
