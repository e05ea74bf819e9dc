"""What was guessed, in words, each with how to change it."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from danlu.apps.guessing.columns import NONE, others, shape_of
from danlu.data.labels import in_order
from danlu.data.record import Record, entity_labels, text_of
from danlu.recipe.commented import inline
from danlu.recipe.yaml_text import Keys
from danlu.task.texts import SECOND

if TYPE_CHECKING:
    from danlu.apps.guessing.recipe import Guessed

_MOST = 8  # names in a sentence
_TOLD_ELSEWHERE = {"kind", "path", "columns", "names", "header", "member", "constants", "on_bad_row"}
_LONGEST = 30  # characters of a name


@dataclass(frozen=True)
class Told:
    """A guess: where it stands in the recipe, what was guessed, and how to change it."""

    place: Keys
    what: str
    how: str = ""


class Words:
    """The sentences about one recipe."""

    def __init__(self, guessed: "Guessed", plain: dict[str, Any], path: Path, _: Callable[[str], str]) -> None:
        """Of a recipe that will be written to `path`, in the language of `_`."""
        self.guessed, self.stages, self.path, self._ = guessed, plain["stages"], path, _

    def all(self) -> list[Told]:
        """All guesses, in the order of the recipe."""
        parts = (self._data, self._columns, self._splits, self._rows, self._cleaners, self._model, self._training)
        return [told for part in parts for told in part()]

    def _data(self) -> list[Told]:
        _, guessed = self._, self.guessed
        section, counted = guessed.sections["train"][0], guessed.counted
        paths = _listed([each.shown for each in guessed.files.splits["train"]])
        rows = _("{rows:,} rows") if counted.whole else _("about {rows:,} rows")
        known = {key: value for key, value in section.items() if key not in _TOLD_ELSEWHERE}
        settings = "".join(f", {key}={inline(value)}" for key, value in known.items())
        what = _("{paths}: {rows}, read as {kind}").format(
            paths=paths, rows=rows.format(rows=counted.rows), kind=section["kind"]
        )
        lacks = _(", without a header") if "header" in section else ""
        told = [Told(("stages", "clean", "data"), f"{what}{settings}{lacks}", _("kind=NAME, and keys of that format"))]
        if guessed.files.ignored:
            what = _("not read: {files}").format(files=_listed(guessed.files.ignored))
            told.append(Told(("stages", "clean", "data"), what, _("name the file instead of the folder")))
        return told

    def _columns(self) -> list[Told]:
        _, guessed = self._, self.guessed
        place, read = ("stages", "clean", "data"), guessed.read
        told = []
        for column, name in read.columns.items():
            free = others(guessed.task, column, read.there, [*read.columns.values()])
            free = [other for other in free if shape_of(guessed.task, column)[0] != "structure"]
            what = _("{column} is {name}").format(column=column, name=self._told_column(name))
            if free:
                might = _listed(list(map(self._told_column, free)))
                what += _(", and might be {others}").format(others=might)
            if free or name != column:
                how = f"{column}={_('NUMBER') if 'header' in read.settings else _('NAME')}"
                how += f", {column}={NONE}" if column == SECOND and column in guessed.task.other_columns else ""
                told.append(Told(place, what, how))
        if guessed.counted.labels and "label" in guessed.task.columns:
            labels = in_order(guessed.counted.labels)
            counts = _listed([f"{_short(label)} {guessed.counted.labels[label]:,}" for label in labels])
            told.append(Told(place, _("labels, {count}: {counts}").format(count=len(labels), counts=counts)))
        if several := Counter(label for record in guessed.counted.records for label in record.get("labels", ())):
            counts = _listed([f"{_short(label)} {count:,}" for label, count in several.most_common()])
            told.append(Told(place, _("labels, {count}: {counts}").format(count=len(several), counts=counts)))
        if kinds := Counter(label for record in guessed.counted.records for label in entity_labels(record)):
            counts = _listed([f"{_short(label)} {count:,}" for label, count in kinds.most_common()])
            what = _("entities by kind: {counts}; the first is '{entity}'")
            entity = next(filter(None, map(_first_entity, guessed.counted.records)), "")
            told.append(Told(place, what.format(counts=counts, entity=_short(entity))))
        if guessed.classes:
            pairs = _listed([f"{number} {_short(name)}" for number, name in guessed.classes.items()])
            what = _("names of the labels, from {file}: {pairs}").format(file=guessed.files.class_list, pairs=pairs)
            told.append(Told(place, what, _("edit 'names'")))
        if guessed.counted.bad:
            what = _("{rows:,} rows cannot be read and are left out, the first: {why}")
            what = what.format(rows=guessed.counted.bad, why=guessed.counted.first_bad.partition(";")[0])
            told.append(Told(place, what, _("mend them, and write on_bad_row: stop")))
        return told

    def _told_column(self, name: str) -> str:
        """The name of a column; without one its number, and what stands there first."""
        _, read = self._, self.guessed.read
        if "header" not in read.settings:
            return f"'{_short(name)}'"
        number = _("column {number}, from 0").format(number=list(read.there).index(name))
        return f"{number} ({_short(str(read.there[name].values[0]))})" if read.there[name].values else number

    def _splits(self) -> list[Told]:
        _, guessed = self._, self.guessed
        told = []
        for split in guessed.sections:
            if split != "train":
                files = _listed([each.shown for each in guessed.files.splits[split]])
                what = _("{split}: {files}, kept as it is").format(split=split, files=files)
                told.append(Told(("stages", "clean", split), what, _("{split}=PATH, {split}=none").format(split=split)))
        for file in guessed.left_out:
            what = _("{file} is left out, as it does not say what is to be learnt").format(file=file)
            told.append(Told(("stages", "clean", "data"), what, _("validation=PATH, test=PATH")))
        if held := guessed.held_out:
            parts = ", ".join(f"{name} {share:.0%}" for name, share in held.items())
            what = _("held out, texts that are alike together: {parts}").format(parts=parts)
            how = ", ".join(_("{split}=PATH").format(split=split) for split in held)
            told.append(Told(("stages", "clean", "split"), what, how))
        if guessed.rare:
            what = _("too few different texts for every split, so left out: {labels}")
            labels = _listed([f"{_short(label)} {guessed.counted.labels[label]:,}" for label in guessed.rare])
            told.append(
                Told(("stages", "clean", "minimum_label_count"), what.format(labels=labels), _("give more rows"))
            )
        return told

    def _rows(self) -> list[Told]:
        """What the texts are like, told where the task says how much of them it reads."""
        _, guessed, settings = self._, self.guessed, self.stages["model"]["task"]
        script, counted = guessed.script, guessed.counted
        letters = _("other letters") if script.latin < 0.5 else _("Latin letters")
        letters = (
            _("Chinese")
            if script.chinese > 0.7
            else _("Chinese and other letters")
            if script.chinese > 0.1
            else letters
        )
        usual = self.guessed.task.model_fields["too_long"].default
        cut = settings.get("too_long", usual) == "truncate"
        length = settings["max_length"]
        longer = _("what is longer than {tokens} tokens is cut") if cut else _("longer ones are read in pieces")
        what = _("{letters}; half of the texts have up to {median:,} characters, 98 of 100 up to {most:,}; {longer}")
        lengths = {"median": counted.percentile(0.5), "most": counted.percentile(0.98)}
        what = what.format(letters=letters, longer=longer.format(tokens=length), **lengths)
        told = [Told(("stages", "model", "task"), what, f"danlu run {self.path} model.task.max_length=512")]
        if guessed.calls:
            what = _("calls of tools, which the template writes: chatml for a fresh network, else that of the model")
            told.append(Told(("stages", "model", "task"), what, _("calls=text writes them as text")))
        if guessed.nested:
            what = _("entities lie over one another, of which the longest is kept")
            told.append(Told(("stages", "model", "task"), what, _("mend the data, and leave 'nested' out")))
        return told

    def _cleaners(self) -> list[Told]:
        _ = self._
        if not self.guessed.cleaners:
            return []
        parts = ", ".join(f"{kind} {share:.0%}" for kind, share in self.guessed.cleaners.items())
        what = _("cleaners that change something in many texts: {parts}").format(parts=parts)
        return [Told(("stages", "clean", "cleaners"), what, f"danlu run {self.path} clean.cleaners=[]")]

    def _model(self) -> list[Told]:
        _, model, asked = self._, self.guessed.model, self.guessed.asked
        place = ("stages", "model", "roles" if model and self.guessed.task.role_learns else "model")
        if model is None:
            where = ", ".join(_at_home(path) for path in self.guessed.places)
            what = _("a fresh network: no model that suits was found in {places}").format(places=where)
            what = _("a fresh network, as was asked for") if asked else what
            return [
                Told(place, what, _("--model FOLDER, or a name on the hub such as {name}").format(name=_example(self)))
            ]
        if not model.parameters:
            what = _("{path} is not on this machine, and is fetched from the hub when the recipe first runs")
            return [Told(place, what.format(path=model.path), "--model FOLDER")]
        what = (
            _("a pretrained model of {millions:.3g} million parameters: {path}")
            if asked
            else _("a pretrained model of {millions:.3g} million parameters, found at {path}")
        )
        what = what.format(millions=model.parameters / 1e6, path=model.path)
        if not model.knows:
            what += _("; ! its vocabulary is not made for such texts")
        return [Told(place, what, "--model scratch, --model FOLDER")]

    def _training(self) -> list[Told]:
        _, train = self._, self.stages["model"]["train"]
        what = _("for {rows:,} rows: {epochs} times over them, at a rate of {rate:g}")
        what = what.format(rows=self.guessed.counted.rows, epochs=train["epochs"], rate=train["rate"])
        return [
            Told(("stages", "model", "train"), what, f"danlu run {self.path} model.train.epochs={train['epochs'] * 2}")
        ]


def _first_entity(record: Record) -> str:
    """The text of the first entity of a record; what it covers shows whether its ends are meant so."""
    if record.get("entities"):
        first = record["entities"][0]
        return text_of(record)[first["start"] : first["end"]]
    tags = record.get("tags") or ()
    tokens = record.get("tokens") or record.get("words") or ()
    return next((token for token, tag in zip(tokens, tags, strict=False) if tag[:2] in ("B-", "S-")), "")


def _example(words: Words) -> str:
    causal = words.guessed.task().auto_class == "AutoModelForCausalLM"
    chinese = words.guessed.script.chinese > 0.1
    if causal:
        return "Qwen/Qwen3-0.6B-Base"
    return "google-bert/bert-base-chinese" if chinese else "google-bert/bert-base-uncased"


def _at_home(path: Path) -> str:
    return f"~/{path.relative_to(Path.home())}" if path.is_relative_to(Path.home()) else str(path)


def _listed(names: list[str] | tuple[str, ...]) -> str:
    """Some names, and that there are more."""
    return ", ".join(names[:_MOST]) + (", …" if len(names) > _MOST else "")


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[:_LONGEST]}…"
