"""Tiny sound folders of every sort that danlu writes and reads again."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from seeds import TEXTS

if TYPE_CHECKING:
    from danlu.data.corpus.survey import Survey

TASKS = {
    "classify": {"kind": "classify", "labels": ["bad", "good"]},
    "tag": {"kind": "tag", "labels": ["person", "place"]},
}


def bundle(folder: Path, kind: str = "classify") -> Path:
    """A tiny random model of a task."""
    import torch
    import transformers

    from danlu.bundle.bundle import save
    from danlu.task.task import Task
    from danlu.text.tokenizing.tokenizer import TokenizerSource

    source = {"kind": "wordpiece", "size": 300, "min_frequency": 1}
    opened = TokenizerSource.model_validate(source).build(lambda: iter(TEXTS))
    task = Task.model_validate(TASKS[kind])
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    words = {"vocab_size": len(opened), "pad_token_id": opened.pad_token_id, "max_position_embeddings": 48}
    config = transformers.BertConfig(**words, **sizes)
    config.update(task.config())
    torch.manual_seed(5)
    model = getattr(transformers, task.auto_class).from_config(config)
    given = {"precision": "float32", "provenance": {"recipe": "r"}, "examples": [{"text": text} for text in TEXTS]}
    save(folder, model, opened, task, **given)
    return folder


def evaluation(folder: Path) -> Path:
    """Scores, errors and answers of a classifier."""
    from danlu.bundle.bundle import load
    from danlu.evaluate.scoring.examine import examine, write

    loaded = load(bundle(folder.with_name("scored")))
    records = [{"text": text, "label": ("bad", "good")[number % 2]} for number, text in enumerate(TEXTS)]
    write(folder, examine(loaded.task, loaded.predict, records, resamples=100))
    return folder


def run(folder: Path) -> Path:
    """A run with prepared data and an evaluation, as if its stages had been run."""
    from danlu.data.corpus.prepared import save_split
    from danlu.recipe import lock as locks
    from danlu.stages.recipe import read

    plain = {
        "name": folder.parent.name,
        "stages": {
            "clean": {"kind": "prepare", "data": {"kind": "csv", "path": "none.csv"}},
            "score": {"kind": "evaluate", "bundle": "none", "data": "@clean"},
        },
    }
    records = [{"text": text, "label": ("bad", "good")[number % 2]} for number, text in enumerate(TEXTS)]
    folder.mkdir(parents=True)
    (folder / "clean").mkdir(exist_ok=True)
    save_split(folder / "clean", "train", records)
    (folder / "clean" / "survey.json").write_text(json.dumps(_survey(records).to_plain()))
    evaluation(folder / "score")
    steps = [{"step": step, "loss": 1.0 / step, "rate": 1e-3, "tokens_per_second": 9.0} for step in range(1, 5)]
    (folder / "score" / "log.jsonl").write_text("".join(json.dumps(step) + "\n" for step in steps))
    recipe = read(plain)
    for name, stage in recipe.stages.items():
        needed = {"clean": "0" * 64} if name == "score" else {}
        locks.save(folder / name, locks.lock(name, stage, 0, needed).done(1.0, folder / name))
    (folder / "r.yaml").write_text(json.dumps(plain | {"name": "copy"}))
    return folder


def _survey(records: list[dict[str, str]]) -> "Survey":
    from danlu.data.corpus.survey import survey
    from danlu.data.duplicates.dedup import find_clusters
    from danlu.machine.seed import generator

    return survey(records, find_clusters([record["text"] for record in records]), generator(0))
