"""What a model can do that others trained: read off its folder, as transformers and sentence-transformers write it."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import PreTrainedConfig

from danlu.machine.door import opened
from danlu.machine.hub import local_folder
from danlu.model.folder import FILES, settings_in
from danlu.model.label_rows import known_labels
from danlu.model.source import Say
from danlu.recipe.part import find, kinds
from danlu.refusal import Refusal
from danlu.stages.given_policy import author_policy, author_settings
from danlu.stages.given_vector import is_embedder, prompts_of, refuse_lower_case, vector_of
from danlu.task.task import Task
from danlu.text.batching.bio import OUTSIDE, PREFIXES, rows_of_classes
from danlu.text.tokenizing.tokenizer import Tokenizer

_REMEDY = "copy the folder again"
_OF_LANGUAGES = ("m2m_100", "mbart", "nllb-moe")
_TRANSLATORS = ("marian", "fsmt", *_OF_LANGUAGES)
_OF_PAIRS = {"entailment", "contradiction", "not_entailment", "not_duplicate", "duplicate", "not_equivalent"}
"""Labels, in small letters, that only two texts can have."""


def task_of(path: str, tokenizer: Tokenizer, asked: Task | None, say: Say) -> Task:
    """The task that the model at `path` has learnt; where one is asked for, that one, with what the folder says of it.

    Raises:
        Refusal: the folder does not say what its model has learnt, or that is not what is asked for.
    """
    folder = local_folder(path, FILES)
    if asked is None:
        kind = learnt(path, tokenizer)
        asked = find(Task, kind)()  # type: ignore[type-abstract]
        say(f"task: '{kind}', as the folder says")
    with opened(path, "what it says of itself is no such settings", _REMEDY):
        settings = settings_in(folder, path)
        _refuse_other(asked, settings, path)
        told = _SAID[asked.kind](folder, path) if asked.kind in _SAID else {}
        if "policy" in type(asked).model_fields and "policy" not in asked.model_fields_set:
            most = getattr(asked, "max_target", None)
            told["policy"] = author_policy(folder, say, two_sides=bool(settings.is_encoder_decoder), most=most)
        if "labels" in asked.model_fields_set and {*asked.label_names()} != {*told.get("labels", ())}:
            told.pop("head_tags", None)
        if asked.kind == "embed":
            refuse_lower_case(folder, tokenizer, path)
            told.setdefault("max_length", _longest(tokenizer))
            if wanted := prompts_of(folder):
                say(f"texts want something written before them, which you write ({wanted})")
        if asked.kind == "translate" and settings.model_type in _OF_LANGUAGES:
            _refuse_nameless(asked, folder, path)
        known = {key: value for key, value in told.items() if key in type(asked).model_fields and value is not None}
        missing = {key: value for key, value in known.items() if key not in asked.model_fields_set}
        return type(asked).model_validate(asked.to_plain() | missing)


def learnt(path: str, tokenizer: Tokenizer) -> str:
    """The kind of the task that the model at `path` has learnt. Raises `Refusal` where its folder does not say."""
    folder = local_folder(path, FILES)
    if (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file():
        raise Refusal(f"{path}: is an adapter and no model; give its base, and then: danlu adapt")
    with opened(path, "what it says of itself is no such settings", _REMEDY):
        settings = settings_in(folder, path)
        name = _architecture(settings)
        if is_embedder(folder):
            return "embed"
        if settings.problem_type == "regression" and (settings.num_labels or 1) > 1:
            raise Refusal(
                f"{path}: its head says {settings.num_labels} numbers of a text, and danlu learns and reads one"
            )
        for ending, kind in _BY_ENDING.items():
            if name.endswith(ending):
                return kind(settings, tokenizer) if callable(kind) else kind
    raise Refusal(
        f"{path}: its config.json names {f'the architecture {name}' if name else 'no architecture'}, which does not "
        f"say what it has learnt; say it with 'kind', one of {', '.join(kinds(Task))}"
    )


def _architecture(settings: PreTrainedConfig) -> str:
    """The name of the network that was saved; nothing where the settings do not say it."""
    names = settings.architectures
    return names[0] if isinstance(names, list) and names and isinstance(names[0], str) else ""


def _of_texts(settings: PreTrainedConfig, _: Tokenizer) -> str:
    if settings.problem_type == "regression":
        return "regress"
    if settings.num_labels == 1:
        return "rank"
    return "multilabel" if settings.problem_type == "multi_label_classification" else "classify"


def _next_tokens(_: PreTrainedConfig, tokenizer: Tokenizer) -> str:
    return "chat" if tokenizer.chat_template else "causal_lm"


def _another_text(settings: PreTrainedConfig, _: Tokenizer) -> str:
    if settings.model_type in _TRANSLATORS:
        return "translate"
    told = getattr(settings, "task_specific_params", None) or {}
    return "summarise" if told and all(str(name).startswith("summar") for name in told) else "rewrite"


_BY_ENDING: dict[str, str | Callable[[PreTrainedConfig, Tokenizer], str]] = {
    "ForSequenceClassification": _of_texts,
    "ForTokenClassification": "tag",
    "ForQuestionAnswering": "answer",
    "ForMultipleChoice": "choose",
    "ForMaskedLM": "masked_lm",
    "ForCausalLM": _next_tokens,
    "LMHeadModel": _next_tokens,
    "MTModel": _another_text,
    "ForConditionalGeneration": _another_text,
}
"""The task by the end of the name that transformers gives an architecture."""

_DIRECTIONS = (("ForCausalLM", "LMHeadModel"), ("ForMaskedLM", "ForPreTraining"))
"""Names of networks whose weights fit into one another, and that have learnt to look one way, and both."""


def _refuse_other(task: Task, settings: PreTrainedConfig, path: str) -> None:
    """Refuse a trunk without a head, and a head that takes the weights of another one."""
    name, head = _architecture(settings), getattr(task, "auto_class", "AutoModel")
    if head != "AutoModel" and name.endswith("Model") and not name.endswith(tuple(_BY_ENDING)):
        raise Refusal(f"{path}: holds a {name}, which has no head and so has not learnt '{task.kind}'; train it first")
    asked = {"AutoModelForCausalLM": 0, "AutoModelForMaskedLM": 1}.get(head)
    if asked is not None and name.endswith(_DIRECTIONS[1 - asked]) and not name.startswith("T5"):
        raise Refusal(
            f"{path}: holds a {name}, which has not learnt '{task.kind}', though its weights fit; leave the task "
            "out, or train it first"
        )


def _labels(folder: Path, _path: str) -> dict[str, Any]:
    """Labels in the order of the head, and whether they are of two texts."""
    labels = known_labels(folder)
    return {"labels": labels, "pairs": bool(_OF_PAIRS.intersection(label.lower() for label in labels))}


def _entities(folder: Path, path: str) -> dict[str, Any]:
    """Types of entities out of BIO tags, or such with more letters, in their order."""
    tags = known_labels(folder)
    types = list(dict.fromkeys(tag[2:] for tag in tags if tag[:1] in PREFIXES and tag[1:2] == "-"))
    other = [tag for tag in tags if tag not in OUTSIDE and not re.fullmatch(f"[{''.join(PREFIXES)}]-.+", tag)]
    if other or not types or "O" in types or "O" not in tags or len({*tags}) < len(tags):
        raise Refusal(
            f"{path}: the labels of its tokens are {', '.join(tags[:8])}, and danlu reads entities out of O, B-TYPE, "
            "I-TYPE and the like (BIOES, BMES, BILOU); name other labels in config.json if these are such tags, or "
            "train it first"
        )
    found: dict[str, Any] = {"labels": tuple(types), "units": "first"}
    if set(tags) <= {"O", *(f"{letter}-{kind}" for letter in "BI" for kind in types)}:
        return found | {"decoding": "argmax"}  # some open entities with I-, as in IOB1
    begun = all(rows_of_classes(tags, types)[1::2])
    return found | {"head_tags": tags} | ({} if begun else {"decoding": "argmax"})


def _longest(tokenizer: Tokenizer) -> int | None:
    """The tokens of a text that the author has allowed; transformers writes 10 to the power of 30 for no limit."""
    return tokenizer.model_max_length if tokenizer.model_max_length < 10**6 else None


def _refuse_nameless(task: Task, folder: Path, path: str) -> None:
    """Refuse a translator of many languages of which nobody says into which."""
    plain = author_settings(folder)
    if getattr(task, "target_language", None) is None and plain.get("forced_bos_token_id") is None:
        raise Refusal(
            f"{path}: translates between many languages; name them: source_language=... target_language=..., by their "
            "tokens, such as eng_Latn or en_XX"
        )


_SAID: dict[str, Callable[[Path, str], dict[str, Any]]] = {
    "classify": _labels,
    "multilabel": _labels,
    "tag": _entities,
    "embed": vector_of,
    "regress": lambda *_: {"mean": 0.0, "deviation": 1.0, "pairs": False},
    "rank": lambda *_: {"lists": True, "objective": "binary"},
    "answer": lambda *_: {"no_answer": False},
}
"""What a folder says of a task, as fields of it."""
