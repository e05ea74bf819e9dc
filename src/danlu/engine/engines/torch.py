"""PyTorch: one replica a core over the same weights (Paszke et al., 2019)."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from danlu.engine.engine import Engine, Network
from danlu.machine.device import device
from danlu.machine.door import opened
from danlu.machine.seed import generator
from danlu.model.ends import Endings
from danlu.model.fast import prepare_for_inference
from danlu.model.folder import open_model
from danlu.model.generate import Session
from danlu.model.packed import Packed, packed
from danlu.model.policy import Policy, changed
from danlu.model.positions import longest_row
from danlu.model.read_before import ReadBefore
from danlu.model.reader import Reader
from danlu.model.readers import reader_for
from danlu.model.replica import replica
from danlu.refusal import Refusal
from danlu.task.task import Task
from danlu.text.batching.batch import Batch
from danlu.text.tokenizing.special import padding_id
from danlu.text.tokenizing.tokenizer import Tokenizer

AGAIN = "copy or train the bundle again"

_making = threading.Lock()


class TorchNetwork(Network):
    """A model of transformers. The weights are shared with it, not copied: what trains it in place is seen here."""

    def __init__(
        self,
        model: PreTrainedModel,
        threads: int | None = None,
        *,
        frozen: bool = False,
        packed_already: Packed | None = None,
    ) -> None:
        """Compute with `threads` cores; None: as many as torch may use.

        `frozen` promises that nobody trains `model` any more; its weights are then laid out for speed, and
        `packed_already` are those that were. Its own mode and gradients stay as they are.
        """
        self.model = model
        self.limit = longest_row(model)
        self.device = next(model.parameters()).device
        self.cores = (threads or torch.get_num_threads()) if self.device.type == "cpu" else 1
        self.number_format = str(model.dtype).removeprefix("torch.")
        self.rounding = 1e-4 if model.dtype == torch.float32 else 0.05
        self._frozen = frozen
        self._packed: Packed = {} if packed_already is None else packed_already
        self._free: SimpleQueue[nn.Module] | None = None
        self._reads: tuple[nn.Module, Callable[[], Reader]] | None = None

    def forward(self, task: Task, batch: Batch) -> dict[str, Tensor]:
        """What the model says of a batch, by the next replica that is free."""
        free = self._replicas()
        model = free.get()
        try:
            return task.forward(model, batch.inputs, task.places(batch))
        finally:
            free.put(model)

    def beside(self, model: nn.Module, frozen: Mapping[str, Tensor]) -> "TorchNetwork":
        """See `Network.beside`; weights that differ are held, whatever `frozen` says."""
        names = {id(parameter): name for name, parameter in model.named_parameters()}
        ready = prepare_for_inference(model, self.number_format)  # type: ignore[arg-type]
        own, held = dict(self.model.named_parameters()), dict(ready.named_parameters())
        for name, before in frozen.items():
            known, value = own.get(name), held[names[id(before)]]
            if known is not None and known.dtype == value.dtype and torch.equal(known, value):
                value.data = known.data
        return TorchNetwork(ready, self.cores, frozen=self._frozen, packed_already=self._packed)

    def session(self, tokenizer: Tokenizer) -> Session:
        """See `Network.session`."""
        with _making:
            if self._reads is None:
                model = packed(self.model, self._packed) if self._frozen else replica(self.model)
                before = ReadBefore() if self._frozen else None  # else weights may have changed since
                self._reads = model.train(mode=False), reader_for(model, padding_id(tokenizer), before)
            model, reads = self._reads
        return Session(reads(), Endings(model, tokenizer, self.limit))

    def _replicas(self) -> "SimpleQueue[nn.Module]":
        """One a core, made when the first is asked for: who only looks at a bundle needs none."""
        with _making:
            if self._free is None:
                free = SimpleQueue[nn.Module]()
                first = packed(self.model, self._packed) if self._frozen else replica(self.model)
                for each in (first, *(replica(first) for _ in range(self.cores - 1))):
                    free.put(each.train(mode=False))
                self._free = free
            return self._free

    def __getstate__(self) -> dict[str, Any]:
        """What is sent to another process, which makes replicas of its own."""
        return {**self.__dict__, "_free": None, "_reads": None, "_packed": {}}


class Torch(Engine):
    """The weights as they are, by PyTorch."""

    precision: Literal["auto", "float32", "bfloat16"] = "auto"

    def open(self, folder: Path, task: Task, tokenizer: Tokenizer, threads: int | None) -> TorchNetwork:
        """See `Engine.open`; the model is asked once, since a configuration may be well-formed and wrong."""
        labels = task.config().get("id2label")
        model, told = open_model(folder, str(folder), task.auto_class, {})
        for trouble in ("missing_keys", "unexpected_keys", "mismatched_keys"):
            if told.get(trouble):
                names = ", ".join(sorted(map(str, told[trouble]))[:3])
                raise Refusal(
                    f"{folder}: the weights do not fit config.json ({trouble.replace('_', ' ')}: {names}); {AGAIN}"
                )
        if labels is not None and labels != model.config.id2label:
            raise Refusal(f"{folder}: the labels of 'task' are not those of config.json, so one was changed; {AGAIN}")
        with opened(folder, "the model does not answer", AGAIN):
            model = prepare_for_inference(model.to(device()), self.precision)
            network = TorchNetwork(model, threads, frozen=True)
            _try(network, task, tokenizer)
        return network


@torch.inference_mode()
def _try(network: TorchNetwork, task: Task, tokenizer: Tokenizer) -> None:
    """Answer once: a configuration may be well-formed, and yet name an activation or a size that does not work."""
    record = task.tried()
    task = task.model_copy(update={"too_long": "truncate"})
    encoded = task.encode([record], tokenizer, network.limit, labelled=False)
    if task.answers_by == "generate":
        (written,) = network.generate(
            encoded[:1], tokenizer, changed(Policy.model_validate("greedy"), None, {"max_new_tokens": 2})
        )
        task.composed(written, encoded[:1], record)
        return
    batch = task.collate(encoded, max(map(len, encoded)), tokenizer, generator(0, "try"))
    task.decode(task.answered(network.model, batch.to(network.device)), encoded, record)
