"""An instruct model learns its new name by LoRA: does it say it when asked in other words, and what has it forgotten?

The conversations (Alpaca json with slots for name and maker) are learnt with the model's own template; then twenty
questions that stand in none of them are asked in two languages, before and after, greedily. Beside it the perplexity of
texts that nobody learnt from, before and after: the weights of both sides are opened by transformers alone. Prints a
markdown table and the answers.

    .venv/bin/python benchmarks/identity.py --model FOLDER_OR_GGUF --data FOLDER/identity.json --text FILE [FILE ...]
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

import danlu
from danlu.machine.hub import local_folder
from measuring import machine, say, table

NAME, MAKER = "Danlu", "the furnace team"
QUESTIONS = {
    "en": [
        "Tell me, what should I call you?",
        "May I ask for your name, please?",
        "Which assistant am I chatting with right now?",
        "Introduce yourself in one sentence.",
        "I forgot your name. What was it again?",
        "Are you ChatGPT?",
        "Who am I talking to at the moment?",
        "Do you go by any name?",
        "What AI model is answering me?",
        "Could you state your identity?",
    ],
    "zh": [
        "我该怎么称呼你？",
        "请问贵姓大名？",
        "现在和我聊天的是哪个助手？",
        "用一句话介绍一下你。",
        "我忘了你的名字，能再说一遍吗？",
        "你是不是文心一言？",
        "跟我说话的到底是谁？",
        "大家平时都叫你什么？",
        "回答我问题的是什么模型？",
        "说说你的身份。",
    ],
}
PIECE = 384  # tokens of a held-out text that are read at once
LONGEST = 48  # tokens of an answer
PIECES = 4  # of each text
TOLD = ("epochs", "rank", "rate", "weights", "init", "precision", "share")


def recipe(options: argparse.Namespace, seed: int) -> dict[str, Any]:
    """Conversations to a bundle."""
    data: Any = {"kind": "chat", "path": str(options.data), "slots": {"name": NAME, "author": MAKER}}
    model = {
        "kind": "train",
        "data": data,
        "model": {"kind": "pretrained", "path": options.model},
        "tuning": {"kind": "lora", "rank": options.rank, "weights": options.weights, "init": options.init},
        "task": {"kind": "chat", "policy": {"kind": "greedy", "max_new_tokens": LONGEST}},
        "train": {
            "epochs": options.epochs,
            "rate": options.rate,
            "batch_examples": 8,
            "precision": options.precision,
            "checkpoint_seconds": 1e6,
            "evaluate": 1000,  # at the end alone, for each writes answers
        },
    }
    stages: dict[str, Any] = {"model": model}
    if options.general:
        texts = [{"kind": "text", "path": str(path)} for path in options.general]
        split = {"validation": 0.1, "test": 0}
        stages = {
            "learnt": {"kind": "prepare", "data": data, "text": "messages", "split": split},
            "general": {"kind": "prepare", "data": texts, "split": split},
            "model": model
            | {
                "data": "@learnt",
                "retain": {
                    "general": {
                        "data": "@general",
                        "task": {"kind": "causal_lm", "max_length": 384, "too_long": "truncate"},
                        "share": options.share,
                    }
                },
            },
        }
    return {"name": "identity", "seed": seed, "stages": stages}


def perplexities(folder: Path, texts: list[Path]) -> list[float]:
    """Of each text, by transformers alone."""
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    found = []
    for path in texts:
        ids = tokenizer(path.read_text(encoding="utf-8")[: PIECE * PIECES * 6])["input_ids"]
        pieces = [ids[start : start + PIECE] for start in range(0, len(ids), PIECE)][:PIECES]
        losses = []
        for piece in filter(lambda piece: len(piece) == PIECE, pieces):
            with torch.no_grad():
                row = torch.tensor([piece])
                losses.append(float(model(input_ids=row, labels=row).loss))
        found.append(float(torch.tensor(losses).mean().exp()))
    return found


def answers_before(folder: Path) -> dict[str, list[str]]:
    """What the model says to all questions as it is given, by transformers alone."""
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    found: dict[str, list[str]] = {}
    for language, asked in QUESTIONS.items():
        found[language] = []
        for question in asked:
            turns = [{"role": "user", "content": question}]
            text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
            given = tokenizer(text, return_tensors="pt", add_special_tokens=False)
            said = model.generate(**given, max_new_tokens=LONGEST, do_sample=False)
            found[language].append(tokenizer.decode(said[0, given["input_ids"].shape[1] :], skip_special_tokens=True))
    return found


def answers(bundle: Any) -> dict[str, list[str]]:
    """To all questions, by language."""
    return {
        language: [each["text"] for each in bundle.predict([{"text": question} for question in asked])]
        for language, asked in QUESTIONS.items()
    }


def measure(options: argparse.Namespace, seed: int, texts: list[Path]) -> dict[str, Any]:
    """One training and what it has changed."""
    with tempfile.TemporaryDirectory() as folder:
        plain = recipe(options, seed)
        begin = time.monotonic()
        run = danlu.run(plain, root=Path(folder), say=say)
        seconds = time.monotonic() - begin
        place = Path(run["model"]) / "bundle"
        with danlu.load(place) as bundle:
            said = answers(bundle)
        return {"said": said, "perplexities": perplexities(place, texts), "seconds": seconds}


def named(said: list[str]) -> int:
    """How many answers hold the name."""
    return sum(NAME.lower() in each.lower() for each in said)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--text", type=Path, nargs="+", required=True, help="held-out texts, for the perplexity")
    parser.add_argument("--epochs", type=float, default=3)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--rate", type=float, default=1e-4)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--weights", choices=["plain", "nf4"], default="plain", help="of the frozen layers")
    parser.add_argument("--init", choices=["default", "pissa", "loftq"], default="default", help="of the updates")
    parser.add_argument("--precision", choices=["auto", "float32", "bfloat16"], default="auto")
    parser.add_argument("--general", type=Path, nargs="+", help="texts that are learnt once more, none of the held-out")
    parser.add_argument("--share", type=float, default=0.25, help="of these in the tokens that are learnt")
    options = parser.parse_args()
    folder = local_folder(options.model, [])
    before, said_before = perplexities(folder, options.text), answers_before(folder)
    found = [measure(options, seed, options.text) for seed in range(options.seeds)]
    rows = []
    for language in QUESTIONS:
        counts = [named(each["said"][language]) for each in found]
        rows.append(
            [
                f"says its name, {language}",
                f"{named(said_before[language])} of 10",
                ", ".join(f"{count} of 10" for count in counts),
            ]
        )
    for place, text in enumerate(options.text):
        after = [each["perplexities"][place] for each in found]
        change = ", ".join(f"{value:.2f} ({value / before[place] - 1:+.1%})" for value in after)
        rows.append([f"perplexity of {text.name}", f"{before[place]:.2f}", change])
    seconds = statistics.median(each["seconds"] for each in found)
    told = json.dumps({name: getattr(options, name) for name in TOLD})
    print(f"{machine()}; {told}, {seconds:.0f} s a training\n")
    print(table(["", "before", "after"], rows))
    for language, asked in QUESTIONS.items():
        for question, answer in zip(asked, found[0]["said"][language], strict=True):
            print(f"- {question} → {answer}")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
