"""A bundle to be served: chat of stories260k or of a fresh Llama of 100 M, or a small classifier. One JSON argument."""

import json
import sys
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer, BertConfig, LlamaConfig, LlamaForCausalLM

from danlu.bundle.bundle import save
from danlu.task.task import Task

STORIES = Path(__file__).parents[2] / "shared" / "models" / "stories260k"


def chat(job: dict[str, Any], tokenizer: Any) -> Any:
    """The network of `source`, or a fresh one where there is no such folder, and its task."""
    source = Path(job["source"])
    if source.is_dir():
        model = AutoModelForCausalLM.from_pretrained(source, use_safetensors=True)
    else:
        sizes = {"hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": 14, "num_attention_heads": 12}
        ends = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "tie_word_embeddings": True}
        model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=512, **sizes, **ends))
    return model, Task.model_validate({"kind": "chat", "template": "plain"})


def labels(_job: dict[str, Any], tokenizer: Any) -> Any:
    """A BERT of 2 x 64 that has learnt nothing, and its task."""
    task = Task.model_validate("classify")
    task = task.fitted(list(task.sample))
    sizes = {"hidden_size": 64, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = BertConfig(vocab_size=len(tokenizer), max_position_embeddings=512, **sizes, **task.config())
    return getattr(transformers, task.auto_class).from_config(config), task


if __name__ == "__main__":
    job = json.loads(sys.argv[1])
    tokenizer = AutoTokenizer.from_pretrained(STORIES)
    torch.manual_seed(0)
    model, task = (labels if job.get("labels") else chat)(job, tokenizer)
    task = task.suited(model, tokenizer, print)
    examples = [{"messages": [{"role": "user", "content": "Once"}]} if task.kind == "chat" else task.sample[0]]
    save(Path(job["bundle"]), model, tokenizer, task, precision="auto", provenance={}, examples=examples)
    print(json.dumps({"parameters": sum(value.numel() for value in model.parameters())}))
