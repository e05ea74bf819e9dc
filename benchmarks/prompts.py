"""Labels by prompt, without training: zero-shot and few-shot, raw and calibrated, and what a shared prefix saves.

Sentiment (sst2 in English, eprstmt in Chinese) and paraphrases (bustm) are put to an instruct model; examples are as
many of each label, drawn and ordered by seed. Beside it stands the most frequent label. The second table puts one long
prompt with the words of eight labels to the same model: danlu, which reads what prompts and labels share once, and a
loop over plain transformers that reads every prompt with every word. Prints markdown tables.

    .venv/bin/python benchmarks/prompts.py --model FOLDER_OR_GGUF [--records 300] [--seeds 3]
"""

import argparse
import statistics
import sys
import time
from collections import Counter
from typing import Any

import torch

from danlu.data.record import Record
from danlu.machine.seed import generator
from danlu.prompt.examined import examine_prompt
from danlu.prompt.scorer import Scorer, open_scorer
from danlu.text.prompting.template import PromptTemplate
from danlu.text.tokenizing.special import begin_id
from measuring import machine, say, table
from task_sets import _read

TEMPLATES: dict[str, dict[str, Any]] = {
    "sst2": {"text": "Review: {text}\nSentiment: it was{label}", "verbalizer": {"1": " great", "0": " terrible"}},
    "eprstmt": {
        "text": "评论：{text}\n这条评论的态度是{label}",
        "verbalizer": {"Positive": "好评", "Negative": "差评"},
    },
    "bustm": {
        "text": "句子一：{text}\n句子二：{text_pair}\n两句话的意思一样吗？{label}",
        "verbalizer": {"1": "一样", "0": "不同"},
    },
}
FILES = {
    "sst2": ("sst2/train.tsv", "sst2/test.tsv"),
    "eprstmt": ("fewclue/eprstmt/train_few_all.json", "fewclue/eprstmt/test_public.json"),
    "bustm": ("fewclue/bustm/train_few_all.json", "fewclue/bustm/test_public.json"),
}
EIGHT = ("music", "sport", "law", "food", "travel", "war", "school", "health")


def data_of(name: str, most: int) -> tuple[list[Record], list[Record]]:
    """The pool of examples, and the records that are asked: the first of a fixed shuffle."""
    pool, test = (_read(name, key, file) for key, file in zip(("data", "test"), FILES[name], strict=True))
    rows = generator(0, name).permutation(len(test))[:most]
    return pool, [test[row] for row in sorted(rows.tolist())]


def accuracies(
    scorer: Scorer, name: str, shots: int, seed: int, data: tuple[list[Record], list[Record]]
) -> list[float]:
    """In percent, raw and calibrated."""
    pool, records = data
    template = PromptTemplate.model_validate(TEMPLATES[name] | {"shots": shots, "seed": seed, "longest": 400})
    found = examine_prompt(scorer, template, records, pool if shots else (), resamples=10)
    sides = [found.raw, found.found.side]
    return [
        100 * statistics.mean(given == true for given, true in zip(side.values, side.gold, strict=True))
        for side in sides
        if side is not None
    ]


def quality(scorer: Scorer, names: list[str], most: int, shots: list[int], seeds: int) -> str:
    """Rows of these data and numbers of examples."""
    rows = []
    for name in names:
        data = data_of(name, most)
        counted = Counter(str(record["label"]) for record in data[1])
        usual = 100 * max(counted.values()) / len(data[1])
        for count in shots:
            found = [accuracies(scorer, name, count, seed, data) for seed in range(seeds if count else 1)]
            told = [_spread([values[place] for values in found]) for place in (0, 1)]
            say(f"{name}, {count} examples: raw {told[0]}, calibrated {told[1]}")
            rows.append([name, f"{len(data[1]):,}", str(count), *told, f"{usual:.1f}"])
    return table(["data", "records", "examples shown", "raw, accuracy %", "calibrated", "most frequent label"], rows)


