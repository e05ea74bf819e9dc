"""A model that others trained, as it is: a bundle of it, with nothing learnt."""

from pathlib import Path

import torch

from danlu.bundle.adapt import refuse_place
from danlu.bundle.bundle import save
from danlu.bundle.manifest import NAME
from danlu.machine.hub import local_folder
from danlu.model.folder import FILES
from danlu.model.source import Say
from danlu.model.sources.pretrained import Pretrained
from danlu.refusal import Refusal
from danlu.stages.given_task import learnt, task_of
from danlu.stages.trial import suited
from danlu.task.task import Task
from danlu.task.texts import SECOND, with_second
from danlu.text.tokenizing.special import padding_id
from danlu.text.tokenizing.tokenizer import Tokenizer
from danlu.text.tokenizing.tokenizers.pretrained import Pretrained as GivenTokenizer


def kind_of(path: str) -> str:
    """The kind of the task that a model has learnt, as its folder says; see `danlu.stages.given_task.learnt`."""
    return learnt(path, _tokenizer(path))


def take(path: str, task: Task | None, folder: Path, precision: str, language: str, say: Say) -> Task:
    """Write the bundle `folder` of the model at `path`, a folder, a GGUF file or a name on the hub; give its task.

    Without a `task` it is that of which the folder tells. The golden outputs are answers to the samples of the task.

    Raises:
        Refusal: the folder holds a bundle already, or no model that has learnt this task; see `Pretrained.whole`.
    """
    given = local_folder(path, FILES)
    refuse_place(given, folder)
    if (given / NAME).is_file():
        raise Refusal(f"{path}: is a bundle already; use it as it is")
    source = Pretrained(path=path)
    tokenizer = _tokenizer(path)
    found = task_of(path, tokenizer, task, say).shaped(source.shape())
    with torch.random.fork_rng():
        model = source.whole(found.auto_class, tokenizer, found.config(), say)
    if "SequenceClassification" in found.auto_class and source.shape() == "decoder":
        _refuse_padding_at_ends(tokenizer, path)
    found = suited(model, found, tokenizer, say)
    if own := found.parameters():
        raise Refusal(
            f"the task {found.kind} has parameters of its own ({', '.join(own)}), which no folder of another program "
            "holds; train it first"
        )
    pairs = SECOND in found.reads
    samples = [found.kept(with_second(record, pairs=pairs)) for record in found.sample]
    provenance = {"given": Path(path).resolve().name if Path(path).exists() else path}
    save(
        folder, model, tokenizer, found,
        precision=precision, provenance=provenance, examples=samples, language=language,
    )  # fmt: skip
    return found


def _refuse_padding_at_ends(tokenizer: Tokenizer, path: str) -> None:
    """Refuse a decoder that reads its last token before the padding, where that token is the padding itself."""
    if tokenizer("a")["input_ids"][-1] == padding_id(tokenizer):
        raise Refusal(
            f"{path}: its tokenizer ends a text with the token that pads, so the last token could not be told from "
            "padding; name a 'pad_token' of its own in tokenizer_config.json, and 'pad_token_id' in config.json"
        )


def _tokenizer(path: str) -> Tokenizer:
    return GivenTokenizer(path=path).build(lambda: iter(()))
