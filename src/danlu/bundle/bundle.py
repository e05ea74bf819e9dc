"""The artifact that serves: a Hugging Face folder with `danlu.json`, golden outputs and a card.

It may hold adapters, each under a name: what trainings have added to the same base.
"""

import copy
import json
import threading
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from transformers import PreTrainedModel

from danlu.bundle import card, golden, manifest
from danlu.bundle.adapter import BASE, asked_for, folder_of, network_with, put, refuse_name
from danlu.bundle.stored import in_float32, narrowed
from danlu.data.cleaning.cleaner import Rewriter
from danlu.data.record import Record
from danlu.engine.engine import Engine, Network
from danlu.engine.engines.torch import Torch, TorchNetwork
from danlu.engine.predict import Predictor
from danlu.machine.crew import refuse_crowd
from danlu.machine.door import content_digest, opened
from danlu.machine.files import folder_in_place, write_text
from danlu.machine.quiet import quiet
from danlu.model.policy import Policy, changed
from danlu.model.positions import longest_row
from danlu.model.written import Written
from danlu.refusal import Refusal
from danlu.task.task import Prediction, Task
from danlu.text.tokenizing.folder import open_tokenizer, save_tokenizer
from danlu.text.tokenizing.tokenizer import Tokenizer
from danlu.tuning.added import base_hash

_making = threading.Lock()


