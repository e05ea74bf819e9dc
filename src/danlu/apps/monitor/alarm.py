"""What is held to be a change, and how rarely a false one may be told."""

from pydantic import Field

from danlu.recipe.part import Part


class Alarm(Part):
    """When a topic raises an alert."""

    odds: float = Field(
        default=2.0, gt=1.05, le=20, description="times by which the odds of a negative text change; 2: from 20 to 33 %"
    )
    false_alarms: float = Field(
        default=0.05, ge=0.002, le=0.5, description="share of topics in which nothing changes that alert within a month"
    )
    learn: int = Field(default=300, ge=50, description="texts from which the level of a topic is learnt")
    memory: int = Field(default=5000, ge=500, description="texts after which an old one counts for little")
    step: int = Field(default=3600, ge=900, le=86_400, description="seconds that are counted together, for good")
    patience: int = Field(default=600, ge=0, le=86_400, description="seconds that a step is waited for texts of it")

    @property
    def month(self) -> int:
        """Steps of thirty days."""
        return 30 * 86_400 // self.step
