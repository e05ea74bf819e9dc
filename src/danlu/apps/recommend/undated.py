"""The times of rows that have none."""

from danlu.apps.recommend.ledger import Ledger


class Undated:
    """When rows without a time happened: when the same was first read from such a row, else now."""

    def __init__(self, ledger: Ledger, now: float) -> None:
        """Nothing is looked up before there is such a row."""
        self._ledger, self._now = ledger, now
        self._known: dict[tuple[str, str, str], float] | None = None
        self._noted = False

    def __call__(self, user: str, item: str, action: str) -> float:
        """The time of a row, in seconds since 1970; now is noted before anything of it is kept."""
        if self._known is None:
            self._known = self._ledger.undated()
        known = self._known.get((user, item, action))
        if known is None and not self._noted:
            self._ledger.note_undated(self._now)
            self._noted = True
        return self._now if known is None else known
