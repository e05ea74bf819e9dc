"""Tables: what separates the fields, and whether the first row names them."""

import pytest

from danlu.apps.guessing.tables import has_header, look_at

HEADERS = [
    (["text", "label"], True),
    (["内容", "情感"], True),
    (["", "text", "label"], True),  # numbered by pandas
    (["review text", "stars (1-5)"], True),
    (["坏", "差"], False),  # a label that stands below as well
    (["1", "很好用"], False),
    (["很好用，下次再来。", "好"], False),
    (["text", "text"], False),
    (["A film that is far too long for the name of any column at all", "x"], False),
]


@pytest.mark.parametrize(("first", "named"), HEADERS, ids=[" ".join(first)[:20] for first, _ in HEADERS])
def test_the_first_row_is_told_from_those_below_it(first, named):
    below = [["质量很好" + str(n), "好" if n % 2 else "差"] for n in range(12)]
    rows = [["0", *row] for row in below] if len(first) == 3 else below
    assert has_header([first, *rows]) is named


FORMS = [
    ("a;b\n1;x\n2;y\n", False, (";", True, 2)),
    ('a\tb\n1\t"x\n2\ty\n', True, ("\t", False, 2)),
    ('a\tb\n1\t"x\ty"\n2\t"z"\n', True, ("\t", True, 2)),
    ("a|b|c\n1|x|p\n", False, ("|", True, 3)),
    ('"a, b",c\n"d\ne",f\n', False, (",", True, 2)),
    ("sep=;\na;b,c\nd;e,f\n", False, (";", True, 2)),
]


@pytest.mark.parametrize(("text", "tabs", "form"), FORMS, ids=[form[0][:12] for form in FORMS])
def test_what_separates_fields_and_whether_quotes_count(text, tabs, form):
    table = look_at(text.splitlines(keepends=True), tabs=tabs)
    assert (table.delimiter, table.quoted, table.columns) == form


def test_lines_of_one_field_are_no_table():
    assert look_at(["text\n", "好\n"], tabs=False) is None
