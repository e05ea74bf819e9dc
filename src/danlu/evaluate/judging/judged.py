"""Pairs of answers judged in both orders, since judges prefer a place (Wang et al., 2023; Zheng et al., 2023)."""

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Literal

from danlu.evaluate.judging.answers import Pair
from danlu.evaluate.judging.endpoint import Endpoint
from danlu.evaluate.judging.template import LONGEST, JudgeTemplate, Verdict
from danlu.evaluate.scoring.proportion import share_of
from danlu.machine.files import bytes_in_place, write_text

Winner = Literal["one", "two", "tie"]

JUDGED, VERDICTS, REPLIES = "judged.json", "verdicts.jsonl", "replies.jsonl"
"""What came of it, the verdict on each pair, and all replies, which are not asked for again."""


@dataclass(frozen=True)
class Judged:
    """What a judge says of a pair, once with the first answer first and once with the second; None: nothing clear."""

    places: tuple[Verdict | None, Verdict | None]

    @property
    def said(self) -> tuple[Winner | None, Winner | None]:
        """Who won in each order."""
        straight: dict[Verdict | None, Winner | None] = {"first": "one", "second": "two", "tie": "tie", None: None}
        turned: dict[Verdict | None, Winner | None] = {"first": "two", "second": "one", "tie": "tie", None: None}
        return straight[self.places[0]], turned[self.places[1]]

    @property
    def agrees(self) -> bool:
        """Whether both orders say the same."""
        return self.said[0] is not None and self.said[0] == self.said[1]

    @property
    def winner(self) -> Winner:
        """Who won in both orders; a tie where they do not say the same."""
        return self.said[0] or "tie" if self.agrees else "tie"


class Replies:
    """Replies that were given once, kept in a file beside the results as soon as they come."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._known = dict(_kept(file)) if file and file.is_file() else {}

    def of(self, endpoint: Endpoint, messages: list[dict[str, str]]) -> str:
        """The reply to some messages, asked for where it is not known."""
        plain = json.dumps([endpoint.url, endpoint.model, endpoint.tokens, messages], ensure_ascii=False)
        asked = hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        with self._lock:
            if asked in self._known:
                return self._known[asked]
        reply = endpoint.reply(messages)
        with self._lock:
            self._known[asked] = reply
            if self._file:
                self._file.parent.mkdir(parents=True, exist_ok=True)
                with self._file.open("ab") as file:
                    file.write(f"{json.dumps({'asked': asked, 'reply': reply})}\n".encode())
        return reply


def _kept(file: Path) -> Iterator[tuple[str, str]]:
    """The replies of a file; a line that an interruption has left half is asked for again."""
    with file.open("rb") as lines:
        for line in lines:
            with suppress(ValueError, TypeError, KeyError):
                kept = json.loads(line)
                yield str(kept["asked"]), str(kept["reply"])


def judge(
    pairs: Sequence[Pair],
    template: JudgeTemplate,
    endpoint: Endpoint,
    replies: Replies,
    *,
    together: int = 4,
    seen: Callable[[int], object] = lambda _count: None,
) -> list[Judged]:
    """Ask a judge of each pair in both orders, some at a time; `seen` is told how many pairs are judged.

    Raises:
        Refusal: the judge cannot be asked; what was said until then is kept.
    """

    def ask(pair: Pair) -> Judged:
        orders = ((pair.one, pair.two), (pair.two, pair.one))
        said = [replies.of(endpoint, template.messages(pair.question, pair.reference, *order)) for order in orders]
        return Judged((template.verdict(said[0]), template.verdict(said[1])))

    found: list[Judged] = []
    for each in _side_by_side(ask, pairs, together):
        found.append(each)
        seen(len(found))
    return found


def _side_by_side(ask: Callable[[Pair], Judged], pairs: Sequence[Pair], together: int) -> Iterator[Judged]:
    """What is found of each pair, in order; whoever stops waiting does not wait for what is still being asked."""
    waiting: SimpleQueue[tuple[Future[Judged], Pair]] = SimpleQueue()
    futures: list[Future[Judged]] = [Future() for _ in pairs]
    for each in zip(futures, pairs, strict=True):
        waiting.put(each)

    def work() -> None:
        with suppress(Empty):
            while True:
                future, pair = waiting.get_nowait()
                if future.set_running_or_notify_cancel():
                    try:
                        future.set_result(ask(pair))
                    except BaseException as error:
                        future.set_exception(error)

    for _ in range(min(together, len(pairs))):  # no process waits for these, and a server may be silent for minutes
        threading.Thread(target=work, name="danlu-judge", daemon=True).start()
    try:
        for future in futures:
            yield future.result()
    finally:
        for future in futures:
            future.cancel()


def summed_up(pairs: Sequence[Pair], judged: Sequence[Judged]) -> dict[str, Any]:
    """What `judged.json` holds, shares with their score intervals (Wilson, 1927) over pairs.

    The win rate counts a tie as half a win. The agreement of both orders is the judge's with itself. The share of the
    first place is among the replies that name a winner; both replies of a pair are one observation.
    """
    counts = Counter(each.winner for each in judged)
    places = Counter(place for each in judged for place in each.places)
    named = places["first"] + places["second"]
    telling = sum(any(place in ("first", "second") for place in each.places) for each in judged)
    texts = [text for pair in pairs for text in asdict(pair).values()]
    return {
        "pairs": len(pairs),
        "wins": counts["one"],
        "ties": counts["tie"],
        "losses": counts["two"],
        "win_rate": share_of(counts["one"] + counts["tie"] / 2, len(judged)).to_plain(),
        "agreement": share_of(sum(each.agrees for each in judged), len(judged)).to_plain(),
        "first_place": share_of(telling * places["first"] / named, telling).to_plain() if named else None,
        "unclear": places[None],
        "cut": sum(len(text) > LONGEST for text in texts),
    }


def write_judged(folder: Path, plain: dict[str, Any], pairs: Sequence[Pair], judged: Sequence[Judged]) -> None:
    """Write what came of it; `judged.json` comes last."""
    folder.mkdir(parents=True, exist_ok=True)
    with bytes_in_place(folder / VERDICTS) as file:
        for pair, each in zip(pairs, judged, strict=True):
            line = {**asdict(pair), "said": each.said, "winner": each.winner}
            file.write(f"{json.dumps(line, ensure_ascii=True)}\n".encode())
    write_text(folder / JUDGED, json.dumps(plain, ensure_ascii=False, indent=1) + "\n")
