"""Methods that stand at sublayers, over families whose blocks are laid out in unlike ways."""

import pytest
import torch
from writers import FAMILIES, TWO_SIDED, built

from danlu.refusal import Refusal
from danlu.tuning.method import Method

WITHOUT = {
    ("mamba", "ia3"),
    ("mamba", "houlsby"),
    *(("gru", name) for name in ("ia3", "pfeiffer", "houlsby", "parallel")),
}
"""Families without attention, and what stands at it; what stands behind the last layer of each block has a place."""


def logits(model: torch.nn.Module, family: str) -> torch.Tensor:
    ids = torch.tensor([[5, 6, 7, 8, 9, 10]])
    inputs = {"input_ids": ids} | ({"decoder_input_ids": ids[:, :4]} if family in TWO_SIDED else {})
    with torch.no_grad():
        found: torch.Tensor = model(**inputs, use_cache=False).logits
    return found


PLACES = [{"kind": "adapter", "placement": placement} for placement in ("pfeiffer", "houlsby", "parallel")]


@pytest.mark.parametrize("section", [{"kind": "ia3"}, *PLACES])
@pytest.mark.parametrize("family", FAMILIES)
def test_what_stands_at_sublayers_begins_as_nothing_reaches_each_block_and_merges(
    family: str, section: dict[str, str]
) -> None:
    model, method = built(family), Method.model_validate(section)
    before = logits(model, family)
    if (family, section.get("placement", section["kind"])) in WITHOUT:
        with pytest.raises(
            Refusal, match=f"tuning '{section['kind']}' finds no .* family '{family}'; use lora or full"
        ):
            method.apply(model)
        return
    tuned = method.apply(model).eval()
    torch.testing.assert_close(logits(tuned, family), before)
    trained = {name: each for name, each in tuned.named_parameters() if each.requires_grad}
    assert trained
    for name, parameter in trained.items():
        silent = name.endswith(("down.weight", "down.bias"))  # behind which all is 0 in the beginning
        if not silent:
            was = parameter.detach().clone()
            with torch.no_grad():
                parameter.add_(0.5 * torch.randn_like(parameter))
            assert not torch.equal(logits(tuned, family), before), name
            with torch.no_grad():
                parameter.copy_(was)
    with torch.no_grad():
        for parameter in trained.values():
            parameter.add_(0.3 * torch.randn_like(parameter))
    if method.mergeable:
        after = logits(tuned, family)
        merged = method.merge(tuned)
        torch.testing.assert_close(logits(merged, family), after, rtol=1e-4, atol=1e-5)
        assert not any("ia3" in name for name in merged.state_dict())
