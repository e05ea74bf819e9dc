"""Questions to a folder of documents: found, answered, and refused where the documents say nothing of them.

The paragraphs of CMRC 2018's development set are the documents; one in five is left out, and what is asked of it is a
question outside. So is each of XQuAD's, which are in English and on other matters. How sure an answer has to be is
fitted on half of the questions inside, each with and without its document, so that 90 % are answered; all figures are
of the other half and of questions outside that had no part in it.

    python benchmarks/knowledge.py [--quick] [--questions 300] [--train FOLDER] [--reader BUNDLE]

`--train` makes a bundle of `answer` from the trial split (1,002 questions) and a pretrained encoder; `--reader` takes
one that is there. Without either, words alone answer.
"""

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import danlu
from danlu.answer.matching import best_shared, one_of
from danlu.apps.grounded.bar import PLAIN, Bar, fitted
from danlu.apps.grounded.cited import stands
from danlu.apps.grounded.grounded import Grounder
from danlu.apps.grounded.signals import Signals
from danlu.apps.knowledge.knowledge import LOOKED_AT, Knowledge, Models
from danlu.bundle.bundle import Bundle, load
from danlu.data.characters.sentences import sentences
from danlu.evaluate.scoring.proportion import share_of
from danlu.index.document import Document, Found
from measuring import Watch, machine, say, table

DATA = Path(__file__).parents[2] / "shared" / "data"
ENCODER = Path(__file__).parents[2] / "shared" / "models" / "e5_small_zh_en"
ALWAYS = Bar({}, 0.0, 0.0)
WINDOW = 170  # characters of a training text

Asked = tuple[str, str, tuple[str, ...]]
"""A question, the id of its document, right texts."""


def paragraphs(path: Path) -> list[dict[str, Any]]:
    """The paragraphs of a file as SQuAD has them."""
    told = json.loads(path.read_text(encoding="utf-8"))["data"]
    return [paragraph for article in told for paragraph in article["paragraphs"]]


def questions_of(paragraph: dict[str, Any], name: str) -> list[Asked]:
    """The questions of a paragraph, which is called `name`."""
    asked = [each for each in paragraph["qas"] if each["question"].strip()]
    return [
        (each["question"].strip(), name, tuple({answer["text"]: 0 for answer in each["answers"]})) for each in asked
    ]


def rows(given: Sequence[dict[str, Any]], rng: random.Random) -> list[dict[str, Any]]:
    """What a bundle of `answer` learns from: a few sentences around an answer, and some that hold none."""
    found = []
    for paragraph in given:
        text = paragraph["context"]
        for each in paragraph["qas"]:
            answer = each["answers"][0]["text"]
            start = each["answers"][0]["answer_start"]
            start = start if text[start : start + len(answer)] == answer else text.find(answer)
            if start < 0 or not each["question"].strip():
                continue
            first, last = window(text, start, start + len(answer), rng)
            told = [{"text": answer, "start": start - first}]
            found.append({"context": text[first:last], "question": each["question"], "answers": told})
            other = text if rng.random() < 0.5 else rng.choice(given)["context"]
            place = rng.randrange(len(other))
            first, last = window(other, place, place + 1, rng)
            if answer not in other[first:last] and rng.random() < 0.6:
                found.append({"context": other[first:last], "question": each["question"], "answers": []})
    rng.shuffle(found)
    return found


def window(text: str, start: int, end: int, rng: random.Random) -> tuple[int, int]:
    """Whole sentences around a place, which may be anywhere among them."""
    places = sentences(text)
    within = [number for number, (one, other) in enumerate(places) if other > start and one < end]
    if not within:
        return 0, len(text)
    low, high = within[0], within[-1]
    while True:
        steps = [(low - 1, high), (low, high + 1)]
        steps = [(a, b) for a, b in steps if a >= 0 and b < len(places) and places[b][1] - places[a][0] <= WINDOW]
        if not steps:
            return places[low][0], places[high][1]
        low, high = rng.choice(steps)


