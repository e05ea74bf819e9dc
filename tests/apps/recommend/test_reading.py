"""Files as people have them; what cannot be read is told, and the rest goes on."""

from pathlib import Path

import pytest

from danlu.apps.recommend.deed import USUAL, weights_in, weights_of
from danlu.apps.recommend.opening import SAMPLE, put_file, put_sample, take_file
from danlu.apps.recommend.reading import Unread, deeds_of, items_of, moment_in
from danlu.refusal import Refusal

WEIGHTS = weights_of(USUAL)


def written(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def test_items_have_the_names_that_people_give_their_columns(tmp_path: Path) -> None:
    unread = Unread()
    rows = [
        '{"ID": 7, "content": "泡茶", "date": "2026-11-27"}',
        '{"id": "x"}',
        '{"id": "y", "title": ["a"]}',
        "nonsense",
        '{"id": "z", "title": "Z"}',
    ]
    path = written(tmp_path, "news.jsonl", "\n".join(rows))
    seven, last = items_of(path, unread)
    assert (seven.id, seven.text, seven.time) == ("7", "泡茶", moment_in("2026-11-27T00:00:00Z"))
    assert (last.id, last.time) == ("z", None)
    assert unread.count == 3
    assert "neither title nor text" in unread.sentences()[0]


def test_behaviour_without_a_time_is_of_now_and_without_an_action_the_lightest(tmp_path: Path) -> None:
    unread = Unread()
    path = written(
        tmp_path,
        "b.csv",
        "user_id,item_id,event,timestamp\nu,i,share,1790000000000\nv,i,,\nw,i,stare,5\n,i,view,5\nu,i,view,gestern\n",
    )
    first, second = deeds_of(path, WEIGHTS, 99.0, unread)
    assert (first.user, first.action, first.time) == ("u", "share", 1.79e9)
    assert (second.action, second.time) == ("view", 99.0)
    assert unread.count == 3
    assert "row 3: the action 'stare' has no weight; did you mean 'share'?" in unread.first[0]


@pytest.mark.parametrize(
    ("text", "wanted"), [("a,b\n1,2\n", "no column 'user'"), ("user,b\n1,2\n", "no column 'item'")]
)
def test_a_file_without_a_column_is_refused(tmp_path: Path, text: str, wanted: str) -> None:
    with pytest.raises(Refusal, match=wanted):
        list(deeds_of(written(tmp_path, "x.csv", text), WEIGHTS, 0.0, Unread()))


def test_times_are_seconds_milliseconds_and_dates() -> None:
    assert moment_in("2026-11-27T08:00:00+08:00") == moment_in("2026/11/27 00:00:00") == moment_in(1795737600000)
    for wrong in ("soon", True, None, "nan days"):
        with pytest.raises(Refusal, match="is none"):
            moment_in(wrong)


def test_weights_are_written_as_they_are_read() -> None:
    assert weights_in("view=1, 收藏=2.5").plain() == {"view": 1.0, "收藏": 2.5}
    for wrong in ("", "view", "view=x", "view=0", "view=1e9", "=1"):
        with pytest.raises(Refusal, match="weights"):
            weights_in(wrong)


def test_files_a_second_time_change_nothing(opened, tmp_path: Path) -> None:
    found, said = opened(), []
    for _ in range(2):
        put_file(found, str(SAMPLE / "items.csv"), said.append)
        take_file(found, str(SAMPLE / "behaviour.csv"), said.append)
    assert "36 new items, 0 changed" in said[0]
    assert "0 new items, 0 changed" in said[2]
    assert "0 taken; " in said[3]
    assert "known already" in said[3]


def test_the_sample_is_of_both_languages_and_put_once(opened) -> None:
    found, said = opened(), []
    put_sample(found, said.append)
    put_sample(found, said.append)
    assert said[1] == "the sample is here already"
    assert len(found.catalogue) == 36
    assert not found.behaviour.waiting
    titles = " ".join(item.title for item in found.catalogue.items)
    assert "乌龙茶" in titles
    assert "kitchen" in " ".join(item.text for item in found.catalogue.items)
    assert len(found.recommend("王芳", 10)) == 10
