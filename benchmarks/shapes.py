"""The models that are pretrained side by side, and what each learns."""

from dataclasses import dataclass
from typing import Any

import numpy as np

LENGTH = 128  # tokens of a row, at most
HIDDEN = 0.15  # share that is masked, or hidden in spans
SPAN = 3  # tokens of a hidden span, in the mean


@dataclass(frozen=True)
class Shape:
    """A model and what it learns.

    - `model`: fields of a source of kind `scratch`; `task`: of ours; `auto`: the class that both sides train.
    """

    title: str
    model: dict[str, Any]
    vocabulary: int
    task: dict[str, Any]
    auto: str

    @property
    def kind(self) -> str:
        """masked, causal, or denoised."""
        return {"AutoModelForMaskedLM": "masked", "AutoModelForCausalLM": "causal"}.get(self.auto, "denoised")


def _masked(title: str, layers: int, width: int, heads: int, vocabulary: int) -> Shape:
    model = {"architecture": "bert", "layers": layers, "width": width, "heads": heads, "positions": 512}
    task = {"kind": "masked_lm", "share": HIDDEN, "max_length": LENGTH}
    return Shape(f"{title}, vocabulary {vocabulary // 1000}k", model, vocabulary, task, "AutoModelForMaskedLM")


def _causal(title: str, architecture: str, layers: int, width: int, heads: int) -> Shape:
    model = {"architecture": architecture, "layers": layers, "width": width, "heads": heads, "positions": 512}
    return Shape(title, model, 6000, {"kind": "causal_lm", "max_length": LENGTH}, "AutoModelForCausalLM")


def _denoised(title: str, architecture: str, corruption: dict[str, Any]) -> Shape:
    model = {"architecture": architecture, "layers": 6, "width": 512, "heads": 8, "positions": 512}
    task = {"kind": "denoise", "corruption": corruption, "max_length": LENGTH}
    return Shape(title, model, 6000, task, "AutoModelForSeq2SeqLM")


SHAPES = {
    "mlm-4x256-6k": _masked("masked LM, 4 x 256", 4, 256, 4, 6000),
    "mlm-4x256-30k": _masked("masked LM, 4 x 256", 4, 256, 4, 30000),
    "mlm-minilm-6k": _masked("masked LM, MiniLM's shape", 6, 384, 12, 6000),
    "mlm-minilm-30k": _masked("masked LM, MiniLM's shape", 6, 384, 12, 30000),
    "llama": _causal("causal LM, llama 6 x 384", "llama", 6, 384, 6),
    "gpt2": _causal("causal LM, GPT-2's shape 12 x 768", "gpt2", 12, 768, 12),
    "t5": _denoised("T5 6 x 512, spans", "t5", {"kind": "t5", "density": HIDDEN, "mean_span": SPAN}),
    "bart": _denoised("BART 6 x 512, infilling", "bart", {"kind": "bart"}),
}
QUICK = {"layers": 1, "width": 32, "heads": 2}
"""The sizes with which every part is only seen to work."""


def corrupted(ids_T: "np.ndarray[Any, Any]", sentinels: list[int], rng: np.random.Generator) -> tuple[Any, Any]:
    """A row and what is hidden of it in spans, each behind a token of its own (Raffel et al., 2020)."""
    hidden = max(1, round(HIDDEN * len(ids_T)))
    spans = max(1, min(len(sentinels), round(hidden / SPAN)))
    lengths = np.full(spans, hidden // spans) + (np.arange(spans) < hidden % spans)
    gaps = rng.multinomial(max(0, len(ids_T) - hidden), np.full(spans + 1, 1 / (spans + 1)))
    read, write, at = list[int](), list[int](), 0
    for number in range(spans):
        read += [*ids_T[at : at + gaps[number]].tolist(), sentinels[number]]
        at += int(gaps[number])
        write += [sentinels[number], *ids_T[at : at + int(lengths[number])].tolist()]
        at += int(lengths[number])
    return [*read, *ids_T[at:].tolist()], write
