"""What is foretold of a step, against the tensors of that step."""

from typing import Any

import pytest
import torch
from torch import nn

from danlu.machine.meter import Meter
from danlu.machine.seed import generator
from danlu.model.accelerated import use_fused_gelu
from danlu.model.fast import DTYPES, prepare_for_training, use_our_attention, use_our_dropout
from danlu.model.planned import use_fused_kernels
from danlu.model.source import Source
from danlu.stages.ready import Prepared
from danlu.stages.size import outlined
from danlu.task.task import Task
from danlu.text.batching.batch import Batch
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece
from danlu.train.foretold import passed, states
from danlu.train.optimizer import build_optimizer, lay_out
from danlu.train.settings import Training
from danlu.tuning.method import Method

TOKENIZER = WordPiece(size=60, min_frequency=1).build(lambda: iter(["the cat sat on the mat", "北京是中国的首都"]))
TEXT = {"text": "the cat sat on the mat " * 6, "translation": "the mat sat on the cat " * 5, "label": "a"}
RUNS = {
    "bert": ("masked_lm", "full"),
    "gpt2": ("causal_lm", "full"),
    "llama": ("causal_lm", "lora"),
    "t5": ("translate", "full"),
    "electra": ("classify", "lora"),
}


def built(architecture: str) -> tuple[Source, Task, Method]:
    sizes = {"architecture": architecture, "layers": 2, "width": 32, "heads": 4, "positions": 64, "dropout": 0.1}
    source, (kind, method) = Source.model_validate({"kind": "scratch", **sizes}), RUNS[architecture]
    task = Task.model_validate(kind).fitted([TEXT, TEXT | {"label": "b"}]).shaped(source.shape())
    return source, task, Method.model_validate(method)


def batch_of(task: Task) -> Batch:
    rows = task.learnable([TEXT] * 6, TOKENIZER, 40, 40)
    return task.collate(rows, max(len(row) for row in rows), TOKENIZER, generator(0, "rows"))


@pytest.mark.parametrize("architecture", RUNS)
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_what_a_batch_holds_is_what_its_tensors_have(architecture: str, precision: str) -> None:
    source, task, method = built(architecture)
    outline, task = outlined(Prepared(source, method, TOKENIZER, task, [], 0))
    batch = batch_of(task)
    use_our_attention(outline)
    use_our_dropout(outline)
    use_fused_gelu(outline)
    found = passed(outline, task.loss, batch, 100, precision)

    halved = precision == "float16"
    built_anew = method.apply(source.build(task.auto_class, TOKENIZER, task.config()))
    model = prepare_for_training(built_anew, "float32" if halved else precision)  # type: ignore[arg-type]
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    with Meter() as meter:
        with torch.autocast("cpu", torch.float16, enabled=halved):
            sums = [*task.loss(model, batch).values()]
        kept, forward = meter.held, meter.operations
        gradients = torch.autograd.grad(sums, trained, allow_unused=True)
    exactly = 0 if precision == "float32" else 0.01  # torch tells means of norms in float32 that are of bfloat16 here
    assert found.kept == pytest.approx(kept, rel=exactly)
    assert found.kept + found.beyond == pytest.approx(meter.peak, rel=exactly)
    assert (found.forward, found.training) == (forward, meter.operations)
    assert found.gradients == sum(gradient.nbytes for gradient in gradients if gradient is not None)
    assert 0 < found.recomputed < found.kept


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("method", ["full", "lora"])
def test_what_is_held_for_parameters_is_what_their_tensors_have(precision: str, optimizer: Any, method: str) -> None:
    source, task, _ = built("gpt2")
    settings, how = Training(optimizer=optimizer), Method.model_validate(method)
    outline = how.apply(source.outline(task.auto_class, TOKENIZER, task.config()))
    found = states(outline, settings, precision, copies=2)

    model = how.apply(source.build(task.auto_class, TOKENIZER, task.config())).to(DTYPES[precision])
    parameters = lay_out(optimizer, model)
    moves = {"weight_decay": 0.0, "betas": settings.betas, "momentum": settings.momentum}
    stepped = build_optimizer(optimizer, parameters, rate=0.0, **moves)
    parameters.step(stepped, 0.0)
    values = sum(value.nbytes for value in parameters.values())
    kept = parameters.state(stepped)
    moments = sum(value.nbytes for name, value in kept.items() if "optimizer." in name and value.dim())
    assert found.weights == sum(parameter.nbytes for parameter in model.parameters())
    assert found.masters == (values if precision == "bfloat16" else 0)
    assert found.gradients == sum(gradient.nbytes for gradient in parameters.gradients()) == values
    assert found.moments == moments
    assert found.copies == 2 * values
    assert found.largest + found.outside < found.weights


def test_an_accelerator_keeps_no_scores_and_a_byte_for_each_mask_of_dropout() -> None:
    source, task, _ = built("gpt2")
    batch, kept = batch_of(task), []
    for prepare in (use_our_attention, use_fused_kernels):
        outline = source.outline(task.auto_class, TOKENIZER, task.config())
        prepare(outline)
        kept.append(passed(outline, task.loss, batch, 100, "bfloat16").kept)
    rows, width = batch.inputs["input_ids"].shape
    scores = 2 * rows * 4 * width * width * (2 + 2)  # of two layers with four heads: probabilities and their dropout
    assert kept[1] < kept[0] - scores


def test_blocks_are_found_by_the_layers_of_the_family() -> None:
    source, task, _ = built("t5")
    outline: nn.Module = source.outline(task.auto_class, TOKENIZER, task.config())
    found = states(outline, Training(), "float32", copies=0)
    decoder = outline.get_submodule("decoder.block.0")
    assert found.largest == sum(parameter.nbytes for parameter in decoder.parameters())
