"""A ladder of smaller models: every rung is scored and timed beside the original, and the best that holds is kept."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from danlu.bundle import manifest
from danlu.bundle.bundle import Bundle, load
from danlu.compress.climbing import Climb, Row
from danlu.compress.computing import computed, computed_here, learns
from danlu.compress.confirming import Confirmed, confirmed, refuse_learnt, refuse_others
from danlu.compress.floor import OWN_UNIT, Floor, floor_of
from danlu.compress.following import AS_A_RULE, Following, followed_by
from danlu.compress.measuring import Measuring, bytes_of
from danlu.compress.prune import plain_facts
from danlu.compress.rung import Rung, rungs_of
from danlu.data.cleaning.clean import clean_records
from danlu.data.record import Record
from danlu.evaluate.scoring.compare import compare
from danlu.evaluate.scoring.examine import SCORES
from danlu.machine.alone import alone_in
from danlu.machine.files import folder_in_place, write_text
from danlu.machine.located import at_home
from danlu.refusal import Refusal
from danlu.task.followed import Followed
from danlu.train.settings import Training

NAME, BUNDLE, ORIGINAL = "compress.json", "bundle", "original"

Target = Literal["latency", "size", "throughput"]

FASTER = 1.1
"""How many times as fast, or as small, a rung must be to be called so; less is what measurements differ by."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Ladder:
    """What came of it.

    - `rows`: one a rung, in the order in which they were asked for; `original` likewise.
    - `kept`: the name of the rung that is kept; None where none holds the floor and gains anything, or the one that
      does misses it on the records that confirm.
    - `confirmed`: how that one fares on records that chose nothing; None where none were given, or nothing was chosen.
    - `teacher`: how trainings after prunings followed the original; None where they did not.
    """

    bundle: Path
    folder: Path
    task: str
    records: int
    floor: Floor
    target: Target
    original: Row
    rows: tuple[Row, ...]
    kept: str | None
    teacher: dict[str, Any] | None = None
    confirmed: Confirmed | None = None

    def to_plain(self) -> dict[str, Any]:
        """What stands in `compress.json`."""
        told = {"danlu": version("danlu"), "bundle": str(self.bundle), "task": self.task, "records": self.records}
        told |= {"floor": asdict(self.floor) | {"at": self.floor.at(self.original.value)}, "target": self.target}
        rows = [asdict(row) | {"verdict": self.verdict(row)} for row in self.rows]
        told |= {"kept": self.kept, "confirmed": asdict(self.confirmed) if self.confirmed else None}
        return told | {"teacher": self.teacher, "original": asdict(self.original), "rungs": rows}

    def holds(self, row: Row) -> bool:
        """Whether a rung is there and holds the floor."""
        return row.refused is None and self.floor.holds(row.value, self.original.value)

    def sure(self, row: Row) -> bool:
        """Whether all of the interval of a rung's difference to the original lies above the floor."""
        return self.holds(row) and self._above(row, self.original.value)

    def holds_on_others(self, *, surely: bool = False) -> bool:
        """Whether what was chosen holds the floor on the records that chose nothing; True where there are none.

        `surely`: with all of its interval.
        """
        found = self.confirmed
        if found is None:
            return True
        return self.floor.holds(found.value, found.original) and (not surely or self._above(found, found.original))

    def _above(self, found: Row | Confirmed, original: float) -> bool:
        worst = found.low if self.floor.higher_is_better else found.high
        return self.floor.holds(original + worst, original)

    def verdict(self, row: Row) -> str:
        """`refused`, `under the floor`, `not on others`, `holds`, or `kept`."""
        if row.refused is not None:
            return "refused"
        if not self.holds(row):
            return "under the floor"
        if self.confirmed and row.name == self.confirmed.rung and row.name != self.kept:
            return "not on others"
        return "kept" if row.name == self.kept else "holds"


