"""A process of its own that reads grammars, and may be killed while it does; it imports nothing of ours.

In: a line of JSON each, a tokenizer or a grammar. Out: a line once that is read, whatever came of it.
"""

import json
import signal
import sys
from importlib import import_module

SECONDS = 1.0
"""Of a processor that a grammar may take; those of forms in use take some milliseconds."""
MEMORY = 4 * 2**30


def main() -> None:
    """Read until there is no more."""
    import llguidance

    if sys.platform != "win32":
        resource = import_module("resource")  # which only these systems have
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    known = None
    for line in sys.stdin:
        told = json.loads(line)
        try:
            if "tokenizer" in told:
                known = llguidance.LLTokenizer(told["tokenizer"], n_vocab=told["size"], eos_token=told["ends"])
            elif known is not None:
                _limited(SECONDS)
                llguidance.LLMatcher(known, told["grammar"], log_level=0).compute_bitmask()
        except ValueError:
            pass  # whoever asked will see the same
        _limited(0.0)
        print("read", flush=True)  # noqa: T201


def _limited(seconds: float) -> None:
    """The system kills this process after so many seconds of computing; 0: never."""
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_PROF, seconds)


if __name__ == "__main__":
    main()
