"""Tokens as text while they come: no character is ever split, and what ends a text is seen in it."""

from collections.abc import Sequence

from danlu.text.tokenizing.tokenizer import Tokenizer

Silent = frozenset[int] | None
"""Special tokens that are no text; None: all are none."""

BROKEN = "�"
"""What bytes of a character that is not complete yet decode to."""


def spelled(ids: Sequence[int], tokenizer: Tokenizer, before: Sequence[int] = (), silent: Silent = None) -> str:
    """The text of tokens that come after others, without an unfinished character at its end.

    Special tokens are no text, but where `silent` says which are none.
    """
    text = _decoded([*before, *ids], tokenizer, silent)
    kept = text.rstrip(BROKEN)
    for size in range(len(ids) - 1, max(-1, len(ids) - _BYTES), -1):
        if kept == text:
            break
        # where bytes are tokens of their own, all of a run of them are broken once its end is
        text = _decoded([*before, *ids[:size]], tokenizer, silent)
        kept = max(kept, text.rstrip(BROKEN), key=len)
    return kept[len(_decoded(before, tokenizer, silent)) :]


def context(ids: Sequence[int], tokenizer: Tokenizer) -> tuple[int, ...]:
    """The last few tokens that are whole characters by themselves: what is decoded before what follows them."""
    for size in range(1, min(len(ids), _LONGEST) + 1):
        if BROKEN not in _decoded(ids[-size:], tokenizer):
            return tuple(ids[-size:])
    return ()


_BYTES = 4
"""Of a character at most; one that lacks its end has fewer."""

_LONGEST = 16
"""Tokens that a cluster of characters may have, a token a byte."""


def _decoded(ids: Sequence[int], tokenizer: Tokenizer, silent: Silent = None) -> str:
    said = list(ids) if silent is None else [token for token in ids if token not in silent]
    return str(tokenizer.decode(said, skip_special_tokens=silent is None, clean_up_tokenization_spaces=False))


class Spelling:
    """The `text` of a row of tokens, given out piece by piece; the pieces joined are the text.

    - `stopped`: whether one of the texts that stop it has come; the text ends before it.

    A token alone does not know whether a space stands before it, so a few are decoded beside those before.
    """

    def __init__(
        self, tokenizer: Tokenizer, stop: Sequence[str], before: Sequence[int] = (), silent: Silent = None
    ) -> None:
        self.stopped = False
        self.text = ""
        self._tokenizer = tokenizer
        self._silent = silent
        self._stop = tuple(stop)
        self._ids = list(before)
        self._known = len(before)  # tokens whose text is out, the last few of which are decoded with what follows
        self._before = 0
        self._held = ""  # text that may be the beginning of what stops

    def add(self, token: int) -> str:
        """What can be said after one more token, "" where a character or what stops may still go on."""
        self._ids.append(token)
        old, new = self._text(self._known), self._text(len(self._ids))
        if new.endswith(BROKEN) or len(new) <= len(old):
            return ""
        self._before, self._known = self._known, len(self._ids)
        return self._let_out(new[len(old) :])

    def rest(self) -> str:
        """What was held back, once no token comes any more."""
        if self.stopped:
            return ""
        old, new = self._text(self._known), self._text(len(self._ids))
        self._known = len(self._ids)
        text = self._let_out(new[len(old) :].rstrip(BROKEN))
        held, self._held = self._held, ""
        self.text += held
        return text + held

    def _text(self, end: int) -> str:
        return _decoded(self._ids[self._before : end], self._tokenizer, self._silent)

    def _let_out(self, text: str) -> str:
        text = self._held + text
        found = [place for stop in self._stop if (place := text.find(stop)) >= 0]
        if found:
            self.stopped, self._held = True, ""
            out = text[: min(found)]
        else:
            held = max((_overlap(text, stop) for stop in self._stop), default=0)
            out, self._held = text[: len(text) - held], text[len(text) - held :]
        self.text += out
        return out


def _overlap(text: str, stop: str) -> int:
    """How much of the end of `text` is a beginning of `stop`."""
    return next((size for size in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:size])), 0)
