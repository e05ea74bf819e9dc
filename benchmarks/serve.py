"""danlu's server beside a plain FastAPI server with a pipeline of transformers, and chat beside `transformers serve`.

Requests come from another process, real texts of mixed lengths at random times (Poisson), answered or not. Sustained is
the highest rate of a ladder whose 99th percentile stays below the limit with nothing refused; then twice that. Prints
markdown tables, and draws the curves with --picture FILE.svg.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from danlu.evaluate.pages.charts import Line, line_chart
from danlu.machine.device import best_dtype
from measuring import HERE, Watch, machine, say, table
from texts import SETS, job_for, rate_for, read, why_absent

LIMIT = 0.25  # seconds that 99 of 100 answers may take
PATIENCE = 0.2  # seconds of work that may wait in danlu's server, so that what is taken can be answered within that
SECONDS = 12
LADDER = (5, 10, 20, 30, 45, 60, 80, 100, 130, 160, 200, 250, 300, 400, 500, 650, 800, 1000)
USERS = (1, 8, 32)


@contextmanager
def running(command: list[str], address: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server in a process of its own, ready to answer."""
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            for _ in range(600):
                if process.poll() is not None:
                    raise SystemExit(log.read_text(errors="replace")[-2000:])
                try:
                    urllib.request.urlopen(address, timeout=2).close()
                    break
                except urllib.error.HTTPError:
                    break
                except OSError:
                    time.sleep(0.2)
            yield process
        finally:
            process.terminate()
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()


def free_port() -> int:
    """A port that nobody has."""
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def served(folder: Path) -> tuple[list[str], str, str]:
    """Command, address of the route, and address that tells that it is ready, of danlu's server of a bundle."""
    port = free_port()
    command = [sys.executable, "-m", "danlu", "serve", f"m={folder}", "--port", str(port), "--patience", str(PATIENCE)]
    return command, f"http://127.0.0.1:{port}/v1/predict", f"http://127.0.0.1:{port}/health/ready"


def sides(folder: Path, dtype: str, smaller: Path | None) -> dict[str, tuple[list[str], str, str]]:
    """The same of each server."""
    plain = free_port()
    job = {"folder": str(folder), "port": plain, "dtype": dtype}
    return {
        "danlu serve": served(folder),
        **({} if smaller is None else {"danlu serve, made smaller": served(smaller)}),
        f"FastAPI + pipeline, {dtype}": (
            [sys.executable, str(HERE / "serve_peer.py"), json.dumps(job)],
            f"http://127.0.0.1:{plain}/predict",
            f"http://127.0.0.1:{plain}/openapi.json",
        ),
    }


def classified(
    watch: Watch, name: str, seconds: float, ladder: list[float], smaller: Path | None
) -> tuple[str, dict[str, list[dict[str, Any]]]]:
    """The ladder of all servers, and twice what each sustains."""
    curves: dict[str, list[dict[str, Any]]] = {}
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        bundle = folder / "bundle"
        watch.fresh("texts.py", job_for(name, folder, quick=True, test=1024))
        settings = {"side": "danlu", "batch": 32, "rate": rate_for(name, 32), "epochs": 1, "seed": 0}
        job = {"texts": str(folder), "bundle": str(bundle), "precision": "auto", "keep": str(bundle)}
        watch.fresh("training.py", job | settings | {"name": "training"})
        texts = [record["text"] for record in read(folder / "test.jsonl")]
        dtype = "bfloat16" if best_dtype() == torch.bfloat16 else "float32"
        for side, (command, address, ready) in sides(bundle, dtype, smaller).items():
            body = {"model": "m"} if "danlu" in side else {}
            load = {"address": address, "bodies": [{"text": text} | body for text in texts], "seconds": seconds}
            with running(command, ready, folder / "log"):
                watch.fresh("serve_load.py", load | {"rate": 5, "seed": 0, "seconds": 3})
                curves[side] = []
                for rate in ladder:
                    found = watch.fresh("serve_load.py", load | {"rate": rate, "seed": 1, "name": f"{side}, {rate}/s"})
                    curves[side].append(found)
                    say(f"{side}: {found}")
                    if found["p99"] is None or found["p99"] > LIMIT or found["refused"] or found["failed"]:
                        break
                good = [each for each in curves[side] if each["p99"] and each["p99"] <= LIMIT and not each["refused"]]
                sustained = good[-1]["rate"] if good else ladder[0]
                twice = watch.fresh(
                    "serve_load.py", load | {"rate": 2 * sustained, "seed": 2, "name": f"{side}, twice"}
                )
                say(f"{side}, twice: {twice}")
            there = _milliseconds(good[-1] if good else curves[side][0])
            refused = [f"{twice['refused']} of {twice['asked']}", _ms(twice["refused_p99"])]
            rows.append([side, f"{sustained:g}", there, f"{twice['per_second']:.0f}", _milliseconds(twice), *refused])
    header = ["server", f"requests/s with p99 below {LIMIT * 1000:.0f} ms", "p50 / p99 there"]
    header += ["at twice that: answered/s", "p50 / p99 of these", "refused", "refused within, p99"]
    words = f"{SETS[name].title}, MiniLM; {seconds:g} s at each rate; one text a request.\n\n"
    return words + table(header, rows), curves


def templated(bundle: Path, folder: Path) -> Path:
    """The model of a bundle with a template of conversations where transformers looks for one: the texts alone."""
    shutil.copytree(bundle, folder)
    (folder / "chat_template.jinja").write_text("{% for message in messages %}{{ message.content }}\n{% endfor %}")
    return folder


