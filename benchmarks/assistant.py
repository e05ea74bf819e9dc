"""The assistant on tickets made of published questions: what it finds, answers, refuses, and learns from corrections.

Tickets are questions of cmrc2018 (Chinese) and xquad (English) with the sentence that answers them, instructions in
both languages with their replies, and the first of each pair of like questions of bustm (Chinese, short, with a made-up
answer). They are asked as follows, for there are no customers at hand: the second of a pair of bustm as a person has
written it ("otherwise"); of all others their own question with a tenth of the words mistyped ("typos": homophones,
slips of the keyboard), with words in another order ("order"), or with half of its words left out ("few words"). So all
but the first are easier than customers are. Every fifth ticket is left out and asked all the same: nothing answers it,
though others about the same text remain. Beside the assistant: BM25 over the questions, as the index has it.

    .venv/bin/python benchmarks/assistant.py [--quick] [--embedder both | e5 | none]
"""

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from danlu.apps.assistant.assistant import Assistant, Models
from danlu.apps.assistant.folding import fold, plain
from danlu.apps.assistant.retraining import retrain
from danlu.apps.assistant.store import Store
from danlu.apps.assistant.tickets import Ticket
from danlu.bundle.bundle import Bundle, load
from danlu.data.augmenting.augmenters.homophone import Homophone
from danlu.data.augmenting.augmenters.keyboard import Keyboard
from danlu.data.augmenting.augmenters.swap import Swap
from danlu.data.characters.sentences import sentences
from danlu.machine.seed import generator
from danlu.stages.given import take
from danlu.text.tagging.units import units
from measuring import machine, say, table

SHARED = Path(__file__).parent.parent.parent / "shared"
COUNTS = {"cmrc2018": 1500, "xquad": 800, "instructions": 600, "bustm": 600}
QUICK = {"cmrc2018": 60, "xquad": 40, "instructions": 40, "bustm": 60}
ASKED, CORRECTED = 600, 200
WAYS = ("typos", "order", "few words")


@dataclass(frozen=True)
class Asked:
    """A question, how it was made, the ticket that answers it, and whether that ticket is known."""

    text: str
    way: str
    ticket: Ticket
    known: bool


def squad(path: Path, count: int) -> list[Ticket]:
    """Questions with the sentence that their answer stands in."""
    found = []
    for document in json.loads(path.read_text("utf-8"))["data"]:
        for paragraph in document["paragraphs"]:
            text = paragraph["context"]
            for question in paragraph["qas"]:
                answer = question["answers"][0]["text"]
                place = max(0, text.find(answer))
                within = next((text[start:end] for start, end in sentences(text) if start <= place < end), answer)
                found.append(Ticket(question["question"].strip(), within.strip()))
    return drawn(found, count)


def instructions(path: Path, count: int) -> list[Ticket]:
    """Instructions with their replies."""
    read = json.loads(path.read_text("utf-8"))
    return drawn(
        [Ticket(f"{each['instruction']} {each['input']}".strip(), each["output"].strip()) for each in read], count
    )


def pairs(count: int) -> list[tuple[Ticket, str]]:
    """Pairs of like questions: one as a ticket, one as it is asked."""
    found = []
    for name in ("test_public", "train_few_all", "dev_few_all"):
        for line in (SHARED / f"data/fewclue/bustm/{name}.json").read_text("utf-8").splitlines():
            each = json.loads(line) if line.strip() else {"label": "0"}
            if str(each["label"]) == "1":
                found.append((Ticket(each["sentence1"], f"答复第 {len(found) + 1} 号"), each["sentence2"]))
    return drawn(list({plain(ticket.question): (ticket, text) for ticket, text in found}.values()), count)


def drawn(items: list[Any], count: int) -> list[Any]:
    """So many of them, by chance."""
    return [items[place] for place in generator(0, "assistant").permutation(len(items))[:count].tolist()]


def altered(text: str, way: str, seed: int) -> str:
    """A question asked otherwise."""
    rng = generator(seed, way, text)
    chinese = any("\u4e00" <= sign <= "\u9fff" for sign in text)
    if way == "few words":
        borders = units(text)
        runs = [borders[place : place + (2 if chinese else 1)] for place in range(0, len(borders), 2 if chinese else 1)]
        kept = [run for run, stays in zip(runs, rng.random(len(runs)) < 0.5, strict=True) if stays] or runs[:1]
        left = ("" if chinese else " ").join(text[run[0][0] : run[-1][1]] for run in kept)
        return left if any(sign.isalnum() for sign in left) else text
    kind = (Homophone if chinese else Keyboard) if way == "typos" else Swap
    made = kind(share=0.1 if way == "typos" else 0.3, words="character").augment([{"text": text}], rng)
    return str(made[0]["text"]) if made else text


