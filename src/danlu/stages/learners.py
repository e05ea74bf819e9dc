"""Networks that a task trains beside the one that serves: built, shared with it, and left in folders of their own."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from transformers import PreTrainedModel

from danlu.bundle.bundle import save
from danlu.machine.hub import local_folder
from danlu.model.beside import put_beside, share_tables
from danlu.model.fast import use_our_attention
from danlu.model.folder import FILES
from danlu.model.source import Say, Source, unsaid
from danlu.refusal import Refusal
from danlu.stages.stage import Place
from danlu.task.task import Task
from danlu.text.tokenizing.folder import open_tokenizer
from danlu.text.tokenizing.tokenizer import fingerprint

if TYPE_CHECKING:
    from danlu.stages.ready import Prepared


def learners_for(task: Task, given: Mapping[str, Source], source: Source) -> dict[str, Source]:
    """Where each network that learns beside comes from: as given, or as the task makes it of the source of the model.

    Raises:
        Refusal: none is given, and there is none of that source.
    """
    return {name: given[name] if name in given else task.learner(name, source) for name in task.learners}


def with_learners(model: nn.Module, prepared: "Prepared", say: Say = unsaid) -> nn.Module:
    """The model with these networks inside it, which read by its tables of embeddings where theirs are alike.

    Raises:
        Refusal: one that is given reads rows by another tokenizer.
    """
    networks: dict[str, nn.Module] = {}
    for name, source in prepared.learners.items():
        task, path = prepared.task.taught(name), source.tokenizer_path()
        if path is not None and fingerprint(open_tokenizer(local_folder(path, FILES), path)) != fingerprint(
            prepared.tokenizer
        ):
            raise Refusal(
                f"roles.{name}: has another tokenizer than the network that serves, so rows would mean something else "
                "to it; give one that was trained with the same"
            )
        with torch.random.fork_rng():
            torch.manual_seed(prepared.seed)
            network = source.seeded(prepared.seed).build(task.auto_class, prepared.tokenizer, task.config(), say)
        use_our_attention(network)
        shared, tables = share_tables(model, network)
        own = sum(parameter.numel() for parameter in network.parameters()) / 1e6
        alike = "shared with" if shared == tables else "its own, not" if not shared else "in part shared with"
        say(f"{name}: learns beside it, {own:.2f} M parameters, embeddings {alike} those of the network that serves")
        networks[name] = network
    return put_beside(model, networks)


def leave_learners(
    place: Place, prepared: "Prepared", networks: Mapping[str, nn.Module], provenance: dict[str, Any], **how: Any
) -> None:
    """Write each into a bundle of its own, beside that of the network that serves."""
    for name, network in networks.items():
        folder: Path = place.folder / name
        assert isinstance(network, PreTrainedModel), "a learner is built by a source"
        how |= {"provenance": provenance, "rewriters": prepared.rewriters, "language": place.language}
        save(folder, network, prepared.tokenizer, prepared.task.taught(name), **how)
        place.say(f"{place.name}: {name} in {folder}")
