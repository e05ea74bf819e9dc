"""`python -m danlu.apps.studio.worker LOOK SETTINGS`: one look at data in a process of its own, which may be ended."""

import json
import sys
from pathlib import Path
from typing import Any


def main(words: list[str]) -> int:
    """Take a look by its name, with its settings as JSON; what stops it is told in a sentence."""
    from danlu.apps.studio.looks import LOOKS
    from danlu.apps.studio.served import Served
    from danlu.machine.door import in_brief
    from danlu.machine.terminal import say
    from danlu.refusal import Refusal, without_secrets

    settings: dict[str, Any] = json.loads(words[1])
    for name in ("path", "folder"):
        if name in settings:
            settings[name] = Path(settings[name])
    if "served" in settings:
        settings["served"] = Served({name: Path(folder) for name, folder in settings["served"].items()})
    try:
        LOOKS[words[0]](**settings)
    except Refusal as refusal:
        say(f"danlu: {without_secrets(str(refusal))}", err=True)
        return 2
    except MemoryError:
        say("danlu: there is not enough memory; close other programs, or look at a part of the data", err=True)
        return 2
    except OSError as error:
        say(f"danlu: {in_brief(error)}", err=True)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
