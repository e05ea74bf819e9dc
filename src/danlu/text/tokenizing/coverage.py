"""How well a tokenizer fits a text: how much of its vocabulary is used, what is unknown, how long texts become."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from danlu.data.characters.scripts import DIGIT, HAN, KINDS, LATIN, SPACE, kinds_of
from danlu.data.characters.side_by_side import blocks, code_points
from danlu.language import translator
from danlu.text.tokenizing.tokenized import BLOCK, BLOCK_CHARACTERS, tokenized
from danlu.text.tokenizing.tokenizer import Tokenizer

SCRIPTS = {"han": HAN, "latin": LATIN, "digits": DIGIT}
"""Scripts that are counted by themselves; all else but white space is `other`."""

SHOWN = 10  # pieces of each list
_PLAIN = [*range(33, 127), *range(161, 173), *range(174, 256)]  # bytes that byte-level vocabularies spell as they are
_OTHERS = [byte for byte in range(256) if byte not in _PLAIN]
_BYTES = {chr(byte): byte for byte in _PLAIN} | {chr(256 + place): byte for place, byte in enumerate(_OTHERS)}
_PARTS = re.compile(r"(\\x[0-9a-f]{2})+")
LOOKED_AT = 5_000_000  # characters that a tokenizer is judged by: a few seconds, and the shares are true to 0.1 %


@dataclass(frozen=True, slots=True)
class ScriptUse:
    """What one script costs: its tokens for a character, and for a word where spaces tell words apart."""

    characters: int
    tokens_per_character: float
    tokens_per_word: float | None


@dataclass(frozen=True, slots=True)
class Coverage:
    """A tokenizer measured on a text.

    - `size`: tokens in the vocabulary; `used` of them occur in the text.
    - `longest`, `rarest`: pieces of the vocabulary, each with how often it occurs; of those that do, the rarest.
    """

    size: int
    used: int
    characters: int
    tokens: int
    unknown: int
    scripts: dict[str, ScriptUse]
    longest: tuple[tuple[str, int], ...]
    rarest: tuple[tuple[str, int], ...]

    def to_plain(self) -> dict[str, Any]:
        """Plain values, ready for json."""
        return asdict(self)


def coverage(texts: Iterable[str], tokenizer: Tokenizer, *, limit: int = LOOKED_AT) -> Coverage:
    """Measure a tokenizer on texts, until `limit` characters are seen; special tokens are left out."""
    counts_V = np.zeros(len(tokenizer), np.int64)
    tally = np.zeros((KINDS, 3), np.int64)  # of each kind of character: characters, tokens, words
    seen = 0
    for block in blocks(_beginning(texts, limit), len, BLOCK_CHARACTERS, BLOCK):
        seen += sum(map(len, block))
        ids, kinds = _tokens(block, tokenizer)
        counts_V += np.bincount(ids, minlength=len(counts_V))
        tally[:, 1] += np.bincount(kinds, minlength=KINDS)
        characters = kinds_of(code_points("\n".join(block)))
        begins = np.diff(characters, prepend=255) != 0
        tally[:, 0] += np.bincount(characters, minlength=KINDS)
        tally[:, 2] += np.bincount(characters[begins], minlength=KINDS)
    unknown = 0 if tokenizer.unk_token_id is None else int(counts_V[tokenizer.unk_token_id])
    return Coverage(
        size=len(tokenizer),
        used=int((counts_V > 0).sum()),
        characters=seen,
        tokens=int(counts_V.sum()),
        unknown=unknown,
        scripts=_scripts(tally),
        longest=_longest(tokenizer, counts_V),
        rarest=_rarest(tokenizer, counts_V),
    )


def in_words(found: Coverage, language: str) -> list[str]:
    """The report as lines for people, in "en" or "zh"."""
    _ = translator(language)
    named = {"han": _("Chinese"), "latin": _("Latin"), "digits": _("digits"), "other": _("other signs")}
    lines = [
        _("vocabulary: {used:,} of {size:,} tokens occur in {characters:,} characters of text").format(
            used=found.used, size=found.size, characters=found.characters
        ),
        _("unknown: {share:.2%} of {tokens:,} tokens").format(
            share=found.unknown / max(1, found.tokens), tokens=found.tokens
        ),
    ]
    for script, use in found.scripts.items():
        words = "" if use.tokens_per_word is None else _(", {count:.2f} a word").format(count=use.tokens_per_word)
        told = _("{script}: {count:.2f} tokens a character{words}")
        lines.append(told.format(script=named[script], count=use.tokens_per_character, words=words))
    for told, pieces in ((_("longest: {pieces}"), found.longest), (_("rarest: {pieces}"), found.rarest)):
        lines.append(told.format(pieces=" ".join(_printed(piece) for piece, _count in pieces)))
    return lines


def _printed(piece: str) -> str:
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in piece)


def readable_tokens(tokenizer: Tokenizer, tokens: Sequence[int]) -> list[str]:
    r"""Tokens as a person reads them: what each stands for, with bytes that are no whole character as `\xe6`."""
    names = [str(tokenizer.convert_ids_to_tokens(token)) for token in tokens]
    read = tokenizer.backend_tokenizer.decode_batch([[token] for token in tokens], skip_special_tokens=False)
    return [_of_bytes(name) if not text or "\ufffd" in text else text for name, text in zip(names, read, strict=True)]


def _of_bytes(name: str) -> str:
    """The bytes that the name of a byte-level token spells, as text where they are; other names as they are."""
    if all(sign in _BYTES for sign in name):
        return bytes(_BYTES[sign] for sign in name).decode("utf-8", "backslashreplace")
    return name


def _beginning(texts: Iterable[str], limit: int) -> Iterator[str]:
    """As many texts as make `limit` characters, the last of them cut."""
    seen = 0
    for text in texts:
        if seen >= limit:
            break
        yield text[: limit - seen]
        seen += len(text)


def _tokens(texts: list[str], tokenizer: Tokenizer) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """All tokens of these texts but special ones, and the kind of the first character that is no space of each."""
    joined = "\n".join(texts)
    kinds_N = np.append(kinds_of(code_points(joined)), np.uint8(SPACE))
    place_N = np.arange(len(kinds_N))
    ink_N = np.minimum.accumulate(np.where(kinds_N == SPACE, len(kinds_N) - 1, place_N)[::-1])[::-1]
    all_ids, all_starts, all_ends = [], [], []
    begin = 0
    for text, encoding in zip(texts, tokenized(texts, tokenizer), strict=True):
        offsets = np.array(encoding.offsets, np.int64).reshape(-1, 2)
        real = ~np.array(encoding.special_tokens_mask, bool)
        all_ids.append(np.array(encoding.ids, np.int64)[real])
        all_starts.append(offsets[real, 0] + begin)
        all_ends.append(offsets[real, 1] + begin)
        begin += len(text) + 1
    ids, starts, ends = (np.concatenate(part) for part in (all_ids, all_starts, all_ends))
    ink = ink_N[starts]
    return ids, np.where(ink < ends, kinds_N[ink], SPACE).astype(np.uint8)


def _scripts(tally: NDArray[np.int64]) -> dict[str, ScriptUse]:
    rows = {name: tally[kind] for name, kind in SCRIPTS.items()}
    rows["other"] = tally.sum(0) - tally[SPACE] - sum(rows.values())
    spaced = ("latin", "digits")
    return {
        name: ScriptUse(
            int(characters), tokens / characters, float(tokens / words) if name in spaced and words else None
        )
        for name, (characters, tokens, words) in rows.items()
        if characters
    }


def _longest(tokenizer: Tokenizer, counts_V: NDArray[np.int64]) -> tuple[tuple[str, int], ...]:
    special = set(tokenizer.all_special_ids)
    tokens = [token for token in range(len(counts_V)) if token not in special]
    read = zip(readable_tokens(tokenizer, tokens), tokens, strict=True)
    longest = sorted(read, key=lambda item: (-len(_PARTS.sub(".", item[0])), item[1]))[:SHOWN]
    return tuple((text, int(counts_V[token])) for text, token in longest)


def _rarest(tokenizer: Tokenizer, counts_V: NDArray[np.int64]) -> tuple[tuple[str, int], ...]:
    used = np.flatnonzero(counts_V)
    rarest = used[np.argsort(counts_V[used], kind="stable")][:SHOWN].tolist()
    return tuple(zip(readable_tokens(tokenizer, rarest), counts_V[rarest].tolist(), strict=True))
