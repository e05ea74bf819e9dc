"""A model that is asked while it learns, and once more at the end, wherever its weights lie."""

from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import transformers
from torch import nn
from transformers import BertConfig

from danlu.refusal import Refusal
from danlu.stages.asking import opened, settled
from danlu.task.calibrated import FEWEST
from danlu.task.task import Task
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece

SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
RECORDS = [{"text": "a b", "label": "ab"[row % 2]} for row in range(FEWEST)]


class Moved(nn.Module):
    """A model that gets new storage whenever it is sent to a device, as between a CPU and a GPU; it stays here."""

    def to(self, *where: Any, **_: Any) -> "Moved":
        if where == ("meta",):
            return super().to("meta")  # type: ignore[no-any-return]
        for parameter in self.parameters():
            parameter.data = parameter.data.clone()
        return self


def made(**fields: Any) -> tuple[Any, Any]:
    """A model, and what it is built from."""
    task = Task.model_validate({"kind": "classify", "labels": ("a", "b"), **fields})
    tokenizer = WordPiece(size=60, min_frequency=1).build(lambda: iter(["a b"]))
    torch.manual_seed(0)
    config = BertConfig(vocab_size=len(tokenizer), max_position_embeddings=16, **SIZES, **task.config())
    model = transformers.BertForSequenceClassification(config).eval()
    model.__class__ = type("Sent", (Moved, type(model)), {})
    return model, SimpleNamespace(task=task, tokenizer=tokenizer)


@pytest.mark.parametrize("elsewhere", [False, True])
def test_each_validation_asks_the_weights_of_its_time(monkeypatch: pytest.MonkeyPatch, elsewhere: bool) -> None:
    """`elsewhere`: the model lies on the CPU in between, and a GPU computes."""
    if elsewhere:
        monkeypatch.setattr("danlu.stages.asking.device", lambda: torch.device("cuda"))
    model, prepared = made()
    found = []
    with ExitStack() as stack:
        asked = opened(stack, model, prepared)
        for bias in (-9.0, 9.0):
            with torch.no_grad():
                model.classifier.bias.copy_(torch.tensor([bias, 0.0]))
            if elsewhere:
                model.to("cuda")  # as whoever gathers the weights does, and puts them back afterwards
            with asked() as predictor:
                found += [each["label"] for each in predictor.predict(RECORDS[:1])]
            if elsewhere:
                model.to("cpu")
    assert found == ["b", "a"]


def test_a_device_without_room_for_the_whole_network_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> torch.device:
        raise torch.OutOfMemoryError

    model, prepared = made()
    with ExitStack() as stack:
        monkeypatch.setattr("danlu.stages.asking.device", lambda: torch.device("cuda"))
        asked = opened(stack, model, prepared)
        monkeypatch.setattr("danlu.stages.asking.device", full)
        with pytest.raises(Refusal, match="the first process has the whole network on its device while it"), asked():
            pass


@pytest.mark.parametrize("calibrate", [False, True])
def test_the_trained_network_gives_room_to_the_best_one_only_where_that_is_asked(calibrate: bool) -> None:
    best, prepared = made(calibrate=calibrate)
    trained, _ = made()
    role = nn.Linear(2, 2)
    ready: Any = SimpleNamespace(
        validation=RECORDS, model=trained, roles=SimpleNamespace(networks={"teacher": role}), prepared=prepared
    )
    before = best.classifier.bias.data_ptr()
    task = settled(prepared.task, best, ready)
    assert (task.temperature is not None) is calibrate
    assert {each.is_meta for network in (trained, role) for each in network.parameters()} == {calibrate}
    assert (best.classifier.bias.data_ptr() != before) is calibrate
    assert settled(prepared.task, best, SimpleNamespace(validation=[])) is prepared.task  # type: ignore[arg-type]
