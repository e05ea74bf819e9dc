"""Sound inputs, from which damaged ones are made."""

import io
import json
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]

Seed = tuple[str, str, bytes]
"""The suffix of its file, the form that mutations know, the bytes."""

TEXTS = ["物流太慢，再也不买了", "好", "The screen broke after two days.", "😀李明在家，王五说李明不在", 'a,b "c"\n d']

_RECIPE = b"""name: everything
seed: 3
language: zh
stages:
  clean:
    kind: prepare
    data:
      - {kind: csv, path: a.csv, columns: {text: review}, encoding: auto}
      - {kind: jsonl, path: "b*.jsonl", on_bad_row: skip}
    test: {kind: text, path: c.txt}
    cleaners: [whitespace, {kind: length, minimum: 2, maximum: 4000}, {kind: language, keep: [zh]}]
    split: {validation: 0.1, test: 0.1}
    augment: [{kind: swap, share: 0.1}]
  vocabulary:
    kind: tokenizer
    data: "@clean"
    tokenizer: {kind: wordpiece, size: 4000}
  pretrain:
    kind: train
    data: "@clean"
    tokenizer: "@vocabulary"
    model: {kind: scratch, architecture: bert, size: tiny}
    task: {kind: masked_lm, masked: 0.3}
    train: {epochs: 2, rate: 5e-4, batch_tokens: 4096}
  finetune:
    kind: train
    data: "@clean"
    validation: "@clean:validation"
    model: {kind: pretrained, path: "@pretrain"}
    task: {kind: classify, labels: [good, bad]}
    tuning: {kind: lora, rank: 4}
  score:
    kind: evaluate
    bundle: "@finetune"
    data: "@clean"
"""

_CHAT = [
    {"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "hi"}], "id": 1},
    {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}], "system": "s"},
    {"instruction": "add", "input": "1 1", "output": "2"},
    {
        "messages": [{"role": "user", "content": "q"}],
        "chosen": "a",
        "rejected": [{"role": "assistant", "content": "b"}],
    },
]
_SPANS = [
    {"text": TEXTS[3], "label": {"PER": {"李明": [[1, 2]]}}},
    {"text": "abc def", "label": [[0, 3, "X"], {"start": 4, "end": 7, "label": "Y", "text": "def"}]},
]
_SQUAD = {
    "data": [{"paragraphs": [{"context": "The cat sat. 猫", "qas": [
        {"id": "1", "question": "Who?", "answers": [{"text": "cat", "answer_start": 4}]},
        {"id": "2", "question": "No?", "answers": [], "is_impossible": True}]}]}]
}  # fmt: skip
_ARC = [{"id": "q", "question": {"stem": "谁?", "choices": [{"label": "1", "text": "a"}, {"label": "2", "text": "b"}]},
         "answerKey": "2"}]  # fmt: skip
_NRE = [{"text": TEXTS[3], "h": {"name": "李明", "pos": [1, 3]}, "t": {"pos": [0, 1]}, "relation": "x"},
        {"token": ["a", "b", "c"], "h": {"pos": [0, 1]}, "t": {"pos": [1, 3]}, "relation": "y"}]  # fmt: skip
_ROWS = [
    {"text": text, "label": "好评" if number % 2 else "bad", "id": number, "score": 0.5, "tokens": ["a", "b"],
     "entities": [{"start": 0, "end": 1, "label": "PER"}]}
    for number, text in enumerate(TEXTS)
]  # fmt: skip
_CSV = "text,label,id\n" + "".join('"{}",{},{}\n'.format(t.replace('"', '""'), n % 2, n) for n, t in enumerate(TEXTS))
_CONLL = "EU NNP B-ORG\nrejects VBZ O\n\n-DOCSTART- -X- O\n\n李\tB-PER\n明\tI-PER\n在\tO\n"
_PFR = "19980101-01-001-001/m  迈向/v  充满/v  [中央/n  电视台/n]nt  江/nr  泽民/nr  。/w\n"
_MARKED = 'Cause\tthe <e1>child</e1> in the <e2>cradle</e2>\n1\t"A <e1>b</e1> c <e2>d</e2>."\nOther\nComment: x\n'
_HTML = "<html><head><title>t</title></head><body><p>Hello <b>你好</b></p><ul><li>a<li>b</ul></body></html>"


