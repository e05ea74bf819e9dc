"""Counts as one line of text, for a place that keeps plain values: arrays of safetensors, packed, in base64."""

import base64
import binascii
import json
import zlib
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from danlu.text.tagging.markov import Counts, Markov, all_states, model_of

MOST_PAIRS = 1_000_000
"""Some 2 MB: the People's Daily of a month has 278,000, which take 0.67 MB."""
MOST_BYTES = 64 << 20
"""Of what is unpacked; 1,000,000 pairs are 12 MB."""


def packed(counts: Counts) -> str:
    """The counts as text, the rarest pairs left out where there are too many."""
    kept = counts.at_most(MOST_PAIRS)
    words = json.dumps({"units": kept.units, "labels": kept.labels}, ensure_ascii=False)
    arrays: dict[str, NDArray[Any]] = {
        "words": np.frombuffer(words.encode("utf-8"), np.uint8),
        "gaps": np.diff(kept.pairs, prepend=0).astype(np.int64),
        "times": kept.times.astype(np.int32),
        "moves": kept.moves.astype(np.int64),
        "last": kept.last.astype(np.int64),
    }
    return base64.b64encode(zlib.compress(save(arrays), 6)).decode("ascii")


def unpacked(text: str) -> Counts:
    """What `packed` has packed. Raises `ValueError` for anything else."""
    try:
        stream = zlib.decompressobj()
        data = stream.decompress(base64.b64decode(text, validate=True), MOST_BYTES)
        arrays = load(data)
        words = json.loads(arrays["words"].tobytes().decode("utf-8"))
        units, states = tuple(map(str, words["units"])), all_states("context", list(map(str, words["labels"])))
        pairs, times = arrays["gaps"].astype(np.int64).cumsum(), arrays["times"].astype(np.int64)
        moves, last = arrays["moves"].astype(np.int64), arrays["last"].astype(np.int64)
    except (binascii.Error, zlib.error, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ValueError("the counts cannot be read") from error
    wide, tall = len(states), len(units) + 2
    sound = pairs.shape == times.shape and moves.shape == (wide + 1, wide) and last.shape == (wide,) and stream.eof
    sound = sound and len(pairs) > 0 and bool((arrays["gaps"][1:] > 0).all() and pairs[0] >= 0 and (times > 0).all())
    if not sound or pairs[-1] >= tall * tall * wide or (moves < 0).any() or (last < 0).any():
        raise ValueError("the counts contradict one another")
    return Counts(states, units, pairs, times, moves, last)


@lru_cache(4)
def opened(text: str) -> Markov:
    """The model behind packed counts; made once for all who ask."""
    return model_of(unpacked(text))
