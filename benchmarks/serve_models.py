"""A bundle of the task chat to be served: of stories260k, or of a fresh Llama of 100 M. One JSON argument."""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from danlu.bundle.bundle import save
from danlu.task.task import Task

STORIES = Path(__file__).parents[2] / "shared" / "models" / "stories260k"

job = json.loads(sys.argv[1])
source = Path(job["source"])
tokenizer = AutoTokenizer.from_pretrained(STORIES)
if source.is_dir():
    model = AutoModelForCausalLM.from_pretrained(source, use_safetensors=True)
else:
    torch.manual_seed(0)
    sizes = {"hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": 14, "num_attention_heads": 12}
    ends = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "tie_word_embeddings": True}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=512, **sizes, **ends))
task = Task.model_validate({"kind": "chat", "template": "plain"}).suited(model, tokenizer, print)
save(
    Path(job["bundle"]), model, tokenizer, task,
    precision="auto", provenance={}, examples=[{"messages": [{"role": "user", "content": "Once"}]}],
)  # fmt: skip
print(json.dumps({"parameters": sum(value.numel() for value in model.parameters())}))
