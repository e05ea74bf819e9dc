"""A small model as its author would leave it, and the bundle that is made of it."""

from functools import cache
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import BertConfig, LlamaConfig, PreTrainedModel, RobertaConfig

import danlu
from danlu.bundle.bundle import Bundle
from danlu.bundle.verify import verify
from danlu.stages.given import take
from danlu.task.task import Task
from danlu.text.tokenizing.tokenizer import Tokenizer
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece

TEXTS = ["这本书写得很好", "值读一遍", "The parcel came late.", "Ada lived in London"]
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}


@cache
def words() -> Tokenizer:
    return WordPiece(size=200, min_frequency=1).build(lambda: iter([*TEXTS, "? . Where When"] * 3))


@cache
def pieces() -> Tokenizer:
    return Bpe(size=300, min_frequency=1).build(lambda: iter(TEXTS * 3))


def given(place: Path, auto_class: str, config: type[Any] = BertConfig, **fields: Any) -> Path:
    """A folder with a network of an auto class that has made up its mind; of a decoder with a tokenizer of bytes."""
    torch.manual_seed(5)
    tokenizer = words() if config in (BertConfig, RobertaConfig) else pieces()
    sizes = SIZES if config in (BertConfig, RobertaConfig, LlamaConfig) else {}
    named = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id} | sizes | fields
    network: PreTrainedModel = getattr(transformers, auto_class).from_config(config(**named))
    for parameter in network.parameters():
        parameter.data.mul_(5)
    folder = place / "given"
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def taken(folder: Path, **task: Any) -> Bundle:
    """The bundle that is made of a folder, verified."""
    asked = Task.model_validate(task) if task else None
    out = folder.parent / "taken"
    take(str(folder), asked, out, "float32", "en", lambda _: None)
    assert verify(out) == []
    return danlu.load(out)
