"""GGUF files in llama.cpp itself: the same tokens, the same probabilities, the same conversations."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tokenizers import Tokenizer as Backend

import danlu
from danlu.bundle.bundle import Bundle, save
from danlu.export.export import export
from danlu.export.gguf_words import CUTS
from danlu.export.target import Target
from danlu.task.task import Task
from danlu.text.tokenizing.special import begin_id, end_id
from danlu.text.tokenizing.tokenizer import Tokenizer
from danlu.text.tokenizing.tokenizers.bpe import Bpe

gguf = pytest.importorskip("gguf")
pytest.importorskip("xllamacpp", reason="xllamacpp, a build of llama.cpp, is not installed")

LEARNT = ["the furnace is hot", "丹炉很热。", "don't! 12345 (a\n\nb)", "the cat sat", "猫坐着", "<|im_start|>"] * 3
CUT = [
    *(
        "the furnace",
        " the",
        "丹炉很热，the cat",
        "don't DON'T we'll",
        "12345 1 22",
        "a\n\n\nb",
        "  two  spaces ",
        "\t",
    ),
    *(
        "naïve café",
        "Привет, мир",
        "こんにちは",
        "안녕하세요",
        "مرحبا",
        "👩‍👩‍👧 🇨🇳",
        "q\u0303\u200b",
        "हिन्दी में",
        "ภาษาไทย",
        "a\r\nb\r\n",
        "x=1;\n    y",
    ),
    *(
        "<tool_call>the</tool_call>",
        "a<tool_call> b",
        "İı ſ ß",
        "١٢٣ ⅷ ²",
        "\u3000全角　空格",
        "\u00a0nbsp",
        "\u2028line",
    ),
]
CUT_AND_LEARNT = 9
SIZES = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}
SIZES |= {"num_key_value_heads": 2, "max_position_embeddings": 256}
MOST = 6  # tokens
MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "丹炉热吗？\n  really?"},
    {"role": "assistant", "content": "热。"},
    {"role": "user", "content": "why"},
]
"""A conversation that goes through all that a template has."""


def made(folder: Path, family: str, *, task: Any = "causal_lm", tied: bool = False) -> Path:
    """A bundle of random weights, large enough for probabilities to lie apart."""
    tokenizer = Bpe(size=900).build(
        lambda: iter([*LEARNT, *CUT[:CUT_AND_LEARNT] * 2, "2024 1985 123456 7890 years, 丹炉the丹炉"] * 2)
    )
    tokenizer.add_tokens(["<tool_call>", "</tool_call>"])
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    torch.manual_seed(1)
    ends = {"bos_token_id": begin_id(tokenizer), "eos_token_id": end_id(tokenizer), "initializer_range": 0.08}
    sizes = SIZES | {"vocab_size": len(tokenizer) + 3, "tie_word_embeddings": tied}
    more = {"head_dim": 32} if family in ("mistral", "qwen3") else {}
    more |= {"sliding_window": None} if family == "mistral" else {}
    model = transformers.AutoModelForCausalLM.from_config(
        transformers.AutoConfig.for_model(family, **sizes, **ends, **more)
    )
    for weights in model.parameters():  # biases and norms say something too
        if weights.ndim == 1:
            weights.data += torch.randn_like(weights) * 0.1
    suited = Task.model_validate(task)
    if suited.kind == "chat":
        suited = suited.suited(model, tokenizer, lambda _: None)
    save(folder, model, tokenizer, suited, precision="float32", provenance={}, examples=[{"text": LEARNT[0]}])
    return folder


def said(file: Path, questions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What llama.cpp answers."""
    command = [sys.executable, str(Path(__file__).with_name("said_by_llama_cpp.py")), str(file)]
    told = subprocess.run(
        command, input=json.dumps(questions), capture_output=True, text=True, check=False, timeout=120
    )
    assert told.returncode == 0, told.stderr[-2000:]
    answers: list[dict[str, Any]] = json.loads(told.stdout.splitlines()[-1])
    return answers


def beside(bundle: Bundle, ids: list[int], written: list[int]) -> tuple[list[float], list[float]]:
    """Logarithms of the probabilities of what was `written` after `ids`, and of the likeliest token at each place."""
    logits = bundle.model(input_ids=torch.tensor([[*ids, *written]])).logits[0, len(ids) - 1 : -1].detach()
    found = logits.log_softmax(-1)
    return found.gather(1, torch.tensor(written)[:, None])[:, 0].tolist(), found.max(-1).values.tolist()


