"""How long OpenMP's threads spin before they sleep, waiting for each other; decided before torch is there."""

import os

SPINS = 1000
"""Turns. By itself libgomp takes 100,000, some 300 µs, and a thread that spins uses up its share of a core that another
program has as well, so that it is not there when work comes. Half a billion parameters in bfloat16, seconds a token on
2 cores (2026-11): idle 0.13 by itself, 0.15 with 1,000 and 0.18 with none; one core held by another program 0.41 to
0.56 by itself and 0.30 with 1,000; four busy loops 3.9 and 0.56. Encoders lose nothing of it when idle.
"""


def wait_briefly() -> None:
    """Let threads that compute sleep soon where other programs want their cores; what the user has set holds."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", str(SPINS))