@dataclass
class Bundle:
    """A trained model with all that it needs to answer.

    - `facts`: what `danlu.json` says: task, engine, adapters, provenance, versions, files.
    - `network`: what computes, opened; of the base alone.
    - `task`, `rewriters`: of what `serves`: what it must do, and what is done to a text before it is read, as it was
      to the training data.
    - `serves`: the name of the adapter that answers where no other is asked for; 'base' is none of them.
    """

    folder: Path
    facts: dict[str, Any]
    task: Task
    tokenizer: Tokenizer
    network: Network
    rewriters: list[Rewriter] = field(default_factory=list)
    serves: str = BASE
    _predictors: dict[str, Predictor] = field(default_factory=dict, init=False, repr=False, compare=False)
    _golden: dict[str, dict[str, Any]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def adapters(self) -> dict[str, dict[str, Any]]:
        """What `danlu.json` says of each adapter, by its name: task, method, provenance, hash."""
        return dict(self.facts.get("adapters", {}))

    @property
    def fingerprint(self) -> str:
        """Tells whether two answers came from the same model; see `fingerprint_of`."""
        return self.fingerprint_of(self.serves)

    def fingerprint_of(self, adapter: str) -> str:
        """The same of what answers with the adapter of this name, or with the base alone ('base')."""
        digest = self.facts.get("digest") or content_digest(self.facts)  # format 1 holds none
        return f"danlu-{digest[:16]}-{adapter}"

    @property
    def predictor(self) -> Predictor:
        """The threads that answer; made at first use, once for all threads that ask."""
        return self.predictor_of(self.serves)

    def predictor_of(self, name: str) -> Predictor:
        """What answers with the adapter of this name, or with the base alone ('base'), by the same queue and threads.

        An adapter is opened when it is first asked for; what it shares with the base is not held twice.

        Raises:
            Refusal: there is no adapter of this name, or it is damaged.
        """
        if name not in self._predictors:
            with _making:
                if name not in self._predictors:
                    self._predictors[name] = self._made(name)
        return self._predictors[name]

    def golden_of(self, name: str) -> dict[str, Any]:
        """The golden outputs of an adapter or the base, read once; another bundle may come into the folder later."""
        if name not in self._golden:
            self._golden[name] = golden.read(self.folder if name == BASE else folder_of(self.folder, name))
        return self._golden[name]

    def _made(self, name: str) -> Predictor:
        asked, network = asked_for(self.facts, name, self.folder), self.network
        if name != BASE:
            inside = f"{folder_of(Path(), name).as_posix()}/"
            files = {file: told for file, told in self.facts.get("files", {}).items() if file.startswith(inside)}
            manifest.check_files(self.folder, files, manifest.NAME)
            network = network_with(network, self.folder, name, asked, self.tokenizer)
        task, rewriters = (self.task, self.rewriters) if name == self.serves else (asked.task, asked.rewriters)
        beside = next(iter(self._predictors.values()), None)
        return Predictor(network, task, self.tokenizer, rewriters=rewriters, beside=beside)

    @property
    def model(self) -> PreTrainedModel:
        """The model of transformers behind the answers.

        Raises:
            Refusal: an engine computes them that has none.
        """
        network = self.network if self.serves == BASE else self.predictor.network
        if not isinstance(network, TorchNetwork):
            raise Refusal(f"{self.folder}: is computed by '{self.facts['engine']['kind']}', which holds no such model")
        return network.model

    def close(self) -> None:
        """End the threads; who lets go of a bundle without it ends them as well."""
        for predictor in self._predictors.values():
            predictor.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        """What is sent to another process, which makes threads of its own, and opens adapters there."""
        return {**self.__dict__, "_predictors": {}}

    def predict(self, items: Sequence[str | Record], adapter: str | None = None) -> list[Prediction]:
        """One prediction a text or record, in order; by the adapter of a name, 'base' for none, None: what serves.

        Raises `Refusal` for what the task cannot read, for an adapter that is not there, and where one text is given
        instead of a list.
        """
        if isinstance(items, str | dict):
            raise Refusal("predict takes a list of texts or records; write predict([text]) for a single one")
        return list(self.stream(items, adapter))

    def stream(self, items: Iterable[str | Record], adapter: str | None = None) -> Iterator[Prediction]:
        """One prediction a text or record, in order, as they come; memory stays bounded."""
        return self.predictor_of(self.serves if adapter is None else adapter).stream(_records(items))

    def generate(
        self,
        prompts: Sequence[str | Record],
        policy: Policy | Mapping[str, Any] | str | None = None,
        *,
        adapter: str | None = None,
        **changes: Any,
    ) -> list[list[Written]]:
        """What the model writes after each text or record, in order; of each prompt all that the policy gives.

        `policy` is how (None: as the task has it), and `changes` are other values of its settings, as in
        `generate(["Once"], "sample", temperature=0.7)`.

        Raises `Refusal` for a model that writes no text, settings that are wrong, and a prompt without room behind it.
        """
        if isinstance(prompts, str | dict):
            raise Refusal("generate takes a list of texts or records; write generate([text]) for a single one")
        predictor = self.predictor_of(self.serves if adapter is None else adapter)
        return list(predictor.write(_records(prompts), changed(predictor.policy, policy, changes)))

    def generate_stream(
        self,
        prompt: str | Record,
        policy: Policy | Mapping[str, Any] | str | None = None,
        *,
        adapter: str | None = None,
        **changes: Any,
    ) -> Generator[str, None, Written]:
        """The text after one prompt, piece by piece, none of which splits a character, and returns the whole."""
        predictor = self.predictor_of(self.serves if adapter is None else adapter)
        (record,) = _records([prompt])
        return predictor.write_stream(record, changed(predictor.policy, policy, changes))


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
    adapter: tuple[str, Path, dict[str, Any]] | None = None,
) -> None:
    """Write a bundle as a whole or not at all; weights are safetensors, float32 or what is narrower and loses nothing.

    `precision` ('auto', 'float32' or 'bfloat16') is what it predicts in. `provenance` is kept as it is; the card
    shows its keys `recipe`, `stage`, `fingerprint`, `records` (counts by split), `scores` (as in scores.json).
    The golden outputs are the predictions for the first 8 `examples`, made through the saved folder, and what the
    `rewriters`, which every text goes through first, make of their own samples. `adapter` is to serve by default: its
    name, its folder, and what is said of it (`danlu.bundle.adapter.save`).
    """
    with folder_in_place(Path(folder)) as temporary:
        plain = in_float32(model)
        with quiet(), narrowed(plain) as stored:
            plain.save_pretrained(temporary)
            save_tokenizer(_with_limit(tokenizer, longest_row(model)), temporary)
        width = getattr(model.config, "hidden_size", 0)
        for name, told in ({} if adapter else task.beside(width, longest_row(model))).items():
            (temporary / name).parent.mkdir(exist_ok=True)
            write_text(temporary / name, json.dumps(told, indent=1) + "\n")
        facts = {
            "danlu": version("danlu"),
            "task": task.to_plain(),
            "cleaners": [part.to_plain() for part in rewriters],
            "engine": Torch.model_validate({"precision": precision}).to_plain(),
            "weights": stored,
            "base": base_hash(dict(plain.named_parameters())),
            "tolerances": golden.TOLERANCES,
            "max_length": longest_row(model),
            "language": language,
            "provenance": provenance,
            "versions": {name: version(name) for name in ("torch", "transformers", "tokenizers", "safetensors")},
        }
        if adapter is not None:
            name, source, told = adapter
            put(source, told, temporary, facts, name)
            facts["serves"] = name
        with open_folder(temporary, facts, None, None) as written:
            golden.write(temporary, written.predictor_of(BASE), examples)
            for name in written.adapters:
                golden.write(folder_of(temporary, name), written.predictor_of(name), examples)
        write_text(temporary / manifest.CARD, card.write(Path(folder).name, facts, task, language))
        manifest.write(temporary, facts)


