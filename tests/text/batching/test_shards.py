import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.refusal import Refusal
from danlu.text.batching import shards
from danlu.text.batching.encoded import Encoded, Row, sizes_of
from danlu.text.batching.flat import DocumentRows, FlatTokens, PackedRows, number_type, write_tokens
from danlu.text.batching.rows import Rows, write_rows
from danlu.text.tokenizing.tokenizers.char import Char


def encoded(rng, targets, several=False):
    rows = []
    for number in range(23):
        length = int(rng.integers(1, 30))
        ids = rng.integers(0, 900, length).astype(np.int32)
        row = Row(
            ids,
            np.stack([np.arange(length), np.arange(length) + 1], 1).astype(np.int32) if number % 3 else None,
            np.arange(length, dtype=np.int32) // 4 if number % 4 else None,
            np.zeros(length, np.int32) if number % 5 == 0 else None,
        )
        rows.append(
            Encoded(
                number // 2,
                (row, *(Row(ids[:place]) for place in range(1, 1 + number % 3 if several else 1))),
                targets(number, ids),
                ids[::2] if several and number % 4 else None,
                start=number,
                cut=number % 4,
                widened=number % 2,
            )
        )
    return rows


TARGETS = {
    "none": lambda number, ids: {},
    "number": lambda number, ids: {"label": number % 3},
    "value": lambda number, ids: {"score": number / 3},
    "row": lambda number, ids: {"tags": np.where(ids > 400, -100, ids)},
    "values": lambda number, ids: {"weights": ids / 7},
    "several": lambda number, ids: {"label": number % 3, "tags": ids[:1], "score": 0.5 * number},
}


def stored(folder, rows, size=4, **options):
    folder.mkdir(parents=True, exist_ok=True)
    chunks = [rows[start : start + size] for start in range(0, len(rows), size)]
    manifest = shards.Manifest("rows", "hash", tuple(write_rows(folder, iter(chunks), **options)))
    shards.write(folder, manifest)
    return manifest


def same(left, right):
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(value, right[name]) for name, value in left.items())
    if isinstance(left, tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, Row):
        return all(same(getattr(left, part), getattr(right, part)) for part in Row.__slots__)
    return left is right or (type(left) is type(right) and np.array_equal(left, right))


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("shard", [60, 10**6])
@pytest.mark.parametrize("several", [False, True])
def test_rows_come_back_as_they_were(tmp_path, name, shard, several):
    rows = encoded(np.random.default_rng(1), TARGETS[name], several)
    manifest = stored(tmp_path, rows, shard=shard)
    assert (len(manifest.shards) > 1) == (shard == 60)
    assert (manifest.count, manifest.tokens) == (len(rows), sizes_of(rows).tokens)
    found = Rows(tmp_path, shards.read(tmp_path))
    assert len(found) == len(rows)
    for part in ("widths", "rows", "targets"):
        assert np.array_equal(getattr(found.sizes, part), getattr(sizes_of(rows), part)), part
    for wanted, got in zip(rows, found, strict=True):
        for key in Encoded.__slots__:
            assert same(getattr(wanted, key), getattr(got, key)), key
    assert found[-1].record == rows[-1].record
    assert [row.start for row in found[3:9:2]] == [3, 5, 7]
    with pytest.raises(IndexError):
        found[len(rows)]


@pytest.mark.parametrize("target", ["a", None, [1, "b"], np.zeros((2, 2), np.int32)])
def test_targets_without_a_column_are_refused(tmp_path, target):
    row = Row(np.array([1], np.int32))
    with pytest.raises(Refusal, match="targets of this task cannot be written to shards"):
        stored(tmp_path, [Encoded(0, (row,), {"start": target})])
    with pytest.raises(Refusal, match=r"targets of this task (cannot|differ in sort from record to record)"):
        stored(tmp_path, [Encoded(0, (row,), {"start": 1}), Encoded(0, (row,), {"start": target})])


def tokens(folder, documents, vocabulary=1000, **options):
    folder.mkdir(parents=True, exist_ok=True)
    chunks = [documents[start : start + 3] for start in range(0, len(documents), 3)]
    written = write_tokens(folder, iter(chunks), vocabulary, **options)
    shards.write(folder, shards.Manifest("tokens", "hash", tuple(written), {"vocabulary": vocabulary}))
    return FlatTokens(folder, shards.read(folder))


DOCUMENTS = st.lists(st.lists(st.integers(5, 99), max_size=20), min_size=1, max_size=12).filter(any)


def next_tokens(row):
    tokens = np.append(row.input_ids[1:], -100)
    tokens[:-1][np.diff(row.segments) > 0] = -100
    return {"tokens": tokens}


@given(DOCUMENTS, st.integers(2, 9), st.sampled_from([10, 10**6]))
def test_packed_rows_predict_every_token_but_the_first_of_a_document_once(tmp_path_factory, documents, size, shard):
    flat = tokens(tmp_path_factory.mktemp("flat"), [np.array(d, np.int32) for d in documents], shard=shard)
    assert sum(len(flat.tokens(part)) for part in range(len(flat.counts))) == sum(map(len, documents))
    rows = PackedRows(flat, size, next_tokens)
    assert [len(row) for row in rows] == rows.lengths.tolist()
    pairs = [
        (int(read), int(told))
        for item in rows
        for read, told in zip(item.row.input_ids, item.targets["tokens"], strict=True)
        if told >= 0
    ]
    assert pairs == [pair for d in documents for pair in pairwise(d)]
    segments = [item.row.segments for item in rows]
    assert all(row[0] == 0 and (np.diff(row) >= 0).all() and np.diff(row).max(initial=0) <= 1 for row in segments)


