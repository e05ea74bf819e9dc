"""Decoders whose weights have 8 or 4 bits: how well they foretell, and tokens a second, beside float32.

stories260k is scored on stories that it has written itself in float32, so that its perplexity there is what it can be
at best. A llama of 100 M has random weights, of which the speed alone counts. All forms take turns in one process.
Prints a markdown table.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

import danlu
from danlu.bundle.bundle import Bundle, save
from danlu.evaluate.scoring.examine import examine
from danlu.export.export import export
from danlu.export.target import Target
from danlu.task.task import Task
from danlu.text.tokenizing.folder import open_tokenizer
from measuring import machine, say, table

STORIES = Path("../shared/models/stories260k")
LARGE = {"hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": 14, "num_attention_heads": 12}
ENDS = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "tie_word_embeddings": True}
FORMS = [(kind, bits) for kind in ("onnx", "openvino") for bits in ("float32", "int8_weights", "int4_weights")]
TEXTS, TOKENS = 40, 128
THINGS = ("cat", "dog", "bird", "girl", "boy", "tree", "fish", "car")
PROMPTS = [f"Once upon a time there was a {each}" for each in THINGS]


def _models(tokenizer: Any) -> Iterator[tuple[str, Any]]:
    yield "stories260k", AutoModelForCausalLM.from_pretrained(STORIES, use_safetensors=True)
    torch.manual_seed(0)
    config = LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=512, **LARGE, **ENDS)
    yield "llama of 100 M", LlamaForCausalLM(config)


def _written(bundle: Bundle, count: int) -> tuple[int, float]:
    """Tokens that were written for so many prompts, and the seconds that it took."""
    begun = time.perf_counter()
    found = bundle.generate(PROMPTS[:count], "sample", seed=1, max_new_tokens=TOKENS)
    return sum(len(texts[0].ids) for texts in found), time.perf_counter() - begun


def _bundles(folder: Path, model: Any, tokenizer: Any) -> dict[str, Path]:
    """By form: as torch computes it in float32, and each export."""
    task = Task.model_validate("causal_lm").suited(model, tokenizer, print)
    plain = folder / "torch"
    save(plain, model, tokenizer, task, precision="float32", provenance={}, examples=[{"text": "Once upon a time"}])
    found = {"torch float32": plain}
    for kind, bits in FORMS:
        place = folder / f"{kind}-{bits}"
        export(plain, place, Target.model_validate({"kind": kind, "precision": bits}))
        found[f"{kind} {bits.replace('_', ' ')}"] = place
    return found


def compare(name: str, model: Any, tokenizer: Any, repeats: int) -> list[list[str]]:
    """A line for each form."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        bundles = {form: danlu.load(place) for form, place in _bundles(folder, model, tokenizer).items()}
        written = bundles["torch float32"].generate(["Once"] * TEXTS, "sample", seed=2, max_new_tokens=200)
        texts = [{"text": f"Once{each[0].text}"} for each in written]
        perplexity = {form: _perplexity(bundle, texts) for form, bundle in bundles.items()}
        speeds: dict[tuple[str, int], list[float]] = {}
        for turn in range(-1, repeats):
            for count in (1, 8):
                for form, bundle in bundles.items():
                    tokens, seconds = _written(bundle, count)
                    if turn >= 0:
                        speeds.setdefault((form, count), []).append(tokens / seconds)
        sizes = {form: _megabytes(bundle.folder) for form, bundle in bundles.items()}
        lines = []
        for form in bundles:
            one, eight = (statistics.median(speeds[form, count]) for count in (1, 8))
            value = perplexity[form]
            say(f"{name}, {form}: perplexity {value:.4g}, {one:.0f} and {eight:.0f} tokens/s")
            lines.append([name, form, f"{value:.4g}", f"{sizes[form]:.2f} MB", f"{one:.0f}", f"{eight:.0f}"])
    return lines


def _perplexity(bundle: Bundle, texts: list[dict[str, str]]) -> float:
    found = examine(bundle.task, bundle.stream, texts, resamples=1)
    return float(found.to_plain()["metrics"]["perplexity"]["value"])


def _megabytes(folder: Path) -> float:
    kinds = {".safetensors", ".onnx", ".data", ".weights"}
    return sum(path.stat().st_size for path in folder.rglob("*") if path.suffix in kinds) / 1e6


def main() -> None:
    """Measure both models and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="the small model alone, once")
    given = parser.parse_args()
    if not STORIES.is_dir():
        say(f"left out: there is no {STORIES}")
        return
    tokenizer = open_tokenizer(STORIES, str(STORIES))
    lines = []
    for name, model in _models(tokenizer):
        lines += compare(name, model, tokenizer, 1 if given.quick else given.repeats)
        if given.quick:
            break
    header = ["model", "form", "perplexity", "weights", "tokens/s, 1 text", "tokens/s, 8 texts"]
    print(f"{machine()}\n\n{table(header, lines)}")


if __name__ == "__main__":
    main()
