"""The real data of ../shared/data, as its publishers ship it, each set by the recipe in examples/data."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.format import Format
from danlu.data.record import Record

ROOT = Path(__file__).parents[3]
DATA = ROOT / "../shared/data"
RECIPES = sorted((ROOT / "examples" / "data").glob("*.yaml"))

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the real data of ../shared/data is not here")

FILES: list[tuple[str, str, str, int, set[str]]] = [
    # recipe, key of the stage, file, records, columns that every record has
    ("sst2", "data", "sst2/train.tsv", 60_614, {"text", "label"}),
    ("sst2", "validation", "sst2/dev.tsv", 6_735, {"text", "label"}),
    ("sst2", "test", "sst2/test.tsv", 872, {"text", "label"}),
    ("chnsenticorp", "data", "chnsenticorp/chnsenticorp.zip", 9_600, {"text", "label"}),
    ("chnsenticorp", "validation", "chnsenticorp/chnsenticorp.zip", 1_200, {"text", "label"}),
    ("chnsenticorp", "test", "chnsenticorp/chnsenticorp.zip", 1_200, {"text", "label"}),
    ("car_topics", "data", "bdci_car_2018/train_2.csv", 10_654, {"text", "labels", "content_id"}),
    ("sick", "data", "sick2014/SICK_train.txt", 4_500, {"text", "text_pair", "label", "score"}),
    ("sick", "test", "sick2014/SICK_test_annotated.txt", 4_927, {"text", "text_pair", "label", "score"}),
    ("eprstmt", "data", "fewclue/eprstmt/train_few_all.json", 160, {"text", "label"}),
    ("eprstmt", "validation", "fewclue/eprstmt/dev_few_all.json", 160, {"text", "label"}),
    ("eprstmt", "test", "fewclue/eprstmt/test_public.json", 610, {"text", "label"}),
    ("ocnli", "data", "fewclue/ocnli/train_few_all.json", 160, {"text", "text_pair", "label"}),
    ("ocnli", "validation", "fewclue/ocnli/dev_few_all.json", 160, {"text", "text_pair", "label"}),
    ("ocnli", "test", "fewclue/ocnli/test_public.json", 2_520, {"text", "text_pair", "label"}),
    ("bustm", "data", "fewclue/bustm/train_few_all.json", 160, {"text", "text_pair", "label"}),
    ("bustm", "validation", "fewclue/bustm/dev_few_all.json", 160, {"text", "text_pair", "label"}),
    ("bustm", "test", "fewclue/bustm/test_public.json", 1_772, {"text", "text_pair", "label"}),
    ("wnut17", "data", "wnut17/wnut17train.conll", 3_394, {"tokens", "tags"}),
    ("wnut17", "validation", "wnut17/emerging.dev.conll", 1_009, {"tokens", "tags"}),
    ("wnut17", "test", "wnut17/emerging.test.annotated", 1_287, {"tokens", "tags"}),
    ("cluener", "data", "cluener2020/train.json", 10_748, {"text", "entities"}),
    ("cluener", "test", "cluener2020/test.json", 1_343, {"text", "entities"}),
    ("semeval_relations", "data", "semeval2010_task8/train.tsv", 8_000, {"text", "head", "tail", "label"}),
    ("semeval_relations", "test", "semeval2010_task8/test.tsv", 2_717, {"text", "head", "tail", "label"}),
    ("cmrc2018", "data", "cmrc2018/cmrc2018_dev.json", 3_219, {"context", "question", "answers"}),
    ("cmrc2018", "test", "cmrc2018/cmrc2018_trial.json", 1_002, {"context", "question", "answers"}),
    ("xquad", "data", "xquad_en/xquad.en.json", 1_190, {"context", "question", "answers"}),
    ("tatoeba", "data", "tatoeba_cmn_eng/cmn.txt", 29_155, {"text", "translation"}),
    ("instructions", "data", "instructions/*.json", 999 + 1_000 + 91, {"messages"}),
    ("preference", "data", "preference/*.json", 600, {"messages", "chosen", "rejected"}),
    ("shakespeare", "data", "tinyshakespeare/input.txt", 1, {"text"}),
    ("shakespeare_characters", "data", "tinyshakespeare/input.txt", 1, {"text"}),
    ("songci_to_order", "data", "songci/ci.song.*.json", 7_003, {"text", "target"}),
    ("songci", "data", "songci/ci.song.*.json", 7_003, {"text"}),
]


def records(recipe: str, key: str, path: str) -> tuple[list[Record], BadRows]:
    (stage, *_) = yaml.safe_load((ROOT / "examples" / "data" / f"{recipe}.yaml").read_text(encoding="utf-8"))[
        "stages"
    ].values()
    section: dict[str, Any] = stage[key]
    bad_rows = BadRows()
    return list(Format.model_validate(section | {"path": str(DATA / path)}).read(bad_rows=bad_rows)), bad_rows


def test_every_set_has_a_recipe_and_every_recipe_is_read_here() -> None:
    made = {"shakespeare_characters_long"}  # reads what its benchmark writes
    assert {path.stem for path in RECIPES} - made == {recipe for recipe, *_ in FILES}
    folders = {path.name for path in DATA.iterdir() if path.is_dir()}
    assert {path.partition("/")[0] for _, _, path, *_ in FILES} == folders


@pytest.mark.parametrize(("recipe", "key", "path", "count", "columns"), FILES, ids=[f"{f[0]}-{f[1]}" for f in FILES])
def test_a_set_is_read_whole_as_it_is_published(
    recipe: str, key: str, path: str, count: int, columns: set[str]
) -> None:
    found, bad_rows = records(recipe, key, path)
    assert len(found) == count
    assert bad_rows.count == 0
    assert all(columns <= record.keys() for record in found)


def test_spans_answers_and_relations_cover_what_is_meant() -> None:
    entities, _ = records("cluener", "data", "cluener2020/train.json")
    covered = {e["label"]: r["text"][e["start"] : e["end"]] for r in entities[:1] for e in r["entities"][:1]}
    assert covered == {"company": "浙商银行"}
    assert len(Counter(entity["label"] for record in entities for entity in record["entities"])) == 10
    questions, told = records("cmrc2018", "data", "cmrc2018/cmrc2018_dev.json")
    for record in questions:
        for answer in record["answers"]:
            assert record["context"].startswith(answer["text"], answer["start"])
    assert told.mended["answers moved to where their text stands"] == 7
    relations, _ = records("semeval_relations", "data", "semeval2010_task8/train.tsv")
    assert len({record["label"] for record in relations}) == 19
    assert not any("<e" in record["text"] for record in relations)
    slots, _ = records("instructions", "data", "instructions/identity.json")
    assert not any("{{" in message["content"] for record in slots for message in record["messages"])
