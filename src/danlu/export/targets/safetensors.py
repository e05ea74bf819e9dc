"""safetensors: the plain folder of transformers (Hugging Face, 2022), in 32 or 16 bits, without what is danlu's own."""

import copy
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch

from danlu.bundle import golden, manifest, signature
from danlu.engine.engine import Network
from danlu.engine.engines.torch import TorchNetwork
from danlu.export.target import Original, Target
from danlu.machine.quiet import quiet
from danlu.model.folder import open_model
from danlu.model.weights import find_weights


class ToSafetensors(Target):
    """A folder that transformers opens, and vLLM, SGLang and others; a task's own part stays behind in the bundle."""

    makes: ClassVar[Literal["bundle", "folder", "file"]] = "folder"

    precision: Literal["float32", "float16", "bfloat16"] = "float32"

    def write(self, original: Original, place: Path) -> None:
        """See `Target.write`; the files of the tokenizer, and what other programs read beside it, are copied."""
        bundle = original.bundle
        own = {golden.NAME, manifest.NAME, signature.NAME, "config.json", "generation_config.json"}
        for name in bundle.facts["files"].keys() - own - {*find_weights(bundle.folder, str(bundle.folder)).files}:
            if not name.endswith(".index.json"):
                manifest.copy(bundle.folder, name, place)
        model: Any = copy.deepcopy(bundle.model)
        with quiet():
            model.to(getattr(torch, self.precision)).save_pretrained(place)

    def network(self, original: Original, place: Path) -> Network:
        """See `Target.network`."""
        model, _ = open_model(place, str(place), original.bundle.task.auto_class, {})
        return TorchNetwork(model.eval(), original.bundle.network.cores)
