"""Attention against the formula softmax(QK^T / sqrt(d)) V in float64, and against transformers' own kernels."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import PreTrainedModel

from danlu.model.attention import NAME, _attention_forward, attend
from danlu.model.dropout import keep_mask, seed_dropout
from danlu.model.sight import allowed_pairs, as_bias

Network = Callable[[str], PreTrainedModel]
Rows = Callable[[str], dict[str, Tensor]]
FAMILIES = ["bert", "roberta", "electra", "distilbert", "modernbert", "gpt2", "llama", "bart", "t5"]


def formula(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None, scale: float | None = None) -> Tensor:
    """Vaswani et al., 2017, formula 1, in float64."""
    query, key, value = query.double(), key.double(), value.double()
    scores = query @ key.transpose(-1, -2) * (scale or query.shape[-1] ** -0.5)
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    return torch.softmax(scores, -1) @ value


def operands(rows: int, heads: int, queries: int, keys: int, width: int, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = [(rows, heads, queries, width), (rows, heads, keys, width), (rows, heads, keys, width)]
    return [torch.randn(shape, generator=generator).requires_grad_() for shape in shapes]


def compare(found: Tensor, expected: Tensor, given: list[Tensor]) -> None:
    """Values, and gradients of a weighted sum."""
    torch.testing.assert_close(found.double(), expected, atol=2e-6, rtol=1e-5)
    weights = torch.randn(expected.shape, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    ours = torch.autograd.grad((found.double() * weights).sum(), given, retain_graph=True)
    theirs = torch.autograd.grad((expected * weights).sum(), given)
    for mine, right in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, right, atol=5e-6, rtol=1e-4)


@settings(max_examples=25, deadline=None)
@given(
    rows=st.integers(1, 3),
    heads=st.integers(1, 3),
    queries=st.integers(1, 7),
    longer=st.integers(0, 4),
    width=st.integers(1, 9),
    causal=st.booleans(),
    padded=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_values_and_gradients_equal_the_formula(
    rows: int, heads: int, queries: int, longer: int, width: int, causal: bool, padded: bool, seed: int
) -> None:
    keys = queries + longer
    given_ = operands(rows, heads, queries, keys, width, seed)
    mask = None
    if padded:
        lengths = torch.randint(1, keys + 1, (rows,), generator=torch.Generator().manual_seed(seed))
        mask = (torch.arange(keys) < lengths[:, None])[:, None, None]
    if causal:  # query i stands at position i + longer, and the first key can always be seen
        below = (torch.arange(keys) <= torch.arange(queries)[:, None] + longer)[None, None]
        mask = below if mask is None else mask & below
    bias = None if mask is None else as_bias(mask, torch.float32)
    compare(attend(*given_, bias=bias), formula(*given_, mask), given_)


def test_the_scale_may_be_given() -> None:
    given_ = operands(2, 2, 3, 3, 4)
    compare(attend(*given_, scale=0.7), formula(*given_, None, 0.7), given_)


def test_grouped_heads_repeat_their_keys() -> None:
    query, key, value = operands(2, 4, 5, 5, 6)
    key, value = (tensor[:, :2].detach().requires_grad_() for tensor in (key, value))
    module = torch.nn.Module()
    module.num_key_value_groups, module.is_causal = 2, True
    found, weights = _attention_forward(module, query, key, value, None)
    allowed = torch.ones(5, 5, dtype=torch.bool).tril()
    wide = [tensor.repeat_interleave(2, 1) for tensor in (key, value)]
    compare(found.transpose(1, 2), formula(query, *wide, allowed), [query, key, value])
    assert weights is None


def test_causal_queries_that_follow_cached_keys_see_all_of_these() -> None:
    allowed = allowed_pairs(None, None, causal=True, queries=2, keys=5, device=torch.device("cpu"))
    assert allowed is not None
    assert allowed[0, 0].tolist() == [[True, True, True, True, False], [True] * 5]
    assert allowed_pairs(None, None, causal=True, queries=1, keys=5, device=torch.device("cpu")) is None


def test_an_additive_mask_is_understood() -> None:
    additive = torch.tensor([0.0, torch.finfo(torch.float32).min, 0.0])[None, None, None]
    allowed = allowed_pairs(additive, None, causal=False, queries=3, keys=3, device=torch.device("cpu"))
    assert allowed is not None
    assert allowed[0, 0, 0].tolist() == [True, False, True]


def test_a_row_that_sees_nothing_stays_finite() -> None:
    given_ = operands(1, 1, 2, 3, 4)
    found = attend(*given_, bias=as_bias(torch.zeros(1, 1, 2, 3, dtype=torch.bool), torch.float32))
    found.sum().backward()
    assert found.isfinite().all()
    assert all(tensor.grad is not None and tensor.grad.isfinite().all() for tensor in given_)


def test_dropout_multiplies_the_probabilities_by_its_mask_also_backward() -> None:
    given_ = operands(2, 3, 4, 4, 5)
    seed_dropout(1, 2)
    found = attend(*given_, dropout=0.3)
    seed_dropout(1, 2)
    mask, scale = keep_mask(torch.Size([6, 4, 4]), 0.3, torch.float32)
    query, key, value = (tensor.double() for tensor in given_)
    probabilities = torch.softmax(query @ key.mT * 5**-0.5, -1) * (mask.view(2, 3, 4, 4) * scale)
    assert 0 < int(mask.sum()) < mask.numel()
    compare(found, probabilities @ value, given_)


def test_bfloat16_points_where_float32_points() -> None:
    given_ = operands(2, 2, 16, 16, 32)
    expected = torch.autograd.grad(attend(*given_).square().sum(), given_)
    low = [tensor.detach().bfloat16().requires_grad_() for tensor in given_]
    found = torch.autograd.grad(attend(*low).square().sum(), low)
    for mine, right in zip(found, expected, strict=True):
        assert torch.cosine_similarity(mine.float().flatten(), right.flatten(), dim=0) > 0.999


@pytest.mark.parametrize("family", FAMILIES)
def test_models_of_transformers_give_the_same_logits_and_gradients(network: Network, rows: Rows, family: str) -> None:
    model, inputs = network(family), rows(family)
    kept = inputs["attention_mask"].bool()

    def result(kernel: str) -> tuple[Tensor, Tensor]:
        model.set_attn_implementation(kernel)
        logits = model(**inputs).logits
        logits = logits if "decoder_input_ids" in inputs else logits[kept]
        model.zero_grad()
        (logits * torch.linspace(-1, 1, logits.shape[-1])).sum().backward()
        return logits.detach(), model.get_input_embeddings().weight.grad.clone()

    ours, reference = result(NAME), result("eager" if family == "t5" else "sdpa")
    assert reference[0].std() > 0.01
    torch.testing.assert_close(ours[0], reference[0], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(ours[1], reference[1], atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("family", ["gpt2", "llama", "t5", "bart"])
def test_generation_with_a_cache_gives_the_same_tokens(network: Network, rows: Rows, family: str) -> None:
    model, inputs = network(family), {"input_ids": rows(family)["input_ids"][:1]}
    found = []
    for kernel in (NAME, "eager"):
        model.set_attn_implementation(kernel)
        found.append(model.generate(**inputs, max_new_tokens=6, min_new_tokens=6, do_sample=False).tolist())
    assert found[0] == found[1]


@pytest.mark.parametrize("family", ["bert", "roberta", "electra", "gpt2", "llama"])
def test_packed_rows_equal_separate_ones(network: Network, family: str) -> None:
    model = network(family)
    model.set_attn_implementation(NAME)
    lengths = [4, 3, 5]
    ids = torch.randint(3, 48, (1, sum(lengths)), generator=torch.Generator().manual_seed(1))
    first = 1 if family == "roberta" else 0  # positions of RoBERTa begin after the padding token's number
    inputs = {
        "input_ids": ids,
        "segments": torch.repeat_interleave(torch.arange(3), torch.tensor(lengths))[None],
        "position_ids": torch.cat([torch.arange(n) + first for n in lengths])[None],
    }
    with torch.no_grad():
        cache = {"use_cache": False} if family in {"gpt2", "llama"} else {}
        packed = model(**inputs, **cache).logits[0]
        separate = torch.cat([model(input_ids=part).logits[0] for part in torch.split(ids, lengths, 1)])
    torch.testing.assert_close(packed, separate, atol=1e-5, rtol=1e-4)


def test_padding_of_bidirectional_models_costs_no_square_mask(network: Network, rows: Rows) -> None:
    seen: list[torch.Size | None] = []
    model, inputs = network("bert"), rows("bert")
    model.set_attn_implementation(NAME)
    layer = model.bert.encoder.layer[0].attention.self

    def look(_module: object, given: tuple[Tensor, ...], keywords: dict[str, Tensor]) -> None:
        mask = next((value for value in (*given[1:], *keywords.values()) if torch.is_tensor(value)), None)
        seen.append(None if mask is None else mask.shape)

    layer.register_forward_pre_hook(look, with_kwargs=True)
    with torch.no_grad():
        model(**inputs)
        model(input_ids=inputs["input_ids"], attention_mask=torch.ones_like(inputs["input_ids"]))
    assert seen == [torch.Size([3, 1, 1, 9]), None]


def test_half_precision_goes_backward_where_positions_have_turned_queries_into_float32() -> None:
    """As under autocast, which casts nothing on the way back."""
    torch.manual_seed(0)
    parts = [torch.randn(1, 2, 5, 8, requires_grad=True) for _ in range(3)]
    exact = attend(*parts).sum()
    right = torch.autograd.grad(exact, parts)
    query, key, value = parts
    found = torch.autograd.grad(attend(query, key, value.half()).float().sum(), parts)
    for one, other in zip(found, right, strict=True):
        torch.testing.assert_close(one, other, atol=5e-3, rtol=5e-3)
