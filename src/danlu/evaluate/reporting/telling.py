"""Lines for who waits: how far it is, now and then."""

import time
from collections.abc import Callable

from danlu.language import default, translator
from danlu.machine.terminal import say

QUIET_SECONDS = 10.0  # between two lines


def teller(total: int) -> Callable[[int], None]:
    """A function that is told how many of `total` are done, and says so on standard error when it is time."""
    _, said = translator(default()), time.monotonic()

    def tell(count: int) -> None:
        nonlocal said
        if count < total and time.monotonic() - said >= QUIET_SECONDS:
            said = time.monotonic()
            say("  " + _("{count:,} of {total:,} records are answered").format(count=count, total=total), err=True)

    return tell