def chatted(watch: Watch, title: str, source: Path, users: list[int], new_tokens: int, *, peer: bool) -> str:
    """Tokens a second and the time to the first piece of danlu, and of `transformers serve`."""
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        bundle = folder / "bundle"
        watch.fresh("serve_models.py", {"source": str(source), "bundle": str(bundle)})
        port, other = free_port(), free_port()
        texts = ["Once upon a time", "Tell me a story about a dog and a cat.", "Why?", "The girl went to the park and"]
        ours = [sys.executable, "-m", "danlu", "serve", f"m={bundle}", "--port", str(port)]
        servers = {"danlu serve": (ours, port, "m")}
        if peer:
            program = str(Path(sys.executable).parent / "transformers")
            command = [program, "serve", "--port", str(other), "--device", "cpu", "--continuous-batching"]
            servers["transformers serve"] = (command, other, str(templated(bundle, folder / "peer")))
        for side, (command, at, model) in servers.items():
            ready = f"http://127.0.0.1:{at}/{'health/ready' if side == 'danlu serve' else 'health'}"
            with running(command, ready, folder / "log"):
                body = {"model": model, "max_tokens": new_tokens, "temperature": 0}
                body |= {"stream_options": {"include_usage": True}}
                job = {"address": f"http://127.0.0.1:{at}/v1/chat/completions", "body": body, "texts": texts}
                watch.fresh("serve_load.py", job | {"users": 1, "turns": 1})
                for count in users:
                    asked = {"users": count, "turns": 2, "name": f"{side}, {count} users"}
                    found = watch.fresh("serve_load.py", job | asked)
                    say(f"{title}, {side}: {found}")
                    speed = f"{found['tokens_per_second']:.0f}"
                    rows.append([side, str(count), speed, _ms(found["first"]), _ms(found["first_worst"])])
        shutil.rmtree(bundle)
    header = ["server", "users", "tokens/s", "first piece, median", "first piece, worst"]
    return f"{title}, at most {new_tokens} tokens an answer, greedy.\n\n" + table(header, rows)


STYLE = (
    "<style>text{font:11px sans-serif;fill:#444}line,path{stroke:#bbb}polyline{fill:none;stroke-width:1.6}"
    ".a{stroke:#c0392b}.b{stroke:#e59866}.c{stroke:#2457a6}.d{stroke:#8fb3e0}"
    ".e{stroke:#1e8449}.f{stroke:#82c99b}circle{stroke:none;fill:#444}"
    "text{stroke:none!important}text.a{fill:#c0392b}text.b{fill:#e59866}text.c{fill:#2457a6}text.d{fill:#8fb3e0}"
    "text.e{fill:#1e8449}text.f{fill:#82c99b}</style>"
)


def picture(curves: dict[str, list[dict[str, Any]]], file: Path) -> None:
    """p50 and p99 over the rate, as a drawing that stands alone."""
    each = [(side, name) for side in curves for name in ("p50", "p99")]
    lines = [
        Line(
            [(one["rate"], 1000 * one[name]) for one in curves[side] if one[name]], class_, f"{side}, {name}", dots=True
        )
        for (side, name), class_ in zip(each, "abcdef", strict=False)
    ]
    drawn = str(line_chart(lines, "requests a second", "milliseconds to the answer"))
    names = "".join(
        f'<text x="230" y="{22 + 14 * place}" class="{line.class_}">{line.name}</text>'
        for place, line in enumerate(lines)
    )
    start = drawn.index(">") + 1
    opening = drawn[:start].replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
    file.write_text(f"{opening}{STYLE}{drawn[start:].replace('</svg>', names + '</svg>')}", encoding="utf-8")


def _ms(seconds: float | None) -> str:
    return "–" if seconds is None else f"{1000 * seconds:.0f} ms"


def _milliseconds(found: dict[str, Any]) -> str:
    return f"{_ms(found['p50'])} / {_ms(found['p99'])}"


def main() -> None:
    """Measure what the command line asks for and print the tables."""
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("--data", choices=[*SETS], default="sst2")
    reader.add_argument("--what", nargs="*", choices=["predict", "chat"], default=["predict", "chat"])
    reader.add_argument("--smaller", type=Path, help="a bundle that is served too, such as what 'danlu compress' kept")
    reader.add_argument("--picture", type=Path)
    reader.add_argument("--quick", action="store_true", help="few rates, short: to see that it works")
    asked = reader.parse_args()
    watch = Watch()
    watch.look()
    sections = []
    if "predict" in asked.what:
        if absent := why_absent(asked.data):
            print(absent, file=sys.stderr)
        else:
            ladder = [5.0, 20.0] if asked.quick else [float(rate) for rate in LADDER]
            told, curves = classified(watch, asked.data, 2.0 if asked.quick else SECONDS, ladder, asked.smaller)
            sections.append(told)
            if asked.picture:
                picture(curves, asked.picture)
    stories = HERE.parents[1] / "shared" / "models" / "stories260k"
    if "chat" in asked.what and stories.is_dir():
        users = [1, 2] if asked.quick else list(USERS)
        sections.append(chatted(watch, "stories260k", stories, users, 16 if asked.quick else 128, peer=not asked.quick))
        if not asked.quick:
            sections.append(
                chatted(watch, "a Llama of 100 M, random weights", Path("llama-100m"), users, 64, peer=True)
            )
    print(f"## Serving\n\n{machine()}. {watch.verdict()}\n")
    print("\n\n".join(sections))


if __name__ == "__main__":
    main()
