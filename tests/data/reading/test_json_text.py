"""JSON from outside is bounded in depth, wherever it comes in."""

import json
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.format import Format
from danlu.data.reading.json_text import depth_of
from danlu.refusal import Refusal

DEEP = {"lists": "[" * 60 + "]" * 60, "objects": '{"a":' * 60 + "1" + "}" * 60, "very": "[" * 900 + "]" * 900}


@pytest.mark.parametrize("kind", ["json", "jsonl", "spans", "squad", "chat"])
@pytest.mark.parametrize("value", DEEP.values(), ids=DEEP.keys())
def test_values_without_an_end_of_nesting_are_refused(value: str, kind: str, tmp_path: Path) -> None:
    row = f'{{"text": "a", "label": [], "deep": {value}}}'
    for content in (f"{row}\n", f"[{row}]", f'{{"text": "b", "label": []}}\n{row}\n'):
        (tmp_path / "a").write_text(content)
        source = Format.model_validate({"kind": kind, "path": str(tmp_path / "a")})
        with pytest.raises(Refusal) as caught:
            list(source.read())
        assert "\n" not in str(caught.value)


def test_a_deep_row_among_others_is_a_bad_row_that_costs_no_memory(tmp_path: Path) -> None:
    rows = ['{"text": "a", "meta": {"b": [1, {"c": 2}]}}'] * 1000
    rows[500] = f'{{"text": "x", "deep": {DEEP["very"]}}}'
    (tmp_path / "a.jsonl").write_text("\n".join(rows))
    source = Format.model_validate({"kind": "jsonl", "path": str(tmp_path / "a.jsonl"), "on_bad_row": "skip"})
    bad_rows = BadRows()
    tracemalloc.start()
    assert sum(1 for _ in source.read(bad_rows=bad_rows)) == 999
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "line 501: is nested too deeply" in bad_rows.first[0]
    assert peak < 2**23


@pytest.mark.parametrize("depth", [1, 10, 30])
def test_what_is_nested_as_people_nest_is_read(depth: int, tmp_path: Path) -> None:
    value = json.loads("[" * depth + "]" * depth)
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "a", "deep": value}))
    source = Format.model_validate({"kind": "jsonl", "path": str(tmp_path / "a.jsonl")})
    assert list(source.read()) == [{"text": "a", "deep": value}]


def _depth(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(_depth, inner), default=0)


_TREES = st.recursive(
    st.text('{}[]"\\\\a', max_size=6) | st.integers(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text('"\\\\[', max_size=3), inner),
)


@given(st.lists(_TREES, max_size=3), st.integers(1, 7))
def test_depth_is_told_of_bytes_however_they_are_cut(values: list[object], size: int) -> None:
    text = "\n".join(map(json.dumps, values)).encode()
    blocks = [text[start : start + size] for start in range(0, len(text), size)]
    assert depth_of(blocks) == max(map(_depth, values), default=0)