def questions(
    tickets: Sequence[Ticket], otherwise: Sequence[tuple[Ticket, str]], known: set[str], seed: int
) -> list[Asked]:
    """All tickets as they are asked; `known` are the questions of those that are kept."""
    found = [Asked(text, "otherwise", ticket, ticket.question in known) for ticket, text in otherwise]
    for number, ticket in enumerate(tickets):
        way = WAYS[(number + seed) % len(WAYS)]
        found.append(Asked(altered(ticket.question, way, seed), way, ticket, ticket.question in known))
    return found


def opened(place: Path, embedder: Bundle | None, tickets: Sequence[Ticket]) -> Assistant:
    """An assistant that knows tickets and has fitted its first version."""
    store = Store(f"sqlite:///{place}/assistant.db")
    store.add(fold(tickets).entries)
    assistant = Assistant(store, place, Models(embedder=embedder))
    retrain(assistant)
    return assistant


def bm25(assistant: Assistant, text: str) -> list[str]:
    """Answers by BM25 of the questions alone."""
    with assistant.finder.index._store.reading() as session:
        from danlu.index.tokens import query_tokens

        found = session.lexical(query_tokens(text)[:200], 30, {"side": "question"})
        passages = session.passages([number for number, _ in found])
    entries = dict.fromkeys(passages[number].facts["entry"] for number, _ in found)
    return [plain(assistant.finder.known.entries[entry].answer) for entry in entries]


