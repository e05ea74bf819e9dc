"""A monitor without a server as a process of its own, to be killed: `python monitor_process.py SETTINGS`, a JSON file.

It watches a folder, and takes the time from a file; it runs until its standard input ends.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def begun(settings: dict[str, Any], folder: Path) -> "subprocess.Popen[bytes]":
    """Start one, in its own process."""
    file = folder / "process.json"
    if not file.exists():
        file.write_text(json.dumps(settings), encoding="utf-8")
    with (folder / "process.log").open("ab") as log:
        command = [sys.executable, __file__, str(file)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log)


def main(file: Path) -> None:
    from monitor_streams import plain_judge

    from danlu.apps.monitor import calibration, dates, monitor, store, watched
    from danlu.apps.monitor.alarm import Alarm
    from danlu.apps.monitor.channels.webhook import Webhook
    from danlu.apps.monitor.settings import Settings

    told = json.loads(file.read_text(encoding="utf-8"))
    dates.AHEAD = 1e12  # the time goes on only when what came before was looked at
    watched.QUIET = monitor._FILES_EVERY = 0.0
    calibration.STREAMS = told.get("streams", calibration.STREAMS)
    store.LOCKED = told.get("locked", store.LOCKED)
    clock = Path(told["clock"])
    settings = Settings(watch=[told["inbox"]], alarm=Alarm.model_validate(told["alarm"]))
    made = monitor.Monitor(
        store.Store(told["url"]),
        settings,
        {"hook": Webhook(url=told["webhook"])},
        plain_judge(),
        file.parent,
        clock=lambda: float(clock.read_text()),
        lease=told["lease"],
        pause=0.2,
    )
    made.worker.settled = 0.0
    for outbox in made.outboxes:
        outbox.first_wait, outbox.lease = 0.05, told["lease"]
    made.files.lease = told["lease"]
    made.start()
    sys.stdin.read()
    made.stop()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main(Path(sys.argv[1]))
