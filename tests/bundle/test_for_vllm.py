"""What vLLM needs of a folder (its pages: supported models, OpenAI-compatible server) is in the bundle of a decoder."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from danlu.bundle.bundle import load, save
from danlu.model.architecture import Sizes, configuration
from danlu.task.task import Task
from danlu.text.tokenizing.tokenizers.bpe import Bpe

SUPPORTED = {"llama": "LlamaForCausalLM", "qwen3": "Qwen3ForCausalLM", "gpt2": "GPT2LMHeadModel"}
"""Decoders that `scratch` makes, by the names under which vLLM lists them."""
TALK = [{"role": "user", "content": "这本书怎么样？"}]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """A function that gives the bundle of a conversation in a template, by a network of an architecture."""

    def made(name: Any, template: str) -> Path:
        tokenizer = Bpe(size=300).build(lambda: iter(["这本书怎么样？很好。", "用户：助手："]))
        tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
        task = Task.model_validate({"kind": "chat", "template": template}).shaped("decoder")
        sizes = Sizes(layers=1, width=16, heads=2, feed_forward=None, positions=64, dropout=0.0)
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(configuration(name, sizes, tokenizer, task.config()))
        folder = tmp_path_factory.mktemp("for_vllm") / f"{name}-{template}"
        task = task.suited(model, tokenizer, print)
        save(folder, model, tokenizer, task, precision="float32", provenance={}, examples=[{"messages": TALK}])
        return folder

    return made


@pytest.mark.parametrize(("name", "template"), [(name, "chatml") for name in SUPPORTED] + [("llama", "plain")])
def test_the_folder_of_a_decoder_says_all_that_vllm_reads(
    bundle: Callable[[str, str], Path], name: str, template: str
) -> None:
    folder = bundle(name, template)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["architectures"] == [SUPPORTED[name]]
    assert "auto_map" not in config  # nothing for which vLLM would want code from elsewhere

    model, told = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, output_loading_info=True)
    assert not told["missing_keys"]
    assert not told["unexpected_keys"]
    assert not told["mismatched_keys"]
    with safe_open(folder / "model.safetensors", "pt") as weights:
        names = set(weights.keys())
    assert names <= set(model.state_dict())  # as transformers spells them, by which vLLM fills its own layers

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    assert (folder / "tokenizer.json").is_file()
    assert len(tokenizer) <= config["vocab_size"]
    told_ends = GenerationConfig.from_pretrained(folder, local_files_only=True).eos_token_id
    ends = {told_ends} if isinstance(told_ends, int) else set(told_ends)
    answer = [*TALK, {"role": "assistant", "content": "很好。"}]
    whole = tokenizer.apply_chat_template(answer, return_dict=True)["input_ids"]
    last = [number for number in whole if number in tokenizer.all_special_ids][-1]
    assert last in ends  # what the template ends an answer with, or vLLM would write on
    with load(folder, threads=1) as opened:
        (prompt,) = opened.task.prompts([{"messages": TALK}], opened.tokenizer, 64)
        assert set(opened.task.ends) <= ends
    asked = tokenizer.apply_chat_template(TALK, add_generation_prompt=True, return_dict=True)["input_ids"]
    assert asked == prompt.row.input_ids.tolist()
