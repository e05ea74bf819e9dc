"""What a tuning method keeps beside its weights, where several networks share a trunk."""

import copy

import torch
from torch import Tensor

from danlu.continual.networks import Networks
from danlu.continual.within import Within
from danlu.tuning.methods.adalora import Adalora

IDS = torch.tensor([[2, 5, 6, 3], [2, 9, 1, 3]])


def tuned(networks: Networks) -> Networks:
    method = Adalora(rank=4, target_rank=1, every=1, warmup=0.0)
    torch.manual_seed(1)
    return Networks({name: method.apply(copy.deepcopy(networks.of(name))) for name in networks.names})


def learnt(networks: Networks) -> tuple[Within, dict[str, Tensor]]:
    """Ranks that were shared out in the middle of a training, and weights that have moved since."""
    within = Within(method=Adalora(rank=4, target_rank=1, every=1, warmup=0.0), first="rows")
    weights = {name: value for name, value in networks.named_parameters() if value.requires_grad}
    with torch.no_grad():
        for value in weights.values():
            value.add_(torch.randn(value.shape) * 0.3)
        gradients = {name: torch.randn(value.shape) for name, value in weights.items()}
        assert within.after_gradients(networks, weights, gradients, 3, 10)
        for value in weights.values():
            value.add_(0.2)  # what is gone learns on
    return within, {name: value.detach().clone() for name, value in weights.items()}


def test_ranks_that_are_gone_are_gone_in_all_networks_and_written_for_each(networks: Networks) -> None:
    both = tuned(networks)
    within, _ = learnt(both)
    state = within.state(both)
    left = {name: value for name, value in state.items() if name.endswith(".left")}
    assert 0 < sum(value.sum() for value in left.values()) < sum(map(len, left.values()))
    for name, value in left.items():
        if "of tokens" in name:
            assert torch.equal(value, left[name.replace("of tokens", "of rows")])
    assert any("of tokens" in name for name in left)


def test_what_is_served_without_that_answers_as_what_was_trained(networks: Networks) -> None:
    trained = tuned(networks).eval()
    within, weights = learnt(trained)
    fresh = tuned(networks).eval()
    fresh.fill(within.served(weights, within.state(trained)))
    for name in networks.names:
        logits = trained.of(name)(IDS).logits
        torch.testing.assert_close(fresh.of(name)(IDS).logits, logits)
    fresh.fill(weights)
    assert not torch.allclose(fresh.of("rows")(IDS).logits, trained.of("rows")(IDS).logits)
