"""The card of a bundle (Mitchell et al., Model Cards, 2019): what it does, how well, how to load it, its limits."""

from collections.abc import Mapping
from typing import Any

from danlu.language import translator
from danlu.task.task import Task

_PIPELINES = {
    "AutoModelForSequenceClassification": "text-classification",
    "AutoModelForTokenClassification": "token-classification",
    "AutoModelForMaskedLM": "fill-mask",
    "AutoModelForCausalLM": "text-generation",
    "AutoModelForSeq2SeqLM": "text2text-generation",
}


def write(name: str, facts: dict[str, Any], task: Task, language: str) -> str:
    """The text of README.md for a bundle called `name`; `facts` is what `danlu.json` holds."""
    _ = translator(language)
    provenance = facts["provenance"]
    title = "/".join(str(provenance[key]) for key in ("recipe", "stage") if provenance.get(key)) or name
    parts = [
        _front(task),
        f"# {title}",
        _origin(provenance, task, language),
        _what(facts, task, language),
        _scores(provenance, language),
        _loading(task, facts.get("serves"), language, exported=facts["engine"]["kind"] != "torch"),
        _limits(language),
        f"## {_('Licence')}\n\n" + _("Not stated yet: say here, and under `license:` above, how others may use it."),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _origin(provenance: Mapping[str, Any], task: Task, language: str) -> str:
    _ = translator(language)
    if given := provenance.get("given"):
        told = _("A model that others trained, `{name}`, for the task `{task}`.")
        return told.format(name=given, task=task.kind)
    return _("A model trained with danlu, for the task `{task}`.").format(task=task.kind)


def _front(task: Task) -> str:
    pipeline = _PIPELINES.get(task.auto_class)
    tag = f"pipeline_tag: {pipeline}\n" if pipeline else ""
    return f"---\nlibrary_name: transformers\n{tag}license: unknown\ntags: [danlu]\n---"


def _what(facts: dict[str, Any], task: Task, language: str) -> str:
    _ = translator(language)
    lines = []
    if task.label_names():
        lines.append(f"- {_('Labels')}: " + ", ".join(f"`{label}`" for label in task.label_names()))
    records = facts["provenance"].get("records")
    if isinstance(records, dict):
        counts = ", ".join(f"{split} {count:,}" for split, count in records.items())
        lines.append(f"- {_('Records')}: {counts}")
    lines.append(f"- {_('Longest text')}: " + _("{count} tokens").format(count=task.max_length or facts["max_length"]))
    engine = facts["engine"]
    told = f"{facts.get('weights', 'float32')}; " + _("predicts in {precision}").format(precision=engine["precision"])
    lines.append(
        f"- {_('Weights')}: " + (told if engine["kind"] == "torch" else f"{engine['kind']}, {engine['precision']}")
    )
    validation = facts["provenance"].get("validation")
    if isinstance(validation, float):
        name = _("{metric} on the validation records").format(metric=task.metrics[0])
        lines.append(f"- {name}: {validation:.4g}")
    if fingerprint := facts["provenance"].get("fingerprint"):
        lines.append(f"- {_('Fingerprint of the training')}: `{fingerprint}`")
    return f"## {_('What it is')}\n\n" + "\n".join(lines)


def _scores(provenance: dict[str, Any], language: str) -> str:
    _ = translator(language)
    scores = provenance.get("scores")
    if not scores:
        return ""
    rows = [f"| {_('Metric')} | {_('Value')} | {_('interval (95 %)')} |", "|---|---|---|"]
    for name, score in scores.items():
        plain = score if isinstance(score, dict) else {"value": score}
        interval = f"{plain['low']:.4g} – {plain['high']:.4g}" if {"low", "high"} <= plain.keys() else "–"
        rows.append(f"| {name} | {plain['value']:.4g} | {interval} |")
    return f"## {_('Scores')}\n\n" + "\n".join(rows)


def _loading(task: Task, served_by: str | None, language: str, *, exported: bool) -> str:
    """How to open it; where an adapter serves, transformers alone opens the base, and of an export nothing."""
    _ = translator(language)
    alone = _("With transformers alone:")
    if served_by:
        alone = _("With transformers alone, which opens the base without its adapter `{name}`:").format(name=served_by)
    plain = f"from transformers import AutoTokenizer, {task.auto_class}\n\n"
    plain += f'model = {task.auto_class}.from_pretrained("path/to/bundle")\n'
    plain += 'tokenizer = AutoTokenizer.from_pretrained("path/to/bundle")'
    ours = 'import danlu\n\nprint(danlu.load("path/to/bundle").predict(["..."]))'
    checked = _("With danlu, which checks every file and replays the golden outputs with `danlu verify`:")
    told = f"## {_('How to load it')}\n\n{checked}\n\n```python\n{ours}\n```"
    return told if exported else f"{told}\n\n{alone}\n\n```python\n{plain}\n```"


def _limits(language: str) -> str:
    _ = translator(language)
    return f"## {_('Limits')}\n\n" + "\n".join(
        "- " + line
        for line in (
            _("It was scored on text of the kind it was trained on; other kinds of text may fare worse."),
            _("What is unfair or wrong in the training text may come back in its answers."),
            _("Its answers are guesses with a probability, not statements of fact."),
        )
    )


def unscored(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """What is still true of where a bundle comes from, once its weights are others: not what these had scored."""
    return {key: value for key, value in provenance.items() if key not in ("validation", "scores", "best_step")}
