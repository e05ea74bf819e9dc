"""A monitor in a process of its own that is pushed to, and the parts of its work timed in this one."""

import json
import re
import subprocess
import sys
import time
import urllib.request
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from danlu.apps.monitor.alarm import Alarm
from danlu.apps.monitor.item import item_of
from danlu.apps.monitor.opening import judge_of
from danlu.apps.monitor.settings import read_settings
from danlu.apps.monitor.store import NAME, Store
from danlu.apps.monitor.work import Worker
from danlu.bundle.bundle import load

AT_ONCE = 500
TOPICS = """topics:
  price: [价格, 便宜, 贵, 优惠]
  power: [动力, 发动机, 提速, 马力]
  comfort: [舒适, 座椅, 隔音, 噪音]
  fuel: [油耗, 省油, 费油]
"""


def served(folder: Path, rows: list[dict[str, Any]], bundles: dict[str, str]) -> tuple[float, float, dict[str, float]]:
    """Texts pushed a second, pushed and judged a second, and seconds of each part of judging.

    `bundles` tell topics, sentiment, or both; what is not there is told by words.
    """
    (folder / "monitor").mkdir()
    (folder / "monitor" / "monitor.yaml").write_text(TOPICS, encoding="utf-8")
    command = [sys.executable, "-m", "danlu", "app", "monitor", "--port", "0"]
    command += [word for name, path in bundles.items() for word in (f"--{name}", path)]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        address = ""
        while not address:
            address = "".join(re.findall(r"serving at (\S+);", process.stderr.readline()))
        begun = time.perf_counter()
        for start in range(0, len(rows), AT_ONCE):
            _asked(f"{address}/v1/texts", {"texts": rows[start : start + AT_ONCE]})
        pushed = time.perf_counter() - begun
        while _asked(f"{address}/v1/state")["waiting"]:
            time.sleep(0.2)
        judged = time.perf_counter() - begun
        process.terminate()
        process.communicate()
    return len(rows) / pushed, len(rows) / judged, _parts(folder, rows, bundles)


def _asked(url: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def _parts(folder: Path, rows: list[dict[str, Any]], bundles: dict[str, str]) -> dict[str, float]:
    settings = read_settings(folder / "monitor" / "monitor.yaml")
    store = Store(folder.absolute() / NAME)
    found: defaultdict[str, float] = defaultdict(float)
    last = [time.perf_counter()]

    def watch(name: str) -> None:
        now = time.perf_counter()
        found[name] += now - last[0]
        last[0] = now

    now = time.time()
    for start in range(0, len(rows), AT_ONCE):
        store.put([item for row in rows[start : start + AT_ONCE] if (item := item_of(row))], now)
    watch("put")
    del found["put"]
    with ExitStack() as opened:
        there = {name: opened.enter_context(load(path)) for name, path in bundles.items()}
        judge = judge_of(settings, {"topics": None, "sentiment": None} | there, None, lambda _: None)
        Worker(store, judge, Alarm(), watch=watch).work(now)
    store.close()
    return dict(found)