def compress(
    path: str | Path,
    test: Sequence[Record],
    floor: str,
    out: str | Path,
    *,
    target: Target = "throughput",
    rungs: str | None = None,
    train: Sequence[Record] = (),
    validation: Sequence[Record] = (),
    confirm: Sequence[Record] = (),
    training: Training | None = None,
    following: Following | None = AS_A_RULE,
    seed: int = 0,
    resamples: int = 1000,
    how: Measuring | None = None,
    say: Say = print,
) -> Ladder:
    """Walk a ladder of rungs and keep, in the folder `out`, the best by `target` that holds the floor on `test`.

    `train` is what prunings look at, and what is trained on after them where `training` says how; the original is
    followed in that as `following` says, where its task can be. Rungs that were done before with the same original,
    data and settings are not done again. The original stays as it is. With records to `confirm`, which choose nothing,
    the best is scored on them as well, and is kept only if it holds the floor there too.

    Raises:
        Refusal: the floor is no floor, or the original itself misses it; there is no such rung; a rung needs records
            to learn from and there are none, or they are those of the test; records to confirm are among the others;
            `out` lies in the bundle.
    """
    folder, final = manifest.find(path), at_home(out)
    plain_facts(folder)
    if not test:
        raise Refusal("there are no records to score the rungs on; give a file or a split that is not empty")
    if folder.resolve() in (final.resolve(), *final.resolve().parents):
        raise Refusal(f"{final}: lies in the bundle, which stays as it is; name a folder beside it")
    _refuse_taken(final, folder)
    with load(folder) as original:
        asked = floor_of(floor, original.task)
        chosen = rungs_of(rungs, computed()) if rungs else usual(original, trained=bool(train))
        trains = training is not None and any(rung.trains for rung in chosen)
        follow = followed_by(original.task, following, trains=trains)
        _refuse_without_records(chosen, train)
        if any(rung.prunings or learns(rung.computed) for rung in chosen):
            refuse_learnt(original.task, test, train, say)
        refuse_others(original, [*test, *train, *validation], confirm)
        _refuse_unlearnable(original, train, follow, say)
        _tell_few(asked, len(test), say)
        climb = Climb(original, final, list(test), asked.metric, list(train), list(validation), training, follow, seed)
        climb = replace(climb, resamples=resamples, how=how or Measuring(), say=say)
        with alone_in(final):
            first = _original(climb)
            _refuse_vain_floor(asked, first, folder)
            rows = tuple(climb.climbed(rung) for rung in chosen)
            found = Ladder(folder, final, original.task.kind, len(test), asked, target, first, rows, None)
            found = _decided(replace(found, teacher=follow.told() if follow else None), climb, chosen, confirm)
            _keep(found, climb, chosen)
            write_text(final / NAME, json.dumps(found.to_plain(), ensure_ascii=False, indent=1) + "\n")
    return found


def usual(original: Bundle, *, trained: bool) -> list[Rung]:
    """The rungs of a ladder that nobody has described: what a number format gains, then what pruning does.

    Without records to learn from there is nothing to prune by.
    """
    here = computed_here(writes=original.task.answers_by == "generate")
    names = [name for name in here if trained or not name.endswith("_static")]
    few = next((name for name in reversed(here) if "-int8" in name), here[-1])
    if trained:
        blocks = int(getattr(original.model.config.get_text_config(), "num_hidden_layers", 0))
        pruned = ["vocabulary", "neurons:0.25", "neurons:0.5"]
        pruned += ["layers:0.25", "layers:0.5"] if blocks > 3 else ["layers:0.5"] if blocks > 1 else []
        pruned += ["vocabulary+neurons:0.5+layers:0.5"] if blocks > 1 else []
        names += [*pruned, f"vocabulary+{few}", f"{pruned[-1]}+{few}"]
    return rungs_of(",".join(dict.fromkeys(names)), here)


def _original(climb: Climb) -> Row:
    """The scores and the size of the original, found once."""
    scores = climb.folder / f"{ORIGINAL}.{climb.key()}"
    if not (scores / SCORES).is_file():
        climb.say(f"original: {len(climb.test):,} records are answered")
        climb.scored(climb.original, scores)
    value = next(row for row in compare(scores, scores).metrics if row.metric == climb.metric).first.value
    return Row(ORIGINAL, value=value, bytes=bytes_of(climb.original.folder), parameters=climb.parameters())