def hits(
    assistant: Assistant, asked: Sequence[Asked], rival: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of each question whether the first, and one of the first five, is right; how sure it is; whether it is given."""
    rows = []
    for each in asked:
        right = plain(each.ticket.answer)
        if rival:
            answers, sure, given = bm25(assistant, each.text), 0.0, True
        else:
            placed = assistant.placed(each.text)
            answers = [plain(assistant.finder.known.entries[found.entry].answer) for found in placed.candidates[:5]]
            sure, given = placed.sure, placed.given
        rows.append((answers[:1] == [right], right in answers[:5], sure, given))
    return tuple(np.array(column) for column in zip(*rows, strict=True))  # type: ignore[return-value]


def percent(value: float) -> str:
    return f"{100 * value:.1f}"


def measured(
    name: str, assistant: Assistant, inside: Sequence[Asked], outside: Sequence[Asked], rival: bool = False
) -> list[list[str]]:
    """A row of all, and one of each way of asking."""
    rows = []
    away = None if rival else hits(assistant, outside)
    every = hits(assistant, inside, rival)
    for way in ("all", "otherwise", *WAYS):
        chosen = np.array([way in ("all", each.way) for each in inside])
        first, five, sure, given = (column[chosen] for column in every)
        row = [name, way, str(chosen.sum()), percent(first.mean()), percent(five.mean())]
        if away is None:
            rows.append([*row, "", "", "", "", ""])
            continue
        best = np.argsort(-sure, kind="stable")[: round(0.8 * len(sure))]
        bar = np.quantile(away[2], 0.95)
        refused = 1 - away[3].mean()
        precise = first[given].mean() if given.any() else 0.0
        told = [percent(first[best].mean()), percent(given.mean()), percent(precise), percent(refused)]
        rows.append([*row, *told, percent((sure > bar).mean())])
    say("\n".join(map(str, rows)))
    return rows


def feedback(
    assistant: Assistant, known: Sequence[Ticket], like: Sequence[tuple[Ticket, str]], count: int
) -> list[list[str]]:
    """Hits before and after corrections: on what is asked much as what was corrected, and on other tickets.

    First second questions of pairs are corrected, as far as they were not answered rightly, then tickets that were
    asked by half of their words; each is asked again with other letters or order, or by another half of its words.
    """
    otherwise = {ticket.question: text for ticket, text in like}
    order = sorted(drawn(list(known), len(known)), key=lambda ticket: ticket.question not in otherwise)
    corrected: list[Ticket] = []
    pending: list[tuple[str, str]] = []
    for ticket in order:
        if len(corrected) == count:
            break
        answer = assistant.ask(otherwise.get(ticket.question) or altered(ticket.question, "few words", 11))
        if answer.entry is None or plain(answer.text) != plain(ticket.answer):
            corrected.append(ticket)
            pending.append((answer.turn, ticket.answer))
    places = {ticket.question for ticket in corrected}
    rest = [ticket for ticket in reversed(order) if ticket.question not in places][:count]

    def again(ticket: Ticket) -> Asked:
        text = otherwise.get(ticket.question)
        way = "few words" if text is None else WAYS[len(text) % 2]
        return Asked(altered(text or ticket.question, way, 12), way, ticket, known=True)

    sets = {
        "second questions of pairs, corrected": [each for each in corrected if each.question in otherwise],
        "few words, corrected": [each for each in corrected if each.question not in otherwise],
        "other tickets": rest,
    }
    asked = {name: [again(each) for each in some] for name, some in sets.items() if some}
    rows = [[name, str(len(some)), percent(hits(assistant, some)[0].mean())] for name, some in asked.items()]
    for turn, right in pending:
        assistant.judge(turn, "corrected", right, "benchmark")
    for row in rows:
        row.append(percent(hits(assistant, asked[row[0]])[0].mean()))
    found = retrain(assistant)
    for row in rows:
        row.append(percent(hits(assistant, asked[row[0]])[0].mean()))
    say(f"retrain: served {found.served}, before {found.before.plain()}, after {found.after.plain()}")
    return rows


def e5(folder: Path) -> Bundle:
    """e5_small_zh_en as a bundle of the task embed, its weights as they are."""
    take(str(SHARED / "models/e5_small_zh_en"), None, folder / "e5", "float32", "en", say)
    return load(folder / "e5")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small: every part runs, the figures mean nothing")
    parser.add_argument("--embedder", choices=("both", "e5", "none"), default="both")
    arguments = parser.parse_args()
    if not (SHARED / "data/cmrc2018").is_dir():
        say(f"left out: {SHARED} holds no data")
        return
    counts = QUICK if arguments.quick else COUNTS
    tickets = [
        *squad(SHARED / "data/cmrc2018/cmrc2018_dev.json", counts["cmrc2018"]),
        *squad(SHARED / "data/xquad_en/xquad.en.json", counts["xquad"]),
        *instructions(SHARED / "data/instructions/alpaca_zh_demo.json", counts["instructions"] // 2),
        *instructions(SHARED / "data/instructions/alpaca_en_demo.json", counts["instructions"] // 2),
    ]
    tickets = list({plain(ticket.question): ticket for ticket in tickets}.values())
    like = pairs(counts["bustm"])
    every = [*tickets, *(ticket for ticket, _ in like)]
    kept = [ticket for place, ticket in enumerate(drawn(every, len(every))) if place % 5]
    known = {ticket.question for ticket in kept}
    asked = drawn(questions(tickets, like, known, 1), len(every))
    most = 60 if arguments.quick else ASKED
    inside, outside = (
        [each for each in asked if each.known][:most],
        [each for each in asked if not each.known][: most // 2],
    )
    say(f"{len(kept):,} tickets known; asked {len(inside):,} of them, {len(outside):,} that were left out")
    rows: list[list[str]] = []
    learnt: list[list[str]] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in {"both": ("words", "e5"), "e5": ("e5",), "none": ("words",)}[arguments.embedder]:
            begun, place = time.monotonic(), Path(folder) / name
            place.mkdir()
            assistant = opened(place, e5(place) if name == "e5" else None, kept)
            say(f"{name}: ready in {time.monotonic() - begun:.0f} s; version 1: {assistant.version.told['after']}")
            if name == "words":
                rows += measured("BM25 of the questions", assistant, inside, outside, rival=True)
            begun = time.monotonic()
            rows += measured(f"assistant, {name}", assistant, inside, outside)
            say(f"{name}: {(time.monotonic() - begun) / (len(inside) + len(outside)):.3f} s a question")
            learnt += [[name, *row] for row in feedback(assistant, kept, like, 20 if arguments.quick else CORRECTED)]
            say("\n".join(map(str, learnt)))
            assistant.close()
            assistant.store.close()
    print(machine())
    heads = ["", "asked", "questions", "hit@1 %", "hit@5 %", "precision at 80 % coverage", "answered inside %"]
    print(table([*heads, "of these right %", "refused outside %", "answered where 95 % outside are refused"], rows))
    print(table(["", "asked", "questions", "hit@1 before", "after 200 corrections", "after retrain"], learnt))


if __name__ == "__main__":
    main()
