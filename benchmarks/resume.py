"""Kill a training with SIGKILL at random instants, checkpoint writing included, and compare what it ends with.

    python benchmarks/resume.py --kills 20

A small masked language model is trained once without interruption, and once killed again and again and called
again with the same command. Both must leave the same bits in model.safetensors and the same validations in
log.jsonl. Prints each instant and the verdict; exits with 1 on any difference.
"""

import argparse
import hashlib
import importlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RECIPE = """
name: resume
seed: {seed}
stages:
  clean: {{kind: prepare, data: {{kind: text, path: {text}}}, dedup: none, split: {{validation: 0.2, test: 0.0}}}}
  vocab: {{kind: tokenizer, data: "@clean", tokenizer: {{kind: wordpiece, size: 100, min_frequency: 1}}}}
  pretrain:
    kind: train
    data: "@clean"
    tokenizer: "@vocab"
    model: {{kind: scratch, layers: 2, width: 32, heads: 2, positions: 64, dropout: 0.1}}
    task: {{kind: masked_lm}}
    train: {{steps: {steps}, rate: 3.0e-3, batch_tokens: 128, accumulate: 2, threads: {threads}, precision: bfloat16,
             average: 0.9, evaluate: 5, checkpoint_seconds: 0.000001}}
"""
WORDS = [*"炉火纯青日积月累读书破万卷下笔如有神学而时习之", "fire ", "iron ", "turns ", "gold "]


def main() -> int:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="danlu-resume-") as folder:
        recipe, unbroken, killed = (Path(folder) / name for name in ("recipe.yaml", "unbroken", "killed"))
        _write_recipe(recipe, options.seed, options.steps, options.threads)
        if options.forked:
            _import_all(recipe)
        assert _started(recipe, unbroken, options).wait() == 0, "the uninterrupted training failed"
        for stage in ("clean", "vocab"):  # as they are: a run would skip them too
            shutil.copytree(unbroken / "resume" / stage, killed / "resume" / stage)
        dice, done = random.Random(options.seed), 0
        for number in range(1, options.kills + 1):
            done += _kill(recipe, killed, number, options, dice)
        code = _started(recipe, killed, options).wait()
        assert code == 0, f"the last call ended with {code}"
        same = _left(unbroken) == _left(killed)
    verdict = "the same bits as the unbroken one" if same else "OTHER BITS THAN THE UNBROKEN ONE"
    print(f"{done} of {options.kills} kills hit; the killed training ends with {verdict}")
    return 0 if same else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--threads", type=int, default=1, help="replicas that share each batch")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--forked", action="store_true", help="fork each run from this process, which imports once")
    return parser.parse_args()


def _write_recipe(path: Path, seed: int, steps: int, threads: int) -> None:
    dice = random.Random(seed)
    lines = ["".join(dice.choices(WORDS, k=dice.randint(4, 40))) + str(number) for number in range(300)]
    text = path.with_name("text.txt")
    text.write_text("\n".join(lines), encoding="utf-8")
    path.write_text(RECIPE.format(seed=seed, steps=steps, threads=threads, text=text), encoding="utf-8")


class Forked:
    """A run in a fork of this process, with what is asked of a `subprocess.Popen` here."""

    def __init__(self, words: list[str]) -> None:
        self.code: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            code: object = 1
            try:
                os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
                importlib.import_module("danlu.cli.main").main(words)
            except SystemExit as ended:
                code = ended.code or 0
            finally:
                os._exit(int(str(code)))

    def poll(self) -> int | None:  # noqa: D102
        return self.wait(os.WNOHANG)

    def wait(self, how: int = 0) -> int | None:  # noqa: D102
        if self.code is None:
            ended, status = os.waitpid(self.pid, how)
            self.code = os.waitstatus_to_exitcode(status) if ended else None
        return self.code

    def kill(self) -> None:  # noqa: D102
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


def _import_all(recipe: Path) -> None:
    """All that a run imports, in which no thread is started."""
    for name in ("danlu.cli.run", "danlu.evaluate.reporting.report", "transformers.models.bert.modeling_bert"):
        importlib.import_module(name)
    importlib.import_module("danlu.stages.recipe").read(str(recipe))


def _started(recipe: Path, root: Path, options: argparse.Namespace) -> "subprocess.Popen[bytes] | Forked":
    words = ["run", str(recipe), "--root", str(root)]
    if options.forked:
        return Forked(words)
    command = [sys.executable, "-m", "danlu.cli.main", *words]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, "HF_HUB_OFFLINE": "1"})


def _kill(recipe: Path, root: Path, number: int, options: argparse.Namespace, dice: random.Random) -> bool:
    """Let the training come some steps further, wait for some milliseconds, and kill it.

    Every other time the wait goes on until a checkpoint is being written, which takes a small part of a step.
    """
    nearest = _step(root) + 1
    target = dice.randint(nearest, max(nearest, options.steps * number // options.kills - 1))
    last = number == options.kills > 1  # of several kills the last one comes when all steps are done
    target = options.steps if last else min(target, options.steps)
    begun = time.monotonic()
    process = _started(recipe, root, options)
    while process.poll() is None and _step(root) < target:
        time.sleep(0.002)
    # a step and its checkpoint take some 30 ms, and after the last one the bundle some 500 ms
    time.sleep(dice.uniform(0.0, 0.5 if target == options.steps else 0.06))
    while number % 2 and target < options.steps and process.poll() is None and not _partial(root):
        pass
    process.kill()
    hit = process.wait() < 0
    seconds, writing = time.monotonic() - begun, _partial(root)
    doing = f"while {writing[0].name} was being written" if writing else "between two writings"
    verdict = f"killed {doing}" if hit else "it had ended before"
    print(f"kill {number:2d}: after {seconds:6.2f} s, checkpoint of step {_step(root):3d}, {verdict}", flush=True)
    return hit


def _step(root: Path) -> int:
    """The step of the newest checkpoint."""
    found = (root / "resume" / "pretrain" / "checkpoints").glob("step-*")
    return max((int(path.name.removeprefix("step-")) for path in found), default=0)


def _partial(root: Path) -> list[Path]:
    """What is being written: a checkpoint, the bundle, a file."""
    folder = root / "resume" / "pretrain"
    return [*folder.glob("checkpoints/.*.partial"), *folder.glob(".*.partial")]


def _left(root: Path) -> tuple[str, list[object]]:
    folder = root / "resume" / "pretrain"
    weights = (folder / "bundle" / "model.safetensors").read_bytes()
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    return hashlib.sha256(weights).hexdigest(), [line for line in lines if "validation" in line]


if __name__ == "__main__":
    sys.exit(main())
