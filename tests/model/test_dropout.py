import threading

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from danlu.model.dropout import ByteDropout, keep_mask, seed_dropout


@settings(max_examples=20, deadline=None)
@given(probability=st.floats(0.01, 0.95), dtype=st.sampled_from([torch.float32, torch.bfloat16]))
def test_the_share_that_is_kept_and_the_scale_belong_together(probability: float, dtype: torch.dtype) -> None:
    seed_dropout(11)
    mask, scale = keep_mask(torch.Size([200, 500]), probability, dtype)
    kept = 1 - round(256 * probability) / 256
    assert mask.unique().tolist() in ([0.0, 1.0], [1.0])
    assert scale * kept == pytest.approx(1.0, rel=1e-15)
    assert abs(kept - (1 - probability)) <= 1 / 512
    deviation = (kept * (1 - kept) / mask.numel()) ** 0.5
    assert abs(float(mask.float().mean()) - kept) < 5 * deviation


def test_neighbours_are_independent() -> None:
    seed_dropout(12)
    mask = keep_mask(torch.Size([100_000]), 0.5, torch.float32)[0] - 0.5
    for step in (1, 2, 8, 64):
        assert abs(float((mask[step:] * mask[:-step]).mean()) * 4) < 5 / len(mask) ** 0.5


def test_the_same_keys_give_the_same_mask_and_others_another() -> None:
    drawn = []
    for keys in ((1, 2, 3), (1, 2, 3), (1, 3, 2), (1, 2)):
        seed_dropout(*keys)
        drawn.append([keep_mask(torch.Size([7, 9]), 0.5, torch.float32)[0] for _ in range(2)])
    assert torch.equal(drawn[0][0], drawn[1][0])
    assert torch.equal(drawn[0][1], drawn[1][1])
    assert not torch.equal(drawn[0][0], drawn[0][1])
    assert not torch.equal(drawn[0][0], drawn[2][0])
    assert not torch.equal(drawn[0][0], drawn[3][0])


def test_threads_draw_from_generators_of_their_own() -> None:
    found: dict[int, torch.Tensor] = {}
    barrier = threading.Barrier(2)

    def draw(number: int) -> None:
        seed_dropout(number)
        barrier.wait()
        for _ in range(50):
            found[number] = keep_mask(torch.Size([64]), 0.5, torch.float32)[0]

    threads = [threading.Thread(target=draw, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(2):
        seed_dropout(number)
        for _ in range(50):
            alone = keep_mask(torch.Size([64]), 0.5, torch.float32)[0]
        assert torch.equal(alone, found[number])


@pytest.mark.parametrize("shape", [(5,), (3, 7), (2, 3, 5)])
def test_the_gradient_goes_through_the_same_mask(shape: tuple[int, ...]) -> None:
    layer = ByteDropout(0.3).train()
    hidden = torch.randn(shape, requires_grad=True)
    seed_dropout(4)
    found = layer(hidden)
    (gradient,) = torch.autograd.grad(found.sum(), hidden)
    seed_dropout(4)
    mask, scale = keep_mask(torch.Size(shape), 0.3, torch.float32)
    torch.testing.assert_close(found.detach(), hidden.detach() * mask * scale)
    torch.testing.assert_close(gradient, mask * scale)


def test_it_is_off_in_evaluation_and_without_a_probability() -> None:
    hidden = torch.randn(4, 4)
    assert ByteDropout(0.5).eval()(hidden) is hidden
    assert ByteDropout(0.0).train()(hidden) is hidden


def test_a_probability_just_below_one_keeps_a_finite_scale() -> None:
    hidden = torch.ones(4096)
    seed_dropout(1)
    dropped = ByteDropout(0.999).train()(hidden)
    assert set(dropped.unique().tolist()) == {0.0, 256.0}


def test_a_model_learns_through_it_what_it_learns_through_torch() -> None:
    """Mean gradient over many masks, against torch's own dropout."""
    torch.manual_seed(0)
    weight, given_ = torch.randn(6, 6), torch.randn(200_00, 6)
    found = []
    for layer in (ByteDropout(0.25), nn.Dropout(0.25)):
        leaf = weight.clone().requires_grad_()
        seed_dropout(3)
        layer.train()(given_ @ leaf).square().mean().backward()
        found.append(leaf.grad)
    torch.testing.assert_close(found[0], found[1], atol=0.02, rtol=0.05)
