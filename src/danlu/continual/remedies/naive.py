"""Nothing is done: each task is learnt after the other, as if there had been none before (the lower reference)."""

from danlu.continual.remedy import Remedy


class Naive(Remedy):
    """Learn one task after the other."""
