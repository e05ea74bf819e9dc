"""The likelihood of continuations: what a loop over plain transformers says, with what is shared read once."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel
from writers import FAMILIES, TWO_SIDED, built, random_rows

from danlu.model.cached import Cached
from danlu.model.fast import use_our_attention
from danlu.model.reader import Prompt
from danlu.model.readers import reader_for
from danlu.prompt.likelihood import TOKENS, Continued, log_likelihoods

FOLLOW = ((7,), (7, 9), (7, 9, 4), (8, 9), (11, 5, 6, 7))
"""Some are the beginnings of others, and some begin alike."""


def asked(family: str, rows: Sequence[Sequence[int]]) -> list[Continued]:
    if family in TWO_SIDED:
        return [Continued(Prompt((2, 5), tuple(row)), FOLLOW) for row in rows]
    return [Continued(Prompt(tuple(row)), FOLLOW[: 2 + number % 4]) for number, row in enumerate(rows)]


@torch.inference_mode()
def by_a_loop(model: PreTrainedModel, each: Continued) -> list[float]:
    """Every continuation behind its whole prompt, alone."""
    found = []
    for ids in each.follow:
        row = torch.tensor([[*each.prompt.ids, *ids]])
        if each.prompt.source is None:
            logits_TV = model(input_ids=row, use_cache=False).logits[0]
        else:
            source = torch.tensor([each.prompt.source])
            logits_TV = model(input_ids=source, decoder_input_ids=row, use_cache=False).logits[0]
        logs_TV = torch.log_softmax(logits_TV.float(), -1)
        begin = len(each.prompt.ids) - 1
        found.append(sum(float(logs_TV[begin + place, token]) for place, token in enumerate(ids)))
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_likelihoods_are_those_of_a_loop_without_the_shared_prefix(family: str) -> None:
    examples = random_rows(21)[0]
    rows = [[*examples, *row] for row in random_rows(5, 2, 13, 5, 1, seed=len(family))] + random_rows(3, 40)
    every = asked(family, rows)
    model = built(family)
    right = [by_a_loop(model, each) for each in every]
    use_our_attention(model)
    reader = reader_for(model, 0)()
    for _ in range(2):  # a reader that has read before says the same
        found = log_likelihoods(reader, every)
        for logs, true in zip(found, right, strict=True):
            assert logs == pytest.approx(true, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("family", ["gpt2", "t5"])
def test_rows_of_one_length_alone_are_read_side_by_side_where_others_may_not_be(family: str) -> None:
    model = built(family)
    every = asked(family, random_rows(6, 3, 6, 4, 3))
    right = [by_a_loop(model, each) for each in every]
    for logs, true in zip(log_likelihoods(Cached(model, 0, mixes=False), every), right, strict=True):
        assert logs == pytest.approx(true, rel=1e-5, abs=1e-5)


def test_what_prompts_and_labels_share_is_read_once() -> None:
    model = built("gpt2")
    examples = random_rows(60)[0]
    follow = tuple((token, token + 1) for token in range(10, 18))
    every = [Continued(Prompt((*examples, *row)), follow) for row in random_rows(*[6] * 10)]
    alone = sum(len(each.prompt.ids) + len(ids) for each in every for ids in each.follow)
    read = 0

    def count(_module: object, _arguments: object, given: dict[str, Tensor]) -> None:
        nonlocal read
        read += given["input_ids"].numel()

    reader = reader_for(model, 0)()
    model.register_forward_pre_hook(count, with_kwargs=True)
    log_likelihoods(reader, every)
    assert read <= 60 + 10 * (6 + 8)
    assert alone > 20 * read


def test_prompts_that_are_more_than_fits_are_read_in_several_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    model = built("llama")
    every = asked("llama", random_rows(5, 30, 9, 17, 22, 8, 40))
    assert sum(each.room for each in every) < TOKENS
    right = log_likelihoods(reader_for(model, 0)(), every)
    monkeypatch.setattr("danlu.prompt.likelihood.TOKENS", 50)
    sizes = []
    reader = reader_for(model, 0)()
    entered = reader.enter
    monkeypatch.setattr(reader, "enter", lambda prompts: sizes.append(len(prompts)) or entered(prompts))
    for logs, true in zip(log_likelihoods(reader, every), right, strict=True):
        assert logs == pytest.approx(true, rel=1e-5, abs=1e-5)
    assert len(sizes) > 1
