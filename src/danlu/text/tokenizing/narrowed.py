"""A tokenizer with fewer tokens, which cuts the texts that it was narrowed to exactly as before.

What never stood in those texts may go without a trace: a longest match that was found is found again (WordPiece), the
best path of pieces is still the best (unigram, Kudo 2018), and of byte pairs every join that has led to a piece stays
(Sennrich et al., 2016). What was taken out is read in smaller pieces, or as the unknown token.
"""

import json
import re
from collections.abc import Collection, Iterable
from itertools import pairwise
from typing import Any

from danlu.refusal import Refusal
from danlu.text.tokenizing.tokenizer import Tokenizer, written_by

_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
_BEFORE = ("##", "▁", "Ġ")  # what a name has before its letters


def narrowed(tokenizer: Tokenizer, used: Collection[int]) -> list[int]:
    """Take out of a tokenizer all tokens but those with the numbers `used`, and those that it cannot do without.

    These are special and added tokens, single letters, digits and signs of ASCII, single bytes, and what byte pairs
    are joined from. The order stays, without gaps. Gives the earlier number of each token that is left, in order.

    Raises:
        Refusal: the tokenizer is of a sort that cannot be narrowed.
    """
    from tokenizers import Tokenizer as Backend

    if written_by(tokenizer) is not None:
        raise Refusal(
            "a tokenizer cannot be narrowed that cuts texts to be written by pieces of its own; leave it as it is"
        )
    plain = json.loads(tokenizer.backend_tokenizer.to_str())
    model = plain["model"]
    names = {number: name for name, number in tokenizer.get_vocab().items()}
    added = {token["id"] for token in plain["added_tokens"]}
    kept = {*used, *added, *tokenizer.all_special_ids, *(number for number, name in names.items() if _is_letter(name))}
    if plain.get("pre_tokenizer") and "ByteLevel" in json.dumps(plain["pre_tokenizer"]):
        kept |= {number for number, name in names.items() if len(name) == 1}
    wanted = {names[number] for number in kept if number in names}
    sort = str(model.get("type"))
    if sort == "BPE":
        joins = _joins(wanted, model)
        wanted |= {part for pair in joins for part in (*pair, "".join(pair))}
        model["merges"] = [merge for merge in model["merges"] if _parts(merge) in joins]
    elif sort == "Unigram":
        wanted.add(min(model["vocab"], key=lambda piece: piece[1])[0])  # by which the score of the unknown is told
    elif sort not in ("WordPiece", "WordLevel"):
        raise Refusal(f"a tokenizer of the sort '{sort}' cannot be narrowed; leave its vocabulary as it is")
    left = sorted(number for number, name in names.items() if name in wanted)
    after = {names[number]: place for place, number in enumerate(left)}
    moved = {number: place for place, number in enumerate(left)}
    if sort == "Unigram":
        _narrow_pieces(model, left, names, moved)
    else:
        model["vocab"] = after
    for token in plain["added_tokens"]:
        token["id"] = moved[token["id"]]
    plain["padding"] = plain["truncation"] = None
    _renumber(plain.get("post_processor"), after)
    backend = Backend.from_str(json.dumps(plain))
    if backend.get_vocab() != after:
        raise Refusal("its tokens do not keep their order when some are taken out; leave the vocabulary as it is")
    tokenizer._tokenizer = backend
    return left


def _is_letter(name: str) -> bool:
    bare = name
    for mark in _BEFORE:
        bare = bare.removeprefix(mark) or mark
    return bool(_BYTE.fullmatch(name)) or (len(bare) == 1 and bare.isascii()) or bare in _BEFORE


def _narrow_pieces(model: dict[str, Any], left: list[int], names: dict[int, str], moved: dict[int, int]) -> None:
    scores = dict(model["vocab"])
    least = min(scores.values())
    model["vocab"] = [[names[number], scores.get(names[number], least)] for number in left]
    if model.get("unk_id") is not None:
        model["unk_id"] = moved[model["unk_id"]]


def _joins(wanted: Iterable[str], model: dict[str, Any]) -> set[tuple[str, str]]:
    """The joins that lead to some tokens: those that are made where such a token is all of the text.

    Within a longer text these very joins are made too, or another piece would stand there.
    """
    if model.get("continuing_subword_prefix") or model.get("end_of_word_suffix"):
        raise Refusal(
            "its byte pairs are written with a mark at the end of a word or within it, which cannot be narrowed; "
            "leave the vocabulary as it is"
        )
    ranks = {_parts(merge): rank for rank, merge in enumerate(model["merges"])}
    found: set[tuple[str, str]] = set()
    for name in wanted:
        parts = [*name]
        while len(parts) > 1:
            known = [(ranks[pair], place) for place, pair in enumerate(pairwise(parts)) if pair in ranks]
            if not known:
                break
            _, place = min(known)
            found.add((parts[place], parts[place + 1]))
            parts[place : place + 2] = ["".join(parts[place : place + 2])]
    return found


def _parts(merge: Any) -> tuple[str, str]:
    """A join, which older files write as one text."""
    first, second = merge.split(" ") if isinstance(merge, str) else merge
    return first, second


def _renumber(processor: Any, after: dict[str, int]) -> None:
    """Give the tokens that are put around a text their new numbers."""
    if isinstance(processor, dict):
        if isinstance(processor.get("ids"), list) and isinstance(processor.get("tokens"), list):
            processor["ids"] = [after[token] for token in processor["tokens"]]
        for key in ("sep", "cls"):
            if isinstance(processor.get(key), list):
                processor[key] = [processor[key][0], after[processor[key][0]]]
        for value in processor.values():
            _renumber(value, after)
    elif isinstance(processor, list):
        for value in processor:
            _renumber(value, after)
