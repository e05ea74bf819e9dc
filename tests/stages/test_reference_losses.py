"""Losses of 20 steps of each source, task and method, as they were when the text files were written.

`python tests/stages/test_reference_losses.py` writes them anew, for a change that is meant to change losses.
"""

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

import danlu

FILES = Path(__file__).parent / "reference_losses"
STEPS = 20

PLACES = ("北京", "上海", "London", "Paris", "广州")
PEOPLE = ("李明", "王芳", "Ada", "Alan", "张伟")
RECORDS = [
    {
        "text": (text := f"{person}{' went to ' if person.isascii() else '昨天去了'}{place}{ending}"),
        "label": ("good", "bad", "none")[(number + len(ending)) % 3],
        "entities": [
            {"start": 0, "end": len(person), "label": "person"},
            {"start": text.index(place), "end": text.index(place) + len(place), "label": "place"},
        ],
    }
    for number, (person, place) in enumerate((person, place) for person in PEOPLE for place in PLACES)
    for ending in ("。", ", and it rained all day long.", "，天气很好，大家都很高兴。")
]

SMALL = {"kind": "scratch", "layers": 2, "width": 32, "heads": 2, "positions": 64}
SOURCES: dict[str, dict[str, Any]] = {
    "bert": SMALL | {"architecture": "bert"},
    "gpt2": SMALL | {"architecture": "gpt2"},
    "llama": SMALL | {"architecture": "llama"},
    "gru": {key: value for key, value in SMALL.items() if key != "heads"} | {"architecture": "gru"},
    "pretrained": {"kind": "pretrained", "path": "@pretrain"},
}
COMBINATIONS = [
    (source, task, method)
    for source, tasks in {
        "bert": ("classify", "tag", "masked_lm"),
        "gpt2": ("classify", "causal_lm"),
        "llama": ("classify", "tag", "causal_lm"),
        "gru": ("causal_lm",),
        "pretrained": ("classify", "tag", "masked_lm"),
    }.items()
    for task in tasks
    for method in ("full", "head", "lora")
    if (method != "head" or not task.endswith("_lm")) and (source != "gru" or method == "full")
]
SETTINGS: dict[str, dict[str, Any]] = {
    "bert-classify-full": {"accumulate": 2, "average": 0.9},
    "bert-tag-full": {"threads": 2},
    "llama-causal_lm-full": {"optimizer": "sgd", "schedule": "cosine"},
}
EVERY_TOKEN = {"kind": "tag", "units": "tokens"}
TASKS = {"tag": EVERY_TOKEN}
WORDS = {"kind": "masked_lm", "units": "words", "share": 0.1, "share_end": 0.4}
MASKED_FAMILY: dict[str, dict[str, Any]] = {
    "bert-masked_lm-spans": {"task": WORDS | {"spans": 0.2, "share_schedule": "cosine"}},
    "bert-masked_lm-ngrams": {"task": WORDS | {"segmenter": "jieba", "ngrams": [0.4, 0.3, 0.2, 0.1]}},
    "bert-next_sentence": {"task": "next_sentence"},
    "bert-next_sentence-masked": {"task": {"kind": "next_sentence", "masking": {"units": "words"}}},
    "bert-sentence_order": {"task": {"kind": "sentence_order", "copies": 2}},
    "gpt2-causal_lm-z_loss": {"task": {"kind": "causal_lm", "z_loss": 1e-2}},
    "pretrained-tag-teacher": {
        "task": EVERY_TOKEN,
        "model": {"kind": "student", "of": "@pretrained-tag-full", "layers": 1},
        "teacher": {"bundle": "@pretrained-tag-full", "hidden": 0.5, "attention": 0.1, "embeddings": 0.2},
        "tokenizer": None,
    },
    "bert-classify-teacher": {
        "task": "classify",
        "model": SMALL | {"architecture": "bert", "width": 16},
        "teacher": {"bundle": "@bert-classify-full", "hidden": 0.5, "temperature": 3.0, "labels": 0.5},
    },
    "gpt2-distil_lm": {
        "task": {"kind": "distil_lm", "top": 20},
        "roles": {"teacher": {"kind": "pretrained", "path": "@llama-causal_lm-full"}},
    },
}
"""Objectives with settings of their own, each of the source that its name begins with."""
NAMES = [*("-".join(each) for each in COMBINATIONS), *MASKED_FAMILY]


def recipe(folder: Path) -> dict[str, Any]:
    """One recipe with a training for each combination."""
    data = {"kind": "jsonl", "path": str(folder / "records.jsonl")}
    train = {"steps": STEPS, "batch_tokens": 256, "precision": "float32", "rate": 1e-3}
    stages: dict[str, Any] = {
        "vocabulary": {"kind": "tokenizer", "data": data, "tokenizer": {"kind": "wordpiece", "size": 300}},
        "pretrain": {
            "kind": "train",
            "data": data,
            "tokenizer": "@vocabulary",
            "model": SOURCES["bert"],
            "task": "masked_lm",
            "train": train,
        },
    }
    for source, task, method in COMBINATIONS:
        name = f"{source}-{task}-{method}"
        stages[name] = {
            "kind": "train",
            "data": data,
            "tokenizer": "@vocabulary",
            "model": SOURCES[source],
            "task": TASKS.get(task, task),
            "tuning": method,
            "train": train | SETTINGS.get(name, {}),
        }
    for name, fields in MASKED_FAMILY.items():
        model = SOURCES[name.partition("-")[0]]
        stages[name] = {
            "kind": "train",
            "data": data,
            "tokenizer": "@vocabulary",
            "model": model,
            "train": train,
        } | fields
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
    found = {}
    for name in NAMES:
        log = (done[name] / "log.jsonl").read_text(encoding="utf-8").splitlines()
        found[name] = [json.loads(line)["loss"] for line in log]
    return found


def rounding() -> str:
    """What this processor and this torch round like: bits may be compared with those of the same rounding alone."""
    cores = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        made = torch.Generator().manual_seed(0)
        one, two = (torch.randn(48, 96, generator=made) for _ in range(2))
        product = one @ two.T
        parts: list[Tensor] = [
            product,
            functional.gelu(product),
            functional.layer_norm(one, (96,)),
            torch.log_softmax(product, -1),
            torch.tanh(one) + torch.exp(two / 9),
            torch.linalg.vector_norm(one)[None],
        ]
        bits = b"".join(part.numpy().tobytes() for part in parts)
    finally:
        torch.set_num_threads(cores)
    return f"{torch.__version__.partition('+')[0]} {hashlib.sha256(bits).hexdigest()[:16]}"


@pytest.fixture(scope="module")
def computed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[float]]:
    return losses(tmp_path_factory.mktemp("reference"))


@pytest.mark.parametrize("name", NAMES)
def test_losses_are_those_that_were_written(name: str, computed: dict[str, list[float]]) -> None:
    first, *rest = (FILES / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    written = [float(line) for line in rest]
    assert len(written) == STEPS
    if first == f"# {rounding()}":
        assert computed[name] == written
    else:  # another processor, or another torch, rounds in another way
        assert computed[name] == pytest.approx(written, rel=1e-3)


def test_each_file_belongs_to_a_combination() -> None:
    assert {path.stem for path in FILES.glob("*.txt")} == set(NAMES)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        for name, values in losses(Path(temporary)).items():
            text = "\n".join([f"# {rounding()}", *map(repr, values)])
            (FILES / f"{name}.txt").write_text(text + "\n", encoding="utf-8")
