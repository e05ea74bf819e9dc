"""Which split the name of a file or a folder tells, and what else it says."""

import re
from pathlib import Path

_HAN = "[\u4e00-\u9fff]"
_DATA = "集|(数据|數據|资料|資料|语料|語料|样本|樣本)集?"


def _named(latin: str, chinese: str) -> re.Pattern[str]:
    """Words for a split; a Chinese one stands alone or before a word for data, as 测试 is a word of many others."""
    alone = f"(?<!{_HAN})({chinese})(?!{_HAN})"
    return re.compile(rf"(?<![a-z])({latin})(set|data)?(?![a-z])|({chinese})({_DATA})|{alone}", re.IGNORECASE)


SPLITS = {
    "train": _named("train(ing)?", "训练|訓練"),
    "validation": _named("dev(el)?|valid|validation|val|eval", "验证|驗證|校验|校驗|开发|開發"),
    "test": _named("test", "测试|測試"),
}


def split_of(name: str) -> str | None:
    """The split that a name tells: of `emerging.dev.conll` validation."""
    return next((split for split, pattern in SPLITS.items() if pattern.search(name)), None)


def bare(path: Path) -> str:
    """The name of a file without its split, its suffix and the numbers of its parts."""
    name = path.name.partition(".")[0] if path.name.count(".") == 1 else path.name.rpartition(".")[0]
    for pattern in SPLITS.values():
        name = pattern.sub("", name)
    return re.sub(r"[\W\d_]+", "", name).lower()


def is_part(name: str) -> bool:
    """Whether the name of a folder is that of a split or of a numbered part of one: `train`, `train_part2`."""
    for pattern in SPLITS.values():
        name = pattern.sub("", name)
    return re.fullmatch(r"(part|shard|chunk|v)?\d+|", re.sub(r"[\W_]+", "", name).lower()) is not None


def is_split(name: str) -> bool:
    """Whether a name says nothing but a split, or a numbered part of one: `测试集`, `train_2`."""
    return split_of(name) is not None and is_part(name)
