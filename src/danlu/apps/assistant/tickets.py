"""Past tickets as they lie in a file: what customers asked, and what they were told."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.format import guess
from danlu.data.reading.html_tags import BLOCKS, CELLS, INLINE, HtmlMark, html_marks
from danlu.data.reading.html_text import text_of_html
from danlu.data.record import Record
from danlu.recipe.part import nearest
from danlu.refusal import Refusal

LONGEST_QUESTION, LONGEST_ANSWER, LONGEST_INTENT = 4_000, 20_000, 100
"""Characters."""
MOST = 1_000_000
"""Tickets of a file."""
_FIRST = 1_000
"""Records by which the columns are told."""

NAMES = {
    "question": "question query ask asked subject title instruction prompt text 问题 提问 客户问题 用户问题 "
    "咨询 咨询内容 标题 问 summary body description customer user",
    "answer": "answer reply response resolution solution output completion 答案 回答 答复 回复 客服回复 "
    "解决方案 答 agent",
    "intent": "intent category topic class label tag 意图 类别 分类 类型 主题 标签",
}
"""What columns are called, the likeliest first."""

PEOPLE = {"customer", "user", "agent"}
"""Columns that hold what somebody said, or who it was."""

HEADINGS = {"subject", "title", "summary", "标题"}
BODIES = ("description", "body", "text", "描述", "问题描述", "内容", "customer", "user")
"""Columns that hold what customers wrote below a heading, the likeliest first."""

EMPTIES = {"n/a", "na", "none", "null", "nil", "nan", "无", "暂无", "空"}
"""What stands in a cell that says nothing, as do signs without a letter or a digit."""

SHORT, FEW, MANY = 12, 10, 50
"""Width of half of the answers, and different ones among `MANY` tickets, up to which a column may hold a state."""

_HIDING = frozenset(["iframe", "noframes", "noscript", "script", "style", "svg", "template", "textarea", "title"])
"""Elements that hide what stands in them, or show it as it stands: who writes of one may not close it."""
_TAGS = BLOCKS | CELLS | INLINE
_CHINESE = re.compile("[\u4e00-\u9fff]")


@dataclass(frozen=True)
class Ticket:
    """One question of a customer, and the answer."""

    question: str
    answer: str
    intent: str = ""


@dataclass
class Read:
    """What a file held.

    - `columns`: which of its columns was taken for what; 'heading' stands above the question, if there is one.
    - `unanswered`, `unasked`, `too_long`: numbers of records, from 1, that were left out, and why.
    - `bad_rows`: rows that could not be read.
    - `doubt`: of a column that was taken for the answer by its name and hardly holds any, how many different ones there
      are and the most frequent.
    """

    columns: dict[str, str]
    tickets: list[Ticket] = field(default_factory=list)
    unanswered: list[int] = field(default_factory=list)
    unasked: list[int] = field(default_factory=list)
    too_long: list[int] = field(default_factory=list)
    bad_rows: BadRows = field(default_factory=BadRows)
    doubt: tuple[int, str] | None = None

    def in_words(self) -> list[str]:
        """Sentences on what was left out; none where all was taken."""
        long = f"longer than {LONGEST_QUESTION:,} characters of a question or {LONGEST_ANSWER:,} of an answer"
        told = [(self.unanswered, "have no answer"), (self.unasked, "have no question"), (self.too_long, f"are {long}")]
        found = [
            f"{len(rows):,} tickets {words} and were left out (records {_some(rows)})" for rows, words in told if rows
        ]
        return [*found, *self.bad_rows.in_words()]


def read_tickets(path: str | Path, question: str = "", answer: str = "", intent: str = "") -> Read:
    """The tickets of a file (csv, tsv, json, jsonl, parquet ...), whose columns are named or told by their names.

    Raises:
        Refusal: there is no such file, it tells no question or no answer, has more than `MOST` records, or none of
            them has an answer.
    """
    bad_rows = BadRows()
    source = guess(str(path)).model_copy(update={"on_bad_row": "skip"})
    records = source.read(bad_rows=bad_rows)
    first = [*islice(records, _FIRST)]
    named = {"question": question, "answer": answer, "intent": intent}
    found = Read(_columns(str(path), first, named), bad_rows=bad_rows)
    for number, record in enumerate(_bounded(str(path), first, records), 1):
        _take(found, number, record)
    if not found.tickets:
        told = found.columns["answer"]
        raise Refusal(
            f"{path}: no ticket has an answer in column '{told}'; name the column that holds it with --answer-column"
        )
    if not answer:
        found.doubt = _doubt(found.tickets)
    return found


def _bounded(path: str, first: Sequence[Record], rest: Iterable[Record]) -> Iterable[Record]:
    yield from first
    for number, record in enumerate(rest, len(first) + 1):
        if number > MOST:
            raise Refusal(f"{path}: has more than {MOST:,} tickets; give the newest of them")
        yield record


def _take(found: Read, number: int, record: Record) -> None:
    told = {what: _text(record.get(column)) for what, column in found.columns.items()}
    question, answer, intent = _whole(told.get("heading", ""), told["question"]), told["answer"], told.get("intent", "")
    if _says_nothing(answer):
        found.unanswered.append(number)
    elif _says_nothing(question):
        found.unasked.append(number)
    elif len(question) > LONGEST_QUESTION or len(answer) > LONGEST_ANSWER:
        found.too_long.append(number)
    else:
        found.tickets.append(Ticket(question, answer, " ".join(intent.split())[:LONGEST_INTENT]))


def _whole(heading: str, body: str) -> str:
    """Heading and body, once where they begin alike; one alone where the other says nothing, or there is no room."""
    if _says_nothing(heading) or body.startswith(heading):
        return body
    both = f"{heading}\n{body}"
    return heading if _says_nothing(body) or len(both) > LONGEST_QUESTION else both


def _says_nothing(text: str) -> bool:
    return text.casefold().rstrip(".。") in EMPTIES or not any(sign.isalnum() for sign in text)


def _doubt(tickets: Sequence[Ticket]) -> tuple[int, str] | None:
    """Whether answers are states of tickets by the look of them, such as 'Done' and 'Won't Fix'; see `Read`."""
    answers = Counter(ticket.answer for ticket in tickets)
    half = median(len(ticket.answer) + len(_CHINESE.findall(ticket.answer)) for ticket in tickets)
    states = half < SHORT or (len(answers) <= FEW and len(tickets) >= MANY)
    return (len(answers), answers.most_common(1)[0][0]) if states else None


