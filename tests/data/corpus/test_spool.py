from pathlib import Path

import numpy as np
import pytest
from pyarrow import int64, string

from danlu.data.corpus import spool as spooling
from danlu.data.corpus.executors.local import Local
from danlu.data.corpus.ingest import Ingest, RawChunk, keys_of, raw_chunks
from danlu.data.corpus.spool import Spool, spooled_clusters
from danlu.data.corpus.stored import arrow_table, conformed, one_schema, read_arrow, stored_records, write_arrow
from danlu.data.duplicates.dedup import find_clusters
from danlu.data.record import Record
from danlu.machine.seed import generator
from danlu.refusal import Refusal


def spooled(folder: Path, records: list[Record], size: int = 37, **settings: object) -> Spool:
    ingest = Ingest(folder, "text", 0.8, **settings)  # type: ignore[arg-type]
    chunks = []
    for number, start in enumerate(range(0, len(records), size)):
        part = records[start : start + size]
        numbers = range(start + 1, start + len(part) + 1)
        chunks.append(ingest(RawChunk(number, 0, "train", "a.jsonl", numbers, part)))
    return Spool(folder, chunks, "text")


def crowd() -> list[str]:
    """Texts of which many are equal, alike, or alike through others."""
    rng = generator("crowd")
    texts = []
    for _ in range(60):
        first = list(map(chr, rng.integers(0x4E00, 0x9FA5, 50)))
        for _ in range(5):
            first[int(rng.integers(50))] = "变"
            texts.append("".join(first) + " " * int(rng.integers(2)))
        texts.append(texts[-1].replace("变", "Ａ"))
    return [texts[row] for row in rng.permutation(len(texts)).tolist()]


@pytest.mark.parametrize("together", [50, 2**22])
def test_clusters_out_of_core_are_those_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, together: int
) -> None:
    monkeypatch.setattr(spooling, "_TOGETHER", together)
    monkeypatch.setattr(spooling, "_PAIRS", 7)
    texts = crowd()
    wanted = find_clusters(texts)
    found = spooled_clusters(spooled(tmp_path, [{"text": text} for text in texts]), 0.8, Local(processes=1))
    exact, near = found.exact, found.near
    assert exact.tolist() == wanted.exact.tolist()
    assert near.tolist() == wanted.near.tolist()
    assert 60 <= len(set(near.tolist())) < len(set(exact.tolist())) < len(texts)


def test_keys_do_not_depend_on_the_texts_beside() -> None:
    texts = [*crowd()[:100], "", "a", "长" * 200_000]
    together = keys_of(texts, 0.8)
    alone = [keys_of([text], 0.8) for text in texts]
    for name, found in together.items():
        apart = np.concatenate([one[name] for one in alone], axis=1 if name == "bands" else 0)
        assert np.array_equal(found, apart)


def test_texts_and_places_of_rows_are_found_again(tmp_path: Path) -> None:
    records: list[Record] = [{"text": f"第{n}句"} for n in range(100)] + [{"tokens": ["a", str(n)]} for n in range(50)]
    records[10] = {"text": " "}
    spool = spooled(tmp_path, records)
    assert spool.rows == 149
    rows = np.array([0, 9, 10, 98, 99, 148])
    assert spool.reader().of(rows) == ["第0句", "第9句", "第11句", "第99句", "a 0", "a 49"]
    assert spool.where(10) == "a.jsonl: record 12"


def test_labels_times_and_groups_of_rows(tmp_path: Path) -> None:
    times = ["2024-05-31", 5, "7.5"]
    records: list[Record] = [
        {"text": f"t{n}", "label": "ab"[n % 2], "when": times[n % 3], "who": n % 2} for n in range(6)
    ]
    for record in records:
        record["when"] = str(record["when"])
    spool = spooled(tmp_path, records, 2, group="who", time="when", stratum="who")
    codes, names = spool.coded("label")
    assert [names[code] for code in codes] == list("ababab")
    codes, names = spool.coded("stratum")
    assert [names[code] for code in codes] == list("010101")
    assert len(np.unique(spool.values("group"))) == 2
    assert spool.values("time")[1:3].tolist() == [5, 7.5]
    with pytest.raises(Refusal, match=r"a\.jsonl: record 2 has no column 'who'; .* 'split\.group'"):
        spooled(tmp_path, [{"text": "a", "who": 1}, {"text": "b"}], group="who")
    with pytest.raises(Refusal, match=r"a\.jsonl: record 1: 'soon' is no time"):
        spooled(tmp_path, [{"text": "a", "when": "soon"}], time="when")


def test_pieces_are_cut_by_bytes_of_text_and_number_their_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("danlu.data.corpus.ingest.CHUNK", 30)
    found = list(raw_chunks([("test", "a", [{"text": "好" * 5}] * 5), ("train", "b", [{"text": "x" * 40}])], "text"))
    assert [(piece.number, piece.source, piece.origin, list(piece.numbers)) for piece in found] == [
        (0, 0, "test", [1, 2]),
        (1, 0, "test", [3, 4]),
        (2, 0, "test", [5]),
        (3, 1, "train", [1]),
    ]


def test_tables_are_brought_to_one_schema_or_refused(tmp_path: Path) -> None:
    first = [{"text": "a", "score": 1, "entities": [{"start": 0, "end": 1, "label": "X"}]}]
    second = [{"text": "b", "score": 0.5, "entities": [{"start": 0, "end": 1, "label": "X", "sure": True}]}]
    tables = [arrow_table(first), arrow_table(second), arrow_table([{"text": "c"}])]
    schema = one_schema([table.schema for table in tables])
    write_arrow(tmp_path / "a.arrow", tables[0])
    read = [conformed(table, schema) for table in (read_arrow(tmp_path / "a.arrow"), *tables[1:])]
    assert all(table.schema == schema for table in read)
    assert [record for table in read for record in stored_records(table)] == [*first, *second, {"text": "c"}]
    with pytest.raises(Refusal, match="column 'entities' cannot be stored"):
        one_schema([tables[0].schema, arrow_table([{"entities": "X"}]).schema])
    mixed = one_schema([tables[0].schema, arrow_table([{"score": "high"}]).schema])
    assert mixed.field("score").type == string()  # numbers and texts, and nobody asked for them
    assert schema.field("score").type != int64()
