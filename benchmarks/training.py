"""One fine-tuning by one side, in a process of its own: speed without loading, peak memory, accuracy.

Run with a job as json: `side` (trainer or danlu), `texts` (a folder of `texts.py`), `batch` (examples), `rate`,
`epochs`, `seed`, `precision`; for the trainer `attention` and `grouped` as well; for danlu `keep`, where the bundle
shall be copied to. `probe: true` asks which settings serve the trainer best.
"""

import json
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import nn

import measuring
import texts
from danlu.machine.device import measured_rate
from danlu.train.recorder import Line, Recorder

LONGEST = 128  # tokens; longer texts are cut by every side
WARM_UP = 10  # steps that are not timed: the first ones lay out memory and choose kernels
WARMUP_SHARE = 0.1  # of the steps, in which the rate rises
WEIGHT_DECAY = 0.01
SETTINGS = ("attention", "batch", "precision")


@dataclass
class Clock:
    """When which step was done, and with what loss."""

    steps: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    peak: float = 0.0

    def mark(self, step: int, loss: float | None = None) -> None:
        """So many steps are done."""
        self.steps.append(step)
        self.seconds.append(time.perf_counter())
        if loss is not None:
            self.losses.append(loss)

    def rate(self, samples: int, warm_up: int = WARM_UP) -> float:
        """Samples a second after the warm-up, of `samples` in all steps together; short trainings warm up less."""
        warm_up = min(warm_up, self.steps[-1] // 2)
        first = max(place for place, step in enumerate(self.steps) if step <= warm_up)
        share = (self.steps[-1] - self.steps[first]) / self.steps[-1]
        return samples * share / (self.seconds[-1] - self.seconds[first])

    def final_loss(self) -> float | None:
        """Mean training loss over the last fifth, of what was reported."""
        last = self.losses[-max(1, len(self.losses) // 5) :]
        return sum(last) / len(last) if last else None


class Stopwatch(Recorder):
    """Hand a training's lines to a clock as they are written: the time between them is all the time there is."""

    clock: Any

    def open(self, folder: Path, step: int) -> "Stopwatch":
        """Begin."""
        self.clock.mark(step)
        return self

    def write(self, line: Line) -> None:
        """A group of steps is done."""
        if "loss" in line:
            self.clock.mark(line["step"], line["loss"])

    def close(self, _outcome: str) -> None:
        """The training is over; what comes later (saving, predicting) is not its memory."""
        self.clock.peak = measuring.peak_memory()


def train_with_danlu(job: dict[str, Any], folder: Path, clock: Clock) -> float:
    """Fine-tune through danlu's own stage; accuracy of the bundle it leaves."""
    import danlu

    task = {"kind": "classify", "max_length": LONGEST, "too_long": "truncate"}
    bundle = bundle_of(job, folder, clock, task)
    if job.get("keep"):
        shutil.copytree(bundle, job["keep"])
    records = texts.read(Path(job["texts"]) / "test.jsonl")
    loaded = danlu.load(bundle)
    answers = map(loaded.task.form.value, loaded.predict([record["text"] for record in records]))
    right = [answer == record["label"] for answer, record in zip(answers, records, strict=True)]
    return sum(right) / len(right)


def bundle_of(job: dict[str, Any], folder: Path, clock: Clock, task: dict[str, Any]) -> Path:
    """The bundle that danlu's own stage leaves in `folder` for a task, with the settings of a job."""
    from danlu.stages.kinds.train import Train
    from danlu.stages.stage import Place

    held = Path(job["texts"]) / "validation.jsonl"
    stage = Train.model_validate(
        {
            "data": {"kind": "jsonl", "path": f"{job['texts']}/train.jsonl"},
            "validation": {"kind": "jsonl", "path": str(held)} if held.is_file() else None,
            "model": {"kind": "pretrained", "path": f"{job['texts']}/model"},
            "task": task,
            "train": {
                "epochs": job["epochs"],
                "rate": job["rate"],
                "warmup": WARMUP_SHARE,
                "weight_decay": WEIGHT_DECAY,
                "betas": (0.9, 0.999),
                "batch_examples": job["batch"],
                "precision": job["precision"],
                "checkpoint_seconds": 1e6,  # the others write no checkpoints either
                "recorders": [Stopwatch(clock=clock)],
            },
        }
    )
    place = Place(folder / "danlu", {}, "benchmark", job["seed"], "en", lambda _: None)
    place.folder.mkdir()
    stage.run(place)
    return place.folder / "bundle"


def train_with_trainer(job: dict[str, Any], folder: Path, clock: Clock) -> float:
    """Fine-tune with transformers.Trainer; accuracy as its own predict gives it."""
    import transformers

    transformers.set_seed(job["seed"])
    tokenizer = transformers.AutoTokenizer.from_pretrained(f"{job['texts']}/model")
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        f"{job['texts']}/model", num_labels=2, attn_implementation=job["attention"], dtype=torch.float32
    )
    collator = transformers.DataCollatorWithPadding(tokenizer)
    trainer = trained(job, folder, clock, model, _rows(job, "train", tokenizer), collator)
    test = _rows(job, "test", tokenizer)
    if not test:
        return 0.0
    found = trainer.predict(test)
    return float((found.predictions.argmax(-1) == found.label_ids).mean())


def trained(
    job: dict[str, Any], folder: Path, clock: Clock, model: Any, rows: list[dict[str, Any]], collator: Any
) -> Any:
    """transformers.Trainer after it has trained a model on rows, with the settings of a job."""
    import transformers

    class Marks(transformers.TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            clock.mark(0)

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            clock.mark(state.global_step)

    settings = transformers.TrainingArguments(
        output_dir=str(folder / "trainer"),
        use_cpu=not torch.cuda.is_available(),
        bf16=job["precision"] == "bfloat16",
        bf16_full_eval=False,
        per_device_train_batch_size=job["batch"],
        per_device_eval_batch_size=32,
        num_train_epochs=job["epochs"],
        learning_rate=job["rate"],
        warmup_steps=WARMUP_SHARE,
        weight_decay=WEIGHT_DECAY,
        train_sampling_strategy="group_by_length" if job["grouped"] else "random",
        seed=job["seed"],
        save_strategy="no",
        eval_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    trainer = transformers.Trainer(
        model=model, args=settings, train_dataset=rows, data_collator=collator, callbacks=[Marks()]
    )
    trainer.train()
    clock.peak = measuring.peak_memory()
    trainer.args.train_sampling_strategy = "random"  # or what it predicts comes by length, and not as it was asked
    return trainer


def _rows(job: dict[str, Any], split: str, tokenizer: Any) -> list[dict[str, Any]]:
    """The records as the trainer's collator takes them; a probe has a sample, and no test."""
    records = texts.read(Path(job["texts"]) / f"{split}.jsonl")
    if job.get("rows"):
        records = records[: job["rows"]] if split == "train" else []
    encoded = [dict(tokenizer(record["text"], truncation=True, max_length=LONGEST)) for record in records]
    labels = {"negative": 0, "positive": 1}
    return [row | {"label": labels[record["label"]]} for row, record in zip(encoded, records, strict=True)]


def measure(job: dict[str, Any]) -> dict[str, Any]:
    """Train once and tell how fast, how large and how good."""
    clock = Clock()
    train = train_with_danlu if job["side"] == "danlu" else train_with_trainer
    before = _limit()
    with tempfile.TemporaryDirectory() as folder:
        accuracy = train(job, Path(folder), clock)
    limit = (before + _limit()) / 2
    samples = len(texts.read(Path(job["texts"]) / "train.jsonl")) * job["epochs"]
    speed = clock.rate(samples)
    return {
        "samples_per_second": speed,
        "peak_mib": clock.peak,
        "accuracy": accuracy,
        "final_loss": clock.final_loss(),
        "limit": limit,
        "share_of_limit": speed * flops_a_sample(job) / limit,
    }


def flops_a_sample(job: dict[str, Any]) -> float:
    """Operations of the matrix products that fine-tuning needs for a mean text, padding not counted.

    6 a weight of the layers and token, forward and backward (Kaplan et al., 2020); 12 * width a layer for each
    pair of tokens that attend to each other. Pooler, head, embeddings and optimizer are left out.
    """
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(f"{job['texts']}/model")
    model = transformers.AutoModel.from_pretrained(f"{job['texts']}/model")
    weights = sum(module.weight.numel() for module in model.encoder.modules() if isinstance(module, nn.Linear))
    pairs = 12 * model.config.hidden_size * model.config.num_hidden_layers
    records = texts.read(Path(job["texts"]) / "train.jsonl")
    encoded = tokenizer([record["text"] for record in records], truncation=True, max_length=LONGEST)["input_ids"]
    return sum(6.0 * weights * len(row) + pairs * len(row) ** 2 for row in encoded) / len(encoded)


def probe(job: dict[str, Any]) -> dict[str, Any]:
    """The settings with which the trainer is fastest here, each tried twice on a sample in this one process."""
    tried: dict[tuple[str, int, str], list[float]] = {}

    def attempt(attention: str, batch: int, precision: str) -> None:
        clock = Clock()
        settings = {"attention": attention, "batch": batch, "precision": precision}
        with tempfile.TemporaryDirectory() as folder:
            train_with_trainer(job | settings, Path(folder), clock)
        tried.setdefault((attention, batch, precision), []).append(clock.rate(job["rows"], warm_up=1))

    def best() -> tuple[str, int, str]:
        return max(tried, key=lambda settings: statistics.mean(tried[settings]))

    attempt("sdpa", 32, "bfloat16")  # the first in a process is slow: not counted
    tried.clear()
    for attention, batch in [*product(("sdpa", "eager"), job["batches"])] * 2:
        attempt(attention, batch, "bfloat16")
    attempt(*best()[:2], "float32")
    named = [(statistics.mean(speeds), dict(zip(SETTINGS, key, strict=True))) for key, speeds in tried.items()]
    return {"best": dict(zip(SETTINGS, best(), strict=True)), "tried": named}


def _limit() -> float:
    """Operations a second of a large bfloat16 product, the best this machine can do, measured anew."""
    return measured_rate(torch.bfloat16, 0.5)


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    print(json.dumps(probe(given) if given.get("probe") else measure(given)))
