"""Counts that can be worked out by hand, and what a fresh process makes of what was saved."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import started
import torch
from safetensors.torch import load_file, save_file

from danlu.recipe.part import kinds
from danlu.tuning.method import Method

WIDTH, INNER, LAYERS, LABELS, WORDS, PLACES = 32, 48, 2, 3, 60, 32
HEAD = WIDTH * WIDTH + WIDTH + WIDTH * LABELS + LABELS  # with the pooler
BLOCK = 4 * (WIDTH * WIDTH + WIDTH) + 2 * WIDTH * INNER + INNER + WIDTH + 4 * WIDTH
LINEAR = 4 * (WIDTH + WIDTH) + 2 * (WIDTH + INNER)  # ins and outs of a block's linear layers
EMBEDDINGS = (WORDS + PLACES + 2) * WIDTH + 2 * WIDTH
COUNTS: dict[str, tuple[dict[str, Any], int]] = {
    "full": ({}, EMBEDDINGS + LAYERS * BLOCK + HEAD),
    "quantised": ({}, EMBEDDINGS + LAYERS * BLOCK + HEAD),
    "head": ({}, HEAD),
    "layers": ({"top": 1}, BLOCK + HEAD),
    "bitfit": ({}, WIDTH + LAYERS * (4 * WIDTH + INNER + WIDTH + 2 * WIDTH) + HEAD),
    "lora": ({"rank": 3, "dora": True}, LAYERS * (3 * LINEAR + 5 * WIDTH + INNER) + HEAD),
    "adalora": ({"rank": 9}, LAYERS * (9 * LINEAR + 6 * 9) + HEAD),
    "ia3": ({}, LAYERS * (2 * WIDTH + INNER) + HEAD),
    "adapter": ({"placement": "houlsby", "size": 5}, LAYERS * 2 * (2 * WIDTH * 5 + 5 + WIDTH) + HEAD),
    "prefix": ({"size": 5}, LAYERS * 5 * WIDTH + HEAD),
    "prompt": ({"size": 5}, 5 * WIDTH + HEAD),
    "ptuning": ({"size": 5, "width": 7}, 5 * WIDTH + (2 * 7 * WIDTH + 7 + 7 * 7 + 7 + WIDTH) + HEAD),
}


def test_every_method_is_counted() -> None:
    assert COUNTS.keys() == set(kinds(Method))


@pytest.mark.parametrize("kind", COUNTS)
def test_so_many_numbers_are_trained_as_the_formula_says(tiny: SimpleNamespace, kind: str) -> None:
    settings, expected = COUNTS[kind]
    model = Method.model_validate({"kind": kind} | settings).apply(tiny.build("classify-bert"))
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == expected


FRESH = """
import sys
from pathlib import Path
import torch, transformers
from safetensors.torch import load_file, save_file
from danlu.tuning.method import Method
root = Path(sys.argv[1])
torch.set_num_threads(int(sys.argv[2]))
inputs = load_file(root / "inputs.safetensors")
said = {}
for folder in sorted(root.glob("*-*-*")):
    kind, auto_class, number = folder.name.split("-")
    base = getattr(transformers, auto_class).from_pretrained(root / number)
    settings = {"rank": 9} if kind == "adalora" else {}
    with torch.inference_mode():
        said[folder.name] = Method.model_validate({"kind": kind} | settings).load(base, folder).eval()(**inputs).logits
save_file(said, root / "said.safetensors")
"""


def test_a_fresh_process_says_what_was_trained(tiny: SimpleNamespace, tmp_path: Path) -> None:
    """With a fresh head, with a head that shares the embeddings, and with one that does not."""
    shapes = {
        "1": ("classify-bert", "AutoModelForSequenceClassification"),
        "2": ("masked-bert", "AutoModelForMaskedLM"),
        "3": ("causal-llama", "AutoModelForCausalLM"),
    }
    save_file(tiny.inputs(), tmp_path / "inputs.safetensors")
    expected: dict[str, torch.Tensor] = {}
    for number, (shape, auto_class) in shapes.items():
        tiny.build(shape).save_pretrained(tmp_path / number)
        for kind in kinds(Method):
            if (kind, shape) == ("bitfit", "causal-llama"):
                continue
            method = Method.model_validate({"kind": kind} | ({"rank": 9} if kind == "adalora" else {}))
            model = method.apply(tiny.build(shape)).eval()
            tiny.steps(model, 2)
            folder = tmp_path / f"{kind}-{auto_class}-{number}"
            folder.mkdir()
            method.save(model, folder)
            with torch.inference_mode():
                expected[folder.name] = model(**tiny.inputs()).logits
    threads = str(torch.get_num_threads())  # with another number of them, products of few rows round otherwise
    command = [sys.executable, "-W", "ignore", "-c", FRESH, str(tmp_path), threads]
    started.run(command, check=True, capture_output=True)
    said = load_file(tmp_path / "said.safetensors")
    assert said.keys() == expected.keys()
    assert len(said) == 3 * len(kinds(Method)) - 1
    assert [name for name, value in expected.items() if not torch.equal(said[name], value)] == []


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ({"kind": "layers", "top": 1, "patterns": ["*.0.*"]}, "'top' has no effect beside 'patterns'"),
        ({"kind": "prompt", "text": "say", "init": "random"}, "'text' and 'init: random' both say"),
        ({"kind": "prefix", "text": "say", "init": "random"}, "'text' and 'init: random' both say"),
        ({"kind": "ptuning", "text": "say", "init": "random"}, "'text' and 'init: random' both say"),
    ],
)
def test_settings_without_effect_are_refused(section: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Method.model_validate(section)
