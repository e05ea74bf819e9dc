"""A pretrained model: the one that was named, or one that lies where models are kept on this machine."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from danlu.machine.located import at_home
from danlu.model.weights import find_weights
from danlu.refusal import Refusal
from danlu.task.task import Task
from danlu.text.tokenizing.folder import open_tokenizer

LARGEST = 200_000_000
"""Parameters up to which a model is taken up unasked: on two cores a step of more takes seconds."""

SMALLEST = 2_000_000
"""Parameters from which a model is worth more than a fresh one."""

_DEEPEST = 4  # folders: ModelScope has hub/models/OWNER/NAME
_SOME = 200  # texts by which a vocabulary is judged
_UNKNOWN = 0.02  # of the tokens that a fitting vocabulary may not know
_TOKENS = 1.3  # tokens a character that it may need at most; bytes of Chinese are 3


@dataclass(frozen=True)
class Found:
    """A folder with a model, or a name on the hub (`parameters` is 0 where it is not here yet).

    - `knows`: whether its vocabulary is one for the texts.
    - `rate`: tokens a character that it has of them; None where it is not here.
    """

    path: str
    parameters: int = 0
    knows: bool = True
    rate: float | None = None


def well_known() -> list[Path]:
    """Folders in which models are kept: `models` here, the caches of Hugging Face and ModelScope."""
    from huggingface_hub.constants import HF_HUB_CACHE

    scope = at_home(os.environ.get("MODELSCOPE_CACHE", "~/.cache/modelscope"))
    return [Path("models"), Path(HF_HUB_CACHE), scope]


def named(path: str, task: type[Task], texts: Sequence[str]) -> Found:
    """The model of a name that was given; one that is not here is fetched when the recipe runs.

    Raises:
        Refusal: the folder holds no model, or one that cannot do the task.
    """
    folder = at_home(path)
    if not folder.is_dir():
        if path.startswith((".", "/", "~")) or path.count("/") > 1 or "\\" in path:
            raise Refusal(f"--model is '{path}', and there is no such folder; give one, a name on the hub, or scratch")
        cached = next((found for name, found in _folders(well_known()) if name == path), None)
        if cached is None:
            return Found(path)
        folder = cached
    _refuse_unfit(folder, path, task)
    return Found(path, _parameters(folder, path), *_knows(folder, path, texts[:_SOME]))


def found_locally(task: type[Task], texts: Sequence[str], places: Sequence[Path]) -> Found | None:
    """The largest model in these places that can do the task, whose vocabulary knows the texts; None without any."""
    fitting = []
    for name, folder in _folders(places):
        try:
            _refuse_unfit(folder, name, task, ready=task.reads_tokens)
            parameters = _parameters(folder, name)
            if SMALLEST <= parameters <= LARGEST:
                fitting.append(Found(name, parameters, *_knows(folder, name, texts[:_SOME])))
        except (Refusal, ValueError, OSError):  # what is there may be anything
            continue
    known = [found for found in fitting if found.knows]
    return max(known, key=lambda found: (found.parameters, found.path), default=None)


def _folders(places: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """The folders with models, each with the name by which a recipe finds it."""
    for place in places:
        if not place.is_dir():
            continue
        inside = [path for depth in range(1, _DEEPEST + 1) for path in place.glob("*/" * depth + "config.json")]
        for config in sorted(inside):
            if not any(part.startswith("models--") for part in config.parts):
                yield str(config.parent), config.parent
        for repository in sorted(place.glob("models--*")):
            name = "/".join(repository.name.split("--")[1:])
            newest = sorted(repository.glob("snapshots/*/config.json"), key=lambda path: path.stat().st_mtime)
            yield from ((name, path.parent) for path in newest[-1:])


def _refuse_unfit(folder: Path, name: str, task: type[Task], *, ready: bool = False) -> None:
    """Refuse what is no model for the task; with `ready`, also one whose head would be a fresh one."""
    import transformers

    from danlu.model.folder import CONFIG, settings_in
    from danlu.model.shape import shape_of
    from danlu.model.source import refuse_without

    if not (folder / CONFIG).is_file():
        raise Refusal(f"{name}: holds no {CONFIG} of a model; give the folder that save_pretrained writes")
    config = settings_in(folder, name)
    auto_class = task().shaped(shape_of(config)).auto_class
    refuse_without(auto_class, config, name)
    network = getattr(transformers, auto_class)._model_mapping[type(config)].__name__
    if ready and network not in (config.architectures or ()):
        raise Refusal(f"{name}: its weights are those of another network than {network}; choose another model")


def _parameters(folder: Path, name: str) -> int:
    return find_weights(folder, name).elements


def _knows(folder: Path, name: str, texts: Sequence[str]) -> tuple[bool, float | None]:
    """Whether the vocabulary is one for such texts: few unknown tokens, not a byte at a time; tokens a character."""
    tokenizer = open_tokenizer(folder, name)
    ids = [number for text in texts for number in tokenizer(text[:2000], add_special_tokens=False)["input_ids"]]
    characters = sum(len("".join(text[:2000].split())) for text in texts)
    unknown = sum(number == tokenizer.unk_token_id for number in ids)
    knows = bool(ids) and unknown <= _UNKNOWN * len(ids) and len(ids) <= _TOKENS * characters
    return knows, len(ids) / max(1, sum(len(text[:2000]) for text in texts)) if ids else None
