"""What a model is called with."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from danlu.text.batching.batch import pad
from danlu.text.batching.encoded import Row
from danlu.text.tokenizing.special import padding_id
from danlu.text.tokenizing.tokenizer import Tokenizer


def model_inputs(rows: Sequence[Row], width: int, tokenizer: Tokenizer) -> dict[str, Tensor]:
    """`input_ids` (B, T) padded to the right, and `attention_mask` (B, T) if any row is padded.

    Without a mask the kernels skip a pass over the scores. `token_type_ids` (B, T) are there where a row has two texts
    and the model, as its tokenizer says, takes them; zeros are every model's default.
    """
    inputs = {"input_ids": pad([row.input_ids for row in rows], width, padding_id(tokenizer))}
    lengths_B = torch.tensor([len(row) for row in rows])
    if int(lengths_B.min()) < width:
        inputs["attention_mask"] = (torch.arange(width) < lengths_B[:, None]).long()
    if "token_type_ids" in tokenizer.model_input_names and any(row.token_types is not None for row in rows):
        types = [np.zeros(len(row), np.int32) if row.token_types is None else row.token_types for row in rows]
        inputs["token_type_ids"] = pad(types, width, 0)
    return inputs


def lengths_of(inputs: Mapping[str, Tensor]) -> list[int]:
    """How many tokens of each row are not padding, (B,)."""
    mask_BT = inputs.get("attention_mask")
    if mask_BT is None:
        rows, width = inputs["input_ids"].shape
        return [width] * rows
    return mask_BT.sum(1).tolist()
