"""What a model is called with."""

from collections.abc import Sequence

import torch
from torch import Tensor

from danlu.text.batching.batch import pad
from danlu.text.batching.encoded import Encoded
from danlu.text.tokenizing.special import padding_id
from danlu.text.tokenizing.tokenizer import Tokenizer


def model_inputs(encoded: Sequence[Encoded], width: int, tokenizer: Tokenizer) -> dict[str, Tensor]:
    """`input_ids` (B, T) padded to the right, and `attention_mask` (B, T) if any row is padded.

    Without a mask the kernels skip a pass over the scores. Token types stay out: zeros are every model's default.
    """
    inputs = {"input_ids": pad([item.input_ids for item in encoded], width, padding_id(tokenizer))}
    lengths_B = torch.tensor([len(item) for item in encoded])
    if int(lengths_B.min()) < width:
        inputs["attention_mask"] = (torch.arange(width) < lengths_B[:, None]).long()
    return inputs


def lengths_of(inputs: dict[str, Tensor]) -> list[int]:
    """How many tokens of each row are not padding, (B,)."""
    mask_BT = inputs.get("attention_mask")
    if mask_BT is None:
        rows, width = inputs["input_ids"].shape
        return [width] * rows
    return mask_BT.sum(1).tolist()