def _lines(rows: list[object]) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _tables() -> dict[str, list[Seed]]:
    """Arrow and Parquet, of several types of columns."""
    import pyarrow as pa
    from pyarrow import feather, parquet

    table = pa.Table.from_pylist(_ROWS * 20).append_column("when", pa.array([None] * 100, pa.timestamp("us")))
    coded = table.set_column(1, "label", table["label"].dictionary_encode())
    made: dict[str, list[Seed]] = {"arrow": [], "parquet": []}
    for each in (table, coded):
        out = io.BytesIO()
        with pa.ipc.new_file(out, each.schema) as writer:
            writer.write_table(each)
        made["arrow"].append((".arrow", "bytes", out.getvalue()))
        out = io.BytesIO()
        with pa.ipc.new_stream(out, each.schema) as writer:
            writer.write_table(each)
        made["arrow"].append((".arrow", "bytes", out.getvalue()))
        for packing in ("snappy", "gzip", "none"):
            out = io.BytesIO()
            parquet.write_table(each, out, compression=packing)
            made["parquet"].append((".parquet", "bytes", out.getvalue()))
    out = io.BytesIO()
    feather.write_feather(table, out, compression="uncompressed")
    return {**made, "arrow": [*made["arrow"], (".feather", "bytes", out.getvalue())]}


def _zip(name: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return out.getvalue()


def _pdf() -> bytes:
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>/MediaBox[0 0 9 9]>>",
        b"<</Length 22>>stream\nBT /F 9 Tf (hi) Tj ET \nendstream", b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]  # fmt: skip
    return (
        b"%PDF-1.7\n"
        + b"".join(b"%d 0 obj\n%s\nendobj\n" % pair for pair in enumerate(objects, 1))
        + (b"trailer\n<</Size 6/Root 1 0 R>>\n%%EOF")
    )


def formats() -> dict[str, list[Seed]]:
    """Sound files by kind of format; a kind that is not named here gets those of json, json lines and text."""
    import gzip

    text: Seed = (".txt", "text", "\n".join(TEXTS).encode())
    rows: Seed = (".jsonl", "jsonl", _lines(_ROWS))
    whole: Seed = (".json", "json", _json(_ROWS))
    csv: Seed = (".csv", "csv", _CSV.encode())
    return {
        **_tables(),
        "csv": [csv, (".csv", "csv", _CSV.encode("gb18030", "replace")), (".csv.gz", "bytes", gzip.compress(csv[2]))],
        "tsv": [(".tsv", "csv", _CSV.replace(",", "\t").encode())],
        "json": [whole, (".json", "json", _json({"data": _ROWS, "version": 1}))],
        "jsonl": [rows, (".zip", "bytes", _zip("a.jsonl", rows[2]))],
        "chat": [(".json", "json", _json(_CHAT)), (".jsonl", "jsonl", _lines(_CHAT))],
        "spans": [(".json", "json", _json(_SPANS)), (".jsonl", "jsonl", _lines(_SPANS))],
        "choices": [(".jsonl", "jsonl", _lines(_ARC))],
        "relations": [(".jsonl", "jsonl", _lines(_NRE))],
        "squad": [(".json", "json", _json(_SQUAD))],
        "conll": [(".conll", "text", _CONLL.encode())],
        "pfr": [(".txt", "text", _PFR.encode())],
        "marked": [(".txt", "text", _MARKED.encode())],
        "words": [(".txt", "text", "物流 太 慢 ， 再 也 不 买 了\n好\n".encode())],
        "text": [text, (".txt", "bytes", text[2].decode().encode("utf-16"))],
        "folder": [(".html", "text", _HTML.encode()), (".md", "text", b"# a\n\nb")],
        "pdf": [(".pdf", "bytes", _pdf())],
        "other": [whole, rows, text, csv],
    }


def recipes() -> list[bytes]:
    """Those that come with the package, those of the examples, and one that holds a bit of everything."""
    files = [*ROOT.glob("src/danlu/recipes/*.yaml"), *ROOT.glob("examples/**/*.yaml")]
    return [_RECIPE, *(path.read_bytes() for path in sorted(files))]
