"""How much of the data each split gets, and by what rows stay together."""

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from danlu.recipe.part import Part


class Shares(Part):
    """Shares of the records; what is left is for training."""

    validation: float = Field(default=0.1, ge=0, lt=1)
    test: float = Field(default=0.1, ge=0, lt=1)
    group: str | None = Field(default=None, description="column; rows of one value stay in one split")
    time: str | None = Field(default=None, description="column of numbers or dates; the latest rows are for testing")

    @model_validator(mode="after")
    def _leave_some(self) -> "Shares":
        if self.validation + self.test >= 1:
            raise PydanticCustomError("shares", "validation and test take everything; leave a share for training")
        return self
