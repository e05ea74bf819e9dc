"""A text to read and a text to write, as tokens: on two sides, or one after the other in a row."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from tokenizers import Encoding

from danlu.recipe.part import nearest
from danlu.refusal import Refusal
from danlu.task.inputs import model_inputs
from danlu.task.packing import begun, document_inputs
from danlu.text.batching.batch import Batch, pad, rounded_count
from danlu.text.batching.encoded import Encoded, Ids, Row
from danlu.text.batching.windows import cut
from danlu.text.tokenizing.special import begin_id, end_id, padding_id
from danlu.text.tokenizing.tokenized import tokenized
from danlu.text.tokenizing.tokenizer import Tokenizer, special_tokens

SLOT = "{text}"
"""Where the text stands in a template."""

TargetTooLong = Literal["stop", "truncate", "drop"]


def end_of(tokenizer: Tokenizer) -> int:
    """The number of the token by which a model ends what it writes.

    Raises:
        Refusal: the tokenizer has none.
    """
    end = end_id(tokenizer)
    if end is None:
        raise Refusal("the tokenizer has no end token, so a model could never stop writing; give one with 'eos_token'")
    return end


def language_tokens(
    tokenizer: Tokenizer,
    source_language: str | None,
    target_language: str | None,
    names: tuple[str, str] = ("task.source_language", "task.target_language"),
) -> tuple[int | None, int | None]:
    """The token of a language that is read before a text, and the one that the text to be written begins with.

    Models of Marian read the language that is to be written, and begin with none.

    Raises:
        Refusal: there is no such token, or a model of Marian is given the text's own language; `names` are told.
    """
    if source_language is None and target_language is None:
        return None, None
    read, written = (
        None if language is None else _language_token(tokenizer, language, key)
        for language, key in zip((source_language, target_language), names, strict=True)
    )
    asked = languages_to_ask(tokenizer)
    if not {read, written}.intersection(asked):
        return read, written
    if read is not None:
        raise Refusal(
            f"{names[0]}: this model reads the token of the language to be written before a text, and none of the "
            "text's own; leave it out"
        )
    return written, None


def _language_token(tokenizer: Tokenizer, language: str, key: str) -> int:
    """The number of the token of a language: zh_CN (mBART), zho_Hans (NLLB), __zh__ (M2M-100), >>cmn_Hans<< (Marian).

    Raises:
        Refusal: there is no such token; names the setting `key`.
    """
    known = {str(token): number for number, token in tokenizer.added_tokens_decoder.items()}
    for name in (language, f"__{language}__", f">>{language}<<"):
        if name in known:
            return known[name]
    short = [token.strip("_<>") for token in known]
    raise Refusal(
        f"{key}: the tokenizer has no token of the language '{language}'{nearest(language, short)}; leave it out for "
        "a model of one language on each side"
    )


def languages_to_ask(tokenizer: Tokenizer) -> dict[int, str]:
    """The languages into which a model of Marian translates by a token before what it reads, by that token's number."""
    known = {number: str(token) for number, token in tokenizer.added_tokens_decoder.items()}
    return {number: name[2:-2] for number, name in known.items() if name.startswith(">>") and name.endswith("<<")}


def sources(
    texts: Sequence[str],
    tokenizer: Tokenizer,
    template: str,
    limit: int,
    too_long: Literal["stop", "truncate"],
    language: int | None,
) -> list[Encoded]:
    """What an encoder reads of each text: with the tokenizer's own special tokens, or `language` before it.

    All end with the end token, where the tokenizer has one. Raises `Refusal` for a text that is longer than `limit`
    tokens under "stop".
    """
    end = end_id(tokenizer)
    found: list[Encoded] = []
    for text, encoding in _rendered(texts, tokenizer, template, special=language is None):
        before = [] if language is None else [language]
        last = encoding.special_tokens_mask[-1:] == [1]
        after = [] if last or end is None else [end]
        found.append(_row(len(found), text, encoding, template, (before, after), limit, too_long))
    return found


def prompts(
    texts: Sequence[str],
    tokenizer: Tokenizer,
    template: str,
    limits: Sequence[int],
    too_long: Literal["stop", "truncate"],
) -> list[Encoded]:
    """What a decoder reads of each text before it writes: the begin token and the template with the text in it.

    `limits` are tokens, one a text.

    Raises:
        Refusal: a text is too long under "stop", or the tokenizer drops what the template has behind the text.
    """
    begin = begin_id(tokenizer)
    before = [] if begin is None else [begin]
    alone, told = tokenized(["a", "a" + template.partition(SLOT)[2]], tokenizer, offsets=False, special=False)
    if alone.ids == told.ids:
        raise Refusal(
            "task.template: the tokenizer makes no token of what stands behind {text}, so a model could not tell where "
            "the text ends; write a sign there that the tokenizer knows"
        )
    return [
        _row(number, text, encoding, template, (before, []), limits[number], too_long)
        for number, (text, encoding) in enumerate(_rendered(texts, tokenizer, template, special=False))
    ]