@given(DOCUMENTS, st.integers(4, 9), st.integers(0, 1), st.sampled_from([10, 10**6]))
def test_document_rows_are_the_windows_of_each_document(tmp_path_factory, documents, size, overlap, shard):
    whole = [np.array([1, *d, 2], np.int32) for d in documents]
    rows = DocumentRows(
        tokens(tmp_path_factory.mktemp("flat"), whole, shard=shard),
        size,
        lambda row: {"tokens": row.input_ids},
        around=(1, 1),
        overlap=overlap,
    )
    assert [len(row) for row in rows] == rows.lengths.tolist()
    assert rows.lengths.max() <= size
    found = {}
    for row in rows:
        assert (row.row.input_ids[0], row.row.input_ids[-1]) == (1, 2)
        inside = row.row.input_ids[1:-1].tolist()
        assert row.start == max(0, len(found.get(row.record, [])) - overlap)
        found[row.record] = found.get(row.record, [])[: row.start] + inside
    assert [found[number] for number in range(len(documents))] == documents


def test_numbers_take_two_bytes_where_they_can(tmp_path):
    assert number_type(65_536).itemsize == 2
    assert number_type(65_537).itemsize == 4
    document = np.array([65_535, 70_000], np.int32)
    flat = tokens(tmp_path, [document], vocabulary=70_001)
    assert flat.tokens(0).tolist() == document.tolist()
    assert (tmp_path / "tokens-00000.bin").stat().st_size == 8
    assert np.fromfile(tmp_path / "tokens-00000.bin", "<u4").tolist() == document.tolist()


def damaged(folder, name):
    path = folder / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (lambda folder: damaged(folder, "rows-00000.arrow"), "rows-00000.arrow: the shard has changed .* SHA-256"),
        (lambda folder: (folder / "rows-00000.arrow").unlink(), "rows-00000.arrow: this shard is missing"),
        (lambda folder: (folder / "rows-00000.arrow").write_bytes(b""), "rows-00000.arrow: this shard is empty"),
        (lambda folder: (folder / "manifest.json").unlink(), "there is no manifest.json"),
        (lambda folder: (folder / "manifest.json").write_text("[]"), "no manifest that danlu wrote"),
        (lambda folder: edited(folder, format=99), "format 99 is not 1"),
        (lambda folder: edited(folder, shards=[]), "the shards hold nothing"),
        (lambda folder: edited_shard(folder, count=0), "the shards hold nothing"),
        (
            lambda folder: edited_shard(folder, count="many"),
            "no manifest that danlu wrote .*cannot be interpreted as an integer",
        ),
        (lambda folder: edited(folder, about=None), "no manifest that danlu wrote"),
        (lambda folder: edited_shard(folder, tokens=0), "rows-00000.arrow: this shard is empty"),
        (lambda folder: edited_shard(folder, files={"../x": {}}), "names no file of this folder"),
    ],
)
def test_what_is_damaged_is_one_sentence(tmp_path, break_it, says):
    stored(tmp_path, encoded(np.random.default_rng(0), TARGETS["row"]))
    break_it(tmp_path)
    with pytest.raises(Refusal, match=says) as told:
        shards.read(tmp_path)
    assert "\n" not in str(told.value)


def test_a_manifest_that_lacks_what_is_asked_of_it_is_refused(tmp_path):
    tokens(tmp_path, [np.arange(9, dtype=np.int32)])
    edited(tmp_path, about={})
    with pytest.raises(Refusal, match=r"manifest\.json of the shards does not tell 'vocabulary'"):
        FlatTokens(tmp_path, shards.read(tmp_path))


def edited(folder, **keys):
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))


def edited_shard(folder, **keys):
    plain = json.loads((folder / "manifest.json").read_text())
    edited(folder, shards=[plain["shards"][0] | keys])


def test_an_index_of_other_tokens_is_refused(tmp_path):
    tokens(tmp_path, [np.arange(9, dtype=np.int32)])
    np.save(tmp_path / "tokens-00000.ends.npy", np.array([5, 8]))
    entry = shards.shard_of(tmp_path, ["tokens-00000.bin", "tokens-00000.ends.npy"], 1, 9)
    shards.write(tmp_path, shards.Manifest("tokens", "hash", (entry,), {"vocabulary": 1000}))
    with pytest.raises(Refusal, match="the index does not fit the tokens"):
        FlatTokens(tmp_path, shards.read(tmp_path))


def test_a_tokenizer_is_known_by_what_it_does_and_not_by_its_settings(tmp_path):
    made = Char().build(lambda: iter(["abc"]))
    before = shards.tokenizer_hash(made)
    made.backend_tokenizer.enable_truncation(3)
    assert shards.tokenizer_hash(made) == before
    assert shards.tokenizer_hash(Char().build(lambda: iter(["abd"]))) != before
