"""What a monitor watches, and whom it tells: the file `monitor.yaml` of its folder."""

from datetime import timedelta, timezone
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from danlu.apps.monitor.alarm import Alarm
from danlu.apps.monitor.channel import Channel
from danlu.apps.monitor.topics import keywords_of
from danlu.recipe.part import Part
from danlu.recipe.read import sentences, written_file
from danlu.refusal import Refusal

NAME = "monitor.yaml"


class Settings(Part):
    """Sources, topics, alerts and channels of a monitor."""

    feeds: list[str] = Field(default=[], max_length=1000, description="addresses of RSS or Atom")
    watch: list[str] = Field(default=[], max_length=100, description="files or folders of csv, tsv, json or jsonl")
    every: float = Field(default=600.0, ge=1, le=86_400, description="seconds between two looks at a feed")
    zone: str = Field(default="+08:00", pattern=r"^[+-]\d\d:\d\d$", description="of dates that tell none, as in +08:00")
    keep: int | None = Field(
        default=None, ge=7, le=36_500, description="days for which texts are kept; counts and alerts always are"
    )
    language: Literal["en", "zh"] | None = Field(default=None, description="of messages; that of the system")
    topics: dict[str, list[str]] = Field(default={}, description="names with their keywords; none: only all texts")
    alarm: Alarm = Alarm()
    channels: dict[Annotated[str, Field(max_length=100)], Channel] = Field(
        default={}, max_length=50, description="name: {kind: webhook, ...}"
    )

    def offset(self) -> timezone:
        """The zone."""
        minutes = int(self.zone[1:3]) * 60 + int(self.zone[4:])
        return timezone(timedelta(minutes=min(minutes, 23 * 60 + 59) * (-1 if self.zone[0] == "-" else 1)))


def read_settings(path: Path) -> Settings:
    """The settings of a file; without one, or where nothing stands in it, those of a monitor that is only pushed to.

    Raises:
        Refusal: a key or a value of it is wrong.
    """
    if not path.is_file():
        return Settings()
    written = written_file(path, "the settings of a monitor are a mapping, as in 'feeds: [...]'", blank=True)
    try:
        settings = Settings.model_validate(written.data)
    except ValidationError as error:
        raise Refusal(sentences(error, written)) from None
    topics = keywords_of(settings.topics, f"{written.name}: topics")
    for url in settings.feeds:
        if not url.startswith(("http://", "https://")):
            raise Refusal(f"{written.name}: feeds: '{url[:200]}' is no address of http or https")
    return settings.model_copy(update={"topics": topics})