def _tell_few(floor: Floor, records: int, say: Say) -> None:
    """Tell where a single record moves a share by more than the floor leaves room for."""
    if floor.metric not in OWN_UNIT and floor.change and records * abs(floor.change) < 1:
        say(
            f"{records:,} records: a single answer moves {floor.metric} by up to {1 / records:.1%}, more than the "
            "floor leaves; what holds it may be chance, so give more"
        )


def _refuse_without_records(rungs: Sequence[Rung], train: Sequence[Record]) -> None:
    needy = next((rung for rung in rungs if rung.prunings), None)
    if needy and not train:
        raise Refusal(
            f"the rung '{needy.name}' is found on records that may be learnt from, and there are none; give the folder "
            "of a prepare stage with a training split, or --train FILE"
        )


def _refuse_unlearnable(original: Bundle, train: Sequence[Record], following: Following | None, say: Say) -> None:
    """Refuse records of which the task cannot learn before a rung is made, by the first of them."""
    task, tokenizer, limit = original.task, original.tokenizer, original.predictor.network.limit
    try:
        task.learnable(clean_records(train[:1], original.rewriters).records, tokenizer, limit, 0)
    except Refusal as refusal:
        raise Refusal(f"of what may be learnt from, {refusal}") from None
    if following and following.unlabelled and isinstance(task, Followed):
        say(f"{len(following.unlabelled):,} texts without labels are looked at")
        texts = clean_records(following.unlabelled, original.rewriters).records
        if not texts:
            raise Refusal(
                "nothing is left of the texts without labels once they are cleaned as the bundle cleans what it reads; "
                "give others, or leave them out"
            )
        try:
            task.unlabelled(texts, tokenizer, limit)
        except Refusal as refusal:
            raise Refusal(f"of the texts without labels, {refusal}") from None


def _refuse_vain_floor(floor: Floor, original: Row, folder: Path) -> None:
    if not floor.holds(original.value, original.value):
        raise Refusal(
            f"{folder}: the original itself misses the floor, for its {floor.metric} is {original.value:.4g} and the "
            f"floor is {floor.at(original.value):.4g}; write a floor below it, such as '{floor.metric} -0.5'"
        )


def _decided(ladder: Ladder, climb: Climb, rungs: Sequence[Rung], confirm: Sequence[Record]) -> Ladder:
    """The ladder with what is kept of it."""
    best = _best(ladder)
    if best is None or not confirm:
        return replace(ladder, kept=best)
    told = confirmed(climb, next(rung for rung in rungs if rung.name == best), confirm)
    found = replace(ladder, confirmed=told)
    return replace(found, kept=best if found.holds_on_others() else None)


def _best(ladder: Ladder) -> str | None:
    """The name of the rung that gains most by the target, among those that hold the floor and gain enough."""
    gains = {row.name: row.gain(ladder.target) for row in ladder.rows if ladder.holds(row)}
    good = {name: gain for name, gain in gains.items() if gain >= FASTER}
    return max(good, key=lambda name: good[name]) if good else None


def _refuse_taken(final: Path, original: Path) -> None:
    """What is kept takes the place `bundle` of the folder, where nothing of others may lie."""
    place = final / BUNDLE
    if place.resolve() == original.resolve():
        raise Refusal(f"{final}: its bundle is the original, which stays as it is; name another folder")
    if place.exists() and not any((each / SCORES).is_file() for each in final.glob(f"{ORIGINAL}.*")):
        raise Refusal(f"{place}: is there already, and no ladder has left it; name another folder")


def _keep(ladder: Ladder, climb: Climb, rungs: Sequence[Rung]) -> None:
    """Put the best rung's bundle in place, and let go of what can be made again in no time."""
    place = ladder.folder / BUNDLE
    if ladder.kept is None:
        shutil.rmtree(place, ignore_errors=True)
    else:
        source = climb.bundle_of(next(rung for rung in rungs if rung.name == ladder.kept))
        with folder_in_place(place) as temporary:
            shutil.copytree(source, temporary, dirs_exist_ok=True)
    for made in (climb.folder / "rungs").glob("*/bundle"):
        shutil.rmtree(made, ignore_errors=True)
