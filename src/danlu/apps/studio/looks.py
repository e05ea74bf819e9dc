"""What is looked for in data, in a process of its own: read, surveyed, split by split, alike, doubted."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from danlu.apps import data_profile
from danlu.apps.guessing.files import find_files
from danlu.apps.studio.jobs import PAGE, PROGRESS, RESULT
from danlu.apps.studio.records import keep
from danlu.apps.studio.served import Served
from danlu.data.corpus.prepared import SPLITS, stream
from danlu.data.corpus.survey import in_words
from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.format import guess
from danlu.data.record import Record, entity_labels, labels_of, text_of, truth_of
from danlu.language import default, translator
from danlu.machine.files import write_text
from danlu.machine.terminal import visible
from danlu.refusal import Refusal

GROUPS, MEMBERS, TEXT = 300, 12, 1_500
"""Groups of like texts that are shown, members of each, characters of each."""
SUSPECTS = 1_000
LABELS = 200
READ = 20_000  # records between two lines that tell how many were read
LOOKED_AT = 5_000  # texts whose language is told; a share of so many is known to a hundredth


def read(path: Path, split: str | None, settings: Sequence[str], folder: Path) -> None:
    """Keep all records in `folder`; what cannot be read is told in the result."""
    bad = BadRows()
    records = _records(path, split, settings, bad)
    _ = translator(default())
    facts = keep(records, folder, lambda count: _progress(_("{count:,} records read").format(count=count)))
    told = [*bad.in_words(default()), *(visible(each) for each in bad.first[1:])]
    _result(folder, facts | {"bad": bad.count, "told": told})


def survey(path: Path, settings: Sequence[str], column: str, label: str, name: str, folder: Path) -> None:
    """The survey as a page, its sentences, and the languages of the texts."""
    _ = translator(default())
    _progress(_("everything is read and surveyed"))
    skipping = _skipping(path, settings)
    found = data_profile.profile(str(path), settings=skipping, column=column, label=label)
    lines = [
        *in_words(found.survey, default()),
        *found.bad_rows.in_words(default()),
        *found.spelled.in_words(default()),
        *data_profile.leaks_in_words(found.leaked, _),
    ]
    data_profile.write_profile(folder / PAGE, name, found, default())
    records = chain.from_iterable(_records(path, split, settings, BadRows()) for split in _splits_in(path))
    _result(folder, {"lines": lines, "bad": found.bad_rows.first, "languages": _languages(records, column)})


def splits(served: Served, path: Path, settings: Sequence[str], label: str, folder: Path) -> None:
    """Rows and labels of each split: of prepared data, of a file by itself, or of the files beside it."""
    found: dict[str, Any] = {}
    for name, parts in _parts(served, path, settings).items():
        rows, counts = 0, Counter[str]()
        for part in parts:
            for record in part:
                rows += 1
                counts.update(labels_of({"label": record.get(label)}) if label != "label" else labels_of(record))
                counts.update(entity_labels(record))
                if rows % READ == 0:
                    _progress(f"{name}: {rows:,}")
        found[name] = {"rows": rows, "labels": dict(counts.most_common(LABELS)), "different": len(counts)}
    _result(folder, {"splits": found})


def duplicates(path: Path, settings: Sequence[str], column: str, similarity: float, folder: Path) -> None:
    """Groups of texts that are the same, or nearly, the largest first, with the number of each record."""
    from danlu.data.duplicates.dedup import find_clusters

    _ = translator(default())
    places: list[tuple[str | None, int]] = []
    texts: list[str] = []
    truths: list[str] = []
    for split in _splits_in(path):
        for number, record in enumerate(_records(path, split, settings, BadRows()), 1):
            if text_of(record, column).strip():
                places.append((split, number))
                texts.append(text_of(record, column))
                truths.append(truth_of(record) or "")
                if len(texts) % READ == 0:
                    _progress(_("{count:,} records read").format(count=len(texts)))
    if not texts:
        raise Refusal(f"{path.name}: no record has a text in the column '{column}'; name another column")
    _progress(_("{count:,} texts are compared").format(count=len(texts)))
    clusters = find_clusters(texts, similarity)
    sizes = np.bincount(clusters.near, minlength=len(texts))
    largest = [first for first in np.argsort(-sizes, kind="stable")[:GROUPS].tolist() if sizes[first] > 1]
    shown = [_group(np.flatnonzero(clusters.near == first), clusters.exact, places, texts, truths) for first in largest]
    rows = np.arange(len(texts))
    counted = {"exact": int((clusters.exact != rows).sum()), "near": int((clusters.near != rows).sum())}
    _result(folder, {"groups": shown, "all": int((sizes > 1).sum()), "rows": len(texts), **counted})


def suspects(path: Path, split: str | None, settings: Sequence[str], column: str, label: str, folder: Path) -> None:
    """Records whose label is probably wrong, the worst first."""
    from danlu.data.augmenting.augment import given
    from danlu.data.wrong_labels.out_of_sample import out_of_sample
    from danlu.data.wrong_labels.suspects import labels_in, suspects, warnings_of

    _ = translator(default())
    texts, labels = labels_in(given(list(_records(path, split, settings, BadRows()))), column, label)
    _progress(_("models that have not seen a record judge its label; {count:,} records").format(count=len(texts)))
    found = suspects(texts, labels, out_of_sample(texts, labels))
    wrong = sum(suspect.wrong for suspect in found)
    told = _("{rows:,} records; about {wrong:,} of their labels are wrong").format(rows=len(found), wrong=wrong)
    rows = [asdict(suspect) | {"text": suspect.text[:TEXT]} for suspect in found[:SUSPECTS]]
    _result(folder, {"told": told, "warnings": warnings_of(found, default()), "suspects": rows})


def begin(task: str, path: Path, settings: Sequence[str], model: str | None, folder: Path) -> None:
    """A recipe as `danlu init` would write it into the working folder; nothing is written there."""
    from danlu.apps.init import drafted

    _progress(translator(default())("the data are looked at, and a recipe is guessed"))
    text, found = drafted(task, str(path), settings, model=model or None, language=default())
    guesses = [{"what": what, "how": how} for what, how in found.guesses]
    _result(folder, {"text": text, "name": found.path.stem, "guesses": guesses})


def _group(
    rows: Any,
    exact: Any,
    places: Sequence[tuple[str | None, int]],
    texts: Sequence[str],
    truths: Sequence[str],
) -> dict[str, Any]:
    members = [
        {
            "split": places[row][0],
            "number": places[row][1],
            "text": texts[row][:TEXT],
            "truth": truths[row][:200],
            "exact": bool(exact[row] == exact[rows[0]]),
        }
        for row in rows[:MEMBERS].tolist()
    ]
    labels = {truths[row] for row in rows.tolist() if truths[row]}
    return {"rows": len(rows), "labels": len(labels), "members": members}


def _records(path: Path, split: str | None, settings: Sequence[str], bad: BadRows) -> Iterator[Record]:
    if path.is_dir() and not settings:
        for chunk in stream(path, split or "train"):
            yield from chunk
    else:
        yield from guess(str(path), settings=_skipping(path, settings)).read(bad_rows=bad)


def _skipping(path: Path, settings: Sequence[str]) -> Sequence[str]:
    """Settings under which what cannot be read is told and the rest is shown."""
    if path.is_dir() and not settings:
        return settings
    return ["on_bad_row=skip", *settings]


def _splits_in(path: Path) -> list[str | None]:
    there: list[str | None] = [split for split in SPLITS if (path / f"{split}.parquet").is_file()]
    return there or [None]


def _parts(served: Served, path: Path, settings: Sequence[str]) -> dict[str, list[Iterator[Record]]]:
    if path.is_dir():
        return {str(split): [_records(path, split, settings, BadRows())] for split in _splits_in(path)}
    found = {} if settings else find_files(str(path)).splits
    inside = {
        split: kept
        for split, given in found.items()
        if (kept := [each for each in given if served.address(Path(each.path)) is not None])
    }
    if sum(map(len, inside.values())) < 2 or any(each.fixed for given in inside.values() for each in given):
        return {path.name: [_records(path, None, settings, BadRows())]}
    return {
        split: [_records(Path(each.path), None, settings, BadRows()) for each in given]
        for split, given in inside.items()
    }


def _languages(records: Iterator[Record], column: str) -> dict[str, int]:
    """How many of the first texts are in each language; nothing without the extra that tells them."""
    from danlu.data.cleaning.cleaners.language import Language

    texts = [text for _, record in zip(range(LOOKED_AT), records, strict=False) if (text := text_of(record, column))]
    try:
        codes = Language.model_validate({"keep": ["qqq"], "sure": 0.0}).reasons(texts)
    except Refusal:
        return {}
    return dict(Counter(code or "?" for code in codes).most_common(12))


def _progress(told: str) -> None:
    print(f"{PROGRESS}{visible(told)}", flush=True)  # noqa: T201


def _result(folder: Path, found: Any) -> None:
    write_text(folder / RESULT, json.dumps(found, ensure_ascii=False, default=str))


Look = Callable[..., None]
LOOKS: dict[str, Look] = {look.__name__: look for look in (read, survey, splits, duplicates, suspects, begin)}
