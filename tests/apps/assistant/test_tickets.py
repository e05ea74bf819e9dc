"""Tickets as they lie in files: columns guessed or named, what cannot be used told, what says the same folded."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from danlu.apps.assistant.folding import Entry, fold, name_of
from danlu.apps.assistant.intents import with_intents
from danlu.apps.assistant.tickets import LONGEST_QUESTION, Ticket, of_page, read_tickets
from danlu.refusal import Refusal


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_columns_are_told_by_their_names_in_both_languages(tmp_path: Path) -> None:
    chinese = read_tickets(written(tmp_path / "a.csv", "编号,问题,回复,意图\n1,怎么退货,七天内可退,退货\n"))
    assert chinese.columns == {"question": "问题", "answer": "回复", "intent": "意图"}
    assert chinese.tickets == [Ticket("怎么退货", "七天内可退", "退货")]
    lines = [{"Query": "how", "Response": 5, "id": 1}, {"Query": "what", "Response": "that"}]
    english = read_tickets(written(tmp_path / "b.jsonl", "".join(f"{json.dumps(line)}\n" for line in lines)))
    assert english.tickets == [Ticket("how", "5"), Ticket("what", "that")]


@pytest.mark.parametrize(
    ("head", "row", "question", "answer"),
    [
        ("Customer,Subject,Agent,Resolution", "Acme Ltd,Where is it?,Bob,On its way", "Subject", "Resolution"),
        ("user,text,agent,answer", "1001,where is it,Bob,soon", "text", "answer"),
        ("customer,agent", "Where is my parcel please,It will be there tomorrow", "customer", "agent"),
        ("user,agent", "我的包裹在哪里,明天就会送到您家", "user", "agent"),
    ],
)
def test_names_of_people_are_taken_for_nothing_that_was_said(
    tmp_path: Path, head: str, row: str, question: str, answer: str
) -> None:
    found = read_tickets(written(tmp_path / "a.csv", f"{head}\n{row}\n"))
    assert (found.columns["question"], found.columns["answer"]) == (question, answer)


@pytest.mark.parametrize(
    ("head", "row", "question"),
    [
        (
            "Subject,Description,Solution",
            "Re: your order,Where is my parcel?,It comes.",
            "Re: your order\nWhere is my parcel?",
        ),
        ("Summary,Description,Answer", "Printer,It does not print,New ink.", "Printer\nIt does not print"),
        ("Subject,Body,Answer", "My lamp,My lamp is broken,Here is one.", "My lamp is broken"),
        ("标题,描述,答复", "打印机,打不出来,换墨盒", "打印机\n打不出来"),
        ("title,customer,agent", "Mr,Where is my parcel please,It will be there tomorrow", "Where is my parcel please"),
        ("title,customer,answer", "Where is it?,Acme Ltd,On its way", "Where is it?"),
        ("subject,description,answer", "Where is it?,,On its way", "Where is it?"),
        ("subject,description,answer", "Return,N/A,Within 30 days.", "Return"),
        ("subject,description,answer", "(none),Where is it?,On its way", "(none)\nWhere is it?"),
        ("subject,description,answer", "-,Where is it?,On its way", "Where is it?"),
        ("summary,instruction,answer", "About parcels,Where is it?,On its way", "Where is it?"),
        ("summary,问题,答复", "包裹,我的包裹在哪里,明天送到", "我的包裹在哪里"),
        ("summary,body,answer", "Printer,It does not print,New ink.", "Printer\nIt does not print"),
        ("subject,description,answer", f"Where is it?,{'long ' * 800},On its way", "Where is it?"),
    ],
)
def test_what_was_written_below_a_heading_is_the_question_with_it(
    tmp_path: Path, head: str, row: str, question: str
) -> None:
    (ticket,) = read_tickets(written(tmp_path / "a.csv", f"{head}\n{row}\n")).tickets
    assert ticket.question == question


def test_html_is_taken_as_a_page_shows_it_and_other_angle_brackets_stay(tmp_path: Path) -> None:
    answers = [
        "<p>Hi Tom,<br>it is on the way.&nbsp;</p>",
        "one\ntwo <b>now</b> &amp; then",
        "if a <b and c> d",
        "a < b",
    ]
    lines = "".join(json.dumps({"question": "how", "answer": answer}) + "\n" for answer in answers)
    found = [ticket.answer for ticket in read_tickets(written(tmp_path / "a.jsonl", lines)).tickets]
    assert found == ["Hi Tom,\nit is on the way.", "one\ntwo now & then", *answers[2:]]


@pytest.mark.parametrize(
    "text",
    [
        "Copy the <script> snippet into your page, above </body>. Then press Save and reload.",
        "<title> and <style> are allowed. Everything else is removed.",
        "Send the parcel to <address> before <time>. Thank you, <title> Smith.",
        "Enter <code> from the SMS.",
        "How do I use the <table> tag?",
        "<textarea> is where you type.\nPress send.",
        "Put <script src='a.js'></script> above </body>",
    ],
)
def test_a_text_that_only_mentions_tags_stays_as_it_stands(text: str) -> None:
    assert of_page(text) == text


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("Step 1\r\nStep 2<br>Step 3", "Step 1\nStep 2\nStep 3"),
        ("<p>Put <script> <b>there</b>, <!-- so\nand <svg> too", "Put <script> there, <!-- so\nand <svg> too"),
        ("<style>p {}</style><p\nclass='x'>Hi<!-- no --></p>", "Hi"),
    ],
)
def test_html_keeps_its_lines_and_nothing_is_hidden_by_what_is_not_closed(text: str, seen: str) -> None:
    assert of_page(text) == seen


def test_cells_that_say_nothing_are_no_answers(tmp_path: Path) -> None:
    lines = "".join(f"how {each},{each}\n" for each in ["N/A", "-", "无", "None.", ".", "<p></p>", "7", "No."])
    read = read_tickets(written(tmp_path / "a.csv", f"question,answer\n{lines}"))
    assert [ticket.answer for ticket in read.tickets] == ["7", "No."]
    assert "6 tickets have no answer and were left out (records 1, 2, 3, 4, 5 ...)" in read.in_words()


def test_a_column_that_was_taken_for_the_answer_and_holds_states_is_in_doubt(tmp_path: Path) -> None:
    def doubt(answer: str, count: int, column: str = "") -> tuple[int, str] | None:
        lines = "".join(f"how {n},{answer.format(n, n % 2)}\n" for n in range(count))
        return read_tickets(written(tmp_path / "a.csv", f"summary,resolution\n{lines}"), answer=column).doubt

    assert doubt("Done", 9) == (1, "Done")
    assert doubt("Done", 9, "resolution") is None
    assert doubt("Closed by customer {1}", 60) == (2, "Closed by customer 0")
    assert doubt("Closed by customer {1}", 9) is None
    assert doubt("Choose it in menu {0}", 60) is None
    assert doubt("请在菜单里选择", 9) is None


def test_agents_without_answers_are_no_answers(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="no column tells the answer; its columns are: text, agent"):
        read_tickets(written(tmp_path / "a.csv", "text,agent\nwhere is it,Bob\n"))


def test_named_columns_are_taken_and_those_that_are_not_there_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "title,body,question\nhow,so,odd\n")
    assert read_tickets(path, "title", "body").tickets == [Ticket("how", "so")]
    with pytest.raises(Refusal, match=r"--answer-column: .* has no column 'bodi'; did you mean 'body'"):
        read_tickets(path, "title", "bodi")
    with pytest.raises(Refusal, match="no column tells the answer; its columns are: title, body, question; name one"):
        read_tickets(path)


def test_what_cannot_be_used_is_left_out_and_told(tmp_path: Path) -> None:
    long = "x" * (LONGEST_QUESTION + 1)
    text = f"question,answer\nhow,so\nwhy,\n,because\nwhere,  \n{long},there\nbad,row,with,more\n"
    read = read_tickets(written(tmp_path / "a.csv", text))
    assert read.tickets == [Ticket("how", "so")]
    assert (read.unanswered, read.unasked, read.too_long, read.bad_rows.count) == ([2, 4], [3], [5], 1)
    told = read.in_words()
    assert "2 tickets have no answer and were left out (records 2, 4)" in told
    assert any("1 bad rows left out; the first: " in line for line in told)
    with pytest.raises(Refusal, match="no ticket has an answer in column 'answer'"):
        read_tickets(written(tmp_path / "b.csv", "question,answer\nhow,\n"))


def test_one_answer_has_all_its_questions_and_nearly_alike_answers_stay_apart() -> None:
    folded = fold(
        [
            Ticket("How do I return a pair of shoes to your shop?", "Within 30 days."),
            Ticket("how do i return a pair of shoes to your shop ?", "within 30 days."),
            Ticket("Send back", "Within  30 days."),
            Ticket("Send back", "Within 31 days."),
        ]
    )
    assert [(entry.answer, entry.questions, entry.times) for entry in folded.entries] == [
        ("Within 30 days.", ("How do I return a pair of shoes to your shop?", "Send back"), 3),
        ("Within 31 days.", ("Send back",), 1),
    ]
    assert folded.contested == 1


def test_one_answer_is_one_entry_whatever_its_tickets_are_filed_under() -> None:
    filed = [("a", "billing"), ("b", "returns"), ("c", "returns"), ("d", "")]
    (entry,) = fold([Ticket(question, "Within 30 days.", intent) for question, intent in filed]).entries
    assert (entry.intent, entry.questions, entry.times) == ("returns", ("a", "b", "c", "d"), 4)


TICKETS = some.lists(
    some.builds(Ticket, *[some.text("ab退货 ", min_size=1, max_size=6).filter(str.strip)] * 2), max_size=12
)


@settings(max_examples=40)
@given(tickets=TICKETS, again=some.permutations(range(12)))
def test_entries_are_the_same_in_whatever_order_tickets_come(tickets: list[Ticket], again: list[int]) -> None:
    def ids(given: list[Ticket]) -> dict[str, int]:
        return {entry.id: entry.times for entry in fold(given).entries}

    mixed = [tickets[place] for place in again if place < len(tickets)]
    assert ids(mixed) == ids(tickets)
    assert sum(ids(tickets).values()) == len(tickets)
    assert set(ids(tickets)) == {name_of(ticket.answer) for ticket in tickets}


def test_intents_without_a_column_are_clusters_of_what_is_asked() -> None:
    about = {"refund": "the refund of order {}", "parcel": "where is parcel {}", "invoice": "an invoice for number {}"}
    entries = [
        Entry(f"{name}{number}", "a", "", (text.format(number),), 1)
        for name, text in about.items()
        for number in range(15)
    ]
    found, how = with_intents(entries)
    assert how == "clusters"
    names = [{entry.intent for entry in found if entry.id.startswith(name)} for name in about]
    assert not (names[0] & names[1] | names[1] & names[2] | names[0] & names[2])
    assert all("refund" in name for name in names[0])
    assert with_intents(entries[:5]) == (entries[:5], "none")
