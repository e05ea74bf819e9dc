"""What a teacher writes in place of the truth, for a student to learn it (Kim and Rush, 2016)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from danlu.bundle import manifest
from danlu.bundle.bundle import Bundle, load
from danlu.data.augmenting.augmenter import SOURCE_ROW
from danlu.data.corpus.prepared import load as load_split
from danlu.data.corpus.prepared import save_split
from danlu.data.record import Record
from danlu.machine.files import copy_file, write_text
from danlu.model.policy import Policy
from danlu.refusal import Refusal
from danlu.stages.sources import bundle_folder
from danlu.stages.stage import Place, Reference, Stage
from danlu.task.task import Task
from danlu.task.tasks.chat import Chat
from danlu.task.text_to_text import TextToText

WRITTEN, COUNTS = "written.jsonl", "taught.json"
BLOCK = 256  # records that are written together, and lost together where it is interrupted


class Teach(Stage):
    """Prepared data to the same whose training records hold what a bundle writes; other splits stay as they are.

    Each text that its policy gives is a record. Texts that are empty, or that were cut, are left out and counted.
    """

    data: Reference = Field(description="'@stage' that prepared the data; '@stage:split' takes the records of a split")
    bundle: str = Field(description="'@stage' that trained the teacher, or the folder of its bundle")
    policy: Policy | None = Field(default=None, description="how it writes; None: as its task says")
    truth: Literal["replaced", "beside"] = Field(
        default="replaced", description="what becomes of the records as they were: beside, they are learnt too"
    )
    cut: Literal["left_out", "kept"] = Field(
        default="left_out", description="what becomes of texts that end where no more tokens were allowed"
    )

    def inputs(self) -> list[str]:
        """The bundle's folder, where it is no stage's; see `Part.inputs`."""
        return [] if self.bundle.startswith("@") else [self.bundle]

    def standing(self, folder: Path) -> str | None:
        """How many records it has written of."""
        done = len(_read(folder / WRITTEN)) if (folder / WRITTEN).is_file() else 0
        return f"record {done * BLOCK:,}" if done else None

    def run(self, place: Place) -> None:
        """Write, count and leave the data; goes on behind the last block that is whole; see `Stage.run`."""
        records = load_split(place.path(self.data), self.data.partition(":")[2] or "train")
        place.folder.mkdir(parents=True, exist_ok=True)
        with load(bundle_folder(self.bundle, place)) as bundle:
            _refuse_without_text(bundle.task, self.bundle)
            blocks = self._blocks(bundle, records, place.folder / WRITTEN)
            written = [texts for block in blocks for texts in block]
            found, counts = self._taught(bundle.task, records, written)
        if not found:
            raise Refusal(
                f"{place.name}: of {counts['texts']:,} texts {counts['empty']:,} are empty and {counts['cut']:,} were "
                "cut, so nothing is left to learn; give 'policy' more 'max_new_tokens', or a teacher that has learnt"
            )
        beside = self._left(place, records, found)
        write_text(place.folder / COUNTS, json.dumps(counts, indent=1) + "\n")
        place.say(
            f"{place.name}: {counts['kept']:,} of {counts['texts']:,} texts are learnt from; {counts['empty']:,} are "
            f"empty and {counts['cut']:,} were cut"
            + (f"; beside them {len(beside):,} records as they were" if beside else "")
        )

    def untaught(self, place: Place) -> None:
        """Leave data of the same shape in which the texts that are there stand for those that are yet to be written.

        Raises:
            Refusal: the bundle cannot be read, or writes no text.
        """
        path = manifest.find(bundle_folder(self.bundle, place))
        task = manifest.part(Task, manifest.read(path)["task"], path / manifest.NAME, "task")  # type: ignore[type-abstract]
        _refuse_without_text(task, self.bundle)
        policy = self.policy or getattr(task, "policy", None)
        records = load_split(place.path(self.data), self.data.partition(":")[2] or "train")
        place.folder.mkdir(parents=True, exist_ok=True)
        found = [*enumerate(_untaught(task, each) for each in records)]
        self._left(place, records, found * (policy.texts if policy else 1))

    def _left(self, place: Place, records: list[Record], found: list[tuple[int, Record]]) -> list[Record]:
        """Leave the data with what was found, by place; the records as they were that stand beside it."""
        beside = records if self.truth == "beside" else []
        learnt = {f"{split}.parquet" for split in ("train", self.data.partition(":")[2])}
        for file in sorted(place.path(self.data).iterdir()):
            if file.suffix in (".parquet", ".json") and file.name not in learnt:
                copy_file(file, place.folder / file.name)
        save_split(place.folder, "train", _in_order([*enumerate(beside), *found]))
        return beside

    def _blocks(self, bundle: Bundle, records: list[Record], file: Path) -> Iterator[list[list[dict[str, str]]]]:
        """What is written of the records of each block, now or in an earlier call; of each record some texts."""
        done = _read(file)
        write_text(file, "".join(f"{json.dumps(block)}\n" for block in done))  # without a line that was cut off
        yield from done
        for start in range(len(done) * BLOCK, len(records), BLOCK):
            asked = [_asked(bundle.task, record) for record in records[start : start + BLOCK]]
            found = bundle.predictor.write(asked, self.policy or bundle.predictor.policy, BLOCK, first=start)
            block = [[{"text": text.text.strip(), "ended": str(text.ended)} for text in texts] for texts in found]
            with file.open("a", encoding="utf-8") as lines:
                lines.write(f"{json.dumps(block)}\n")
            yield block

    def _taught(
        self, task: Task, records: list[Record], written: list[list[dict[str, str]]]
    ) -> tuple[list[tuple[int, Record]], dict[str, int]]:
        """The records with what was written of them, by place, and how many texts there are, empty, cut and kept."""
        found = list[tuple[int, Record]]()
        counts = dict.fromkeys(("records", "texts", "empty", "cut", "kept"), 0) | {"records": len(records)}
        for place, (record, texts) in enumerate(zip(records, written, strict=True)):
            for text in texts:
                empty, cut = not text["text"], text["ended"] == "length"
                counts["texts"] += 1
                counts["empty"] += empty
                counts["cut"] += cut and not empty
                if not empty and (not cut or self.cut == "kept"):
                    found.append((place, _with(task, record, text["text"])))
        return found, counts | {"kept": len(found)}


def _in_order(records: list[tuple[int, Record]]) -> list[Record]:
    """Records by their places before, given ones first; what was made of another names where that stands now.

    What was made of one that is gone is itself a given one.
    """
    given = {place for place, record in records if SOURCE_ROW not in record}
    first = [(place, record) for place, record in records if record.get(SOURCE_ROW) not in given]
    copies = [record for _, record in records if record.get(SOURCE_ROW) in given]
    now = {place: row for row, (place, _) in reversed([*enumerate(first)])}
    return [
        *({name: value for name, value in record.items() if name != SOURCE_ROW} for _, record in first),
        *(record | {SOURCE_ROW: now[record[SOURCE_ROW]]} for record in copies),
    ]


def _refuse_without_text(task: Task, bundle: str) -> None:
    if not isinstance(task, TextToText | Chat):
        raise Refusal(
            f"bundle: {bundle} has learnt the task {task.kind}, which writes no text in answer to a record; give one "
            "of rewrite, summarise, translate or chat, or write 'teacher' in the stage that trains"
        )


def _asked(task: Task, record: Record) -> Record:
    """The record without its truth."""
    if isinstance(task, TextToText):
        return {name: value for name, value in record.items() if name != task.target}
    return record if "messages" not in record else {**record, "messages": _unanswered(record["messages"])}


def _with(task: Task, record: Record, text: str) -> Record:
    """The record with a text as its truth."""
    if isinstance(task, TextToText):
        return {**record, task.target: text}
    messages = record["messages"] if "messages" in record else [{"role": "user", "content": record["text"]}]
    answer = task.told_apart(text, record) if isinstance(task, Chat) else {"role": "assistant", "content": text}
    rest = {name: value for name, value in record.items() if name not in ("text", "messages")}
    return {**rest, "messages": [*_unanswered(messages), answer]}


def _untaught(task: Task, record: Record) -> Record:
    """The record as it is, or with its own text as its truth where it has none."""
    if isinstance(task, TextToText):
        return record if record.get(task.target) else _with(task, record, str(record.get("text") or ""))
    messages = record.get("messages") or [{"role": "user", "content": record.get("text")}]
    if len(_unanswered(messages)) < len(messages):
        return record
    return _with(task, record, str(messages[-1].get("content") or ""))


def _unanswered(messages: list[Any]) -> list[Any]:
    """A conversation up to its last answer."""
    last = isinstance(messages, list) and messages and messages[-1].get("role") == "assistant"
    return messages[:-1] if last else messages


def _read(file: Path) -> list[list[list[dict[str, str]]]]:
    """The blocks in a file; a last line that was cut off is none."""
    found = []
    for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else ():
        try:
            found.append(json.loads(line))
        except ValueError:
            break
    return found
