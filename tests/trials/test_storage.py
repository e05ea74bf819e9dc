"""Where a study is kept."""

from pathlib import Path

import pytest
from sqlalchemy import text

from danlu.refusal import Refusal
from danlu.trials.storage import opened


def test_a_database_that_goes_away_is_one_sentence(tmp_path: Path) -> None:
    words = "search.db: is not there any more .*; the same command goes on"
    with (
        pytest.raises(Refusal, match=words),
        opened(None, tmp_path, print) as store,
        store.engine.begin() as connection,
    ):
        connection.execute(text("SELECT * FROM gone"))


def test_a_folder_of_any_name_holds_its_database(tmp_path: Path) -> None:
    folder = tmp_path / "what? {100%} #1"
    folder.mkdir()
    with opened(None, folder, print):
        assert (folder / "search.db").is_file()
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]
