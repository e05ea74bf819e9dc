"""What is served is what the library says; what is wrong is told in a sentence."""

import httpx2
import pytest

from danlu.apps.recommend.recommender import Recommender


def test_what_is_served_is_what_the_library_says(served: httpx2.Client, recommender: Recommender) -> None:
    for body in (
        {"user": "u1"},
        {"user": "没来过", "interests": "乌龙茶", "limit": 7},
        {"user": "u4", "diversity": 0.7, "without": ["tea-0"]},
    ):
        told = served.post("/v1/recommend", json=body).json()["items"]
        own = recommender.recommend(**{"limit": 10, **body})
        assert [(each["item"], each["score"]) for each in told] == [(each.item.id, each.score) for each in own]
        assert [each["reason"]["told"]["zh"] for each in told] == [each.reason.sentence("zh") for each in own]
    near = served.post("/v1/near", json={"item": "tea-0", "limit": 5}).json()["items"]
    assert [each["item"] for each in near] == [each.item.id for each in recommender.near("tea-0", limit=5)]
    assert served.get("/v1/state").json() == recommender.state()
    assert served.get("/v1/users").json()["users"] == recommender.busiest(200)


def test_what_a_user_does_counts_at_the_next_request(served: httpx2.Client) -> None:
    body = {"user": "guest/一", "limit": 30}
    first = served.post("/v1/recommend", json=body).json()["items"][0]["item"]
    told = served.post(
        "/v1/behaviour", json={"behaviour": [{"user": "guest/一", "item": first, "action": "click"}]}
    ).json()
    assert (told["new"], told["newcomers"]) == (1, 1)
    assert told["told"]["zh"][0] == "已记录 1 条"
    listed = [each["item"] for each in served.post("/v1/recommend", json=body).json()["items"]]
    assert first not in listed
    assert served.get("/v1/history", params={"user": "guest/一"}).json()["history"][0]["item"] == first


def test_an_item_is_offered_recommended_and_taken_away(served: httpx2.Client) -> None:
    item = {"item": "new", "title": "新茶", "text": "绿茶 泡茶", "time": "2026-01-01"}
    assert served.post("/v1/items", json={"items": [item]}).json() == {"added": 1, "changed": 0}
    body = {"user": "someone", "interests": "绿茶", "limit": 40}
    assert "new" in [each["item"] for each in served.post("/v1/recommend", json=body).json()["items"]]
    assert served.post("/v1/items/remove", json={"items": ["new"]}).json() == {"removed": 1}
    assert "new" not in [each["item"] for each in served.post("/v1/recommend", json=body).json()["items"]]


def test_an_item_that_has_been_there_all_the_while_is_not_new_again(served: httpx2.Client) -> None:
    def offered(**changed: str) -> dict[str, int]:
        item = {"item": "twice", "title": "旧茶", "text": "老白茶", "time": "now", **changed}
        found: dict[str, int] = served.post("/v1/items", json={"items": [item]}).json()
        return found

    assert offered(time="2026-01-01") == {"added": 1, "changed": 0}
    assert offered() == {"added": 0, "changed": 0}
    assert offered(text="新白茶") == {"added": 0, "changed": 1}
    assert offered(text="新白茶") == {"added": 0, "changed": 0}
    served.post("/v1/items/remove", json={"items": ["twice"]})
    assert offered(text="新白茶") == {"added": 0, "changed": 1}


def test_the_time_of_an_item_stays_where_it_is_left_out_and_goes_with_null(
    served: httpx2.Client, recommender: Recommender
) -> None:
    def offered(**told: object) -> float | None:
        assert served.post("/v1/items", json={"items": [{"item": "dated", **told}]}).status_code == 200
        return recommender.time_of("dated")

    assert offered(title="旧茶", time=1_791_801_009) == 1_791_801_009
    assert offered(title="老茶") == 1_791_801_009
    served.post("/v1/items/remove", json={"items": ["dated"]})
    assert offered(title="老茶") == 1_791_801_009
    assert offered(title="老茶", time=None) is None
    assert offered(title="陈茶") is None


def test_items_of_a_request_are_looked_up_without_reading_the_database_for_each(
    served: httpx2.Client, recommender: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    since, read = recommender.ledger.since, list[tuple[int, int]]()
    monkeypatch.setattr(recommender.ledger, "since", lambda *place: read.append(place) or since(*place))
    for told in ({}, {"time": "now"}):
        items = [{"item": f"many-{number}", "title": "tea", **told} for number in range(20)]
        assert served.post("/v1/items", json={"items": items}).status_code == 200
    assert len(read) <= 4


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/v1/recommend", {}, "user"),
        ("/v1/recommend", {"user": "u", "limit": 0}, "limit"),
        ("/v1/recommend", {"user": "u", "diversity": 2}, "diversity"),
        ("/v1/recommend", {"user": "u", "divresity": 0}, "did you mean 'diversity'"),
        ("/v1/recommend", {"user": "u\x00"}, "user"),
        ("/v1/recommend", {"user": "u", "limit": "1e999"}, "limit"),
        ("/v1/behaviour", {"behaviour": []}, "behaviour"),
        ("/v1/behaviour", {"behaviour": [{"user": "u", "item": "i", "action": "stare"}]}, "has no weight"),
        ("/v1/behaviour", {"behaviour": [{"user": "u", "item": "i", "action": "view", "time": "soon"}]}, "is none"),
        ("/v1/behaviour", {"behaviour": [{"user": "u", "item": "i", "action": "view", "time": -5}]}, "is none"),
        ("/v1/behaviour", {"behaviour": [{"user": "u", "item": "i", "action": "view", "more": 1}]}, "more"),
        ("/v1/behaviour", {"behaviour": [{"user": "u", "item": "i", "action": "view"}] * 1001}, "1000"),
        ("/v1/items", {"items": [{"item": "x"}]}, "neither title nor text"),
        ("/v1/items", {"items": [{"item": "x", "title": "a\x00b"}]}, "NUL"),
        ("/v1/near", {"item": "unheard"}, "there is no item"),
        ("/v1/near", {}, "one of them"),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(served: httpx2.Client, path: str, body: object, words: str) -> None:
    answer = served.post(path, json=body)
    assert answer.status_code == 400, answer.text
    assert words in answer.json()["error"]["message"]


def test_a_database_that_does_not_answer_is_told_and_comes_back(
    served: httpx2.Client, recommender: Recommender, monkeypatch
) -> None:
    import sqlalchemy
    from sqlalchemy.exc import OperationalError

    def gone(*_arguments: object, **_named: object) -> None:
        raise OperationalError("select", {}, Exception("the disk has gone"))

    with monkeypatch.context() as patch:
        patch.setattr(sqlalchemy.engine.Engine, "begin", gone)
        answer = served.post("/v1/recommend", json={"user": "u1"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "database_unavailable")
        assert "the disk has gone" in answer.json()["error"]["message"]
        assert answer.headers["retry-after"] == "5"
    assert served.post("/v1/recommend", json={"user": "u1"}).status_code == 200
