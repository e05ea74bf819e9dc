"""The likeliest token, always."""

from danlu.model.policy import Policy


class Greedy(Policy):
    """The likeliest token, always; the same text every time."""
