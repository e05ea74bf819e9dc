"""A tiny network, a tokenizer and the task itself, of each kind of task."""

from functools import cache

import torch
import transformers
from transformers import BertConfig, LlamaConfig

from danlu.model.beside import put_beside
from danlu.model.sources.scratch import Scratch
from danlu.recipe.part import find
from danlu.task.task import Task
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece

LIMIT = 64
ENCODERS = ("AutoModel", "AutoModelForMaskedLM")

TEXTS = [
    "床前明月光，疑是地上霜。举头望明月，低头思故乡。",
    "The train leaves at nine in the morning, and nobody waits.",
    "物流太慢，包装也破了。这本书写得很好，值得再读一遍。",
]


@cache
def tokenizer_for(kind):
    """A tokenizer that suits the task."""
    if kind in ("permuted_lm", "replaced_token"):
        return WordPiece(size=200, min_frequency=1).build(lambda: iter(TEXTS))
    if find(Task, kind)().auto_class != "AutoModelForMaskedLM" and find(Task, kind)().answers_by != "forward":
        return Bpe(size=300, mask="<mask>" if kind == "denoise" else None).build(lambda: iter(TEXTS))
    return WordPiece(size=200, min_frequency=1).build(lambda: iter(TEXTS))


def shaped(kind):
    """The task with what it learns from its samples, as its network's shape has it."""
    task = find(Task, kind)()
    reads = task.auto_class in ENCODERS or kind in ("permuted_lm", "replaced_token")
    return task.fitted(task.sample).shaped("encoder" if reads else "encoder_decoder")


@cache
def task_for(kind):
    """The task as its network can do it."""
    return shaped(kind).suited(model_for(kind), tokenizer_for(kind), print)


@cache
def model_for(kind):
    """A network of two layers."""
    torch.manual_seed(0)
    task, tokenizer = shaped(kind), tokenizer_for(kind)
    if "Seq2Seq" in task.auto_class:
        sizes = {"layers": 2, "width": 32, "heads": 4, "positions": LIMIT, "dropout": 0.0}
        return Scratch(architecture="bart", **sizes).build(task.auto_class, tokenizer, task.config()).eval()
    if kind in ("permuted_lm", "replaced_token"):
        sizes = {"layers": 2, "width": 32, "heads": 4, "positions": LIMIT, "dropout": 0.0}
        source = Scratch(architecture="xlnet" if kind == "permuted_lm" else "electra", **sizes)
        model = source.build(task.auto_class, tokenizer, task.config())
        for name in task.learners:
            put_beside(model, {name: task.learner(name, source).build("AutoModelForMaskedLM", tokenizer, {})})
        return model.eval()
    sizes = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": LIMIT,
    }
    causal = task.auto_class == "AutoModelForCausalLM"
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id} if causal else {}
    config = (LlamaConfig if causal else BertConfig)(**sizes, **ends, **task.config())
    return getattr(transformers, task.auto_class).from_config(config, attn_implementation="sdpa").eval()