def load(
    path: str | Path,
    precision: str | None = None,
    *,
    threads: int | None = None,
    key: str | Path | None = None,
    adapter: str | None = None,
) -> Bundle:
    """Open a bundle, or the `bundle/` in the folder of a stage; `precision` overrides what it was saved with.

    `key` is the file of a public key (PEM), with which the bundle must be signed. `adapter` is the name of the one
    that is to serve, 'base' for none; None: as the bundle says.

    Raises `Refusal` where a file is missing, changed, added, unsafe or of a newer danlu, or not signed by `key`, where
    there is no such adapter, and for more than 256 `threads`.
    """
    refuse_crowd(threads, "threads")
    known = ("auto", "float32", "bfloat16")
    if precision is not None and precision not in known:
        raise Refusal(f"precision '{precision}': expected {', '.join(known[:-1])} or {known[-1]}")
    folder = manifest.find(path)
    return open_folder(folder, manifest.read(folder, key), precision, threads, adapter)


def exact(path: str | Path) -> str | None:
    """The precision in which a bundle tells most exactly what it has learnt: float32; of an export its own (None)."""
    return "float32" if manifest.read(manifest.find(path))["engine"]["kind"] == "torch" else None


def open_folder(
    folder: Path, facts: dict[str, Any], precision: str | None, threads: int | None, adapter: str | None = None
) -> Bundle:
    """The bundle in a folder of which `facts` are what `danlu.json` says, or is to say; see `load`."""
    where = folder / manifest.NAME
    serves = adapter or facts.get("serves", BASE)
    with opened(where, "'task', 'engine', 'adapters' or 'cleaners' cannot be read", "upgrade danlu, or train it again"):
        for name in facts.get("adapters", {}):
            refuse_name(name)
        base, asked = asked_for(facts, BASE, folder), asked_for(facts, serves, folder)
        _refuse_other_precision(folder, facts["engine"], precision)
        chosen = {} if precision is None else {"precision": precision}
        engine = manifest.part(Engine, facts["engine"] | chosen, where, "engine")  # type: ignore[type-abstract]
    tokenizer = open_tokenizer(folder, str(folder))
    network = engine.open(folder, base.task, tokenizer, threads)
    return Bundle(folder, facts, asked.task, tokenizer, network, asked.rewriters, serves)


def _refuse_other_precision(folder: Path, engine: dict[str, Any], precision: str | None) -> None:
    """Refuse to compute an exported graph in another precision than the one that its weights have."""
    told = engine.get("precision", precision)  # an engine from outside may have none, and says so itself
    if precision not in (None, told) and engine.get("kind") != "torch":
        raise Refusal(
            f"{folder}: was exported for the engine {engine.get('kind')} in {engine.get('precision')}, and computes in "
            "nothing else; leave the precision out, or export the original again"
        )


def _records(items: Iterable[str | Record]) -> Iterator[Record]:
    for number, item in enumerate(items, 1):
        if not isinstance(item, str | dict):
            raise Refusal(
                f"item {number:,} is of type {type(item).__name__}; give a text, or a record such as {{'text': ...}}"
            )
        yield {"text": item} if isinstance(item, str) else item


def _with_limit(tokenizer: Tokenizer, limit: int) -> Tokenizer:
    """The tokenizer told how long a row may be, so that pipelines of transformers can truncate."""
    told = copy.deepcopy(tokenizer)
    told.model_max_length = min(told.model_max_length, limit)
    return told
