"""A run that the studio has started: `python -m danlu.apps.studio.started FILE run RECIPE ...`.

It is `danlu run` itself, in this very process, with a note of how it has ended: the studio may be gone by then.
"""

import json
import runpy
import signal
import sys
import time
from pathlib import Path

from danlu.machine.files import write_text


def main() -> None:
    """Run the command that stands behind the file, and write its exit status into the file."""
    note = Path(sys.argv[1])
    sys.argv = ["danlu", *sys.argv[2:]]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that started the studio behind it ignores it
    status = 1
    try:
        runpy.run_module("danlu", run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as left:
        status = left.code if isinstance(left.code, int) else int(left.code is not None)
        raise
    finally:
        write_text(note, json.dumps({"status": status, "ended": time.time()}))


if __name__ == "__main__":
    main()
