"""Which split the name of a file or a folder tells, and what else it says."""

import re
from pathlib import Path

_HAN = "[\u4e00-\u9fff]"
_DATA = "数据|數據|资料|資料|语料|語料|样本|樣本"
_WORDS = {
    "train": ("train(ing)?", "训练|訓練"),
    "validation": ("dev(el)?|valid|validation|val|eval", "验证|驗證|校验|校驗|开发|開發"),
    "test": ("test", "测试|測試"),
}


def _named(latin: str, chinese: str) -> str:
    """Words that name a split wherever they stand."""
    return rf"(?<![a-z])({latin})(set|data)?(?![a-z])|({chinese})({_DATA})?集"


def _may_name(chinese: str) -> str:
    """Words that do so beside a training file: alone or before a word for data, as 测试 is a word of many others."""
    return f"({chinese})({_DATA})|(?<!{_HAN})({chinese})(?!{_HAN})"


SURE = {split: re.compile(_named(*words), re.IGNORECASE) for split, words in _WORDS.items()}
SPLITS = {
    split: re.compile(f"{_named(*words)}|{_may_name(words[1])}", re.IGNORECASE) for split, words in _WORDS.items()
}


def split_of(name: str, *, surely: bool = False) -> str | None:
    """The split that a name tells: of `emerging.dev.conll` validation; `surely` where none beside it names training."""
    return next((split for split, pattern in (SURE if surely else SPLITS).items() if pattern.search(name)), None)


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
    """Whether a name surely tells a split and says no more, or a numbered part of one: `测试集`, `train_2`."""
    return split_of(name, surely=True) is not None and is_part(name)
