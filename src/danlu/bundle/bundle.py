"""The artifact that serves: a Hugging Face folder with `danlu.json`, golden outputs and a card."""

import copy
import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from transformers import PreTrainedModel

from danlu.bundle import card, manifest
from danlu.data.cleaner import Rewriter
from danlu.data.cleaning import rewriters_of, samples_rewritten
from danlu.data.record import Record
from danlu.machine.crew import refuse_crowd
from danlu.machine.device import device
from danlu.machine.files import folder_in_place, write_text
from danlu.model.fast import prepare_for_inference
from danlu.model.quiet import quiet
from danlu.refusal import Refusal
from danlu.task.predict import Predictor, longest_row
from danlu.task.task import Prediction, Task
from danlu.text.tokenizer import Tokenizer

GOLDEN = "golden.json"
EXAMPLES = 8  # golden records


_making = threading.Lock()


@dataclass
class Bundle:
    """A trained model with all that it needs to answer.

    - `facts`: what `danlu.json` says: task, precision, provenance, versions, files.
    - `threads`: cores to predict with; None for as many as torch may use.
    - `rewriters`: what is done to a text before it is read, as it was to the training data.
    """

    folder: Path
    facts: dict[str, Any]
    task: Task
    tokenizer: Tokenizer
    model: PreTrainedModel
    threads: int | None = field(default=None)
    rewriters: list[Rewriter] = field(default_factory=list)
    _predictor: Predictor | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def predictor(self) -> Predictor:
        """The threads that answer; made at first use, once for all threads that ask."""
        with _making:
            if self._predictor is None:
                self._predictor = Predictor(
                    self.model, self.task, self.tokenizer, threads=self.threads, frozen=True, rewriters=self.rewriters
                )
        return self._predictor

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
        return self.predictor.stream({"text": item} if isinstance(item, str) else item for item in items)


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
            "precision": precision,
            "max_length": longest_row(model),
            "language": language,
            "provenance": provenance,
            "versions": {name: version(name) for name in ("torch", "transformers", "tokenizers", "safetensors")},
        }
        written = _open(temporary, {**facts, "files": {}}, precision, None)
        golden = {
            "dtype": str(written.model.dtype).removeprefix("torch."),
            "records": examples[:EXAMPLES],
            "predictions": written.predict(examples[:EXAMPLES]),
            "rewritten": samples_rewritten(rewriters),
        }
        written.predictor.close()
        write_text(temporary / GOLDEN, json.dumps(golden, ensure_ascii=False, indent=1) + "\n")
        write_text(temporary / manifest.CARD, card.write(Path(folder).name, facts, task, language))
        manifest.write(temporary, facts)


def load(path: str | Path, precision: str | None = None, *, threads: int | None = None) -> Bundle:
    """Open a bundle, or the `bundle/` in the folder of a stage; `precision` overrides what it was saved with.

    Raises `Refusal` where a file is missing, changed, unsafe or of a newer danlu, and for more than 256 `threads`.
    """
    refuse_crowd(threads, "threads")
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise Refusal(f"{folder}: there is no such folder; give the bundle/ folder that a train stage has left")
    if not (folder / manifest.NAME).exists() and (folder / "bundle" / manifest.NAME).is_file():
        folder = folder / "bundle"
    known = ("auto", "float32", "bfloat16")
    if precision is not None and precision not in known:
        raise Refusal(f"precision '{precision}': expected {', '.join(known[:-1])} or {known[-1]}")
    facts = manifest.read(folder)
    stored = facts.get("precision", "auto")
    if stored not in known:
        raise Refusal(f"{folder / manifest.NAME}: 'precision' is {stored!r:.40}; copy or train the bundle again")
    return _open(folder, facts, precision or stored, threads)


def _open(folder: Path, facts: dict[str, Any], precision: str, threads: int | None) -> Bundle:
    import transformers

    try:
        task = Task.model_validate(facts["task"])
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise Refusal(f"{folder / manifest.NAME}: 'task' cannot be read ({reason}); upgrade danlu") from None
    rewriters = rewriters_of(facts.get("cleaners", []), str(folder / manifest.NAME))
    with quiet():
        model, told = getattr(transformers, task.auto_class).from_pretrained(
            folder,
            dtype=torch.float32,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
        tokenizer: Tokenizer = transformers.AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )  # type: ignore[assignment]
    for trouble in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if told.get(trouble):
            names = ", ".join(sorted(map(str, told[trouble]))[:3])
            raise Refusal(
                f"{folder}: the weights do not fit config.json ({trouble.replace('_', ' ')}: {names}); "
                "copy or train the bundle again"
            )
    model = prepare_for_inference(model.to(device()), precision)
    return Bundle(folder, facts, task, tokenizer, model, threads, rewriters)


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
