"""Every text family of transformers, tiny and random: it learns a task truly, or is refused before it is trained.

The families are those in transformers' own lists, so one of a later version is tested without being written down.
What is compared with: plain transformers, and each text by itself.
"""

import re
import sys
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from danlu.engine.engines.torch import TorchNetwork
from danlu.engine.predict import Predictor
from danlu.model.fast import use_our_attention
from danlu.model.heads import unwrapped
from danlu.model.padding import pad_alike
from danlu.model.positions import counts_from_padding, longest_row
from danlu.recipe.part import find
from danlu.refusal import Refusal
from danlu.stages.trial import suited, try_a_step
from danlu.task.task import Task
from danlu.task.tasks.causal_lm import CausalLm
from danlu.train.batches import Batches
from danlu.tuning.methods.full import Full
from danlu.tuning.roles import Roles

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "families.md").read_text("utf-8")
NOT_BUILT = 24  # pairs whose tiny configuration transformers itself cannot build or run, or that need other packages


def _tiny():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        return import_module("tiny_families")
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))


tiny = _tiny()
WORDS = tiny.tokenizer()
FIRST = dict(reversed(tiny.PAIRS))  # the first of its tasks, by family
pytestmark = pytest.mark.filterwarnings("ignore")  # what families say to each other is not ours


@cache
def built(family, kind):
    """The network and the task, or why transformers cannot make it so small; a padding number that is no padding."""
    task = find(Task, kind)()
    task = task.fitted(tiny.records(kind))
    with torch.random.fork_rng():
        network = tiny.build(family, kind, **task.config())
    if not counts_from_padding(network):
        network.config.get_text_config(decoder=True).pad_token_id = 9
    return network, task


def plain_logits(network, inputs):
    with torch.no_grad():
        logits = network(**inputs).logits
    keep = inputs["attention_mask"].bool()
    return logits[keep] if logits.shape[:2] == keep.shape else logits


def whole(records):
    ids = [WORDS(record["text"])["input_ids"] for record in records]
    width = max(map(len, ids))
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in ids])
    return {"input_ids": torch.tensor([row + [0] * (width - len(row)) for row in ids]), "attention_mask": mask}


def alike(found, right):
    assert (found - right).abs().max() <= 1e-3 * right.std() + 1e-5


def numbers(prediction):
    """All that a prediction says, as numbers."""
    if isinstance(prediction, dict):
        return [number for value in prediction.values() for number in numbers(value)]
    if isinstance(prediction, list):
        return [number for value in prediction for number in numbers(value)]
    return [float(prediction)] if isinstance(prediction, int | float) else []


@pytest.mark.parametrize(("family", "kind"), tiny.PAIRS)
def test_a_family_learns_a_task_truly_or_is_refused_before(family, kind, tmp_path):
    records = tiny.records(kind)
    try:
        network, task = built(family, kind)
        right = plain_logits(network, whole(records))
    except Exception as error:  # transformers' own
        pytest.skip(f"{type(error).__name__}: {error}"[:200])
    finally:
        built.cache_clear()
    try:
        pad_alike(network, WORDS, family)
        task = suited(network, task, WORDS, lambda _: None)
        limit = min(longest_row(network), tiny.POSITIONS)
        rows = task.encode(records, WORDS, limit, labelled=True)
        batches = Batches(rows, lambda *given: task.collate(*given[:2], WORDS, given[2]), 0, 4096, None, 1, 1)
        try_a_step(batches, network.train(), Roles(task, {}), Full(), tmp_path)
    except Refusal:
        assert_page_says(family, kind, runs=False)
        return
    network.eval()
    if kind != "classify":  # a decoder that classifies has another padding token now
        alike(plain_logits(network, whole(records)), right)
    asked = [{"text": record["text"]} for record in records]
    # different words: where keys are alike, sparse attention chooses among them by their last bits
    asked.append({"text": " ".join(f"w{1 + number * 7 % 19}" for number in range(limit - 2))})
    with Predictor(TorchNetwork(network, threads=1), task, WORDS) as predictor:
        together = predictor.predict(asked)
        # the shortest, and once a family the longest of the given ones and the one as long as a row may be
        for place in (0, 1, -1) if kind == FIRST[family] else (0,):
            (alone,) = predictor.predict([asked[place]])
            assert numbers(together[place]) == pytest.approx(numbers(alone), rel=1e-3, abs=2e-4)
    if kind == "causal_lm":
        assert_packing_changes_nothing(task, network, records)
    assert_page_says(family, kind, runs=True)


