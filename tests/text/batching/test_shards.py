import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from danlu.refusal import Refusal
from danlu.text.batching import shards
from danlu.text.batching.encoded import Encoded
from danlu.text.batching.flat import DocumentRows, FlatTokens, PackedRows, number_type, write_tokens
from danlu.text.batching.rows import Rows, write_rows
from danlu.text.tokenizing.tokenizers.char import Char


def encoded(rng, labels):
    rows = []
    for number in range(23):
        length = int(rng.integers(1, 30))
        ids = rng.integers(0, 900, length).astype(np.int32)
        rows.append(
            Encoded(
                number // 2,
                ids,
                np.stack([np.arange(length), np.arange(length) + 1], 1).astype(np.int32) if number % 3 else None,
                labels(number, ids),
                np.zeros(length, np.int32) if number % 5 == 0 else None,
                start=number,
                cut=number % 4,
                widened=number % 2,
            )
        )
    return rows


LABELS = {
    "none": lambda number, ids: None,
    "number": lambda number, ids: number % 3,
    "value": lambda number, ids: number / 3,
    "row": lambda number, ids: np.where(ids > 400, -100, ids),
    "some rows": lambda number, ids: ids if number % 2 else None,
}


def stored(folder, rows, size=4, **options):
    folder.mkdir(parents=True, exist_ok=True)
    chunks = [rows[start : start + size] for start in range(0, len(rows), size)]
    manifest = shards.Manifest("rows", "hash", tuple(write_rows(folder, iter(chunks), **options)))
    shards.write(folder, manifest)
    return manifest


def same(left, right):
    return left is right or (type(left) is type(right) and np.array_equal(left, right))


@pytest.mark.parametrize("name", LABELS)
@pytest.mark.parametrize("shard", [60, 10**6])
def test_rows_come_back_as_they_were(tmp_path, name, shard):
    rows = encoded(np.random.default_rng(1), LABELS[name])
    manifest = stored(tmp_path, rows, shard=shard)
    assert (len(manifest.shards) > 1) == (shard == 60)
    assert (manifest.count, manifest.tokens) == (len(rows), sum(map(len, rows)))
    found = Rows(tmp_path, shards.read(tmp_path))
    assert len(found) == len(rows)
    assert found.lengths.tolist() == [len(row) for row in rows]
    for wanted, got in zip(rows, found, strict=True):
        for key in Encoded.__slots__:
            assert same(getattr(wanted, key), getattr(got, key)), key
    assert found[-1].record == rows[-1].record
    assert [row.start for row in found[3:9:2]] == [3, 5, 7]
    with pytest.raises(IndexError):
        found[len(rows)]


def test_labels_without_a_column_are_refused(tmp_path):
    rows = [Encoded(0, np.array([1], np.int32), labels={"start": 1})]
    with pytest.raises(Refusal, match="labels of this task cannot be written to shards"):
        stored(tmp_path, rows)


def tokens(folder, documents, vocabulary=1000, **options):
    folder.mkdir(parents=True, exist_ok=True)
    chunks = [documents[start : start + 3] for start in range(0, len(documents), 3)]
    written = write_tokens(folder, iter(chunks), vocabulary, **options)
    shards.write(folder, shards.Manifest("tokens", "hash", tuple(written), {"vocabulary": vocabulary}))
    return FlatTokens(folder, shards.read(folder))


DOCUMENTS = st.lists(st.lists(st.integers(5, 99), max_size=20), min_size=1, max_size=12).filter(any)


def next_tokens(row):
    labels = np.append(row.input_ids[1:], -100)
    labels[:-1][np.diff(row.segments) > 0] = -100
    return labels


@settings(max_examples=40, deadline=None)
@given(DOCUMENTS, st.integers(2, 9), st.sampled_from([10, 10**6]))
def test_packed_rows_predict_every_token_but_the_first_of_a_document_once(tmp_path_factory, documents, size, shard):
    flat = tokens(tmp_path_factory.mktemp("flat"), [np.array(d, np.int32) for d in documents], shard=shard)
    assert sum(len(part) for part, _ in flat.parts) == sum(map(len, documents))
    rows = PackedRows(flat, size, next_tokens)
    assert [len(row) for row in rows] == rows.lengths.tolist()
    pairs = [
        (int(row.input_ids[at]), int(row.labels[at])) for row in rows for at in range(len(row)) if row.labels[at] >= 0
    ]
    assert pairs == [pair for d in documents for pair in pairwise(d)]
    assert all(row.segments[0] == 0 and (np.diff(row.segments) >= 0).all() for row in rows)
    assert all(np.diff(row.segments).max(initial=0) <= 1 for row in rows)


@settings(max_examples=40, deadline=None)
@given(DOCUMENTS, st.integers(4, 9), st.integers(0, 1), st.sampled_from([10, 10**6]))
def test_document_rows_are_the_windows_of_each_document(tmp_path_factory, documents, size, overlap, shard):
    whole = [np.array([1, *d, 2], np.int32) for d in documents]
    rows = DocumentRows(
        tokens(tmp_path_factory.mktemp("flat"), whole, shard=shard),
        size,
        lambda row: row.input_ids,
        around=(1, 1),
        overlap=overlap,
    )
    assert [len(row) for row in rows] == rows.lengths.tolist()
    assert rows.lengths.max() <= size
    found = {}
    for row in rows:
        assert (row.input_ids[0], row.input_ids[-1]) == (1, 2)
        inside = row.input_ids[1:-1].tolist()
        assert row.start == max(0, len(found.get(row.record, [])) - overlap)
        found[row.record] = found.get(row.record, [])[: row.start] + inside
    assert [found[number] for number in range(len(documents))] == documents


def test_numbers_take_two_bytes_where_they_can(tmp_path):
    assert number_type(65_536).itemsize == 2
    assert number_type(65_537).itemsize == 4
    document = np.array([65_535, 70_000], np.int32)
    flat = tokens(tmp_path, [document], vocabulary=70_001)
    assert flat.parts[0][0].tolist() == document.tolist()
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
    stored(tmp_path, encoded(np.random.default_rng(0), LABELS["row"]))
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