def targets(
    texts: Sequence[str], tokenizer: Tokenizer, first: int | None, limit: int, too_long: TargetTooLong
) -> list[tuple[Ids | None, int]]:
    """What is to be written of each text, with its end token, and how many tokens of it were cut off.

    `first` is a token that stands before it. A text that is cut has no end token; None is one that is dropped.

    Raises:
        Refusal: one is longer than `limit` tokens under "stop", or all are dropped.
    """
    end = end_of(tokenizer)
    before = [] if first is None else [first]
    found: list[tuple[Ids | None, int]] = []
    for number, encoding in enumerate(tokenized(texts, tokenizer, offsets=False, special=False, written=True)):
        ids = np.array([*before, *encoding.ids, end], np.int32)
        if len(ids) <= limit:
            found.append((ids, 0))
        elif too_long == "stop":
            raise Refusal(
                f"record {number + 1:,}: what is to be written has {len(ids):,} tokens, and {limit:,} are allowed; "
                "shorten it, or set the task's 'target_too_long' to 'drop' or 'truncate'"
            )
        else:
            found.append((None, 0) if too_long == "drop" else (ids[:limit], len(ids) - limit))
    if found and all(ids is None for ids, _ in found):
        raise Refusal(
            f"none of {len(found):,} texts to be written has at most {limit:,} tokens, so nothing is left to learn "
            "from; raise the task's 'max_target', or set its 'target_too_long' to 'truncate'"
        )
    return found


def joined(prompt: Encoded, target: Ids) -> Encoded:
    """A prompt and what is to be written after it as one row; the target `tokens` are the next ones where that is."""
    read = prompt.row.input_ids
    ids = np.concatenate([read, target])
    next_T = np.full(len(ids), -100, np.int32)
    next_T[len(read) - 1 : -1] = target
    return Encoded(prompt.record, (Row(ids),), {"tokens": next_T}, cut=prompt.cut)


def refuse_spelled(template: str, tokenizer: Tokenizer) -> None:
    """Raise `Refusal` for a template that spells a special token, as it would be learnt as the text that it is."""
    spelled = next((token for token in special_tokens(tokenizer) if token.strip() and token in template), None)
    if spelled is not None:
        raise Refusal(
            f"task.template: '{spelled}' is a special token of the tokenizer, and a template is read as text is; leave "
            "it out, or take the task 'chat', which writes the model's own"
        )


def few_widths(longest: int, width: int) -> int:
    """To what rows of these tokens are padded: few shapes, and none beyond what was planned or is needed."""
    return min(rounded_count(longest), max(longest, width))


def as_batch(encoded: Sequence[Encoded], read: int, width: int, tokenizer: Tokenizer, start: int | None) -> Batch:
    """Rows that are read, padded to `read` tokens, with the target `tokens`, -100 where nothing counts.

    It is (B, T) of a decoder by itself, for which `start` is None, else (B, U) beside `decoder_input_ids`: what a
    decoder has written so far, `start` and all of a text but its last token.
    """
    inputs, longest = model_inputs([item.row for item in encoded], read, tokenizer), None
    if start is None:
        nothing = np.full(0, -100, np.int32)
        tokens_BU = pad([item.targets.get("tokens", nothing) for item in encoded], read, -100)
    else:
        written = [np.zeros(0, np.int32) if item.target_ids is None else item.target_ids for item in encoded]
        longest = few_widths(max(1, *map(len, written)), width)
        tokens_BU = pad(written, longest, -100)
        inputs["decoder_input_ids"] = pad([begun(item, start) for item in encoded], longest, padding_id(tokenizer))
    if documents := document_inputs(encoded, read, longest):
        inputs.pop("attention_mask", None)  # for segments tell of padding too
        inputs |= documents
    return Batch(
        inputs=inputs,
        targets={"tokens": tokens_BU},
        counts={"tokens": int((tokens_BU >= 0).sum())},
        examples=np.arange(len(encoded)),
        tokens=sum(len(item) + (0 if item.target_ids is None else len(item.target_ids)) for item in encoded),
    )


def _rendered(
    texts: Sequence[str], tokenizer: Tokenizer, template: str, *, special: bool
) -> "zip[tuple[str, Encoding]]":
    whole = [template.replace(SLOT, text) for text in texts]
    return zip(texts, tokenized(whole, tokenizer, special=special), strict=True)


def _row(
    record: int,
    text: str,
    encoding: Encoding,
    template: str,
    around: tuple[list[int], list[int]],
    limit: int,
    too_long: Literal["stop", "truncate"],
) -> Encoded:
    """A row of `limit` tokens at most; what is cut off is the end of the text, not of the template."""
    before, after = around
    ids = np.array([*before, *encoding.ids, *after], np.int32)
    whole = Encoded(record, (Row(ids),))
    if len(ids) <= limit:
        return whole
    first = template.index(SLOT)
    spans_T2 = np.array(encoding.offsets, np.int64).reshape(-1, 2)
    inside_T = (spans_T2[:, 0] >= first) & (spans_T2[:, 1] <= first + len(text)) & (spans_T2[:, 1] > spans_T2[:, 0])
    slides_T = np.r_[np.zeros(len(before), bool), inside_T, np.zeros(len(after), bool)]
    if too_long == "truncate" and len(ids) - slides_T.sum() >= limit:
        raise Refusal(
            f"record {record + 1:,}: there is no room for the text in {limit:,} tokens; shorten the task's "
            "'template', or what is to be written"
        )
    return cut(whole, slides_T, limit, too_long, 0)[0]
