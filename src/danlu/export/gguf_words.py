"""The vocabulary of a tokenizer as GGUF has it, and how llama.cpp would cut a text with it.

There are two ways: `gpt2`, bytes that merges join within words that a regular expression cuts, one of a few that
llama.cpp knows by name; and `llama`, the pieces of SentencePiece, of which those of the highest score join first.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

from danlu.refusal import Refusal
from danlu.text.tokenizing.tokenizer import Tokenizer

NORMAL, UNKNOWN, CONTROL, ADDED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6

CUTS = {
    "gpt-2": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)",
    "llama-bpe": (
        r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
    "qwen2": (
        r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
}
"""Regular expressions of llama.cpp (`src/llama-vocab.cpp`) by the names under which files ask for them."""

WHOLE = ("llama-bpe",)
"""Those with which a word that is a token is taken as it is, whatever its merges would give."""

_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
_SPACE = "▁"


@dataclass(frozen=True)
class Words:
    """A vocabulary.

    - `model`: 'gpt2' or 'llama'; `cut`: the name of the regular expression of the first.
    - `tokens`, `types`, `scores`: of each number; scores are those of 'llama'.
    - `merges`: of 'gpt2', in their order.
    """

    model: str
    cut: str
    tokens: list[str]
    types: list[int]
    scores: list[float]
    merges: list[str]


def words_of(tokenizer: Tokenizer, size: int, texts: Sequence[str]) -> Words:
    """The vocabulary of a tokenizer, filled up to `size` tokens, by which llama.cpp cuts `texts` as it does.

    Raises:
        Refusal: there is none, for a tokenizer of another kind, or because a text would be cut otherwise.
    """
    plain = json.loads(tokenizer.backend_tokenizer.to_str())
    model = plain["model"]
    if model["type"] != "BPE":
        raise Refusal(
            f"the tokenizer is of the kind {model['type']}, and programs that read GGUF join pieces (BPE); export to "
            "onnx, openvino or safetensors"
        )
    numbers = tokenizer.get_vocab()
    tokens = [f"[PAD{number}]" for number in range(size)]
    types = [UNUSED] * size
    added = {each["content"]: CONTROL if each["special"] else ADDED for each in plain["added_tokens"]}
    for token, number in numbers.items():
        tokens[number] = token
        types[number] = UNKNOWN if token == model.get("unk_token") else added.get(token, _type(token))
    merges = [" ".join(pair) if isinstance(pair, list) else pair for pair in model["merges"]]
    if model.get("byte_fallback"):
        words = Words("llama", "default", tokens, types, _scores(tokens, merges), [])
        _refuse_other_cuts(tokenizer, texts, _joining(words))
        return words
    whole = bool(model.get("ignore_merges"))
    for cut in sorted(CUTS, key=lambda cut: (cut in WHOLE) != whole):  # several may cut all of these texts alike
        if all(_ids(tokenizer, text) == found for text, found in _cut(plain, cut, texts)):
            return Words("gpt2", cut, tokens, types, [], merges)
    _refuse_other_cuts(tokenizer, texts, lambda text: next(found for _, found in _cut(plain, "llama-bpe", [text])))
    raise Refusal(
        "each of the texts is cut as one program or another that reads GGUF does, but all of them as none; export to "
        "onnx, openvino or safetensors"
    )


def _type(token: str) -> int:
    return BYTE if _BYTE.fullmatch(token) else NORMAL


def _scores(tokens: Sequence[str], merges: Sequence[str]) -> list[float]:
    """The earlier a piece is joined, the higher; single characters never are."""
    ranks: dict[str, float] = {}
    for rank, merge in enumerate(merges):
        ranks.setdefault(merge.replace(" ", "", 1), -float(rank))
    return [ranks.get(token, -1e4 - len(merges)) for token in tokens]


def _ids(tokenizer: Tokenizer, text: str) -> list[int]:
    return list(tokenizer.encode(text, add_special_tokens=False))


def _refuse_other_cuts(tokenizer: Tokenizer, texts: Sequence[str], cut: Callable[[str], list[int]]) -> None:
    for text in texts:
        if cut(text) != _ids(tokenizer, text):
            raise Refusal(
                f"programs that read GGUF would cut '{text:.60}' into other tokens than the tokenizer does; export to "
                "onnx, openvino or safetensors"
            )


def _cut(plain: dict[str, Any], name: str, texts: Sequence[str]) -> Any:
    """Each text, and the tokens into which llama.cpp cuts it."""
    from tokenizers import Regex, pre_tokenizers
    from tokenizers import Tokenizer as Backend

    model = plain["model"] | {"ignore_merges": name in WHOLE}
    backend = Backend.from_str(json.dumps(plain | {"model": model, "post_processor": None, "normalizer": None}))
    split = pre_tokenizers.Split(Regex(CUTS[name]), "isolated")
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    return [(text, backend.encode(text).ids) for text in texts]


def _joining(words: Words) -> Callable[[str], list[int]]:
    """What cuts a text: of neighbours that are a piece together, those of the highest score join first."""
    numbers = {token: number for number, token in enumerate(words.tokens)}

    def joined(text: str) -> list[int]:
        pieces = list(_SPACE + text.replace(" ", _SPACE)) if text else []
        before, after = list(range(-1, len(pieces) - 1)), [*range(1, len(pieces)), -1]
        waiting: list[tuple[float, int, str]] = []

        def look(place: int) -> None:
            piece = pieces[place] + pieces[after[place]] if place >= 0 and after[place] >= 0 else ""
            if piece in numbers:
                heappush(waiting, (-words.scores[numbers[piece]], place, piece))

        for place in range(len(pieces)):
            look(place)
        while waiting:
            _, place, piece = heappop(waiting)
            other = after[place]
            if other < 0 or not pieces[place] or pieces[place] + pieces[other] != piece:
                continue  # one of the two has joined another meanwhile
            pieces[place], pieces[other], after[place] = piece, "", after[other]
            if after[other] >= 0:
                before[after[other]] = place
            look(before[place])
            look(place)
        return [number for piece in pieces if piece for number in spelt(piece)]

    def spelt(piece: str) -> list[int]:
        single = (f"<0x{byte:02X}>" for byte in piece.encode("utf-8"))
        return [numbers[piece]] if piece in numbers else [numbers[byte] for byte in single if byte in numbers]

    return joined