def train(folder: Path) -> Path:
    """A bundle of `answer` from the trial split."""
    rng = random.Random(0)
    given = paragraphs(DATA / "cmrc2018" / "cmrc2018_trial.json")
    rng.shuffle(given)
    for name, part in (("validation", given[:25]), ("train", given[25:])):
        lines = [json.dumps(row, ensure_ascii=False) for row in rows(part, rng)]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    stage = {
        "kind": "train",
        "data": {"kind": "squad", "path": str(folder / "train.jsonl")},
        "validation": {"kind": "squad", "path": str(folder / "validation.jsonl")},
        "model": {"kind": "pretrained", "path": str(ENCODER)},
        "task": {"kind": "answer", "max_length": 192},
        "tuning": {"kind": "layers", "top": 6},
        "train": {"epochs": 2, "rate": 3e-4},
    }
    danlu.run({"name": "knowledge", "stages": {"model": stage}}, root=folder, say=say)
    return folder / "knowledge" / "model" / "bundle"


def searched(knowledge: Knowledge, question: str, without: str = "") -> list[Found]:
    """The passages of a question, as if one document were not there."""
    found = knowledge.search(question, 4 * LOOKED_AT if without else LOOKED_AT)
    return [each for each in found if each.document != without][:LOOKED_AT]


def refused(bar: Bar, told: Sequence[Signals]) -> list[bool]:
    """Which questions are not answered; a bundle that finds nothing is believed where no threshold was fitted to it."""
    denies = bar is PLAIN
    return [not each or not bar.passes(each) or (denies and not each.get("found", 1.0)) for each in told]


def percent(hits: Sequence[bool]) -> str:
    told = share_of(sum(hits), len(hits))
    return f"{100 * told.value:.1f} ({100 * told.low:.1f}-{100 * told.high:.1f})"


def recall(names: Sequence[Sequence[str]], asked: Sequence[Asked]) -> list[str]:
    """How often the document is the first that was found, and one of five."""
    return [percent([own in each[:best] for each, (_, own, _) in zip(names, asked, strict=True)]) for best in (1, 5)]


