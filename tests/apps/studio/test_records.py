"""Records that are kept: any page of them, and those that hold a text."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from danlu.apps.studio import records as module
from danlu.apps.studio.records import SHOWN, WHOLE, Kept, keep

texts = st.text(st.sampled_from('aAßİé真"\\\n\t{}:,<>😀#1'), max_size=6)
values = st.one_of(texts, st.integers(-5, 5), st.none(), st.lists(texts, max_size=2))


def kept(folder: Path, records: list[dict[str, Any]], rows: int = 3) -> Kept:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "ROWS", rows)
        keep(iter(records), folder, lambda _count: None)
    return Kept(folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


@settings(max_examples=40)
@given(st.lists(st.dictionaries(texts, values, max_size=3), max_size=9), texts, st.integers(1, 10), st.integers(1, 4))
def test_pages_and_what_is_found_are_those_of_the_list(
    folder: Path, records: list[dict[str, Any]], text: str, first: int, count: int
) -> None:
    found = kept(folder, records)
    numbered = list(enumerate(records, 1))
    page = found.page(first, count)
    assert [(each["number"], each["cells"]) for each in page] == numbered[first - 1 : first - 1 + count]

    def strings(value: Any) -> list[str]:
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
        if inner is not None:
            return [each for item in inner for each in strings(item)]
        return [] if value is None else [value if isinstance(value, str) else json.dumps(value)]

    wanted = [number for number, record in numbered if any(text.lower() in each.lower() for each in strings(record))]
    told, next_ = [], 1
    while next_ is not None:
        some, next_ = found.search(text, next_, count, seconds=0.0)
        told += [each["number"] for each in some]
    plain = not set("ßİ") & set(text + json.dumps(records, ensure_ascii=False))  # whose capitals are several characters
    assert told == wanted or not plain


def test_a_search_in_a_column_looks_at_that_alone_and_names_of_columns_are_no_text(tmp_path: Path) -> None:
    found = kept(tmp_path, [{"text": "a label", "label": "text"}, {"text": "other"}, {"label": "LABEL"}])
    assert [each["number"] for each in found.search("label", 1, 9)[0]] == [1, 3]
    assert [each["number"] for each in found.search("label", 1, 9, column="label")[0]] == [3]
    assert found.search("text", 2, 9) == ([], None)
    assert found.facts["columns"] == {"text": 2, "label": 2}


def test_cells_are_cut_and_told_how_long_they_are_and_a_record_is_nearly_whole(tmp_path: Path) -> None:
    long = "真" * (WHOLE + 1)
    found = kept(tmp_path, [{"text": long, "many": list(range(SHOWN)), "n": float("inf")} | dict.fromkeys("abc", 1)])
    row = found.page(1, 1)[0]
    assert row["cells"]["text"] == long[:SHOWN]
    assert row["long"] == {"text": WHOLE + 1, "many": len(json.dumps(list(range(SHOWN))))}
    assert row["cells"]["n"] == "Infinity"
    one = found.record(1)
    assert one is not None
    assert one["cells"]["text"] == long[:WHOLE]
    assert one["cells"]["many"] == list(range(SHOWN))
    assert found.record(2) is None
    assert found.record(0) is None
    assert kept(tmp_path, []).page(1, 5) == []
