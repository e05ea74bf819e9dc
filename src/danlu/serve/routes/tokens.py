"""Tokens that were written, as clients of OpenAI read of them."""

from collections.abc import Sequence
from typing import Any

from danlu.model.token_bytes import token_bytes
from danlu.model.written import Chosen
from danlu.serve.shelf import Model


def bytes_of(model: Model, token: int) -> bytes:
    """What a token adds to a text; of a special one its name."""
    tokenizer = model.predictor.tokenizer
    known = token_bytes(tokenizer).of
    added = known[token] if token < len(known) else b""
    return added or str(tokenizer.decode([token], clean_up_tokenization_spaces=False)).encode()


def spelled(data: bytes) -> str:
    """A token as text; where it holds a part of a character, its bytes, as OpenAI writes them."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in data)


def told_tokens(model: Model, chosen: Sequence[Chosen]) -> list[dict[str, Any]]:
    """The log-probability of each token, as chat tells it."""

    def told(token: int, log_probability: float) -> dict[str, Any]:
        data = bytes_of(model, token)
        return {"token": spelled(data), "logprob": log_probability, "bytes": list(data)}

    return [
        {**told(each.token, each.log_probability), "top_logprobs": [told(*other) for other in each.likeliest]}
        for each in chosen
    ]
