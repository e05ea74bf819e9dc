"""What no method can do, and adapters that do not belong: one sentence on the command line, and nothing is written."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from danlu.cli.main import main

RECIPE = """
name: NAME
seed: SEED
stages:
  clean: {kind: prepare, data: {kind: jsonl, path: rows.jsonl}, dedup: none, split: {validation: 0.2, test: 0.0}}
  vocab: {kind: tokenizer, data: "@clean", tokenizer: {kind: char, size: 40}}
  base:
    kind: train
    data: "@clean"
    task: TASK
    tokenizer: "@vocab"
    model: {kind: scratch, architecture: FAMILY, layers: 1, width: 16, heads: 2, positions: 24}
    train: {steps: 1, batch_tokens: 64, precision: float32}
  tuned:
    kind: train
    data: "@clean"
    task: classify
    model: {kind: pretrained, path: "@base"}
    tuning: {kind: lora, rank: 2}
    train: {steps: 1, batch_tokens: 64, precision: float32}
"""


class Commands:
    """Commands in a folder with two bases, and what lora has added to the first."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root, self.capsys = root, capsys

    def there(self) -> dict[str, bytes]:
        """Every file but those in which a run says what it was asked for."""
        own = {".running", ".running.lock", "recipe.lock.yaml"}
        files = (path for path in self.root.rglob("*") if path.is_file() and path.name not in own)
        return {str(path.relative_to(self.root)): path.read_bytes() for path in files}

    def refused(self, *words: str) -> str:
        """The sentence of a command that is refused and leaves everything as it was."""
        before = self.there()
        with pytest.raises(SystemExit) as ended:
            main([*words])
        told = self.capsys.readouterr().err.strip().splitlines()
        assert ended.value.code == 2, told
        assert self.there() == before
        assert told[-1].startswith("danlu: ")
        assert "Traceback" not in "".join(told)
        assert ".partial" not in told[-1]
        return told[-1]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`one` has a tuned model on a decoder; `two` has an encoder with the same tokenizer; `three` other weights."""
    root = tmp_path_factory.mktemp("refused")
    lines = [{"text": f"{'好坏'[n % 2]} w{n % 7} 东西{n}", "label": "gb"[n % 2]} for n in range(30)]
    (root / "rows.jsonl").write_text("\n".join(map(json.dumps, lines)))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for name, seed, task, family in (("one", "1", "causal_lm", "llama"), ("two", "1", "masked_lm", "bert")):
            text = RECIPE.replace("NAME", name).replace("SEED", seed).replace("TASK", task).replace("FAMILY", family)
            Path(f"{name}.yaml").write_text(text)
            stages = ["tuned"] if name == "one" else []
            only = [word for stage in ["clean", "vocab", "base", *stages] for word in ("--only", stage)]
            with pytest.raises(SystemExit) as ended:
                main(["run", f"{name}.yaml", *only])
            assert ended.value.code == 0
    return root


@pytest.fixture
def commands(ran: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Commands:
    monkeypatch.chdir(ran)
    return Commands(ran, capsys)


@pytest.mark.parametrize(
    ("recipe", "tuning", "sentence"),
    [
        ("one", "bitfit", "tuning 'bitfit' finds no biases in models of the family 'llama'; use lora or ia3"),
        ("one", "{kind: lora, targets: [qproj]}", "'qproj'; did you mean 'q_proj'?; there are: down_proj, gate_proj"),
        ("two", "{kind: adalora, targets: [quer]}", "'quer'; did you mean 'query'?; there are: dense, key, query"),
        ("one", "{kind: prompt, size: 21}", "no room for text in the model's rows of 24 tokens; write at most 20"),
        ("two", "{kind: prefix, size: 21}", "no room for text in the model's rows of 24 tokens; write at most 20"),
        ("two", "{kind: ptuning, size: 99}", "no room for text in the model's rows of 24 tokens; write at most 20"),
        ("one", "{kind: layers, top: 3}", "3 layers are to be trained, and the model has 1; write at most so many"),
        ("one", "{kind: layers, patterns: [a.layer.1]}", "no weight is called 'a.layer.1'; nearest are: model.layers."),
        ("one", "lroa", "there is no method 'lroa'; did you mean 'lora'?"),
    ],
)
def test_what_a_method_cannot_do_is_refused_before_anything_is_written(
    commands: Commands, recipe: str, tuning: str, sentence: str
) -> None:
    """Where earlier results stand under the name of the stage (`one`), and where there are none (`two`)."""
    said = commands.refused("run", f"{recipe}.yaml", f"tuned.tuning={tuning}")
    assert sentence in said


def pickled(adapter: Path) -> None:
    (adapter / "weights.pkl").write_bytes(b"\x80\x04.")


def shortened(adapter: Path) -> None:
    (adapter / "adapter_model.safetensors").write_bytes(b"")


def untouched(adapter: Path) -> None:
    assert adapter.is_dir()


@pytest.mark.parametrize(
    ("base", "change", "sentence"),
    [
        ("runs/one/base", pickled, "weights.pkl: expected safetensors, and files of this kind can run code"),
        ("runs/one/base", shortened, "adapter_model.safetensors: the file has changed since the bundle was saved"),
        ("runs/two/base", untouched, "copied/adapter_model.safetensors: belongs to other base weights than these"),
        ("runs/one/tuned", untouched, "copied/adapter_model.safetensors: belongs to other base weights than these"),
        ("runs/one/vocab/tokenizer", untouched, "is no bundle, for there is no danlu.json in it"),
    ],
)
@pytest.mark.parametrize("output", [(), ("--output", "new")])
def test_an_adapter_that_does_not_belong_is_refused_and_named_where_it_lies(
    commands: Commands, base: str, change: Callable[[Path], None], sentence: str, output: tuple[str, ...]
) -> None:
    copied = Path(shutil.copytree("runs/one/tuned/adapter", "copied"))
    try:
        change(copied)
        assert sentence in commands.refused("adapt", base, "copied", "--name", "a", *output)
    finally:
        shutil.rmtree(copied)


def test_an_adapter_of_another_task_is_refused_where_data_or_others_do_not_fit_it(commands: Commands) -> None:
    assert "has no adapter 'a'" in commands.refused("predict", "runs/one/base", "--text", "好", "--adapter", "a")
    Path("plain.jsonl").write_text('{"body": "a"}\n')
    said = commands.refused("evaluate", "runs/one/tuned", "plain.jsonl")
    assert "plain.jsonl, record 1: there is no column 'label' (a label (text)), only 'body'" in said
