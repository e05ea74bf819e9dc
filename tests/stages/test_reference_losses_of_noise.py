"""Losses of 8 steps of each objective that corrupts, as they were when the text files were written.

`python -m tests.stages.test_reference_losses_of_noise` writes them anew, for a change that is meant to change losses.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch

import danlu

from .test_reference_losses import RECORDS, SMALL, STEPS, rounding

FILES = Path(__file__).parent / "reference_losses_of_noise"
NOISY = {"kind": "bart", "mask": 0.05, "delete": 0.05, "rotate": 0.2}
COMBINATIONS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "bart-denoise": ("bart", {"kind": "denoise", "corruption": NOISY}, {}),
    "t5-denoise": ("t5", {"kind": "denoise", "corruption": {"kind": "t5", "density": 0.3}}, {"accumulate": 2}),
    "llama-denoise": ("llama", {"kind": "denoise", "corruption": {"kind": "ul2", "modes": True}}, {}),
    "xlnet-permuted_lm": ("xlnet", {"kind": "permuted_lm"}, {"threads": 2}),
    "electra-replaced_token": ("electra", {"kind": "replaced_token", "generator_size": 0.5}, {"average": 0.9}),
    "electra-replaced_token-lora": ("electra", {"kind": "replaced_token", "generator_size": 0.5}, {}),
}


def recipe(folder: Path) -> dict[str, Any]:
    """One recipe with a training for each combination."""
    data = {"kind": "jsonl", "path": str(folder / "records.jsonl")}
    words = {"kind": "wordpiece", "size": 300}
    marked = {"kind": "extended", "base": words, "sentinels": 40, "special": ["[NLU]", "[S2S]", "[NLG]"]}
    stages: dict[str, Any] = {"vocabulary": {"kind": "tokenizer", "data": data, "tokenizer": marked}}
    for name, (architecture, task, settings) in COMBINATIONS.items():
        stages[name] = {
            "kind": "train",
            "data": data,
            "tokenizer": "@vocabulary",
            "model": SMALL | {"architecture": architecture},
            "task": task,
            "tuning": "lora" if name.endswith("lora") else "full",
            "train": {"steps": STEPS, "batch_tokens": 256, "precision": "float32", "rate": 1e-3} | settings,
        }
    return {"name": "reference", "stages": stages}


def losses(folder: Path) -> dict[str, list[float]]:
    """The losses of each training, step by step, computed on one core."""
    lines = [json.dumps(record, ensure_ascii=False) for record in RECORDS]
    (folder / "records.jsonl").write_text("\n".join(lines), encoding="utf-8")
    cores = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        done = danlu.run(recipe(folder), root=folder / "runs", say=lambda _: None)
    finally:
        torch.set_num_threads(cores)
    logs = {name: (done[name] / "log.jsonl").read_text(encoding="utf-8").splitlines() for name in COMBINATIONS}
    return {name: [json.loads(line)["loss"] for line in log] for name, log in logs.items()}


@pytest.fixture(scope="module")
def computed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[float]]:
    return losses(tmp_path_factory.mktemp("reference"))


@pytest.mark.parametrize("name", COMBINATIONS)
def test_losses_are_those_that_were_written(name: str, computed: dict[str, list[float]]) -> None:
    first, *rest = (FILES / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    written = [float(line) for line in rest]
    assert len(written) == STEPS
    if first == f"# {rounding()}":
        assert computed[name] == written
    else:  # another processor, or another torch, rounds in another way
        assert computed[name] == pytest.approx(written, rel=1e-3)


def test_each_file_belongs_to_a_combination() -> None:
    assert {path.stem for path in FILES.glob("*.txt")} == set(COMBINATIONS)


if __name__ == "__main__":
    FILES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        for name, values in losses(Path(temporary)).items():
            text = "\n".join([f"# {rounding()}", *map(repr, values)])
            (FILES / f"{name}.txt").write_text(text + "\n", encoding="utf-8")
