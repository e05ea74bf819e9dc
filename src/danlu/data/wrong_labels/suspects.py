"""Labels that are probably wrong, by the probabilities of a model that has not seen them.

Confident learning (Northcutt, Jiang and Chuang, 2021), as cleanlab computes it.
"""

import csv
import io
import json
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from danlu.data.duplicates.dedup import exact_clusters
from danlu.data.labels import known_label, label_of, spellings
from danlu.data.record import Record
from danlu.language import translator
from danlu.machine.extra import needed
from danlu.machine.files import refuse_unwritable, write_text
from danlu.refusal import Refusal

Shares = NDArray[np.float64]


@dataclass(frozen=True)
class Suspect:
    """A record and how much its label is to be doubted.

    - `row`: its number, from 1, as in messages about files.
    - `label`, `suggested`: the label that it has, and the most probable one.
    - `score`: from 0 for a label that is surely wrong to 1; (p(label) - p(the best other) + 1) / 2.
    - `wrong`: whether it is among those that confident learning takes to be wrong.
    """

    row: int
    label: str
    suggested: str
    score: float
    wrong: bool
    text: str


def labels_in(records: Sequence[Record], column: str = "text", label: str = "label") -> tuple[list[str], list[str]]:
    """The text and the label of each record, labels spelled as most records have them.

    Raises:
        Refusal: a record has no text, or not exactly one label, or all have the same; names the record.
    """
    for number, record in enumerate(records, 1):
        if not isinstance(record.get(column), str):
            raise Refusal(f"record {number:,}: there is no text in the column '{column}'; name the one that is meant")
        if label_of(record.get(label)) is None:
            raise Refusal(
                f"record {number:,}: there is no label in the column '{label}', and each record needs one; "
                f"name the column that is meant (the columns are: {', '.join(record)})"
            )
    named = [label_of(record[label]) or "" for record in records]
    found = spellings(Counter(named))
    labels = [found.of(name) for name in named]
    if len(set(labels)) < 2:
        raise Refusal(f"the records have {len(set(labels))} different labels, and two are needed to doubt one")
    return [record[column] for record in records], labels


def with_equal_texts(texts: Sequence[str], labels: Sequence[str], shares: Shares) -> Shares:
    """The probabilities after the labels of equal texts have been heard, (N, C).

    Each witness is taken to be right nineteen times in twenty.
    """
    names = sorted(set(labels))
    numbers = np.array([names.index(label) for label in labels])
    firsts = exact_clusters([text.strip() for text in texts])
    votes = np.zeros((len(texts), len(names)))
    np.add.at(votes, (firsts, numbers), 1.0)
    heard = votes[firsts]
    heard[np.arange(len(texts)), numbers] -= 1  # a label is no witness of its own
    logarithms = np.log(np.maximum(shares, 1e-9)) + heard * np.log(19 * max(len(names) - 1, 1))
    found = np.exp(logarithms - logarithms.max(1, keepdims=True))
    shares_found: Shares = found / found.sum(1, keepdims=True)
    return shares_found


def shares_of(predictions: Sequence[dict[str, Any]], names: Sequence[str]) -> Shares:
    """The probabilities that a classifier's predictions hold, by label, (N, C).

    Raises:
        Refusal: the predictions hold no probabilities, or lack those of a label.
    """
    if not all(isinstance(prediction.get("scores"), dict) for prediction in predictions):
        raise Refusal("labels are examined with the probabilities of a 'classify' bundle; this one gives none")
    known = sorted(predictions[0]["scores"]) if predictions else sorted(names)
    meant = [known_label(name, known) for name in names]
    if None in meant:
        missing = names[meant.index(None)]
        raise Refusal(f"the bundle does not know the label '{missing}'; it knows: {', '.join(known)}")
    found = np.array([[prediction["scores"][name] for name in meant] for prediction in predictions], np.float64)
    shares: Shares = found / np.maximum(found.sum(1, keepdims=True), 1e-12)
    return shares


def suspects(texts: Sequence[str], labels: Sequence[str], shares: Shares) -> list[Suspect]:
    """All records, the most doubtful label first; `shares` (N, C) are the probabilities of the labels, sorted.

    Equal texts are heard as witnesses of one another's labels.

    Raises:
        Refusal: cleanlab is not installed.
    """
    rank = needed("cleanlab.rank", "labels", "the search for wrong labels")
    find = needed("cleanlab.filter", "labels", "the search for wrong labels").find_label_issues
    names = sorted(set(labels))
    numbers = np.array([names.index(label) for label in labels])
    shares = with_equal_texts(texts, labels, shares)
    scores = rank.get_label_quality_scores(numbers, shares, method="normalized_margin")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that labels of five records or fewer are not judged
        wrong = find(numbers, shares, filter_by="prune_by_noise_rate", n_jobs=1)
    best = shares.argmax(1)
    return [
        Suspect(
            row=row + 1,
            label=labels[row],
            suggested=names[best[row]],
            score=round(float(scores[row]), 6),
            wrong=bool(wrong[row]),
            text=texts[row],
        )
        for row in np.argsort(scores, kind="stable").tolist()
    ]


def warnings_of(found: Sequence[Suspect], language: str) -> list[str]:
    """A sentence where what judged the labels agrees with no more of them than the commonest label would."""
    agreed = sum(suspect.suggested == suspect.label for suspect in found)
    if agreed > max(Counter(suspect.label for suspect in found).values()):
        return []
    told = translator(language)("the model that doubts them agrees with {share:.0%} of the labels, as a guess would")
    return [told.format(share=agreed / len(found))]


def export(path: Path, found: Sequence[Suspect]) -> None:
    """Write suspects for review, in order: `.csv` for a table, `.jsonl` for lines of json.

    Raises:
        Refusal: as `refuse_export` does; or a full disk.
    """
    refuse_export(path)
    rows = [asdict(suspect) for suspect in found]
    if path.suffix == ".jsonl":
        write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    else:
        table = io.StringIO()
        writer = csv.DictWriter(table, list(Suspect.__dataclass_fields__), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(path, "\ufeff" + table.getvalue())  # the mark tells a spreadsheet that it is UTF-8


def refuse_export(path: Path) -> None:
    """Tell before the work that suspects could not be written to a file of this name.

    Raises:
        Refusal: another suffix than those of `export`, no such folder, or one that may not be written to.
    """
    if path.suffix not in (".csv", ".jsonl"):
        raise Refusal(f"{path}: expected a name that ends in .csv or .jsonl")
    if not path.absolute().parent.is_dir():
        raise Refusal(f"{path}: there is no folder {path.parent}; make it first")
    refuse_unwritable(path)
