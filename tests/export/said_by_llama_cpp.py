"""What llama.cpp makes of a GGUF file, in a process of its own, for it ends that on what it does not expect.

`python said_by_llama_cpp.py FILE` reads questions as JSON from its standard input and prints answers:
`{"text": ...}` is cut into tokens; `{"messages": [...]}` is written by the file's template first; `{"ids": [...],
"most": 8}` is gone on with greedily, with the logarithm of each token's probability, null for a part of a character.
"""

import json
import sys
import urllib.request
from typing import Any

import xllamacpp


def main() -> None:
    """Open, ask, print."""
    params = xllamacpp.CommonParams()
    params.model.path = sys.argv[1]
    params.n_ctx, params.n_parallel, params.warmup = 256, 1, False
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(params)
    print(json.dumps([answer(server.listening_address, question) for question in json.load(sys.stdin)]))


def answer(address: str, question: dict[str, Any]) -> dict[str, Any]:
    """To one question."""
    if "text" in question:
        return asked_ids(address, question["text"])
    if "messages" in question:
        written = asked(address, "apply-template", question)["prompt"]
        return {"text": written} | asked_ids(address, written)
    ids, logprobs = list[int](), list[float | None]()
    for _ in range(question["most"]):  # of several at once it leaves out parts of characters, and does not say which
        asks = {"prompt": [*question["ids"], *ids], "n_predict": 1, "temperature": 0, "n_probs": 1}
        said = asked(address, "completion", asks | {"return_tokens": True, "cache_prompt": False})
        told = said.get("completion_probabilities", [])
        ids += said["tokens"]
        logprobs.append(told[0]["logprob"] if told else None)
    return {"ids": ids, "logprobs": logprobs}


def asked_ids(address: str, text: str) -> dict[str, Any]:
    """The tokens of a text."""
    return {"ids": asked(address, "tokenize", {"content": text, "add_special": True})["tokens"]}


def asked(address: str, route: str, body: dict[str, Any]) -> dict[str, Any]:
    """What its server says."""
    request = urllib.request.Request(
        f"{address}/{route}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as response:
        found: dict[str, Any] = json.load(response)
    return found


if __name__ == "__main__":
    main()
