"""Each remedy beside its formula."""

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from danlu.continual.fisher import fisher
from danlu.continual.networks import Networks
from danlu.continual.remedies.averaging import Averaging
from danlu.continual.remedies.ewc import Ewc, penalty
from danlu.continual.remedies.lwf import Lwf, softened
from danlu.continual.remedies.olora import overlap
from danlu.continual.remedies.replay import Replay
from danlu.continual.remedy import Earlier, Kept, Learnt, Remedy, Rows
from danlu.recipe.part import kinds
from danlu.refusal import Refusal
from danlu.task.task import Task
from danlu.text.batching.batch import Batch
from danlu.tuning.methods.full import Full
from danlu.tuning.methods.head import Head

IDS = torch.tensor([[2, 5, 6, 3], [2, 7, 8, 3], [2, 9, 5, 3]])


def learnt(networks: Networks, number: int, records: list[dict[str, object]] | None = None) -> Learnt:
    """A task of three rows whose labels are 0, 1 and 2."""

    def loss(row: int) -> Tensor:
        logits = networks.of("rows")(IDS[row : row + 1]).logits
        return nn.functional.cross_entropy(logits, torch.tensor([(row + number) % 3]))

    shown = Rows(networks, [lambda row=row: loss(row) for row in range(3)])
    return Learnt(number, f"t{number}", records or [], networks.values(), lambda count: shown, 0)


def moved(networks: Networks, size: float = 0.1) -> None:
    with torch.no_grad():
        for parameter in networks.parameters():
            parameter.add_(size * torch.randn_like(parameter))


def test_what_matters_is_what_it_is_by_hand_in_a_logistic_model() -> None:
    weight = nn.Parameter(torch.tensor([0.5, -1.0]))
    xs, ys = torch.tensor([[1.0, 2.0], [0.5, -1.0], [3.0, 0.0]]), [1.0, 0.0, 1.0]

    def lost(x: Tensor, y: float) -> Tensor:
        return nn.functional.binary_cross_entropy_with_logits(x @ weight, torch.tensor(y))

    found = fisher({"w": weight}, [lambda x=x, y=y: lost(x, y) for x, y in zip(xs, ys, strict=True)])
    expected = np.zeros(2)
    for x, y in zip(xs.numpy(), ys, strict=True):
        probability = 1 / (1 + np.exp(-(x @ np.array([0.5, -1.0]))))
        expected += ((probability - y) * x) ** 2 / 3
    assert found["w"].numpy() == pytest.approx(expected, rel=1e-5)


def test_ewc_is_zero_at_the_anchor_and_pulls_back_from_elsewhere(networks: Networks) -> None:
    remedy = Ewc(strength=10.0, examples=3)
    kept = remedy.kept(Kept(), learnt(networks, 0))
    assert penalty(networks, kept.tensors, 10.0).item() == 0.0
    moved(networks)
    value = penalty(networks, kept.tensors, 10.0)
    assert value.item() > 0
    (added,) = remedy.added(kept, Earlier(None, {}, {}))
    assert added(networks, {}, 4).item() == pytest.approx(4 * value.item())  # a sum over the rows of the batch
    places = networks.shared()
    gradients = dict(zip(places, torch.autograd.grad(value, list(places.values()), allow_unused=True), strict=True))
    name = max(gradients, key=lambda key: 0.0 if gradients[key] is None else float(gradients[key].abs().max()))
    place = np.unravel_index(int(gradients[name].abs().argmax()), gradients[name].shape)
    ends = []
    for step in (0.1, -0.2):
        with torch.no_grad():
            places[name][place] += step
        ends.append(penalty(networks, kept.tensors, 10.0).item())
    assert (ends[0] - ends[1]) / 0.2 == pytest.approx(gradients[name][place].item(), rel=1e-3)
    assert not Ewc(strength=0).added(kept, Earlier(None, {}, {}))


def test_ewc_of_several_tasks_is_the_sum_of_their_parabolas(networks: Networks) -> None:
    remedy = Ewc(strength=2.0)
    first = remedy.kept(Kept(), learnt(networks, 0))
    moved(networks)
    second = remedy.kept(Kept(), learnt(networks, 1))
    both = remedy.kept(first, learnt(networks, 1))
    moved(networks)
    apart = [penalty(networks, kept.tensors, 2.0).item() for kept in (first, second)]
    assert penalty(networks, both.tensors, 2.0).item() == pytest.approx(sum(apart), rel=1e-4)
    faded = Ewc(strength=2.0, online=True, fade=0.5).kept(first, learnt(networks, 2))
    assert penalty(networks, faded.tensors, 2.0).item() == 0.0  # one centre: where the last task ended
    moved(networks)
    third = remedy.kept(Kept(), learnt(networks, 2))
    key = next(name for name in third.tensors if name.startswith("matters "))
    assert key in faded.tensors
    with pytest.raises(Refusal, match="ewc holds parameters of the trunk, and tuning 'head' trains none"):
        remedy.method(Head())
    assert remedy.method(Full()) == Full()


