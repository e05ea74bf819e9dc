"""Special tokens of the tokenizers that are learnt here, and what stands around a text."""

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from danlu.text.tokenizing.tokenizer import Tokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend

Style = Literal["encoder", "decoder"]
"""`encoder`: as BERT, `<cls>` before a text and `<sep>` after it; `decoder`: nothing around it, but begin and end
tokens that a causal language model puts around documents."""

UNKNOWN = "<unk>"

SENTINEL = "<extra_id_{}>"
"""What tokenizers call the tokens that stand for hidden spans (Raffel et al., 2020), by their numbers from 0."""

_ROLES: dict[str, dict[str, str]] = {
    "encoder": {"pad": "<pad>", "unk": UNKNOWN, "cls": "<cls>", "sep": "<sep>", "mask": "<mask>"},
    "decoder": {"pad": "<pad>", "unk": UNKNOWN, "bos": "<s>", "eos": "</s>", "mask": "<mask>"},
}


def specials(style: Style) -> list[str]:
    """The special tokens in the order of their numbers, from 0: padding, unknown, two ends, mask."""
    return list(_ROLES[style].values())


def padding_id(tokenizer: Tokenizer) -> int:
    """The number that fills rows; masked or unlabelled everywhere, so any will do for a tokenizer without one."""
    return 0 if tokenizer.pad_token_id is None else int(tokenizer.pad_token_id)


def begin_id(tokenizer: Tokenizer) -> int | None:
    """The number of what a text begins with: the begin token, or else the first one of a row as BERT has it."""
    number = tokenizer.cls_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
    return None if number is None else int(number)


def end_id(tokenizer: Tokenizer) -> int | None:
    """The number of what a text ends with: the end token, or else the last one of a row as BERT has it."""
    number = tokenizer.sep_token_id if tokenizer.eos_token_id is None else tokenizer.eos_token_id
    return None if number is None else int(number)


def ordinary_ids(tokenizer: Tokenizer) -> NDArray[np.int64]:
    """The numbers of all tokens that are not special."""
    return np.setdiff1d(np.arange(len(tokenizer)), tokenizer.all_special_ids)


def finished(backend: "Backend", style: Style) -> Tokenizer:
    """The tokenizer around a backend whose vocabulary begins with the special tokens of `style`."""
    from tokenizers import AddedToken, processors

    backend.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in specials(style)])
    if style == "encoder":
        ends: list[Any] = [(token, backend.token_to_id(token)) for token in ("<cls>", "<sep>")]
        backend.post_processor = processors.TemplateProcessing(
            single="<cls> $A <sep>", pair="<cls> $A <sep> $B:1 <sep>:1", special_tokens=ends
        )
    return Tokenizer(  # type: ignore[no-untyped-call]
        tokenizer_object=backend,
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
        **{f"{role}_token": token for role, token in _ROLES[style].items()},
    )
