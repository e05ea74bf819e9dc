"""How likely a text is, out of what a model says of its windows."""

import math
from collections.abc import Sequence

import numpy as np

from danlu.task.task import Output, Prediction


def likelihood_of(outputs: Sequence[Output]) -> Prediction:
    """`{"negative_log_likelihood", "tokens", "perplexity"}` of windows of (2,) each, nats and tokens.

    The perplexity of no token is None.
    """
    total, tokens = (float(value) for value in np.stack(outputs).astype(np.float64).sum(0))
    perplexity = math.exp(min(total / tokens, 700)) if tokens else None  # exp(710) is no float64
    return {"negative_log_likelihood": total, "tokens": int(tokens), "perplexity": perplexity}