def speed(scorer: Scorer, records: int) -> str:
    """Eight labels behind a long prompt: danlu, and a loop over every record and every word."""
    pool, test = data_of("sst2", records)
    text = "Review: {text}\nTopic:{label}"
    words = {str(place): f" {word}" for place, word in enumerate(EIGHT)}
    examples = "\n\n".join(f"Review: {record['text']}\nTopic: {EIGHT[row % 8]}" for row, record in enumerate(pool[:24]))
    template = PromptTemplate(text=text, verbalizer=words, instruction=examples, calibrate=False, divide_by="nothing")
    asked = [{"text": record["text"], "label": "0"} for record in test]
    took: dict[str, list[float]] = {"danlu": [], "a loop": []}
    for _ in range(3):
        begun = time.perf_counter()
        ours = examine_prompt(scorer, template, asked, shown=len(asked), resamples=10)
        took["danlu"].append(time.perf_counter() - begun)
        begun = time.perf_counter()
        theirs = _loop(scorer, examples, asked, list(words.values()))
        took["a loop"].append(time.perf_counter() - begun)
        gaps = [
            abs(a.log_probability - b)
            for told, logs in zip(ours.told, theirs, strict=True)
            for a, b in zip(told.scored, logs, strict=True)
        ]
        say(f"seconds {took['danlu'][-1]:.2f} and {took['a loop'][-1]:.2f}, largest difference {max(gaps):.1e}")
    length = len(scorer.tokenizer(examples)["input_ids"])
    loop = statistics.median(took["a loop"])
    first, *again = took["danlu"]  # which has what they share ready the second time
    seconds = {"danlu, the first time": first, "danlu, again": statistics.median(again), "a loop": loop}
    rows = [[name, f"{value:.2f}", f"{loop / value:.1f}x"] for name, value in seconds.items()]
    words_of = (
        f"{len(asked)} records, 8 labels, {length:,} tokens before each; log-likelihoods differ by {max(gaps):.1e}"
    )
    return f"{words_of}\n\n{table(['', 'seconds', 'speed'], rows)}"


@torch.inference_mode()
def _loop(scorer: Scorer, examples: str, records: list[Record], words: list[str]) -> list[list[float]]:
    model, tokenizer = scorer.model, scorer.tokenizer
    begin, found = begin_id(tokenizer), []
    for record in records:
        before = [] if begin is None else [begin]
        before += tokenizer(f"{examples}\n\nReview: {record['text']}\nTopic:")["input_ids"]
        logs = []
        for word in words:
            ids = tokenizer(word)["input_ids"]
            logits_TV = model(torch.tensor([before + ids]), use_cache=False).logits[0]
            logs_TV = torch.log_softmax(logits_TV[len(before) - 1 : -1].float(), -1)
            logs.append(float(sum(logs_TV[place, token] for place, token in enumerate(ids))))
        found.append(logs)
    return found


def _spread(values: list[float]) -> str:
    mean = statistics.mean(values)
    return f"{mean:.1f}" + (f" ({min(values):.1f} to {max(values):.1f})" if len(values) > 1 else "")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--records", type=int, default=300)
    parser.add_argument("--shots", type=int, nargs="+", default=[0, 4, 16])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--speed-records", type=int, default=8)
    parser.add_argument("--only", choices=["quality", "speed"])
    parser.add_argument("--data", nargs="+", choices=[*TEMPLATES], default=[*TEMPLATES], help="whose quality")
    chosen = parser.parse_args()
    scorer = open_scorer(chosen.model)
    print(f"{machine()}\n\n`benchmarks/prompts.py {' '.join(sys.argv[1:])}`\n")
    if chosen.only != "quality":
        print(speed(scorer, chosen.speed_records) + "\n", flush=True)
    if chosen.only != "speed":
        print(quality(scorer, chosen.data, chosen.records, chosen.shots, chosen.seeds))


if __name__ == "__main__":
    main()
