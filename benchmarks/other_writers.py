"""danlu beside CTranslate2 and llama.cpp: tokens a second of one network in 32 and in 8 bits.

It is a llama of 100 M, greedily, or a BART of 45 M with 4 beams. Each program is asked in a process of its own, by
turns, for 1, 8 and 32 texts after prompts of unlike lengths, all of one length. Programs that are not installed are
left out (pip install ctranslate2 xllamacpp). Prints a markdown table.
"""

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any

import torch
from transformers import BartConfig, BartForConditionalGeneration, LlamaConfig, LlamaForCausalLM

from danlu.bundle.bundle import save
from danlu.export.export import export
from danlu.export.target import Target
from danlu.task.task import Task
from danlu.text.tokenizing.folder import open_tokenizer
from few_bits import ENDS, LARGE, STORIES
from measuring import Watch, machine, say, table
from other_writers_side import absent

COUNTS = (1, 8, 32)
LLAMA = {
    "transformers, float32": ("transformers", "torch"),
    "danlu, float32": ("danlu", "torch"),
    "danlu, ONNX float32": ("danlu", "onnx-float32"),
    "CTranslate2, float32": ("ctranslate2", "torch"),
    "llama.cpp, float32": ("llama.cpp", "gguf-float32"),
    "danlu, ONNX int8 weights": ("danlu", "onnx-int8_weights"),
    "CTranslate2, int8": ("ctranslate2-int8", "torch"),
    "llama.cpp, Q8_0": ("llama.cpp", "gguf-int8_weights"),
}
BART = {
    "transformers, float32": ("transformers-beams", "torch"),
    "danlu, float32": ("danlu-beams", "torch"),
    "danlu, ONNX float32": ("danlu-beams", "onnx-float32"),
    "CTranslate2, float32": ("ctranslate2-beams", "torch"),
    "danlu, ONNX int8 weights": ("danlu-beams", "onnx-int8_weights"),
    "danlu, ONNX int8 dynamic": ("danlu-beams", "onnx-int8_dynamic"),
    "CTranslate2, int8": ("ctranslate2-int8-beams", "torch"),
}
SIDES = {"llama": LLAMA, "bart": BART}
HALF = {"layers": 6, "attention_heads": 8, "ffn_dim": 2048}


def forms(folder: Path, what: str) -> None:
    """One network with random weights as a bundle, and in the other forms that are asked."""
    tokenizer, task = open_tokenizer(STORIES, str(STORIES)), Task.model_validate("causal_lm")
    torch.manual_seed(0)
    if what == "llama":
        sizes = {"vocab_size": len(tokenizer), "max_position_embeddings": 512} | LARGE
        model: Any = LlamaForCausalLM(LlamaConfig(**sizes, **ENDS))
    else:
        halves = {f"{side}_{name}": value for side in ("encoder", "decoder") for name, value in HALF.items()}
        ends = {"decoder_start_token_id": 1, "forced_eos_token_id": None, **ENDS}
        ends |= {"normalize_before": False, "normalize_embedding": True}  # which CTranslate2 reads
        model = BartForConditionalGeneration(BartConfig(vocab_size=len(tokenizer), d_model=512, **halves, **ends))
        model.generation_config.forced_bos_token_id = None
        task = Task.model_validate("rewrite").shaped("encoder_decoder")
    plain, examples = folder / "torch", [{"text": "Once", "target": "upon"}]
    task = task.suited(model, tokenizer, say)
    save(plain, model, tokenizer, task, precision="float32", provenance={}, examples=examples)
    for form in {form for _, form in SIDES[what].values()} - {"torch"}:
        kind, precision = form.split("-")
        export(plain, folder / form, Target.model_validate({"kind": kind, "precision": precision}))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--what", choices=[*SIDES], default="llama")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--quick", action="store_true", help="one text of 8 tokens, once: to see that it works")
    given = parser.parse_args()
    watch = Watch()
    watch.look()
    found: dict[tuple[str, int], list[float]] = {}
    counts, repeats, tokens = ((1,), 1, 8) if given.quick else (COUNTS, given.repeats, given.tokens)
    with tempfile.TemporaryDirectory() as temporary:
        forms(Path(temporary), given.what)
        there = {}
        for name, (side, form) in SIDES[given.what].items():
            if why := absent(side):
                say(f"left out: {name}: {why}")
                continue
            there[name] = {"side": side, "path": f"{temporary}/{form}", "tokens": tokens, "counts": counts}
        for turn in range(repeats):
            for name, job in there.items():
                told = watch.fresh("other_writers_side.py", {**job, "name": name})
                for count, speed in zip(counts, told["tokens_per_second"], strict=True):
                    found.setdefault((name, count), []).append(speed)
                say(f"{turn}: {name}: {told}")
    print(f"## Beside other programs that write\n\n{machine()}. {watch.verdict()}\n\n{_table(there, counts, found)}")


def _table(there: dict[str, Any], counts: tuple[int, ...], found: dict[tuple[str, int], list[float]]) -> str:
    rows = [[name, *(f"{statistics.median(found[name, count]):.0f}" for count in counts)] for name in there]
    return table(["tokens/s", *(f"{count} text(s)" for count in counts)], rows)


if __name__ == "__main__":
    main()
