"""How much is taken at once, of one and of all."""

from pydantic import Field

from danlu.recipe.part import Part


class Limits(Part):
    """What a server takes before it refuses; each is looked at before memory is spent on it."""

    body: int = Field(default=8 * 2**20, ge=1024, description="bytes of a request")
    records: int = Field(default=1024, ge=1, description="records, texts or documents of a request")
    tokens: int = Field(
        default=262_144,
        ge=64,
        description="tokens of a request, those that are to be written included; a prompt counts once for each text",
    )
    waiting: int = Field(default=512, ge=1, description="requests that are under way or wait")
    texts: int = Field(default=128, ge=1, description="texts that are written or wait for it; 64 go on side by side")
    patience: float = Field(default=1.0, gt=0, description="seconds of work that may wait before others are refused")
    seconds: float = Field(default=120.0, gt=0, description="a request may take")
