"""Entities and the relations between them: a tagger finds the ones, and what relates pairs says the others."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, permutations
from typing import Any, NamedTuple

import numpy as np
from pydantic import Field

from danlu.bundle.bundle import Bundle, load
from danlu.data.record import Record
from danlu.evaluate.scoring.counting import f1, precision, recall
from danlu.evaluate.scoring.metric import Floats
from danlu.evaluate.scoring.proportion import widened
from danlu.evaluate.scoring.relations import is_relation, kind_of, turned
from danlu.evaluate.scoring.resample import FEWEST, MOST, Draws, interval
from danlu.machine.files import bytes_in_place, write_text
from danlu.refusal import Refusal
from danlu.stages.sources import Data, bundle_folder, records_of
from danlu.stages.stage import Place, Stage
from danlu.task.columns import label_in, text_in
from danlu.task.pairs import HEAD, TAIL, pair_in

TRIPLES, SCORES = "triples.jsonl", "triples.json"

Span = tuple[int, int]


class Triple(NamedTuple):
    """A relation, without direction, and where its head and its tail stand."""

    head: Span
    kind: str
    tail: Span


class Triples(Stage):
    """Texts to `triples.jsonl`; and `triples.json` with strict scores, where the records say what is true.

    Records are texts, or pairs as the task `relate` reads them; true triples of a text are those of all its records.
    """

    tag: str = Field(description="'@stage' that trained a tagger, or the folder of its bundle")
    relate: str = Field(description="'@stage' that trained what relates entities, or the folder of its bundle")
    data: Data = Field(description="'@stage:split', or files; '@stage' alone is its test split")
    apart: int = Field(default=300, ge=1, description="characters that two entities span at most to be asked about")
    resamples: int = Field(default=1000, ge=FEWEST, le=MOST, description="draws of the bootstrap behind the intervals")

    def inputs(self) -> list[str]:
        """The folders of bundles that are no stage's; see `Part.inputs`."""
        return [folder for folder in (self.tag, self.relate) if not folder.startswith("@")]

    def run(self, place: Place) -> None:
        """Predict, write and score; see `Stage.run`. Nothing is left half-written, so nothing is resumed."""
        split = "test" if isinstance(self.data, str) else "train"
        texts, truths = truths_of(records_of(self.data, split, place, labelled=True))
        with _opened(self.tag, "tag", place) as tagger, _opened(self.relate, "relate", place) as relater:
            found, far = extracted(tagger, relater, texts, self.apart)
        with bytes_in_place(place.folder / TRIPLES) as file:
            for text, triples in zip(texts, found, strict=True):
                line = {"text": text, "triples": [_told(triple, text, score) for triple, score in triples.items()]}
                file.write(f"{json.dumps(line, ensure_ascii=False)}\n".encode(errors="backslashreplace"))
        count = sum(map(len, found))
        place.say(f"{place.name}: {count:,} triples in {len(texts):,} texts, in {place.folder / TRIPLES}")
        if far:
            place.say(f"{place.name}: {far:,} pairs span more than {self.apart:,} characters and were not asked about")
        if truths is not None:
            scores = scored(truths, [set(triples) for triples in found], self.resamples, place.seed)
            write_text(place.folder / SCORES, json.dumps(scores, indent=1) + "\n")
            told = ", ".join(f"{name} {scores[name]['value']:.3f}" for name in ("precision", "recall", "f1"))
            place.say(f"{place.name}: both entities and the relation right: {told}")


def truths_of(records: Iterable[Record]) -> tuple[list[str], list[set[Triple]] | None]:
    """The different texts, and the true triples of each; None where no record says any.

    Raises `Refusal` for a record without its text, and where some records name a pair and others do not.
    """
    truths: dict[str, set[Triple]] = {}
    named = list[bool]()
    for number, record in enumerate(records):
        named.append("label" in record)
        if not named[-1]:
            truths.setdefault(text_in(record, number), set())
            continue
        pair, label = pair_in(record, number), label_in(record, number)
        found = truths.setdefault(pair.text, set())
        if is_relation(label):
            found.add(_triple(pair.head, label, pair.tail))
    if not named:
        raise Refusal("There are no records to find triples in; give a file or a split that is not empty.")
    if any(named) and not all(named):
        raise Refusal(
            f"record {named.index(False) + 1:,}: has no 'label', and others have; give the truth of all "
            "records or of none"
        )
    return list(truths), list(truths.values()) if all(named) else None


def extracted(
    tagger: Bundle, relater: Bundle, texts: Sequence[str], apart: int
) -> tuple[list[dict[Triple, float]], int]:
    """The triples of each text with their probabilities, and how many pairs were too far apart to be asked about."""
    directed = any(turned(label) is not None for label in relater.task.label_names())
    asked, owners, far = list[Record](), list[int](), 0
    for number, prediction in enumerate(tagger.stream(texts)):
        spans = sorted((start, end) for start, end, _ in tagger.task.form.value(prediction))
        for head, tail in combinations(spans, 2) if directed else permutations(spans, 2):
            if max(head[1], tail[1]) - min(head[0], tail[0]) > apart:
                far += 1
                continue
            asked.append({"text": texts[number], HEAD: _mark(head), TAIL: _mark(tail)})
            owners.append(number)
    found: list[dict[Triple, float]] = [{} for _ in texts]
    form, labels = relater.task.form, relater.task.label_names()
    for record, owner, prediction in zip(asked, owners, relater.stream(asked), strict=True):
        label = form.value(prediction)
        if is_relation(label):
            head, tail = ((record[name]["start"], record[name]["end"]) for name in (HEAD, TAIL))
            score = form.scores(prediction, labels)[labels.index(label)]
            found[owner][_triple(head, label, tail)] = score
    return found, far


def scored(truths: Sequence[set[Triple]], found: Sequence[set[Triple]], resamples: int, seed: int) -> dict[str, Any]:
    """Precision, recall and F1 of whole triples with 95 % intervals, counts added up over the texts."""
    counts_N3 = np.array(
        [[len(true & said), len(said - true), len(true - said)] for true, said in zip(truths, found, strict=True)],
        np.float64,
    )
    draws = Draws(len(counts_N3), resamples, seed)
    totals_R3: Floats = np.concatenate([times @ counts_N3 for times in draws])
    measures = {"precision": precision, "recall": recall, "f1": f1}
    return {"texts": len(counts_N3), "triples": int(counts_N3[:, [0, 2]].sum())} | {
        name: widened(
            interval(float(measure(counts_N3.sum(0))[0]), measure(totals_R3)[:, 0]), (0.0, 1.0), len(counts_N3)
        ).to_plain()
        for name, measure in measures.items()
    }


def _opened(where: str, kind: str, place: Place) -> Bundle:
    bundle = load(bundle_folder(where, place))
    if bundle.task.kind != kind:
        raise Refusal(f"{kind}: {where} holds a bundle of the task '{bundle.task.kind}'; give one of the task '{kind}'")
    return bundle


def _triple(head: Span, label: str, tail: Span) -> Triple:
    return Triple(tail, kind_of(label), head) if turned(label) else Triple(head, kind_of(label), tail)


def _told(triple: Triple, text: str, score: float) -> dict[str, Any]:
    ends: Iterator[dict[str, Any]] = (_mark(span) | {"text": text[slice(*span)]} for span in (triple.head, triple.tail))
    head, tail = ends
    return {"head": head, "relation": triple.kind, "tail": tail, "score": score}


def _mark(span: Span) -> dict[str, int]:
    return {"start": span[0], "end": span[1]}