def _columns(path: str, records: Sequence[Record], named: dict[str, str]) -> dict[str, str]:
    """Which column is the question, the answer and, if any, the intent, and the heading above the question."""
    there = [*dict.fromkeys(name for record in records for name in record)]
    plain = {str(name).strip().lower(): name for name in reversed(there)}
    found: dict[str, str] = {}
    for what, names in NAMES.items():
        if (chosen := named[what]) and chosen not in there:
            told = f"--{what}-column: {path} has no column '{chosen}'{nearest(chosen, there)}"
            raise Refusal(f"{told}; its columns are: {', '.join(there) or 'none'}")
        taken = {*found.values(), *filter(None, named.values())}
        free = [
            plain[name]
            for name in names.split()
            if name in plain and plain[name] not in taken and (name not in PEOPLE or _speaks(records, plain[name]))
        ]
        if chosen or free:
            found[what] = chosen or free[0]
    for what in ("question", "answer"):
        if what not in found:
            raise Refusal(
                f"{path}: no column tells the {what}; its columns are: {', '.join(there) or 'none'}; name one with "
                f"--{what}-column"
            )
    return found if named["question"] else found | _below(found, records, plain)


def _below(found: dict[str, str], records: Sequence[Record], plain: dict[str, str]) -> dict[str, str]:
    """The column of what customers wrote, where the question is only its heading, or how a customer is addressed."""
    heading = found["question"]
    if heading.strip().lower() not in HEADINGS:
        return {}
    for name in (each for each in BODIES if each in plain and plain[each] not in found.values()):
        if name not in PEOPLE or _speaks(records, plain[name]):
            addressed = name in PEOPLE and not _speaks(records, heading, 2, 3)
            return {"question": plain[name]} | ({} if addressed else {"heading": heading})
    return {}


def _speaks(records: Sequence[Record], column: str, words: int = 4, signs: int = 5) -> bool:
    """Whether half of a column has so many words or Chinese characters: four or five, few names of people have."""
    texts = [text for record in records if (text := _text(record.get(column)))]
    long = sum(len(text.split()) >= words or len(_CHINESE.findall(text)) >= signs for text in texts)
    return 2 * long > len(texts)


def _text(value: Any) -> str:
    """A value as it is `shown`, of HTML what a page shows; nothing for what is no plain value."""
    return "" if value is None or isinstance(value, list | dict | bytes | bool) else shown(of_page(str(value)))


def of_page(text: str) -> str:
    """What a page shows of HTML, with the lines of the text; a text that only mentions tags as it stands."""
    return text_of_html(_all_seen(shown(text))) if _is_html(text) else text


def _is_html(text: str) -> bool:
    """Whether a tag has attributes or ends a line, or an element is opened and closed; of those that hide, none."""
    opened: set[str] = set()
    for mark in html_marks(text, lambda mark: mark.likely and mark.name in _TAGS):
        if mark.name in _HIDING:
            continue
        bare = text[mark.start + 1 : mark.end - 1].strip("/ \t\r\n\f").lower() == mark.name
        if not bare or mark.name == "br" or (mark.closing and mark.name in opened):
            return True
        opened.add(mark.name)
    return False


def _all_seen(text: str) -> str:
    """HTML whose lines are those of the text, and in which nothing is hidden by what is opened and not closed."""
    marks = [*html_marks(text, lambda _: True)]
    closed = {mark.name: mark.start for mark in marks if mark.closing}
    told, end = [], 0
    for mark in marks:
        told.append(_lines(text[end : mark.start]))
        told.append("&lt;" if _hides_the_rest(mark, closed) else "<")
        told.append(text[mark.start + 1 : mark.end])
        end = mark.end
    return "".join([*told, _lines(text[end:])])


def _lines(text: str) -> str:
    """A stretch without tags and comments, as HTML."""
    return text.replace("<!--", "&lt;!--").replace("\n", "<br>")


def _hides_the_rest(mark: HtmlMark, closed: dict[str, int]) -> bool:
    """Whether an element is opened and not closed that would take all that follows; `closed`: where each last is."""
    open_there = mark.name in _HIDING and not mark.closing and not mark.content[1]
    return open_there and closed.get(mark.name, -1) < mark.start


def shown(text: str) -> str:
    """A text without marks that no page shows and no database keeps."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = "".join(sign for sign in text if sign >= " " or sign in "\n\t")
    return text.encode("utf-8", "replace").decode("utf-8").strip()


def _some(rows: Sequence[int]) -> str:
    shown = ", ".join(f"{row:,}" for row in rows[:5])
    return shown if len(rows) <= 5 else f"{shown} ..."
