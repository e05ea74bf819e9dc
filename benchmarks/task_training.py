"""One training of a task by one side, in a process of its own: speed without loading, peak memory, scores.

Run with a job as json: `side` (trainer, danlu or baseline), `task` (answer, relate, classify, regress or tag), `texts`
(a folder of `task_sets.py`), `longest` (tokens of a row), and the settings of `training.py`. All are scored alike.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

import texts
from training import Clock, bundle_of, trained

STRIDE = 4  # windows share a row divided by so many
MARKERS = ("[H]", "[/H]", "[T]", "[/T]")
ANSWERS = 20  # places of the start and of the end that the trainer's side combines
LONGEST_ANSWER = 64  # tokens

Records = list[dict[str, Any]]
Predictions = list[dict[str, Any]]


def answers_of_trainer(job: dict[str, Any], train: Records, test: Records, folder: Path, clock: Clock) -> Predictions:
    """Question answering as the examples of transformers do it: overflowing windows, the first token for no answer."""
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(f"{job['texts']}/model")
    model = transformers.AutoModelForQuestionAnswering.from_pretrained(
        f"{job['texts']}/model", attn_implementation=job["attention"], dtype=torch.float32
    )

    def windows(records: Records) -> Any:
        return tokenizer(
            [record["question"] for record in records],
            [record["context"] for record in records],
            truncation="only_second",
            max_length=job["longest"],
            stride=job["longest"] // STRIDE,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )

    names = ["input_ids", "attention_mask", *(["token_type_ids"] if "token_type_ids" in windows(train[:1]) else [])]
    found = windows(train)
    rows = []
    for number, source in enumerate(found["overflow_to_sample_mapping"]):
        answer = train[source]["answers"][0]
        start, end = answer["start"], answer["start"] + len(answer["text"])
        places = _context(found, number)
        inside = [place for place in places if found["offset_mapping"][number][place][1] > start]
        inside = [place for place in inside if found["offset_mapping"][number][place][0] < end]
        first, last = places[0], places[-1]
        whole = found["offset_mapping"][number][first][0] <= start and end <= found["offset_mapping"][number][last][1]
        positions = (inside[0], inside[-1]) if whole and inside else (0, 0)
        row = {name: found[name][number] for name in names}
        rows.append(row | {"start_positions": positions[0], "end_positions": positions[1]})
    collator = transformers.DataCollatorWithPadding(tokenizer)
    trainer = trained(job, folder, clock, model, rows, collator)
    asked = windows(test)
    given = [{name: asked[name][number] for name in names} for number in range(len(asked["input_ids"]))]
    start_BT, end_BT = trainer.predict(given).predictions[:2]
    best: dict[int, tuple[float, str]] = {}
    for number, source in enumerate(asked["overflow_to_sample_mapping"]):
        score, text = _best(start_BT[number], end_BT[number], _context(asked, number), asked, number, test[source])
        best[source] = max(best.get(source, (-np.inf, "")), (score, text))
    return [{"text": best[number][1], "score": 0.0} for number in range(len(test))]


def _context(found: Any, number: int) -> list[int]:
    """The tokens of a window that are of the context."""
    return [place for place, side in enumerate(found.sequence_ids(number)) if side == 1]


def _best(
    start_T: Any, end_T: Any, places: list[int], found: Any, number: int, record: dict[str, Any]
) -> tuple[float, str]:
    """The best piece of a window among its best starts and ends."""
    best = (-np.inf, "")
    kept = np.array(places)
    for start in kept[np.argsort(-start_T[kept])[:ANSWERS]]:
        for end in kept[np.argsort(-end_T[kept])[:ANSWERS]]:
            if start <= end < start + LONGEST_ANSWER:
                offsets = found["offset_mapping"][number]
                piece = record["context"][offsets[start][0] : offsets[end][1]]
                best = max(best, (float(start_T[start] + end_T[end]), piece))
    return best


def relations_of_trainer(job: dict[str, Any], train: Records, test: Records, folder: Path, clock: Clock) -> Predictions:
    """Relations by four marker tokens that are added, and the pooled row (Baldini Soares et al., 2019)."""
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(f"{job['texts']}/model")
    tokenizer.add_special_tokens({"additional_special_tokens": list(MARKERS)})
    labels = sorted({record["label"] for record in train})
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        f"{job['texts']}/model", num_labels=len(labels), attn_implementation=job["attention"], dtype=torch.float32
    )
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)

    def rows(records: Records) -> list[dict[str, Any]]:
        return [dict(tokenizer(_marked(record), truncation=True, max_length=job["longest"])) for record in records]

    learnt = [row | {"label": labels.index(record["label"])} for row, record in zip(rows(train), train, strict=True)]
    trainer = trained(job, folder, clock, model, learnt, transformers.DataCollatorWithPadding(tokenizer))
    found = trainer.predict(rows(test)).predictions.argmax(-1)
    return [{"label": labels[number], "scores": {}} for number in found]


def texts_of_trainer(job: dict[str, Any], train: Records, test: Records, folder: Path, clock: Clock) -> Predictions:
    """A label or a number of a text or of a pair, as the examples of transformers learn it."""
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(f"{job['texts']}/model")
    numbers = job["task"] == "regress"
    labels = [] if numbers else sorted({record["label"] for record in train})
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        f"{job['texts']}/model",
        num_labels=1 if numbers else len(labels),
        attn_implementation=job["attention"],
        dtype=torch.float32,
    )

    def rows(records: Records) -> list[dict[str, Any]]:
        sides = [
            [record["text"], record["text_pair"]] if "text_pair" in record else [record["text"]] for record in records
        ]
        return [dict(tokenizer(*side, truncation=True, max_length=job["longest"])) for side in sides]

    truth = [float(record["score"]) if numbers else labels.index(record["label"]) for record in train]
    learnt = [row | {"label": value} for row, value in zip(rows(train), truth, strict=True)]
    trainer = trained(job, folder, clock, model, learnt, transformers.DataCollatorWithPadding(tokenizer))
    found = trainer.predict(rows(test)).predictions
    if numbers:
        return [{"number": float(value)} for value in found.reshape(-1)]
    return [{"label": labels[number], "scores": {}} for number in found.argmax(-1)]


def tags_of_trainer(job: dict[str, Any], train: Records, test: Records, folder: Path, clock: Clock) -> Predictions:
    """BIO tags of words, each learnt and read at the first token of its word, as the examples of transformers do it."""
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(f"{job['texts']}/model")
    tags = sorted({tag for record in train for tag in record["tags"]})
    model = transformers.AutoModelForTokenClassification.from_pretrained(
        f"{job['texts']}/model", num_labels=len(tags), attn_implementation=job["attention"], dtype=torch.float32
    )

    def row(record: dict[str, Any]) -> tuple[dict[str, Any], list[int | None]]:
        found = tokenizer(record["tokens"], is_split_into_words=True, truncation=True, max_length=job["longest"])
        words = found.word_ids()
        first = [word if place == 0 or word != words[place - 1] else None for place, word in enumerate(words)]
        return dict(found), first

    learnt = []
    for record in train:
        encoded, first = row(record)
        labels = [-100 if word is None else tags.index(record["tags"][word]) for word in first]
        learnt.append(encoded | {"labels": labels})
    collator = transformers.DataCollatorForTokenClassification(tokenizer)
    trainer = trained(job, folder, clock, model, learnt, collator)
    asked = [row(record) for record in test]
    plain = [encoded | {"labels": [0] * len(first)} for encoded, first in asked]  # a collator that pads wants labels
    found = trainer.predict(plain).predictions.argmax(-1)
    return [
        {"entities": _entities(record["tokens"], _at_words(first, found[number], tags, len(record["tokens"])))}
        for number, (record, (_, first)) in enumerate(zip(test, asked, strict=True))
    ]


def _at_words(first: list[int | None], found_T: Any, tags: list[str], words: int) -> list[str]:
    """The tag of each word; O for words without a token."""
    said = ["O"] * words
    for place, word in enumerate(first):
        if word is not None:
            said[word] = tags[found_T[place]]
    return said


def _entities(words: list[str], tags: list[str]) -> list[dict[str, Any]]:
    """The spans that BIO tags mean, by character of the joined words; a stray I begins one."""
    from danlu.text.batching.align import joined

    _, places = joined(words)
    found: list[dict[str, Any]] = []
    before = "O"
    for (start, end), tag in zip(places, tags, strict=True):
        kind = tag[2:]
        if tag[:1] == "I" and before[2:] == kind and before != "O":
            found[-1]["end"] = end
        elif tag != "O":
            found.append({"start": start, "end": end, "label": kind})
        before = tag
    return found


def _marked(record: dict[str, Any]) -> str:
    """The text with marker tokens around both entities."""
    text = str(record["text"])
    spans = [(record["head"], MARKERS[:2]), (record["tail"], MARKERS[2:])]
    for span, (opening, closing) in sorted(spans, key=lambda each: -each[0]["start"]):
        start, end = span["start"], span["end"]
        text = f"{text[:start]}{opening} {text[start:end]} {closing}{text[end:]}"
    return text


SETTINGS = {
    "classify": {"too_long": "truncate"},  # as the other side does
    "regress": {"too_long": "truncate"},
    "tag": {"too_long": "split", "nested": "longest"},
}
TRAINERS = {
    "answer": answers_of_trainer,
    "relate": relations_of_trainer,
    "classify": texts_of_trainer,
    "regress": texts_of_trainer,
    "tag": tags_of_trainer,
}


def measure(job: dict[str, Any]) -> dict[str, Any]:
    """Train once and tell how fast, how large and how good."""
    import danlu
    from danlu.evaluate.classical.baseline import Baseline
    from danlu.evaluate.scoring.score import values
    from danlu.recipe.part import find
    from danlu.task.task import Task

    train, test = (texts.read(Path(job["texts"]) / f"{split}.jsonl") for split in ("train", "test"))
    clock = Clock()
    settings = dict(SETTINGS.get(job["task"], {}))
    task = find(Task, job["task"]).model_validate(settings).fitted(train)
    with tempfile.TemporaryDirectory() as folder:
        if job["side"] == "baseline":
            predictions = find(Baseline, task.baseline)().fit_predict(task, train, test)
        elif job["side"] == "danlu":
            settings |= {"max_length": job["longest"], **job.get("more", {})}
            bundle = bundle_of(job, Path(folder), clock, {"kind": job["task"], **settings})
            with danlu.load(bundle) as loaded:
                predictions = loaded.predict(test)
        else:
            ask = TRAINERS[job["task"]]
            import transformers

            transformers.set_seed(job["seed"])
            predictions = ask(job, train, test, Path(folder), clock)
    speed = clock.rate(len(train) * job["epochs"]) if clock.steps else None
    return {"samples_per_second": speed, "peak_mib": clock.peak, "scores": values(task, test, predictions)}


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(sys.argv[1]))))
