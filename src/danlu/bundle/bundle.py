"""The artifact that serves: a Hugging Face folder with `danlu.json`, golden outputs and a card."""

import copy
import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self, TypeVar

import torch
from pydantic import ValidationError
from transformers import PreTrainedModel

from danlu.bundle import card, manifest
from danlu.data.cleaning.clean import rewriters_of, samples_rewritten
from danlu.data.cleaning.cleaner import Rewriter
from danlu.data.record import Record
from danlu.engine.engine import Engine, Network
from danlu.engine.engines.torch import Torch, TorchNetwork
from danlu.engine.predict import Predictor
from danlu.machine.crew import refuse_crowd
from danlu.machine.door import opened
from danlu.machine.files import folder_in_place, write_text
from danlu.model.positions import longest_row
from danlu.model.quiet import quiet
from danlu.recipe.part import Part
from danlu.refusal import Refusal
from danlu.task.task import Prediction, Task
from danlu.text.tokenizing.folder import open_tokenizer
from danlu.text.tokenizing.tokenizer import Tokenizer

GOLDEN = "golden.json"
EXAMPLES = 8  # golden records

TOLERANCES = {"float32": 2e-3, "bfloat16": 3e-2, "float16": 1e-2}
"""How far a score may drift between machines, for each number format; above 1 in size, relative to the number."""

Kept = TypeVar("Kept", bound=Part)

_making = threading.Lock()


@dataclass
class Bundle:
    """A trained model with all that it needs to answer.

    - `facts`: what `danlu.json` says: task, engine, provenance, versions, files.
    - `network`: what computes, opened.
    - `rewriters`: what is done to a text before it is read, as it was to the training data.
    """

    folder: Path
    facts: dict[str, Any]
    task: Task
    tokenizer: Tokenizer
    network: Network
    rewriters: list[Rewriter] = field(default_factory=list)
    _predictor: Predictor | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def predictor(self) -> Predictor:
        """The threads that answer; made at first use, once for all threads that ask."""
        with _making:
            if self._predictor is None:
                self._predictor = Predictor(self.network, self.task, self.tokenizer, rewriters=self.rewriters)
        return self._predictor

    @property
    def model(self) -> PreTrainedModel:
        """The model of transformers behind the answers.

        Raises:
            Refusal: an engine computes them that has none.
        """
        if not isinstance(self.network, TorchNetwork):
            raise Refusal(f"{self.folder}: is computed by '{self.facts['engine']['kind']}', which holds no such model")
        return self.network.model

    def close(self) -> None:
        """End the threads; who lets go of a bundle without it ends them as well."""
        if self._predictor is not None:
            self._predictor.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        """What is sent to another process, which makes threads of its own."""
        return {**self.__dict__, "_predictor": None}

    def predict(self, items: Sequence[str | Record]) -> list[Prediction]:
        """One prediction a text or record, in order.

        Raises `Refusal` for what the task cannot read, and where one text is given instead of a list.
        """
        if isinstance(items, str | dict):
            raise Refusal("predict takes a list of texts or records; write predict([text]) for a single one")
        return list(self.stream(items))

    def stream(self, items: Iterable[str | Record]) -> Iterator[Prediction]:
        """One prediction a text or record, in order, as they come; memory stays bounded."""
        return self.predictor.stream(_records(items))


