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

from danlu.data.dedup import exact_clusters
from danlu.data.extra import needed
from danlu.data.record import Record
from danlu.machine.files import write_text
from danlu.machine.seed import generator
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


def labels_in(records: Sequence[Record], column: str = "text") -> tuple[list[str], list[str]]:
    """The text and the label of each record.

    Raises:
        Refusal: a record has no text, or not exactly one label, or all have the same; names the record.
    """
    for number, record in enumerate(records, 1):
        if not isinstance(record.get(column), str):
            raise Refusal(f"record {number:,}: there is no text in the column '{column}'; name the one that is meant")
        if not isinstance(record.get("label"), str | int):
            raise Refusal(
                f"record {number:,}: labels are examined where each record has one, in the column 'label'; "
                "give data of that kind"
            )
    labels = [str(record["label"]) for record in records]
    if len(set(labels)) < 2:
        raise Refusal(f"the records have {len(set(labels))} different labels, and two are needed to doubt one")
    return [record[column] for record in records], labels


def out_of_sample(texts: Sequence[str], labels: Sequence[str], *, folds: int = 5, seed: int = 0) -> Shares:
    """The probability of each label, sorted, for each text, by a model that learnt from other texts; (N, C).

    The model is the mean of two that read pieces of 1 to 3 characters: logistic regression of their TF-IDF, and
    complement naive Bayes (Rennie et al., 2003). Equal texts are in one fold. A second round learns without the
    texts that the first one doubts most, so that wrong labels teach nothing.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    names = sorted(set(labels))
    numbers = np.array([names.index(label) for label in labels])
    folds_N = _folds(texts, numbers, folds, seed)
    few = 1 if len(texts) < 1000 else 2
    vectors = TfidfVectorizer(
        analyzer="char", ngram_range=(1, 3), sublinear_tf=True, min_df=few, max_features=400_000, dtype=np.float32
    ).fit_transform(texts)
    first = _crossed(vectors, numbers, folds_N, len(names), np.ones(len(texts), bool))
    return _crossed(vectors, numbers, folds_N, len(names), ~_doubted(first, numbers))


def shares_of(predictions: Sequence[dict[str, Any]], names: Sequence[str]) -> Shares:
    """The probabilities that a classifier's predictions hold, by label, (N, C).

    Raises:
        Refusal: the predictions hold no probabilities, or lack those of a label.
    """
    if not all(isinstance(prediction.get("scores"), dict) for prediction in predictions):
        raise Refusal("labels are examined with the probabilities of a 'classify' bundle; this one gives none")
    known = set(predictions[0]["scores"]) if predictions else set(names)
    missing = sorted(set(names) - known)
    if missing:
        raise Refusal(f"the bundle does not know the label '{missing[0]}'; it knows: {', '.join(sorted(known))}")
    found = np.array([[prediction["scores"][name] for name in names] for prediction in predictions], np.float64)
    return found / np.maximum(found.sum(1, keepdims=True), 1e-12)


def suspects(texts: Sequence[str], labels: Sequence[str], shares: Shares) -> list[Suspect]:
    """All records, the most doubtful label first; `shares` (N, C) are the probabilities of the labels, sorted.

    Raises:
        Refusal: cleanlab is not installed.
    """
    rank = needed("cleanlab.rank", "labels", "the search for wrong labels")
    find = needed("cleanlab.filter", "labels", "the search for wrong labels").find_label_issues
    names = sorted(set(labels))
    numbers = np.array([names.index(label) for label in labels])
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


def export(path: Path, found: Sequence[Suspect]) -> None:
    """Write suspects for review, in order: `.csv` for a table, `.jsonl` for lines of json.

    Raises:
        Refusal: another suffix, no such folder, or a full disk.
    """
    rows = [asdict(suspect) for suspect in found]
    if not path.absolute().parent.is_dir():
        raise Refusal(f"{path}: there is no folder {path.parent}; make it first")
    if path.suffix == ".jsonl":
        write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    elif path.suffix == ".csv":
        table = io.StringIO()
        writer = csv.DictWriter(table, list(Suspect.__dataclass_fields__), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(path, "\ufeff" + table.getvalue())  # the mark tells a spreadsheet that it is UTF-8
    else:
        raise Refusal(f"{path}: expected a name that ends in .csv or .jsonl")


def _folds(texts: Sequence[str], numbers: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """Which fold each text is held out in, (N,): each label dealt out by itself, equal texts together."""
    firsts = exact_clusters(texts)
    found = np.zeros(len(texts), np.int64)
    rng = generator(seed, "label folds")
    for number in np.unique(numbers):
        rows = np.flatnonzero((numbers == number) & (firsts == np.arange(len(texts))))
        found[rng.permutation(rows)] = np.arange(len(rows)) % folds
    return found[firsts]


def _crossed(
    vectors: Any, numbers: NDArray[np.int64], folds: NDArray[np.int64], classes: int, taught: NDArray[np.bool_]
) -> Shares:
    """Each text's probabilities by models that learnt from the other folds' texts that are `taught`, (N, C)."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import ComplementNB

    found = np.full((len(numbers), classes), 1e-9)
    for fold in np.unique(folds):
        held, learning = folds == fold, (folds != fold) & taught
        known = np.unique(numbers[learning])
        if len(known) < 2:
            found[held] = np.eye(classes)[numbers[held]]  # nothing to compare with: nothing is doubted
            continue
        logistic = LogisticRegression(C=2.0, max_iter=100, tol=1e-3).fit(vectors[learning], numbers[learning])
        bayes = ComplementNB(alpha=0.5).fit(vectors[learning], numbers[learning])
        found[np.ix_(held, known)] += (logistic.predict_proba(vectors[held]) + bayes.predict_proba(vectors[held])) / 2
        alone = held & ~np.isin(numbers, known)
        found[alone] = np.eye(classes)[numbers[alone]]  # the only text of its label: nothing speaks for another
    shares: Shares = found / found.sum(1, keepdims=True)
    return shares


def _doubted(shares: Shares, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
    """The tenth of each label's texts that are doubted most, where another label is more probable, (N,)."""
    own = shares[np.arange(len(numbers)), numbers]
    found = np.zeros(len(numbers), bool)
    for number, count in Counter(numbers.tolist()).items():
        rows = np.flatnonzero(numbers == number)
        worst = rows[np.argsort(own[rows], kind="stable")[: count // 10]]
        found[worst] = own[worst] < 0.5
    return found
