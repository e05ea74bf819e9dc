"""What recorders of tracking tools share: what a record is of, its numbers by name, and how it goes on.

A tool cannot take back what it was told. So a training that goes on after a kill does not tell it again what it has
told already, which would be the same; and where it goes back to an earlier step to go another way, that is another
record, which is told from `log.jsonl` what came before.
"""

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from danlu.machine.files import write_text
from danlu.recipe import lock
from danlu.train.recorder import Line, Outcome
from danlu.train.recorders.jsonl import NAME as LOG
from danlu.train.recorders.jsonl import read

Write = Callable[[dict[str, float], int], object]

_FLOORS = 4  # folders above the one of a training, in one of which its stage's lock lies
_NOT_TOLD = {"step", "seconds"}


@dataclass(frozen=True)
class Told:
    """What a record is of.

    - `recipe`, `name`: names of the recipe, and of the training in it.
    - `runs`: the folder of the recipe's results, `runs/<recipe>`, where what stages share may lie.
    - `nested`: settings with every default, seed, versions and fingerprint, as the lock has them: without secrets.
    """

    recipe: str
    name: str
    runs: Path
    nested: dict[str, Any]

    @property
    def fingerprint(self) -> str:
        """The start of the fingerprint, the same for whatever goes on with this training."""
        return str(self.nested.get("fingerprint", ""))[:12]

    @property
    def flat(self) -> dict[str, Any]:
        """The settings by their places in the recipe, as in `train.rate`."""
        return dict(_flat(self.nested, ())) if self.nested else {}


def told(folder: Path) -> Told:
    """What the record of a training in `folder` is of; the lock of its stage says so."""
    for above in (folder, *list(folder.absolute().parents)[:_FLOORS]):
        known = lock.load(above)
        if known is not None:
            inside = folder.absolute().relative_to(above.absolute()).as_posix()
            name = known.stage if inside == "." else f"{known.stage}/{inside}"
            facts = {"fingerprint": known.fingerprint, "seed": known.seed, "versions": known.versions}
            runs = above.absolute().parent
            return Told(runs.name, name, runs, {**known.section, **facts, "inputs": known.inputs})
    return Told(folder.absolute().parent.name, folder.name, folder.absolute().parent, {})


def numbers(line: Line) -> dict[str, float]:
    """The numbers of a line by the names that all tools show: `train/loss`, `validation/accuracy`."""
    sort, told = ("validation", line["validation"]) if "validation" in line else ("train", line)
    return {f"{sort}/{name}": value for name, value in told.items() if name not in _NOT_TOLD and _is_number(value)}


class Journal:
    """`.NAME.jsonl` beside a training: which record of a tool it writes, and which lines that has.

    It goes with the folder of the training, which may be renamed, and a kill leaves whole lines. A tool that keeps
    lines in memory (`late`) has for certain what it had when it was closed; what a kill has cut short is told again.
    """

    def __init__(self, folder: Path, tool: str, subject: Told, *, late: bool = False) -> None:
        """Go on with the record that is there, or begin one: there is none, or it was left to go back."""
        self._lines, self._late, self._path = read(folder / LOG), late, folder / f".{tool}.jsonl"
        entries = _entries(self._path)
        write_text(self._path, "".join(f"{json.dumps(entry)}\n" for entry in entries))  # without what a kill cut off
        self._file = self._path.open("ab", buffering=0)
        begun = [number for number, entry in enumerate(entries) if "record" in entry]
        ended = bool(entries) and entries[-1].get("outcome") == "returned"
        self.goes_on = bool(begun) and not ended
        if self.goes_on:
            own = entries[begun[-1] :]
            self.record = own[0]["record"]
            self._has = {place for entry in own for place in entry.get("has", [])}
        else:
            self.record, self._has = f"{subject.fingerprint or 'training'}-{uuid.uuid4().hex[:6]}", set()
            self.begun(self.record)
        last = entries[-1] if entries else {}
        self.cut_short: str | None = last.get("part")
        """The part of a late tool that a kill has cut short."""

    def begun(self, record: str) -> None:
        """Note the name of a new record, where the tool itself has given one."""
        self.record = record
        self._add({"record": record})

    def part(self, name: str) -> None:
        """Note the name of the part of the record that is written from now on."""
        self._add({"part": name})

    def catch_up(self, write: Write) -> None:
        """Let `write` tell what stands in the log and not in the record."""
        for line in self._lines:
            self.tell(line, write)

    def tell(self, line: Line, write: Write) -> None:
        """Let `write` tell the numbers of a line and its step, unless the record has them."""
        place = f"{line['step']} {'validation' if 'validation' in line else line.get('event', 'line')}"
        if place not in self._has:
            self._has.add(place)
            write(numbers(line), line["step"])
            if not self._late:
                self._add({"has": [place]})

    def close(self, outcome: Outcome) -> None:
        """Note how the training was left."""
        self._add({"outcome": outcome} | ({"has": sorted(self._has)} if self._late else {}))
        self._file.close()

    def _add(self, entry: dict[str, Any]) -> None:
        self._file.write(f"{json.dumps(entry)}\n".encode())


def _entries(path: Path) -> list[dict[str, Any]]:
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return [json.loads(line) for line in text.split("\n")[:-1]]


def _flat(value: Any, place: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from _flat(item, (*place, str(name)))
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        for number, item in enumerate(value):
            yield from _flat(item, (*place, str(number)))
    else:
        yield ".".join(place), value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