def save(
    folder: Path,
    model: PreTrainedModel,
    tokenizer: Tokenizer,
    task: Task,
    *,
    precision: str,
    provenance: dict[str, Any],
    examples: list[Record],
    rewriters: Sequence[Rewriter] = (),
    language: str = "en",
) -> None:
    """Write a bundle as a whole or not at all; weights are float32 safetensors.

    `precision` ('auto', 'float32' or 'bfloat16') is what it predicts in. `provenance` is kept as it is; the card
    shows its keys `recipe`, `stage`, `fingerprint`, `records` (counts by split), `scores` (as in scores.json).
    The golden outputs are the predictions for the first 8 `examples`, made through the saved folder, and what the
    `rewriters`, which every text goes through first, make of their own samples.
    """
    with folder_in_place(Path(folder)) as temporary:
        with quiet():
            _in_float32(model).save_pretrained(temporary)
            _with_limit(tokenizer, longest_row(model)).save_pretrained(temporary)
        facts = {
            "danlu": version("danlu"),
            "task": task.to_plain(),
            "cleaners": [part.to_plain() for part in rewriters],
            "engine": Torch.model_validate({"precision": precision}).to_plain(),
            "tolerances": TOLERANCES,
            "max_length": longest_row(model),
            "language": language,
            "provenance": provenance,
            "versions": {name: version(name) for name in ("torch", "transformers", "tokenizers", "safetensors")},
        }
        written = _open(temporary, facts, None, None)
        golden = {
            "dtype": written.network.number_format,
            "records": examples[:EXAMPLES],
            "predictions": written.predict(examples[:EXAMPLES]),
            "rewritten": samples_rewritten(rewriters),
        }
        written.close()
        write_text(temporary / GOLDEN, json.dumps(golden, ensure_ascii=False, indent=1) + "\n")
        write_text(temporary / manifest.CARD, card.write(Path(folder).name, facts, task, language))
        manifest.write(temporary, facts)


def load(
    path: str | Path, precision: str | None = None, *, threads: int | None = None, key: str | Path | None = None
) -> Bundle:
    """Open a bundle, or the `bundle/` in the folder of a stage; `precision` overrides what it was saved with.

    `key` is the file of a public key (PEM), with which the bundle must be signed.

    Raises `Refusal` where a file is missing, changed, added, unsafe or of a newer danlu, or not signed by `key`, and
    for more than 256 `threads`.
    """
    refuse_crowd(threads, "threads")
    known = ("auto", "float32", "bfloat16")
    if precision is not None and precision not in known:
        raise Refusal(f"precision '{precision}': expected {', '.join(known[:-1])} or {known[-1]}")
    folder = manifest.find(path)
    return _open(folder, manifest.read(folder, key), precision, threads)


def _open(folder: Path, facts: dict[str, Any], precision: str | None, threads: int | None) -> Bundle:
    where = folder / manifest.NAME
    with opened(where, "'task', 'engine' or 'cleaners' cannot be read", "upgrade danlu, or train the bundle again"):
        task = _part(Task, facts["task"], where, "task")  # type: ignore[type-abstract]
        asked = {} if precision is None else {"precision": precision}
        engine = _part(Engine, facts["engine"] | asked, where, "engine")  # type: ignore[type-abstract]
        rewriters = rewriters_of(facts.get("cleaners", []), str(where))
    tokenizer = open_tokenizer(folder, str(folder))
    return Bundle(folder, facts, task, tokenizer, engine.open(folder, task, tokenizer, threads), rewriters)


def _part(promise: type[Kept], plain: Any, where: Path, key: str) -> Kept:
    try:
        return promise.model_validate(plain)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, (key, *first["loc"])))
        raise Refusal(f"{where}: '{place}' cannot be read ({first['msg']}); upgrade danlu") from None


def _records(items: Iterable[str | Record]) -> Iterator[Record]:
    for number, item in enumerate(items, 1):
        if not isinstance(item, str | dict):
            raise Refusal(
                f"item {number:,} is of type {type(item).__name__}; give a text, or a record such as {{'text': ...}}"
            )
        yield {"text": item} if isinstance(item, str) else item


def _in_float32(model: PreTrainedModel) -> PreTrainedModel:
    if all(tensor.dtype == torch.float32 for tensor in model.parameters()):
        return model
    plain: PreTrainedModel = copy.deepcopy(model).to(dtype=torch.float32)  # type: ignore[call-arg]
    return plain


def _with_limit(tokenizer: Tokenizer, limit: int) -> Tokenizer:
    """The tokenizer told how long a row may be, so that pipelines of transformers can truncate."""
    told = copy.deepcopy(tokenizer)
    told.model_max_length = min(told.model_max_length, limit)
    return told
