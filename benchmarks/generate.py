"""danlu beside transformers.generate: tokens a second for 1, 8 and 32 prompts of unlike lengths.

Both write in one process and take turns. Decoders draw from random numbers and end by themselves, where one of several
end tokens is drawn, so texts have unlike lengths, of the same distribution on both sides; transformers writes a padded
batch until its longest is done. Beams are written to the same length. Prints a markdown table.
"""

import argparse
import copy
import statistics
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, MarianConfig, MarianMTModel

from danlu.engine.engines.torch import TorchNetwork
from danlu.model.fast import prepare_for_inference
from danlu.model.policy import Policy
from danlu.text.batching.encoded import Encoded, Row
from danlu.text.tokenizing.folder import open_tokenizer
from measuring import machine, say, table

STORIES = Path("../shared/models/stories260k")
SIZE = 16000
WIDTH = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 2048}
SIDES = {"d_model": 512, "encoder_layers": 6, "decoder_layers": 6, "encoder_ffn_dim": 2048, "decoder_ffn_dim": 2048}
HEADS = {"encoder_attention_heads": 8, "decoder_attention_heads": 8, "max_position_embeddings": 512}


def _llama() -> Any:
    return LlamaForCausalLM(LlamaConfig(vocab_size=SIZE, num_key_value_heads=4, max_position_embeddings=1024, **WIDTH))


def _marian() -> Any:
    start = {"pad_token_id": 0, "decoder_start_token_id": 0, "forced_eos_token_id": None}
    return MarianMTModel(MarianConfig(vocab_size=SIZE, **SIDES, **HEADS, **start))


MODELS: dict[str, tuple[Callable[[], Any], int]] = {
    "stories260k, sampling": (lambda: AutoModelForCausalLM.from_pretrained(STORIES), 1),
    "llama of 100 M, sampling": (_llama, 1),
    "marian of 60 M, 4 beams": (_marian, 4),
}


def examples(count: int, size: int) -> list[Encoded]:
    """Prompts of 4 to 48 tokens."""
    rng = np.random.default_rng(count)
    lengths = rng.integers(4, 48, count)
    return [Encoded(row, (Row(rng.integers(5, size, length).astype(np.int32)),)) for row, length in enumerate(lengths)]


@cache
def _tokenizer() -> Any:
    return open_tokenizer(STORIES, str(STORIES))


def ours(network: TorchNetwork, rows: list[Encoded], beams: int, longest: int, seed: int) -> int:
    """Tokens that danlu has written."""
    given = {"kind": "beam", "beams": beams} if beams > 1 else {"kind": "sample", "seed": seed}
    policy = Policy.model_validate(given | {"max_new_tokens": longest})

    return sum(len(texts[0].ids) for texts in network.generate(rows, _tokenizer(), policy))


def theirs(model: Any, rows: list[Encoded], beams: int, longest: int, seed: int) -> int:
    """Tokens that transformers has written, up to each text's end."""
    width, sides = max(map(len, rows)), model.config.is_encoder_decoder
    pad = [[0] * (width - len(row)) for row in rows]
    ids = torch.tensor([p + row.row.input_ids.tolist() for p, row in zip(pad, rows, strict=True)])
    mask = torch.tensor([[0] * len(p) + [1] * (width - len(p)) for p in pad])
    how = {"num_beams": beams, "do_sample": False} if beams > 1 else {"do_sample": True, "top_k": 0}
    torch.manual_seed(seed)
    found = model.generate(ids, attention_mask=mask, max_new_tokens=longest, pad_token_id=0, **how)
    ends = set(model.generation_config.eos_token_id)
    written = found[:, 1 if sides else width :].tolist()
    return sum(next((place for place, token in enumerate(row) if token in ends), len(row)) for row in written)


def compare(name: str, longest: int, repeats: int) -> list[list[str]]:
    """A line for each number of prompts; the two sides take turns."""
    make, beams = MODELS[name]
    torch.manual_seed(0)
    model = make().eval()
    size = model.config.vocab_size
    rare = size // 64 if beams == 1 and size == SIZE else 2
    network = TorchNetwork(prepare_for_inference(copy.deepcopy(model), "float32"), frozen=True)
    for each in (model, network.model):
        each.generation_config.eos_token_id = list(range(1, 1 + rare))
    longest = longest if beams == 1 else longest // 3
    lines = []
    for count in (1, 8, 32):
        rows = examples(count, size)
        sides = [partial(theirs, model, rows, beams), partial(ours, network, rows, beams)]
        speeds: list[list[float]] = [[], []]
        for turn in range(-1, repeats):
            for side, found in zip(sides, speeds, strict=True):
                begun = time.perf_counter()
                with torch.no_grad():
                    tokens = side(longest if turn >= 0 else 4, turn)
                if turn >= 0:
                    found.append(tokens / (time.perf_counter() - begun))
        before, now = map(statistics.median, speeds)
        say(f"{name}, {count}: {before:.0f} and {now:.0f} tokens/s")
        lines.append([name, str(count), f"{before:.0f}", f"{now:.0f}", f"{now / before:.2f}"])
    return lines


def main() -> None:
    """Measure all models and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--longest", type=int, default=192, help="tokens a text may have")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", default="", help="models whose name begins so")
    given = parser.parse_args()
    lines = [
        line for name in MODELS if name.startswith(given.only) for line in compare(name, given.longest, given.repeats)
    ]
    header = ["model", "prompts", "transformers, tokens/s", "danlu, tokens/s", "ratio"]
    print(f"{machine()}\n\n{table(header, lines)}")


if __name__ == "__main__":
    main()
