"""A bundle of vectors that has learnt which answers fit which questions here: a recipe, run in a folder of its own."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import danlu
from danlu.apps.assistant.judging import Judgement
from danlu.apps.assistant.made import Case
from danlu.apps.assistant.matching import Known
from danlu.bundle import manifest
from danlu.data.record import Record
from danlu.machine.files import write_text

if TYPE_CHECKING:
    from danlu.bundle.answering import Answering

EPOCHS, RATE = 2, 2e-5
MOST_NEGATIVES = 3


def rows(known: Known, judged: Sequence[Judgement], aside: frozenset[str] = frozenset()) -> list[Record]:
    """What is learnt from: each question with its answer, and with one that was answered alike; wrong answers beside.

    `aside` are questions that are left out. The columns are those of the task `embed`.
    """
    wrong: dict[tuple[str, str], list[str]] = {}
    for each in judged:
        if each.entry and each.judged in known.entries and known.first(each.judged) != known.first(each.entry):
            wrong.setdefault((each.question, known.first(each.entry)), []).append(known.entries[each.judged].answer)
    found: list[Record] = []
    for name in sorted(known.phrases):
        if name in aside:
            continue
        phrase = known.phrases[name]
        alike = [other for other in known.of_entry[phrase.entry] if other != name and other not in aside]
        negatives = wrong.get((phrase.text, phrase.entry), [])[:MOST_NEGATIVES]
        told = {"negatives": negatives} if negatives else {}
        found.append({"text": phrase.text, "text_pair": known.entries[phrase.entry].answer} | told)
        if alike:
            found.append({"text": phrase.text, "text_pair": known.phrases[alike[0]].text} | told)
    return found


def tuned(
    embedder: "Answering",
    known: Known,
    judged: Sequence[Judgement],
    held_out: Sequence[Case],
    folder: Path,
    say: Callable[[str], None],
) -> Path:
    """The folder of a bundle that goes on from `embedder`; what a killed process has begun is gone on with.

    Raises:
        Refusal: see `danlu.run`.
    """
    aside = frozenset(name for case in held_out for name in (*case.phrases_aside, case.made_of) if name)
    data = folder / "rows.jsonl"
    write_text(data, "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows(known, judged, aside)))
    recipe = {
        "name": "tuned",
        "stages": {
            "embedder": {
                "kind": "train",
                "data": {"kind": "jsonl", "path": str(data)},
                "model": {"kind": "pretrained", "path": str(embedder.folder)},
                "task": {"kind": "embed", "pooling": embedder.facts["task"].get("pooling", "mean")},
                "train": {"epochs": EPOCHS, "rate": RATE, "batch_examples": 32},
            }
        },
    }
    found = danlu.run(recipe, root=folder, say=say)
    return manifest.find(found.folder / "embedder")
