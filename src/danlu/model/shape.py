"""What a network is made of: what reads, what writes, or one of each."""

from typing import Literal

from transformers import PreTrainedConfig

Shape = Literal["encoder", "decoder", "encoder_decoder"]
"""`encoder` reads a row at once, `decoder` writes one from left to right; `encoder_decoder` has both."""


def shape_of(config: PreTrainedConfig) -> Shape:
    """The shape of a network of this configuration, as transformers makes it for its main purpose.

    A family that can be either, such as BERT, is an encoder until its configuration says that it is a decoder.
    """
    from transformers.models.auto import modeling_auto as lists

    if config.is_encoder_decoder:
        return "encoder_decoder"
    writes = type(config) in lists.MODEL_FOR_CAUSAL_LM_MAPPING
    reads = config.model_type in lists.MODEL_FOR_MASKED_LM_MAPPING_NAMES or getattr(config, "attn_type", "") == "bi"
    return "decoder" if writes and (not reads or getattr(config, "is_decoder", False)) else "encoder"