def by_tfidf(documents: Sequence[Document], asked: Sequence[Asked]) -> list[list[str]]:
    """The five documents that are most like each question."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectors = TfidfVectorizer(analyzer="char", ngram_range=(1, 2), sublinear_tf=True)
    there = vectors.fit_transform(document.text for document in documents)
    alike = (vectors.transform(text for text, _, _ in asked) @ there.T).toarray()
    return [[documents[place].id for place in row.argsort()[::-1][:5]] for row in alike]


def remembering(reader: Bundle) -> Bundle:
    """The bundle, which is asked once for what it is asked again: signals and answers read the same passages."""
    known: dict[tuple[str, str], Any] = {}
    ask = reader.predict

    def predict(items: Sequence[Any], adapter: str | None = None) -> list[Any]:
        keys = [(item["question"], item["context"]) for item in items]
        new = {key: item for key, item in zip(keys, items, strict=True) if key not in known}
        known.update(zip(new, ask(list(new.values()), adapter), strict=True))
        return [known[key] for key in keys]

    reader.predict = predict  # type: ignore[method-assign]
    return reader


def measure(knowledge: Knowledge, name: str, sets: dict[str, list[Asked]]) -> dict[str, Any]:
    """All figures of one way to answer."""
    grounder, inside, fits = knowledge.grounder, sets["inside"], sets["fit"]
    begun = perf_counter()
    kept = [grounder.signals(text, searched(knowledge, text)) for text, _, _ in fits]
    left = [grounder.signals(text, searched(knowledge, text, name)) for text, name, _ in fits]
    say(f"{name}: signals of {len(kept) + len(left)} questions in {perf_counter() - begun:.0f} s")
    found = {each: [searched(knowledge, text) for text, _, _ in sets[each]] for each in ("inside", "left out", "xquad")}
    told = {
        each: [grounder.signals(text, passages) for (text, _, _), passages in zip(sets[each], found[each], strict=True)]
        for each in found
    }
    rates = []
    for label, bar in (
        ("as it comes", PLAIN),
        ("90 % answered", fitted(kept, left, answer=0.9).bar),
        ("95 % refused", fitted(kept, left, refuse=0.95).bar),
    ):
        missed = {each: refused(bar, told[each]) for each in told}
        shares = [
            percent([not each for each in missed["inside"]]),
            percent(missed["left out"]),
            percent(missed["xquad"]),
        ]
        rates.append([name, label, *shares])
        say(f"{name}, {label}: {shares}")
    always = Grounder(grounder.reader, None, Bar({"piece": 0.0}, 0.0, 0.0))
    answers = [
        always.answer(text, passages, knowledge.document)
        for (text, _, _), passages in zip(inside, found["inside"], strict=True)
    ]
    assert all(stands(each, knowledge.document) for answer in answers for each in answer.cited)
    exact = [one_of(truths, answer.text) for answer, (_, _, truths) in zip(answers, inside, strict=True)]
    shared = [best_shared(truths, answer.text) for answer, (_, _, truths) in zip(answers, inside, strict=True)]
    holds = [
        any(truth in answer.text for truth in truths) for answer, (_, _, truths) in zip(answers, inside, strict=True)
    ]
    quality = [name, percent(exact), f"{100 * sum(shared) / len(shared):.1f}", percent(holds)]
    return {"rates": rates, "quality": quality}


def main() -> None:
    """Measure what the command line asks for and print the tables."""
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("--questions", type=int, default=300, help="of each kind that is answered or refused")
    reader.add_argument("--train", type=Path, help="folder in which a bundle of answer is trained")
    reader.add_argument("--reader", help="bundle of answer")
    reader.add_argument("--quick", action="store_true", help="60 questions of each kind, words alone")
    asked = reader.parse_args()
    if not DATA.is_dir():
        sys.exit(f"{DATA}: is not there, so there is nothing to measure")
    count, watch = (60 if asked.quick else asked.questions), Watch()
    watch.look()
    bundle = str(train(asked.train)) if asked.train else asked.reader
    rng = random.Random(1)
    given = paragraphs(DATA / "cmrc2018" / "cmrc2018_dev.json")
    out = set(rng.sample(range(len(given)), len(given) // 5))
    each = {number: questions_of(paragraph, str(number)) for number, paragraph in enumerate(given)}
    inside = [one for number in each if number not in out for one in each[number]]
    sets = {
        "left out": [one for number in sorted(out) for one in each[number]],
        "xquad": [
            one
            for n, p in enumerate(paragraphs(DATA / "xquad_en" / "xquad.en.json"))
            for one in questions_of(p, str(n))
        ],
    }
    for one in (inside, *sets.values()):
        rng.shuffle(one)
    retrieval = inside[:1000]
    sets = {name: one[:count] for name, one in sets.items()} | {
        "inside": inside[:count],
        "fit": inside[count : 2 * count],
    }
    quality, rates = [], []
    with tempfile.TemporaryDirectory() as folder:
        ways = {"words alone": Models()}
        if bundle and not asked.quick:
            ways["a bundle of answer"] = Models(reader=remembering(load(bundle)))
        for name, models in ways.items():
            with Knowledge.open(Path(folder), f"{folder}/index", models) as knowledge, watch.beside(name):
                if not len(knowledge.index):
                    kept = [Document(str(n), p["context"]) for n, p in enumerate(given) if n not in out]
                    knowledge.index.put(kept)
                    names = [[found.document for found in knowledge.search(text)] for text, _, _ in retrieval]
                    found = [["danlu, passages by words", *recall(names, retrieval)]]
                    found.append(
                        ["TF-IDF of characters and pairs, scikit-learn", *recall(by_tfidf(kept, retrieval), retrieval)]
                    )
                told = measure(knowledge, name, sets)
            quality.append(told["quality"])
            rates += told["rates"]
    print(f"## Knowledge\n\n{machine()}. {watch.verdict()}\n")
    print(f"{len(given) - len(out)} documents, {len(retrieval)} questions, where the document is found:\n")
    print(table(["", "first %", "among five %"], found))
    print()
    print(table(["", "exact match %", "F1 %", "the answer holds a right text %"], quality))
    print(f"\n{count} questions of each kind:\n")
    print(table(["", "threshold", "answered inside %", "refused, document left out %", "refused, XQuAD %"], rates))


if __name__ == "__main__":
    main()
