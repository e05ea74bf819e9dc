"""Tokens a second of a program that writes, for several numbers of prompts, for `other_writers.py`. A JSON argument."""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import Any

import numpy as np

Writes = Callable[[list[list[int]], int], int]
"""Prompts and how many tokens each is to have; the number that were written."""

BEAMS = 4


def absent(side: str) -> str:
    """Why a program is left out; empty where it is there."""
    package = {"ctranslate2": "ctranslate2", "llama.cpp": "xllamacpp"}.get(side.split("-")[0])
    return f"{package} is not installed" if package and find_spec(package) is None else ""


def prompts(count: int) -> list[list[int]]:
    """Prompts of 4 to 48 tokens."""
    rng = np.random.default_rng(count)
    return [[1, *rng.integers(3, 500, length).tolist()] for length in rng.integers(4, 48, count)]


def danlu(path: str, _: int, beams: int = 1) -> Writes:
    from danlu.bundle.bundle import load
    from danlu.model.policy import Policy
    from danlu.text.batching.encoded import Encoded, Row

    bundle = load(path)

    def writes(given: list[list[int]], tokens: int) -> int:
        rows = [Encoded(place, (Row(np.array(ids, np.int32)),)) for place, ids in enumerate(given)]
        how = {"kind": "beam", "beams": beams} if beams > 1 else {"kind": "greedy"}
        policy = Policy.model_validate(how | {"max_new_tokens": tokens + 1, "min_new_tokens": tokens})
        return sum(len(texts[0].ids) for texts in bundle.network.generate(rows, bundle.tokenizer, policy))

    return writes


def transformers(path: str, _: int) -> Writes:
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(path, use_safetensors=True)

    def writes(given: list[list[int]], tokens: int) -> int:
        width = max(map(len, given))
        ids = torch.tensor([[0] * (width - len(each)) + each for each in given])
        mask = torch.tensor([[0] * (width - len(each)) + [1] * len(each) for each in given])
        how = {"max_new_tokens": tokens, "min_new_tokens": tokens, "do_sample": False, "pad_token_id": 0}
        return model.generate(ids, attention_mask=mask, **how)[:, width:].numel()

    return writes


def transformers_beams(path: str, _: int) -> Writes:
    import torch
    from transformers import AutoModelForSeq2SeqLM

    model = AutoModelForSeq2SeqLM.from_pretrained(path, use_safetensors=True)

    def writes(given: list[list[int]], tokens: int) -> int:
        width = max(map(len, given))
        ids = torch.tensor([each + [0] * (width - len(each)) for each in given])
        mask = torch.tensor([[1] * len(each) + [0] * (width - len(each)) for each in given])
        how = {"max_new_tokens": tokens, "min_new_tokens": tokens, "do_sample": False, "num_beams": BEAMS}
        return model.generate(ids, attention_mask=mask, pad_token_id=0, **how)[:, 1:].numel()

    return writes


def converted(program: str, path: str, kind: str) -> tuple[Any, Any]:
    """A class of CTranslate2 over the model in its format, and the tokenizer."""
    import ctranslate2
    import torch
    from ctranslate2.converters import TransformersConverter
    from transformers import AutoTokenizer

    place = tempfile.mkdtemp()
    TransformersConverter(path).convert(place, quantization=kind, force=True)
    how = {"device": "cpu", "intra_threads": torch.get_num_threads(), "inter_threads": 1, "compute_type": kind}
    return getattr(ctranslate2, program)(place, **how), AutoTokenizer.from_pretrained(path)


def ctranslate2_beams(path: str, _: int, kind: str = "float32") -> Writes:
    translator, tokenizer = converted("Translator", path, kind)

    def writes(given: list[list[int]], tokens: int) -> int:
        words = [tokenizer.convert_ids_to_tokens(ids) for ids in given]
        how = {"beam_size": BEAMS, "max_decoding_length": tokens, "min_decoding_length": tokens}
        return sum(len(found.hypotheses[0]) for found in translator.translate_batch(words, **how))

    return writes


def ctranslate2(path: str, _: int, kind: str = "float32") -> Writes:
    generator, tokenizer = converted("Generator", path, kind)

    def writes(given: list[list[int]], tokens: int) -> int:
        words = [tokenizer.convert_ids_to_tokens(ids) for ids in given]
        how = {"max_length": tokens, "min_length": tokens, "sampling_topk": 1, "include_prompt_in_result": False}
        return sum(len(found.sequences_ids[0]) for found in generator.generate_batch(words, **how))

    return writes


def llama_cpp(path: str, most: int) -> Writes:
    import torch
    import xllamacpp

    settings = xllamacpp.CommonParams()
    settings.model.path = path
    settings.n_parallel, settings.n_ctx = most, most * 256
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = torch.get_num_threads()
    settings.n_gpu_layers = settings.verbosity = 0
    server = xllamacpp.Server(settings)
    how = {"ignore_eos": True, "temperature": 0, "cache_prompt": False}

    def writes(given: list[list[int]], tokens: int) -> int:
        def one(ids: list[int]) -> int:
            found: dict[str, Any] = server.handle_completions({"prompt": ids, "n_predict": tokens, **how})
            return int(found["usage"]["completion_tokens"])

        with ThreadPoolExecutor(len(given)) as pool:
            return sum(pool.map(one, given))

    return writes


SIDES: dict[str, Callable[[str, int], Writes]] = {
    "danlu": danlu,
    "transformers": transformers,
    "ctranslate2": ctranslate2,
    "ctranslate2-int8": lambda path, most: ctranslate2(path, most, "int8"),
    "llama.cpp": llama_cpp,
    "danlu-beams": lambda path, most: danlu(path, most, BEAMS),
    "transformers-beams": transformers_beams,
    "ctranslate2-beams": ctranslate2_beams,
    "ctranslate2-int8-beams": lambda path, most: ctranslate2_beams(path, most, "int8"),
}


def main() -> None:
    """Measure what the job asks for."""
    job = json.loads(sys.argv[1])
    speeds = []
    for count in job["counts"]:
        writes = SIDES[job["side"]](job["path"], count)
        writes(prompts(count), 4)
        begun = time.perf_counter()
        written = writes(prompts(count), job["tokens"])
        speeds.append(written / (time.perf_counter() - begun))
        if not 0 <= written - count * job["tokens"] <= count:
            raise SystemExit(f"{job['side']} wrote {written} tokens instead of {count * job['tokens']}")
    print(json.dumps({"tokens_per_second": speeds}))


if __name__ == "__main__":
    main()
