"""The promise of a policy: how text is decoded, token by token. A task keeps its policy, and with it the bundle."""

from typing import ClassVar

from pydantic import Field

from danlu.recipe.part import Part


class Policy(Part):
    """How the next token is chosen, and when to stop."""

    folder: ClassVar[str] = "danlu.model.policies"

    max_new_tokens: int = Field(default=256, ge=1, description="tokens that may be written, the end token included")
