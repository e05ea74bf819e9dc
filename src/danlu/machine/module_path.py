"""Where modules are looked for: never in the working folder by itself, where a `numpy.py` may lie beside the data."""

import os
import sys


def module_path() -> list[str]:
    """This process's path of modules without the working folder, unless `PYTHONPATH` names that in so many words.

    Python adds the folder by itself for `-c`, `-m` and notebooks, and for an empty entry in `PYTHONPATH`.
    """
    named = {os.path.realpath(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry}
    try:
        here = os.path.realpath(os.curdir)
    except FileNotFoundError:  # it was removed, so nothing lies in it
        return [entry for entry in sys.path if entry]
    return [entry for entry in sys.path if entry and (os.path.realpath(entry) != here or here in named)]
