"""`danlu list [KIND]`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from danlu.recipe.part import Part
    from danlu.recipe.schema import Key

PROMISES = {
    "stage": "danlu.stages.stage",
    "format": "danlu.data.reading.format",
    "cleaner": "danlu.data.cleaning.cleaner",
    "augmenter": "danlu.data.augmenting.augmenter",
    "executor": "danlu.data.corpus.executor",
    "segmenter": "danlu.text.segmenting.segmenter",
    "tokenizer": "danlu.text.tokenizing.tokenizer",
    "source": "danlu.model.source",
    "policy": "danlu.model.policy",
    "template": "danlu.text.dialogue.template",
    "task": "danlu.task.task",
    "corruption": "danlu.task.corruption",
    "engine": "danlu.engine.engine",
    "method": "danlu.tuning.method",
    "pruning": "danlu.compress.pruning",
    "remedy": "danlu.continual.remedy",
    "target": "danlu.export.target",
    "recorder": "danlu.train.recorder",
    "answer": "danlu.answer.answer",
    "perturbation": "danlu.evaluate.perturbing.perturbation",
    "metric": "danlu.evaluate.scoring.metric",
    "baseline": "danlu.evaluate.classical.baseline",
    "explainer": "danlu.explain.explainer",
    "channel": "danlu.apps.monitor.channel",
}
"""Each sort of part, and the module whose promise it keeps."""


def command(
    kind: Annotated[str | None, typer.Argument(help=f"one of: {', '.join(PROMISES)}; or the name of a part")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print json instead of tables")] = False,
) -> None:
    """Show the parts that recipes are made of, with their keys and defaults."""
    import json

    from danlu.machine.terminal import show

    found = parts(kind)
    if as_json:
        show(json.dumps(_as_plain(found), indent=2, ensure_ascii=False))
    else:
        _show(found, short=kind is None)


def parts(kind: str | None = None) -> "dict[str, list[type[Part]]]":
    """The parts of each sort: all of them, those of one sort, or those of one name.

    Raises:
        Refusal: there is no sort and no part of this name.
    """
    from danlu.recipe.part import find, kinds, nearest
    from danlu.refusal import Refusal

    sorts = [kind] if kind in PROMISES else list(PROMISES)
    all_of = {sort: kinds(promise(sort)) for sort in sorts}
    if kind is not None and kind not in PROMISES:
        words = [*PROMISES, *(name for names in all_of.values() for name in names)]
        all_of = {sort: [kind] for sort, names in all_of.items() if kind in names}
        if not all_of:
            raise Refusal(f"there is no part '{kind}'{nearest(kind, words)}; the sorts are: {', '.join(PROMISES)}")
    return {sort: [find(promise(sort), name) for name in names] for sort, names in all_of.items()}


def promise(sort: str) -> "type[Part]":
    """The class whose promise the parts of a sort keep."""
    import importlib
    import inspect

    from danlu.recipe.part import Part

    module = importlib.import_module(PROMISES[sort])
    members = [member for _, member in inspect.getmembers(module, inspect.isclass) if issubclass(member, Part)]
    return next(member for member in members if member.__module__ == module.__name__ and member.is_promise())


def _summary(part: "type[Part]", language: str = "en") -> str:
    from danlu.recipe.told import in_language, told_by

    return in_language(language)(told_by(part)).partition("\n")[0]


def _as_plain(found: "dict[str, list[type[Part]]]") -> dict[str, Any]:
    from dataclasses import asdict

    from danlu.recipe.part import kind_of
    from danlu.recipe.schema import keys

    return {
        sort: {
            kind_of(part): {"summary": _summary(part), "keys": [asdict(key) for key in keys(part)]} for part in members
        }
        for sort, members in found.items()
    }


def _show(found: "dict[str, list[type[Part]]]", *, short: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    from danlu.language import default, translator
    from danlu.machine.terminal import console
    from danlu.recipe.part import kind_of
    from danlu.recipe.schema import keys
    from danlu.recipe.told import in_language

    screen, language = console(), default()
    _, said = translator(language), in_language(language)
    for sort, members in found.items():
        if short:
            screen.print(f"\n{sort}", style="bold")
            rows = Table(box=None, pad_edge=False, show_header=False)
            for part in members:
                rows.add_row(f"  {kind_of(part)}", _summary(part, language))
            screen.print(rows)
            continue
        for part in members:
            screen.print(Text.assemble("\n", (f"{sort} {kind_of(part)}", "bold"), f"  {_summary(part, language)}"))
            heads = (_("key"), _("takes"), _("default"), _("meaning"))
            table = Table(f"  {heads[0]}", *heads[1:], box=None, pad_edge=False, header_style="dim")
            for key in keys(part):
                default_ = _("needed") if key.needed else _default(key)
                table.add_row(f"  {key.name}", _holds(key, language), default_, said(key.description))
            screen.print(table if part.model_fields else f"  {_('no keys')}")
    if short:
        told = _("`danlu list KIND` shows the keys, for example `danlu list task` or `danlu list lora`.")
        screen.print(f"\n{told}")


def _holds(key: "Key", language: str) -> str:
    from danlu.recipe.told import holds_in

    return holds_in(language, f"{key.holds}, {key.limits}" if key.limits else key.holds)


def _default(key: "Key") -> str:
    import json

    return json.dumps(key.default, ensure_ascii=False, default=str)
