"""Paragraphs found again by real questions: by words, by vectors of multilingual-e5-small, by both, beside BM25.

Corpora are the paragraphs of cmrc2018 (dev) and xquad_en, queries their questions; a paragraph is found where a passage
of it is. The rival is bm25s over words of jieba, or where that is not installed the same formula in numpy. Then how
fast documents come in, how fast many passages are searched, and what processes that are killed leave behind.
"""

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from measuring import Watch, machine, say, table

SHARED = Path(__file__).parents[1].parent / "shared"
CORPORA = {"cmrc2018": "cmrc2018/cmrc2018_dev.json", "xquad_en": "xquad_en/xquad.en.json"}
PREFIXES = ("query: ", "passage: ")  # multilingual-e5 was trained with these (Wang et al., 2024)
WORKER = """
import sys
from danlu.index.index import Index
with Index.open(sys.argv[1]) as index:
    print("open", flush=True)
    while True:
        for folder in sys.argv[2:]:
            index.refresh(folder)
"""


def corpus(name: str, questions: int, seed: int = 0) -> tuple[list[tuple[str, str]], list[tuple[str, int]]]:
    """Paragraphs with their titles, and some questions with the number of their paragraph."""
    paragraphs: list[tuple[str, str]] = []
    asked: list[tuple[str, int]] = []
    for article in json.loads((SHARED / "data" / CORPORA[name]).read_text(encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            asked += [(each["question"], len(paragraphs)) for each in paragraph["qas"]]
            paragraphs.append((article.get("title", ""), paragraph["context"]))
    return paragraphs, random.Random(seed).sample(asked, min(questions, len(asked)))


def embedder(folder: Path) -> Path:
    """A bundle of the published weights, as they are."""
    from transformers import AutoModel

    from danlu.bundle.bundle import save
    from danlu.task.task import Task
    from danlu.text.tokenizing.folder import open_tokenizer

    source = SHARED / "models" / "e5_small_zh_en"
    task = Task.model_validate("embed").fitted([{"text": "a", "text_pair": "b"}]).shaped("encoder")
    told: dict[str, Any] = {"precision": "auto", "provenance": {}, "examples": [{"text": "query: 你好"}]}
    save(folder, AutoModel.from_pretrained(source), open_tokenizer(source, str(source)), task, **told)
    return folder


def bm25(texts: Sequence[str], queries: Sequence[str]) -> list[list[int]]:
    """The order of the paragraphs for each query, by bm25s over words of jieba in small letters."""
    from danlu.data.characters.jieba_cutter import jieba_cutter

    cut = jieba_cutter("jieba", "this benchmark").cut
    words = [[word for word in cut(text.casefold()) if word.strip()] for text in (*texts, *queries)]
    if find_spec("bm25s") is None:
        return _plain_bm25(words[: len(texts)], words[len(texts) :])
    import bm25s

    rival = bm25s.BM25()
    rival.index(words[: len(texts)], show_progress=False)
    found, _ = rival.retrieve(words[len(texts) :], k=min(50, len(texts)), show_progress=False)
    return [list(map(int, row)) for row in found]


def _plain_bm25(texts: Sequence[Sequence[str]], queries: Sequence[Sequence[str]]) -> list[list[int]]:
    lengths = np.array([len(words) for words in texts])
    postings: dict[str, dict[int, int]] = {}
    for number, words in enumerate(texts):
        for word in words:
            found = postings.setdefault(word, {})
            found[number] = found.get(number, 0) + 1
    orders = []
    for query in queries:
        scores = np.zeros(len(texts))
        for word in query:
            having = postings.get(word, {})
            places, times = np.array([*having], int), np.array([*having.values()])
            weight = np.log(1 + (len(texts) - len(having) + 0.5) / (len(having) + 0.5))
            scores[places] += weight * times * 2.5 / (times + 1.5 * (0.25 + 0.75 * lengths[places] / lengths.mean()))
        orders.append(np.argsort(-scores, kind="stable")[:50].tolist())
    return orders


def quality(orders: Sequence[Sequence[int]], truths: Sequence[int]) -> list[str]:
    """hit@1, hit@5, mean reciprocal rank of the first 50 paragraphs."""
    places = [order.index(truth) + 1 if truth in order else 0 for order, truth in zip(orders, truths, strict=True)]
    shares = (
        statistics.mean(place == 1 for place in places),
        statistics.mean(0 < place <= 5 for place in places),
        statistics.mean(1 / place if place else 0.0 for place in places),
    )
    return [f"{share:.3f}" for share in shares]


def found_by(
    index: Any, queries: Sequence[str], orders: Mapping[str, Callable[[Any], float]]
) -> tuple[dict[str, list[list[int]]], float]:
    """The paragraphs for each query in several orders of what is found, and milliseconds a search, the median."""
    found: dict[str, list[list[int]]] = {title: [] for title in orders}
    times = []
    for query in queries:
        begin = time.perf_counter()
        passages = index.search(query, 200)
        times.append(time.perf_counter() - begin)
        for title, order in orders.items():
            numbers = [int(each.document) for each in sorted(passages, key=order, reverse=True)]
            found[title].append(list(dict.fromkeys(numbers))[:50])
    return found, statistics.median(times) * 1000


def compare(name: str, bundle: Any, folder: Path, questions: int, paragraphs: int | None) -> list[list[str]]:
    """The rows of the table of a corpus."""
    from danlu.index.document import Document
    from danlu.index.index import Index

    texts, asked = corpus(name, 10**9)
    texts = texts[:paragraphs]
    asked = random.Random(0).sample(kept := [each for each in asked if each[1] < len(texts)], min(questions, len(kept)))
    queries, truths = [query for query, _ in asked], [truth for _, truth in asked]
    documents = [Document(str(number), text, title) for number, (title, text) in enumerate(texts)]
    rows = []
    begin = time.perf_counter()
    orders = bm25([f"{title} {text}" for title, text in texts], queries)
    rows.append([name, "BM25, words of jieba", *quality(orders, truths), "", f"{(time.perf_counter() - begin):.1f}"])
    for given, ways in (
        ({}, {"danlu, words": lambda each: each.score}),
        (
            {"embedder": bundle, "prefixes": PREFIXES},
            {"danlu, vectors": lambda each: each.ways["vector"], "danlu, both": lambda each: each.score},
        ),
    ):
        place = folder / f"{name}-{len(given)}"
        begin = time.perf_counter()
        with Index.open(place, **given) as index:
            index.put(documents)
            seconds = time.perf_counter() - begin
            found, milliseconds = found_by(index, queries, ways)
            for title, orders in found.items():
                rows.append([name, title, *quality(orders, truths), f"{milliseconds:.1f}", f"{seconds:.1f}"])
                say(" ".join(rows[-1]))
    return rows


def scale(folder: Path, passages: int) -> str:
    """How long a search of many passages takes, words and exact vectors apart; texts are cmrc's, mixed."""
    from danlu.index.document import Document
    from danlu.index.index import Index
    from danlu.index.matrix import State, nearest

    texts, asked = corpus("cmrc2018", 50)
    sentences = [each for _, text in texts for each in text.split("。") if each]
    rng = random.Random(0)
    begin = time.perf_counter()
    with Index.open(folder / "scale") as index:
        index.put(Document(str(number), "。".join(rng.sample(sentences, 8))) for number in range(passages))
        seconds, times = time.perf_counter() - begin, []
        for query, _ in asked:
            begin = time.perf_counter()
            index.search(query)
            times.append(time.perf_counter() - begin)
    size = (folder / "scale" / "index.db").stat().st_size / 2**20
    vectors = np.random.default_rng(0).normal(size=(passages, 384)).astype(np.float32)
    state, begin = State("", np.arange(passages), vectors), time.perf_counter()
    for _ in range(10):
        nearest(state, vectors[0], 100)
    exact = (time.perf_counter() - begin) * 100
    return (
        f"{passages:,} documents of about 300 characters: taken in at {passages / seconds:,.0f} a second by words "
        f"alone, {size:,.0f} MiB; a search by words {statistics.median(times) * 1000:.0f} ms, the exact comparison "
        f"with as many vectors of 384 numbers {exact:.0f} ms."
    )


def killed(folder: Path, times: int) -> str:
    """Processes that follow a folder back and forth, killed at random instants: how many documents were not whole."""
    from danlu.index.index import Index

    folders, rng, broken, mixed = [], random.Random(0), 0, 0
    for state in ("old", "new"):
        folders.append(folder / state)
        folders[-1].mkdir()
        for number in range(40):
            text = "\n\n".join(f"{state} doc{number} part{part} {'喝茶很好。' * 75}" for part in range(12))
            (folders[-1] / f"{number}.txt").write_text(text, encoding="utf-8")
    with Index.open(folder / "killed") as index:
        index.refresh(folders[0])
    for _ in range(times):
        command = [sys.executable, "-c", WORKER, str(folder / "killed"), str(folders[1]), str(folders[0])]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(rng.uniform(0, 0.5))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        with Index.open(folder / "killed") as index:
            states = set()
            for number in range(40):
                found = index.search(f"doc{number}", 100)
                told = {each.text[:3] for each in found}
                states |= told
                document = index.document(f"{number}.txt")
                whole = len(found) == 12 and len(told) == 1 and document is not None and document.text[:3] in told
                broken += not whole
            mixed += len(states) == 2
    return (
        f"Killed {times} times while it followed a folder of 40 documents of 12 passages: {broken} documents that were "
        f"not whole (in {mixed} of {times} cases some were taken over already and others not)."
    )


def main() -> None:
    """Measure what the command line asks for and print the tables."""
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("--questions", type=int, default=1000, help="of each corpus")
    reader.add_argument("--passages", type=int, default=100_000, help="of the large index")
    reader.add_argument("--kills", type=int, default=50)
    reader.add_argument("--quick", action="store_true", help="few of everything: to see that it works")
    asked = reader.parse_args()
    if not (SHARED / "models" / "e5_small_zh_en").is_dir() or find_spec("jieba") is None:
        print("the data and models beside the project, and the package jieba, are needed", file=sys.stderr)
        return
    warnings.simplefilter("ignore")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    watch = Watch()
    watch.look()
    with tempfile.TemporaryDirectory() as temporary, watch.beside("the measurements"):
        from danlu.bundle.bundle import load

        folder = Path(temporary)
        questions, paragraphs = (30, 20) if asked.quick else (asked.questions, None)
        with load(embedder(folder / "bundle")) as bundle:
            rows = [row for name in CORPORA for row in compare(name, bundle, folder, questions, paragraphs)]
        told = [
            scale(folder, 2000 if asked.quick else asked.passages),
            killed(folder, 2 if asked.quick else asked.kills),
        ]
    print(f"{machine()}. {watch.verdict()}\n")
    header = ["corpus", "", "hit@1", "hit@5", "MRR", "ms a search", "s to take in"]
    print(table(header, rows) + "\n\n" + "\n\n".join(told))


if __name__ == "__main__":
    main()