@pytest.mark.parametrize(
    ("family", "tied", "precision", "apart"),
    [
        ("llama", True, "float32", 2e-3),
        ("llama", False, "float16", 2e-2),
        ("llama", False, "bfloat16", 0.2),
        ("llama", False, "int8_weights", 0.2),
        ("mistral", False, "float32", 2e-3),
        ("qwen2", True, "float32", 2e-3),
        ("qwen3", False, "float32", 2e-3),
    ],
)
def test_llama_cpp_reads_the_same_tokens_and_goes_on_alike(
    tmp_path: Path, family: str, tied: bool, precision: str, apart: float
) -> None:
    folder = made(tmp_path / "bundle", family, tied=tied)
    export(folder, tmp_path / "model.gguf", Target.model_validate({"kind": "gguf", "precision": precision}))
    with danlu.load(folder) as bundle:
        rows = [list(bundle.tokenizer.encode(text)) for text in CUT]
        answers = said(
            tmp_path / "model.gguf",
            [{"text": text} for text in CUT] + [{"ids": ids, "most": MOST} for ids in rows[:6]],
        )
        assert {text: found["ids"] for text, found in zip(CUT, answers, strict=False)} == dict(
            zip(CUT, rows, strict=True)
        )
        told = 0
        for ids, found in zip(rows, answers[len(CUT) :], strict=False):
            assert len(found["ids"]) == MOST
            ours, best = beside(bundle, ids, found["ids"])
            theirs = {place: value for place, value in enumerate(found["logprobs"]) if value is not None}
            assert theirs == pytest.approx({place: ours[place] for place in theirs}, abs=apart)
            told += len(theirs)
            assert ours == pytest.approx(best, abs=apart)  # greedy by our own numbers, too
        assert told > MOST


@pytest.mark.parametrize("template", ["chatml", "alpaca", "plain", {"kind": "plain", "language": "zh"}, "vicuna"])
def test_llama_cpp_writes_a_conversation_as_it_was_learnt_and_is_told_what_ends_an_answer(
    tmp_path: Path, template: Any
) -> None:
    folder = made(tmp_path / "bundle", "llama", task={"kind": "chat", "template": template})
    export(folder, tmp_path / "model.gguf", Target.model_validate({"kind": "gguf", "precision": "float32"}))
    (found,) = said(tmp_path / "model.gguf", [{"messages": MESSAGES}])
    with danlu.load(folder) as bundle:
        tokenizer, task = bundle.tokenizer, bundle.task
        (asked,) = task.prompts([{"messages": MESSAGES}], tokenizer, 256)
        assert found["ids"] == asked.row.input_ids.tolist()
    reader = gguf.GGUFReader(tmp_path / "model.gguf")
    fields = [reader.get_field(f"tokenizer.ggml.{name}_token_id") for name in ("eos", "eot", "eom")]
    assert {int(field.contents()) for field in fields if field is not None} == set(task.ends)


@pytest.mark.parametrize("whole", [False, True])
def test_llama_cpp_joins_a_word_that_is_a_token_as_the_tokenizer_does(tmp_path: Path, whole: bool) -> None:
    """`abc` is a token that its merges never reach, for `ab` joins before `bc`."""
    tokenizer = Bpe(size=300, min_frequency=1).build(lambda: iter(["x"]))
    plain = json.loads(tokenizer.backend_tokenizer.to_str())
    first = max(plain["model"]["vocab"].values()) + 1
    plain["model"]["vocab"] |= {token: first + place for place, token in enumerate(("ab", "bc", "abc"))}
    plain["model"]["merges"] += [["a", "b"], ["b", "c"], ["a", "bc"]]
    plain["model"]["ignore_merges"] = whole
    if whole:  # as the tokenizers of Llama 3 do, which cut so
        plain["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = CUTS["llama-bpe"]
    made = Tokenizer(
        tokenizer_object=Backend.from_str(json.dumps(plain)), bos_token="<|endoftext|>", eos_token="<|endoftext|>"
    )
    config = transformers.LlamaConfig(vocab_size=len(made), **SIZES)
    task = Task.model_validate("causal_lm")
    told = {"precision": "float32", "provenance": {}, "examples": [{"text": "abc"}]}
    save(tmp_path / "bundle", transformers.LlamaForCausalLM(config), made, task, **told)
    export(
        tmp_path / "bundle", tmp_path / "model.gguf", Target.model_validate({"kind": "gguf", "precision": "float32"})
    )
    (found,) = said(tmp_path / "model.gguf", [{"text": "abc"}])
    assert (
        found["ids"] == list(made.encode("abc")) == ([first + 2] if whole else [first, made.convert_tokens_to_ids("c")])
    )
