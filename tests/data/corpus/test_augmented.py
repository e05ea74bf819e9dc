"""New rows behind a training split: none has a text that is held out, and what an augmenter did not make is told."""

from pathlib import Path

from danlu.data.augmenting.augmenter import Augmenter
from danlu.data.corpus.augmented import Augmented, augment_train
from danlu.data.corpus.ingest import folded_keys
from danlu.data.corpus.prepared import load, save_split
from danlu.data.record import Record

RECORDS: list[Record] = [{"text": text, "label": "on"} for text in ("turn on the light", "turn on the big fan")]
CHINESE: list[Record] = [{"text": "开灯", "label": "on"}]
HELD = ["Turn on  light", "turn the big fan", "nothing of it"]


def augmented(folder: Path, records: list[Record], **section: object) -> Augmented:
    save_split(folder, "train", records)
    return augment_train(folder, [Augmenter.model_validate(section)], 0, folded_keys(HELD), "text")


def test_no_new_row_has_a_text_that_is_held_out(tmp_path: Path) -> None:
    made = augmented(tmp_path, RECORDS, kind="delete", copies=30)
    rows = load(tmp_path, "train")
    assert rows[:2] == RECORDS
    assert not {row["text"] for row in rows} & {text.lower().replace("  ", " ") for text in HELD}
    assert made.held == 2
    assert (len(rows), made.rows) == (2 + made.made[0][1],) * 2
    assert made.in_words() == [
        f"new rows for training: delete {made.made[0][1]}",
        "2 more are left out, for validation or test has their text",
    ]


def test_an_augmenter_that_made_nothing_is_told(tmp_path: Path) -> None:
    made = augmented(tmp_path, CHINESE, kind="keyboard", words="character")
    assert made.in_words() == [
        "new rows for training: keyboard 0",
        "! the augmenter keyboard made no new row of these records",
    ]
    assert made.in_words("zh")[0] != made.in_words()[0]
    assert load(tmp_path, "train") == CHINESE