def assert_packing_changes_nothing(task, network, records):
    losses = []
    for pack in (True, False) if task.pack else ():
        each = CausalLm(pack=pack)
        rows = each.encode(records, WORDS, tiny.POSITIONS, labelled=True)
        batch = each.collate(rows, max(map(len, rows)), WORDS, np.random.default_rng(0))
        with torch.no_grad():
            losses.append(float(each.loss(network, batch)["tokens"]) / batch.counts["tokens"])
    assert losses[:1] == pytest.approx(losses[1:], rel=1e-4)
    first = WORDS(records[1]["text"], return_tensors="pt")["input_ids"]
    changed = first.clone()
    changed[0, 9:] = 20
    with torch.no_grad():
        before, after = network(input_ids=torch.cat([first, changed]), use_cache=False).logits[:, :9]
    alike(after, before)


def assert_page_says(family, kind, *, runs):
    if transformers.__version__ not in PAGE:
        return
    line = re.search(rf"^\| {re.escape(family)} \|(.*)\|$", PAGE, re.MULTILINE)
    assert line is not None, f"{family} is not in docs/families.md; run benchmarks/families.py"
    cell = line.group(1).split("|")[list(tiny.HEADS).index(kind)]
    assert ("full" in cell) == runs, f"docs/families.md is not current for {family}; run benchmarks/families.py"


def test_the_lists_of_transformers_are_read_and_all_but_a_few_families_are_tried():
    assert len(tiny.PAIRS) >= 400
    assert {"gemma2", "gpt_oss", "falcon", "mamba2", "xlnet", "opt", "longformer"} <= set(tiny.FAMILIES)


@pytest.mark.parametrize("family", ["falcon", "mpt", "bloom", "openai-gpt", "mamba", "mamba2", "jamba", "rwkv"])
def test_packing_where_documents_see_each_other_is_off_and_told_or_refused(family):
    network, _ = built(family, "causal_lm")
    said = []
    assert suited(network, CausalLm(), WORDS, said.append).pack is False
    assert said == [
        f"documents that share a row would see each other in '{family}'; each has its own row, as with pack: false"
    ]
    with pytest.raises(Refusal, match=rf"^task.pack: .* '{family}'; set 'pack' to false$"):
        suited(network, CausalLm(pack=True), WORDS, said.append)


@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen3", "gpt_neox", "mistral"])
def test_packing_stays_on_where_it_is_right(family):
    said = []
    assert suited(built(family, "causal_lm")[0], CausalLm(), WORDS, said.append).pack
    assert not said


def test_an_encoder_is_made_a_decoder_and_one_that_cannot_be_is_refused():
    assert unwrapped(built("bert", "causal_lm")[0]).config.is_decoder
    network = tiny.build("bert", "causal_lm", is_decoder=False)
    with pytest.raises(Refusal, match="a token is seen by those before it"):
        suited(network, CausalLm(), WORDS, lambda _: None)


@pytest.mark.parametrize("family", ["gemma2", "gpt_oss", "deepseek_v32", "mpt", "t5gemma"])
def test_what_our_attention_does_not_know_is_left_to_the_family(family):
    kind = next(kind for kind in tiny.HEADS if family in tiny.HEADS[kind][1])
    network, _ = built(family, kind)
    given = whole(tiny.records(kind))
    right = plain_logits(network, given)
    use_our_attention(network)
    alike(plain_logits(network, given), right)
