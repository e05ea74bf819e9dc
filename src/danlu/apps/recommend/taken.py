"""What became of items and behaviour that were handed in, in words."""

from dataclasses import dataclass

_SENTENCES = {
    "new": ("{count} taken", "已记录 {count} 条"),
    "again": ("{count} known already, which changes nothing", "{count} 条此前已有，不重复计算"),
    "waiting": (
        "{count} of items that are not known yet; they count once the item comes",
        "{count} 条的内容尚未登记，登记后即生效",
    ),
    "newcomers": ("{count} users who are new here", "{count} 位新用户"),
    "late": (
        "{count} older than what was known of the same user; each is put where it belongs",
        "{count} 条早于该用户已有的记录，已按时间归位",
    ),
    "ahead": (
        "{count} of a time that is yet to come; they are taken as of now",
        "{count} 条的时间在未来，按当前时间计",
    ),
}


@dataclass(frozen=True)
class Taken:
    """How many rows were new, known, of items not known yet, out of order, from the future; how many users are new."""

    new: int = 0
    again: int = 0
    waiting: int = 0
    newcomers: int = 0
    late: int = 0
    ahead: int = 0

    def sentences(self, language: str = "en") -> list[str]:
        """All that there is to tell, in English ('en') or Chinese ('zh')."""
        zh = language == "zh"
        return [
            words[zh].format(count=f"{getattr(self, name):,}")
            for name, words in _SENTENCES.items()
            if getattr(self, name) or name == "new"
        ]

    def __add__(self, other: "Taken") -> "Taken":
        return Taken(*(getattr(self, name) + getattr(other, name) for name in _SENTENCES))


@dataclass(frozen=True)
class Put:
    """How many items of a file are new and how many have changed; how many it had before, and others have changed."""

    new: int = 0
    changed: int = 0
    left: int = 0

    def sentence(self) -> str:
        """All that there is to tell."""
        told = f"{self.new:,} new items, {self.changed:,} changed"
        if self.left:
            told += (
                f"; {self.left:,} rows were read before, and their items removed or put otherwise since, which holds "
                "until a row changes"
            )
        return told

    def __add__(self, other: "Put") -> "Put":
        return Put(self.new + other.new, self.changed + other.changed, self.left + other.left)