def test_lwf_is_the_cross_entropy_of_softened_answers() -> None:
    now, said = torch.randn(3, 4), torch.randn(3, 4)
    soft = np.exp(said.double().numpy() / 2.5)
    soft /= soft.sum(1, keepdims=True)
    logs = now.double().numpy() / 2.5
    logs -= np.log(np.exp(logs).sum(1, keepdims=True))
    assert softened(now, said, 2.5).numpy() == pytest.approx(-(soft * logs).sum(1), rel=1e-5)
    few = softened(now[:, [0, 2]], said[:, [0, 2]], 2.5)
    assert torch.equal(softened(now, said, 2.5, [0, 2]), few)
    same = now.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(softened(same, now, 2.5).sum(), same)
    assert float(gradient.abs().max()) < 1e-6  # nothing pulls where nothing has changed


@pytest.mark.parametrize("told", ["attention_mask", "segments", "targets"])
def test_lwf_is_the_same_whatever_a_row_is_padded_to(told: str) -> None:
    class Says(nn.Module):
        def forward(self, input_ids: Tensor, **_given: object) -> SimpleNamespace:
            return SimpleNamespace(logits=self.table(input_ids))

        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(10, 4)

    before, now = Networks.__new__(Networks), Networks.__new__(Networks)
    for networks in (before, now):
        nn.Module.__init__(networks)
        networks.each, networks.names = nn.ModuleDict({"of all": Says()}), ("all",)
    task = Task.model_validate({"kind": "tag", "labels": ["O", "a", "b", "c"]})
    earlier = Earlier(before, {"old": task}, {"old": "all", "new": "all"}, {})
    (added,) = Lwf().added(Kept(), earlier)

    def lost(width: int) -> float:
        ids = torch.zeros(1, width, dtype=torch.long)
        ids[0, :3] = torch.tensor([5, 6, 7])
        there = torch.arange(width)[None] < 3
        inputs, targets = {"input_ids": ids}, dict[str, Tensor]()
        if told == "targets":
            targets["tokens"] = torch.where(there, 1, -100)
        else:
            inputs[told] = there.long() if told == "attention_mask" else there.long() - 1
        return added(now, {"new": Batch(inputs, targets, {}, np.zeros(1, np.int64), 3)}, 1).item()

    assert lost(3) == pytest.approx(lost(12), rel=1e-6)


def test_olora_is_zero_where_directions_are_orthogonal(networks: Networks) -> None:
    name, value = next((name, value) for name, value in networks.shared().items() if value.shape == (8, 8))
    with torch.no_grad():
        value.copy_(torch.eye(8))
        value[4:] = 0
    earlier = torch.eye(8)[4:]
    assert overlap(networks, {name: earlier}).item() == 0.0
    assert overlap(networks, {name: torch.eye(8)[3:5] * 3}).item() == 9.0
    assert overlap(networks, {name: torch.eye(8)}).item() == 4.0


RECORDS = [{"text": f"{label}{n}", "label": label} for label, count in (("a", 40), ("b", 6)) for n in range(count)]


def test_a_memory_holds_no_more_than_its_budget(networks: Networks) -> None:
    kept = Kept()
    for number in range(3):
        kept = Replay(budget=8).kept(kept, learnt(networks, number, RECORDS))
    assert {name: len(records) for name, records in kept.records.items()} == {"t0": 8, "t1": 8, "t2": 8}
    assert Counter(record["label"] for record in kept.records["t0"]) == {"a": 4, "b": 4}
    some = Replay(budget=40, choose="random").kept(Kept(), learnt(networks, 0, RECORDS)).records["t0"]
    assert len({record["text"] for record in some}) == 40
    everything = Replay(budget=1000).kept(Kept(), learnt(networks, 0, RECORDS)).records["t0"]
    assert sorted(map(str, everything)) == sorted(map(str, RECORDS))
    assert list(Replay(share=None).repeated(100, 7, 0)) == list(range(7))
    drawn = Replay(share=0.25).repeated(90, 7, 0)
    assert len(drawn) == 30
    assert set(Counter(drawn).values()) <= {4, 5}
    assert Replay(share=0.25).repeated(90, 7, 0) == drawn
    assert list(Replay().repeated(90, 0, 0)) == []


def test_no_memory_is_one_sentence() -> None:
    with pytest.raises(ValidationError, match="a memory of 0 records keeps nothing; write 1 or more, or take the rem"):
        Remedy.model_validate({"kind": "replay", "budget": 0})


def test_weights_move_a_share_of_the_way() -> None:
    first, stood, left = ({"w": torch.tensor([value]), "h": torch.tensor([value])} for value in (1.0, 2.0, 6.0))
    along, vectors = Averaging(scale=0.25), Averaging(scale=0.25, begin="start")
    assert along.begins(stood, first, ["w"]) == stood
    assert along.ends(1, stood, left, stood, ["w"]) == {"w": torch.tensor([3.0]), "h": torch.tensor([6.0])}
    assert along.ends(0, stood, left, stood, ["w"]) == left  # nothing to forget yet
    begun = vectors.begins(stood, first, ["w"])
    assert begun == {"w": torch.tensor([1.0]), "h": torch.tensor([2.0])}
    assert vectors.ends(1, begun, left, stood, ["w"])["w"] == torch.tensor([2.0 + 0.25 * 5.0])


def test_mixtures_that_make_no_sense_are_refused() -> None:
    assert len(kinds(Remedy)) == 8
    Remedy.model_validate({"kind": "mixture", "of": ["replay", "ewc"]})
    for of in (["replay", "replay"], ["replay", "joint"], ["ewc", "olora"], ["averaging", "olora"]):
        with pytest.raises(ValidationError):
            Remedy.model_validate({"kind": "mixture", "of": of})
