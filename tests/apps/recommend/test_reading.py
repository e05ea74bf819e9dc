"""Files as people have them; what cannot be read is told, and the rest goes on."""

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from danlu.apps.recommend.deed import USUAL, Deed, weights_in, weights_of
from danlu.apps.recommend.item import Item
from danlu.apps.recommend.ledger import Ledger
from danlu.apps.recommend.opening import SAMPLE, put_file, put_sample, take_file
from danlu.apps.recommend.reading import OF_ITEMS, Heard, deeds_of, items_of, moment_in
from danlu.apps.recommend.recommender import Recommender
from danlu.apps.recommend.together import Together
from danlu.data.reading.bad_rows import BadRows
from danlu.refusal import Refusal

WEIGHTS = weights_of(USUAL)
DAY = 86_400.0
END = 1_790_000_000.0 + 40 * DAY


def written(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def test_items_have_the_names_that_people_give_their_columns(tmp_path: Path) -> None:
    bad_rows = BadRows()
    rows = [
        '{"ID": 7, "content": "泡茶", "date": "2026-11-27"}',
        '{"id": "x"}',
        '{"id": "y", "title": ["a"]}',
        "nonsense",
        '{"id": "z", "title": "Z"}',
    ]
    path = written(tmp_path, "news.jsonl", "\n".join(rows))
    seven, last = items_of(path, bad_rows)
    assert (seven.id, seven.text, seven.time) == ("7", "泡茶", moment_in("2026-11-27T00:00:00Z"))
    assert (last.id, last.time) == ("z", None)
    assert bad_rows.count == 3
    assert "neither title nor text" in bad_rows.first[0]


def test_behaviour_without_a_time_is_of_what_is_told_and_without_an_action_the_lightest(tmp_path: Path) -> None:
    bad_rows = BadRows()
    path = written(
        tmp_path,
        "b.csv",
        "user_id,item_id,event,timestamp\nu,i,share,1790000000000\nv,i,,\nw,i,stare,5\n,i,view,5\nu,i,view,gestern\n",
    )
    first, second = deeds_of(path, WEIGHTS, lambda *_row: 99.0, bad_rows)
    assert (first.user, first.action, first.time) == ("u", "share", 1.79e9)
    assert (second.action, second.time) == ("view", 99.0)
    assert bad_rows.count == 3
    assert "row 3: the action 'stare' has no weight; did you mean 'share'?" in bad_rows.first[0]


def test_logs_of_shops_are_read_with_their_actions_and_times_and_what_was_read_as_what_is_told(
    opened, tmp_path: Path
) -> None:
    found, said = opened(), []
    put_file(found, written(tmp_path, "i.csv", "item_id,title,created_at\ni,tea,2026-09-01\n"), said.append)
    rows = "u,i,9,share,2026-09-20 08:00:00 UTC\nu,i,9,buy,2026-09-21 08:00:00 UTC\n"
    path = written(tmp_path, "b.csv", f"user_id,item_id,category_id,behavior_type,event_time\n{rows}")
    take_file(found, path, said.append)
    assert [line.partition(": ")[2] for line in said if "column" in line] == [
        "columns that were read: item_id → item, title → title, created_at → time",
        "no column is read as text",
        "columns that were read: user_id → user, item_id → item, behavior_type → action, event_time → time",
    ]
    assert found.offered("i") == Item("i", "tea", "", moment_in("2026-09-01"))
    assert found.ledger.everything()[1] == [Deed("u", "i", "share", moment_in("2026-09-20T08:00:00"))]
    assert any("the action 'buy' has no weight" in line for line in said)
    bought, bad_rows = weights_in("view=1,share=2,buy=9"), BadRows()
    assert [deed.action for deed in deeds_of(path, bought, lambda *_row: 0.0, bad_rows)] == ["share", "buy"]


def test_rows_that_tell_no_action_and_no_time_are_counted(opened, tmp_path: Path) -> None:
    found, said = opened(), []
    take_file(found, written(tmp_path, "b.csv", "user,item,deed,at\nu,i,share,5\nv,i,share,6\n"), said.append)
    assert len(said) == 1, "columns with the usual names are not told of"
    assert "2 rows tell no action, and are taken as 'view'; 2 rows tell no time, and are of when they were" in said[0]


def test_names_are_the_same_as_numbers_and_with_blanks_around_them(tmp_path: Path) -> None:
    bad_rows = BadRows()
    rows = ['{"user": 3.0, "item": " 1"}', '{"user": "3 ", "item": 1}', '{"user": 2.5, "item": "1"}']
    wrong = ['{"user": true, "item": 1}', '{"user": 1, "item": NaN}', '{"user": " ", "item": 1}']
    path = written(tmp_path, "b.jsonl", "\n".join(rows + wrong))
    found = list(deeds_of(path, WEIGHTS, lambda *_row: 0.0, bad_rows))
    assert [(deed.user, deed.item) for deed in found] == [("3", "1"), ("3", "1"), ("2.5", "1")]
    assert bad_rows.count == 3
    assert "'user' is true; expected a text or a whole number" in bad_rows.first[0]
    (item,) = items_of(written(tmp_path, "i.jsonl", '{"id": 3.0, "title": " tea "}'), BadRows())
    assert (item.id, item.title) == ("3", " tea ")


def test_names_that_were_taken_as_they_were_written_before_stay_so(opened, tmp_path: Path) -> None:
    found, said = opened(), []
    found.put([Item("3.0", "tea"), Item(" x ", "pot"), Item("5.0", "cup"), Item("5", "mug")])
    found.take([Deed("7.0", "3.0", "view", END)])
    rows = ['{"id": 3.0, "title": "green tea"}', '{"id": " x ", "title": "can"}', '{"id": 5.0, "title": "jug"}']
    put_file(found, written(tmp_path, "i.jsonl", "\n".join(rows)), said.append)
    take_file(found, written(tmp_path, "b.jsonl", '{"user": 7.0, "item": 3.0, "action": "share"}'), said.append)
    assert {item.id: item.title for item in found.catalogue.items} == {
        "3.0": "green tea", " x ": "can", "5.0": "cup", "5": "jug",
    }  # fmt: skip
    assert {(deed.user, deed.item) for deed in found.ledger.everything()[1]} == {("7.0", "3.0")}


def test_what_is_no_time_in_a_column_that_may_hold_another_is_none(tmp_path: Path) -> None:
    bad_rows, heard = BadRows(), Heard(OF_ITEMS)
    rows = "a,tea,3 days ago\nb,pot,12/31/2023 10:00\nc,cup,2026-09-01\n"
    path = written(tmp_path, "i.csv", f"id,title,created_at\n{rows}")
    assert [item.time for item in items_of(path, bad_rows, heard)] == [None, None, moment_in("2026-09-01")]
    assert (bad_rows.count, heard.without_time) == (0, 2)
    path = written(tmp_path, "b.csv", "user,item,ts\nu,i,gestern\n")
    (deed,) = deeds_of(path, WEIGHTS, lambda *_row: 99.0, bad_rows)
    assert (deed.time, bad_rows.count) == (99.0, 0)


@pytest.mark.parametrize(
    ("text", "wanted"), [("a,b\n1,2\n", "no column 'user'"), ("user,b\n1,2\n", "no column 'item'")]
)
def test_a_file_without_a_column_is_refused(tmp_path: Path, text: str, wanted: str) -> None:
    with pytest.raises(Refusal, match=wanted):
        list(deeds_of(written(tmp_path, "x.csv", text), WEIGHTS, lambda *_row: 0.0, BadRows()))


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


def test_what_was_taken_away_stays_so_although_a_file_has_it_until_its_row_changes(opened, tmp_path: Path) -> None:
    found, said = opened(), []
    path = written(tmp_path, "a.csv", "item,title\na,tea\nb,kettle\nc,cup\n")
    put_file(found, path, said.append)
    found.remove(["a", "b"])
    found.put([Item("c", "a mug")])
    put_file(opened(), path, said.append)
    assert said[0].endswith(
        "a.csv: 3 new items, 0 changed; 3 rows tell no time, and their items count as there all along"
    )
    assert "a.csv: 0 new items, 0 changed; 3 rows were read before, and their items removed" in said[1]
    found.put([Item("b", "kettle")])
    put_file(found, written(tmp_path, "a.csv", "item,title\na,green tea\nb,kettle\nc,cup\nd,pot\n"), said.append)
    assert "1 new items, 1 changed; 1 rows were read before" in said[2]
    offered = {each.item.title for each in found.recommend("nobody")}
    assert offered == {"green tea", "kettle", "a mug", "pot"}


def test_an_item_that_a_file_has_twice_is_the_last_of_it_and_stays_removed(
    opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("danlu.apps.recommend.opening.AT_ONCE", 2)
    found, said = opened(), []
    path = written(tmp_path, "a.csv", "item,title\n7,tea\n8,pot\n7,green tea\n9,cup\n")
    put_file(found, path, said.append)
    assert "3 new items, 0 changed" in said[0]
    assert found.offered("7") == Item("7", "green tea")
    found.remove(["7"])
    put_file(found, path, said.append)
    assert "0 new items, 0 changed; 1 rows were read before" in said[1]
    assert found.offered("7") is None


def test_a_file_is_counted_and_learnt_from_as_a_whole_whatever_its_parts(
    opened, items: list[Item], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("danlu.apps.recommend.opening.AT_ONCE", 2)
    found, said = opened(), []
    found.put(items)
    lines = [f"{user},{item},1790000000" for user in "uv" for item in ("tea-0", "tea-2", "tea-4")]
    lines += [f"w,unknown-{number},1790000000" for number in range(3)]
    path = written(tmp_path, "b.csv", "user,item,time\n" + "\n".join(lines))
    with monkeypatch.context() as patch:
        patch.delattr(Together, "change")
        take_file(found, path, said.append)
    take_file(found, path, said.append)
    assert "9 taken; 3 of items that are not known yet; they count once the item comes; 3 users who are new" in said[0]
    assert "0 taken; 9 known already" in said[1]
    assert "who are new here" not in said[1]
    assert found.near(item="tea-0")[0].together > 0


rows = st.lists(
    st.tuples(st.sampled_from("uv"), st.sampled_from(["tea-0", "tea-2", "new"]), st.sampled_from(list(USUAL)))
)


@given(st.lists(rows.filter(bool), min_size=1, max_size=4))
@example([[("u", "tea-0", "view"), ("v", "tea-0", "view")]] * 2)
@settings(max_examples=5, deadline=None)
def test_rows_without_a_time_are_of_when_they_were_first_read_whatever_file_they_are_in(
    tmp_path_factory: pytest.TempPathFactory, items: list[Item], files: list[list[tuple[str, str, str]]]
) -> None:
    folder, first = tmp_path_factory.mktemp("undated"), dict[tuple[str, str, str], float]()
    for number, lines in enumerate([*files, *files]):
        moment, said = END + number * DAY, []
        path = written(folder, "b.csv", "user,item,action\n" + "".join(f"{','.join(line)}\n" for line in lines))
        with Recommender(Ledger(folder / "place"), WEIGHTS, clock=lambda moment=moment: moment) as found:
            if number == 0:
                found.put(items)
            take_file(found, path, said.append)
            new = dict.fromkeys((line for line in lines if line not in first), moment)
            first |= new
            assert f": {len(new)} taken" in said[0]
            kept = found.ledger.everything()[1]
            assert {(deed.user, deed.item, deed.action): deed.time for deed in kept} == first
            assert len(kept) == len(first)


def test_a_row_with_a_time_and_a_request_of_now_are_taken_beside_rows_without_one(opened, tmp_path: Path) -> None:
    found, said = opened(), []
    path = written(tmp_path, "b.csv", "user,item,time\nu,i,\nu,i,1790000000\n")
    for clock in (END + 5, END + 10):
        take_file(opened(clock), path, said.append)
    assert "2 taken" in said[0]
    assert "0 taken; 2 known already" in said[1]
    found.take([Deed("u", "i", "view", END + 20)])
    assert sorted(deed.time for deed in found.ledger.everything()[1]) == [1790000000, END, END + 5]


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
