"""What is kept of a row comes back with its bits, known by what stands in the row and by nothing else."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from danlu.tuning.kept import Kept, key_of, row_of, unpadded


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.int64, torch.bool])
@pytest.mark.parametrize("shape", [(), (3,), (0, 4), (5, 2)])
def test_tensors_come_back_bit_by_bit(tmp_path: Path, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    kept = Kept(tmp_path / "said")
    values = {key: {"b": torch.randn(shape).mul(9).to(dtype), "a": torch.randn(2)} for key in (b"1", b"2")}
    for key, tensors in values.items():
        kept.add(key, tensors)
        kept.add(key, {"a": torch.zeros(2)})  # once a key
    for key, tensors in values.items():
        found = kept.find(key)
        assert found is not None
        assert found.keys() == tensors.keys()
        assert all(
            torch.equal(found[name], value) and found[name].dtype == value.dtype for name, value in tensors.items()
        )
    assert kept.find(b"3") is None
    kept.close()


def test_threads_that_add_and_ask_at_once_read_what_was_written(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "said")

    def work(number: int) -> bool:
        key, value = bytes([number % 50]), torch.full((number % 50 + 1,), float(number % 50))
        kept.add(key, {"value": value})
        found = kept.find(key)
        return found is not None and torch.equal(found["value"], value)

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(work, range(1000)))
    kept.close()


ROWS = st.lists(st.integers(1, 50), min_size=1, max_size=9)


@settings(max_examples=60, deadline=None)
@given(ROWS, ROWS, st.integers(0, 5), st.booleans())
def test_a_row_is_known_whatever_stands_beside_it(one: list[int], other: list[int], more: int, types: bool) -> None:
    def key(rows: list[list[int]], width: int) -> bytes:
        ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
        inputs = {"input_ids": ids, "attention_mask": mask}
        inputs |= {"token_type_ids": torch.zeros_like(ids)} if types else {}
        return key_of(row_of(inputs, 0, unpadded(inputs)[0]))

    width = max(len(one), len(other))
    alone = key_of({"input_ids": torch.tensor(one)})
    assert key([one, other], width + more) == key([one], len(one)) == alone
    assert (key([other], len(other)) == alone) == (one == other)
    assert key_of({"input_ids": torch.tensor(one)}, ("teacher",)) != alone
    assert key_of({"input_ids": torch.tensor(one), "token_type_ids": torch.ones(len(one))}) != alone
