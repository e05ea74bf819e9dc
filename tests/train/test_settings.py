import pytest
from pydantic import ValidationError

from danlu.train.settings import Training


def test_epochs_and_steps_together_are_refused() -> None:
    with pytest.raises(ValidationError, match="'epochs' and 'steps' both say how long to train; give one of them"):
        Training(epochs=1, steps=10)


def test_how_long_a_training_is() -> None:
    assert Training().total_steps(10) == 30
    assert Training(epochs=0.25).total_steps(10) == 2
    assert Training(epochs=0.001).total_steps(10) == 1
    assert Training(steps=7).total_steps(10) == 7


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("epochs", 0), ("steps", 0), ("rate", 0), ("rate", float("nan")), ("warmup", 1.0), ("clip", -1), ("average", 1),
        ("betas", (0.9, 1.5)), ("momentum", 1.0), ("accumulate", 0), ("precision", "float8"), ("schedule", "linaer"),
        ("checkpoint_seconds", 0), ("threads", 0), ("patience", 0), ("recorders", ("tensorbord",)),
    ],
)  # fmt: skip
def test_values_out_of_range_are_refused_by_name(key: str, value: object) -> None:
    with pytest.raises(ValidationError) as told:
        Training.model_validate({key: value})
    assert told.value.errors()[0]["loc"][0] == key


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"momentum": 0.9}, "'momentum' is of sgd and muon, and the optimizer is adamw"),
        ({"momentum": 0.9, "optimizer": "adafactor"}, "the optimizer is adafactor"),
        ({"betas": (0.9, 0.99), "optimizer": "sgd"}, "'betas' are of adamw and muon, and the optimizer is sgd"),
    ],
)
def test_settings_of_another_optimizer_are_refused(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        Training.model_validate(settings)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "adafactor", "muon"])
def test_settings_that_were_written_down_are_read_again(optimizer: str) -> None:
    assert Training.model_validate(Training(optimizer=optimizer).to_plain()).optimizer == optimizer  # type: ignore[arg-type]


def test_a_batch_is_counted_in_one_way() -> None:
    with pytest.raises(ValidationError, match="'batch_tokens' and 'batch_examples' both say how large a batch is"):
        Training.model_validate({"batch_tokens": 4096, "batch_examples": 8})
