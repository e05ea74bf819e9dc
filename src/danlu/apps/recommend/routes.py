"""What the application answers over HTTP; handlers take what they need from one open recommender."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from danlu.apps.recommend.deed import Deed
from danlu.apps.recommend.item import LONGEST_NAME, LONGEST_TEXT, LONGEST_TITLE, Item
from danlu.apps.recommend.listed import Near, Recommended
from danlu.apps.recommend.reading import moment_in
from danlu.apps.recommend.recommender import MOST, Recommender
from danlu.serve.body import Body, FirstMistake, checked
from danlu.serve.service import Call, Service
from danlu.serve.site import Site

AT_ONCE = 1_000
"""Items, deeds or names of a request."""
SHOWN_USERS = 200
LANGUAGES = ("en", "zh")
Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]


class Asked(Body):
    """Whom to recommend to."""

    user: Name
    limit: int = Field(default=10, ge=1, le=MOST)
    diversity: float = Field(default=0.0, ge=0, le=1, description="0 is the plain ranking")
    interests: str = Field(default="", max_length=LONGEST_TEXT, description="a text of what the user likes")
    without: list[Name] = Field(default=[], max_length=AT_ONCE, description="items that are not to be shown now")


class Row(BaseModel):
    """A row of a list."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class OneDeed(Row):
    """What a user did."""

    user: Name
    item: Name
    action: Name
    time: float | str | None = Field(default=None, description="seconds since 1970, or ISO 8601; None: now")


class Deeds(Body):
    """What users did."""

    behaviour: Annotated[list[OneDeed], FirstMistake()] = Field(min_length=1, max_length=AT_ONCE)


class OneItem(Row):
    """An item."""

    item: Name
    title: str = Field(default="", max_length=LONGEST_TITLE)
    text: str = Field(default="", max_length=LONGEST_TEXT)
    time: float | str | None = Field(
        default=None,
        description="since when it is there, as for deeds, or 'now'; left out: as it is known; null: all along",
    )


class Items(Body):
    """Items to offer."""

    items: Annotated[list[OneItem], FirstMistake()] = Field(min_length=1, max_length=AT_ONCE)


class Names(Body):
    """Items that are no longer offered."""

    items: list[Name] = Field(min_length=1, max_length=AT_ONCE)


class Alike(Body):
    """An item, or a text, like which others are sought."""

    item: str = Field(default="", max_length=LONGEST_NAME)
    text: str = Field(default="", max_length=LONGEST_TEXT)
    limit: int = Field(default=10, ge=1, le=MOST)


@dataclass(frozen=True)
class Routes:
    """The handlers over an open recommender."""

    recommender: Recommender

    def site(self) -> Site:
        """All of it, with the page."""
        return Site(
            posts={
                "/v1/recommend": (self.recommend, Asked),
                "/v1/behaviour": (self.behaviour, Deeds),
                "/v1/items": (self.items, Items),
                "/v1/items/remove": (self.remove, Names),
                "/v1/near": (self.near, Alike),
            },
            gets={"/v1/users": self.users, "/v1/history": self.history, "/v1/state": self.state},
            pages=("danlu.serve", "danlu.apps.recommend"),
        )

    async def recommend(self, _service: Service, call: Call) -> Response:
        """A list for a user, with the reason for each item."""
        body = checked(Asked, call.value)
        found = await call.asking.apart(
            lambda: self.recommender.recommend(
                body.user, body.limit, diversity=body.diversity, interests=body.interests, without=body.without
            ),
        )
        return JSONResponse({"user": body.user, "items": [_recommended(each) for each in found]})

    async def behaviour(self, _service: Service, call: Call) -> Response:
        """Keep what users did; it counts from the next request on."""
        body = checked(Deeds, call.value)

        def take() -> dict[str, Any]:
            deeds = [
                Deed(row.user, row.item, row.action, self._moment("now" if row.time is None else row.time))
                for row in body.behaviour
            ]
            told = self.recommender.take(deeds)
            return {**vars(told), "told": {language: told.sentences(language) for language in LANGUAGES}}

        return JSONResponse(await call.asking.apart(take))

    async def items(self, _service: Service, call: Call) -> Response:
        """Offer items, or change them."""
        body = checked(Items, call.value)

        def put() -> dict[str, int]:
            self.recommender.catch_up()
            added, changed = self.recommender.put([self._item(row) for row in body.items])
            return {"added": added, "changed": changed}

        return JSONResponse(await call.asking.apart(put))

    async def remove(self, _service: Service, call: Call) -> Response:
        """No longer offer items."""
        body = checked(Names, call.value)
        return JSONResponse({"removed": await call.asking.apart(lambda: self.recommender.remove(body.items))})

    async def near(self, _service: Service, call: Call) -> Response:
        """Items that are like an item or a text."""
        body = checked(Alike, call.value)
        found = await call.asking.apart(lambda: self.recommender.near(body.item, body.text, body.limit))
        return JSONResponse({"items": [_near(each) for each in found]})

    async def users(self, _service: Service, call: Call) -> Response:
        """The users who have done most."""
        return JSONResponse({"users": await call.asking.apart(lambda: self.recommender.busiest(SHOWN_USERS))})

    async def history(self, _service: Service, call: Call) -> Response:
        """What the user of `?user=` has done, the last first."""
        user = str(call.value.get("user", ""))
        found = await call.asking.apart(lambda: self.recommender.history(user))
        return JSONResponse({"user": user, "known": bool(found), "history": found})

    async def state(self, _service: Service, call: Call) -> Response:
        """How much there is, and by what it is ranked."""
        return JSONResponse(await call.asking.apart(self.recommender.state))

    def _item(self, row: OneItem) -> Item:
        """The item that is offered; one that has been there all the while, word for word, is not new again."""
        known = self.recommender.offered(row.item) if row.time == "now" else None
        if known is not None and (known.title, known.text) == (row.title, row.text):
            return known
        return Item(row.item, row.title, row.text, self._since(row))

    def _since(self, row: OneItem) -> float | None:
        """Since when an item is there: as it is known where that is left out; null is all along."""
        if "time" not in row.model_fields_set:
            return self.recommender.time_of(row.item)
        return None if row.time is None else self._moment(row.time)

    def _moment(self, written: float | str) -> float:
        return self.recommender.now() if written == "now" else moment_in(written)


def _recommended(each: Recommended) -> dict[str, Any]:
    reason = {name: value for name, value in vars(each.reason).items() if value}
    return {
        **_item(each.item),
        "score": each.score,
        "reason": {**reason, "told": {language: each.reason.sentence(language) for language in LANGUAGES}},
        "parts": dict(each.parts),
    }


def _near(each: Near) -> dict[str, Any]:
    return {**_item(each.item), "score": each.score, "together": each.together, "text_likeness": each.text}


def _item(item: Item) -> dict[str, Any]:
    return {"item": item.id, "title": item.shown, "text": item.text[:500], "time": item.time}
