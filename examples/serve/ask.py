"""A server of danlu, asked from Python: by plain HTTP, and by OpenAI's own client (pip install openai).

DANLU_URL says where it is, DANLU_KEY is a key that `danlu key keys.yaml NAME` has shown, and the other names are those
of the models.
"""

import json
import os
import sys
import urllib.error
import urllib.request
from typing import Any

from openai import OpenAI

URL = os.environ.get("DANLU_URL", "http://127.0.0.1:8000")
KEY = os.environ.get("DANLU_KEY", "none")
REVIEWS, SHOP, PAIRS, QUERIES = (os.environ.get(name.upper(), name) for name in ("reviews", "shop", "pairs", "queries"))


def ask(path: str, body: dict[str, Any]) -> Any:
    """The answer of a route that OpenAI does not have; what is refused says why."""
    request = urllib.request.Request(f"{URL}{path}", json.dumps(body).encode())
    request.add_header("Content-Type", "application/json")
    request.add_header("Authorization", f"Bearer {KEY}")
    try:
        with urllib.request.urlopen(request, timeout=130) as answer:  # the server gives up after 120 s
            return json.load(answer)
    except urllib.error.HTTPError as refused:  # 429: come again after the seconds that Retry-After says
        told = json.load(refused)["error"]
        sys.exit(f"{refused.code} {told['code']}: {told['message']}")


def main() -> None:
    """Ask everything once."""
    for each in ask("/v1/predict", {"model": REVIEWS, "texts": ["物流很快", "It broke after a week."]})["predictions"]:
        print(each["label"], each["scores"])

    client = OpenAI(base_url=f"{URL}/v1", api_key=KEY)  # it comes again by itself where there is too much to do
    print([model.id for model in client.models.list()])

    talk: Any = [{"role": "user", "content": "几点开门？"}]
    with client.chat.completions.create(model=SHOP, messages=talk, max_tokens=20, stream=True) as stream:
        for chunk in stream:  # to leave this block early stops the server's work as well
            print(chunk.choices[0].delta.content or "", end="", flush=True)
    print()

    one, other = client.embeddings.create(model=PAIRS, input=["茶怎么做？", "怎么泡茶？"]).data
    print("alike:", sum(a * b for a, b in zip(one.embedding, other.embedding, strict=True)))

    found = ask(
        "/v1/rerank", {"model": QUERIES, "query": "杜甫是哪里人？", "documents": ["今天下雨。", "杜甫生于巩县。"]}
    )
    for result in found["results"]:
        print(round(result["relevance_score"], 3), result["document"]["text"])


if __name__ == "__main__":
    main()
