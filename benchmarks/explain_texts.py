"""Explainers on the texts of a bundle: a job as json, what each has found as json.

Of each text the gap of the sum, and how much the answer falls without the words that it names, beside random ones.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch

from texts import read

TRIGGER = "zqx"  # stands in no text; the trigger classifier is taught that it decides


def explained(job: dict[str, Any], method: str) -> dict[str, Any]:
    """Explain the texts of a file by one of the methods."""
    from danlu.bundle.bundle import load
    from danlu.explain.explain import explain

    torch.set_num_threads(job["threads"])
    with load(job["bundle"], "float32") as bundle:
        records = read(Path(job["texts"]) / job.get("file", "test.jsonl"))[: job["count"]]
        texts = [record["text"] for record in records]
        explain(bundle, texts[:1], method)  # what is made once
        begin = time.perf_counter()
        found = explain(bundle, texts, method, checked=False)
        seconds = time.perf_counter() - begin
        checked = explain(bundle, texts, method) if job["checked"] else []
    return {
        "seconds": seconds / len(texts),
        "gaps": [each.gap for each in found if each.gap is not None],
        "unreliable": sum(each.unreliable for each in found),
        "first": sum(each.ranked()[0][0] == TRIGGER for each in found),
        "faithfulness": [vars(each.faithfulness) for each in checked],
    }


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    print(json.dumps({method: explained(asked, method) for method in asked["methods"]}))
