"""Which column of the data is which column of a task: by its name, else by what stands in it."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

from danlu.data.labels import is_empty, is_fraction, label_of
from danlu.data.record import Record
from danlu.task.task import Task
from danlu.task.texts import SECOND

Shape = Literal["text", "label", "number", "structure"]

_NAMES = {
    "text": "text sentence content review comment body document passage message utterance query question plot title "
    "tweet post description summary input output instruction prompt paragraphs paragraph premise article source target "
    "文本 内容 正文 句子 评论 评价 文章 标题 问题 原文 微博",
    "text_pair": "text_pair text_b sentence2 sentence_b question2 hypothesis text2 second b 文本2 句子2",
    "translation": "translation target trg tgt zh cn en english chinese text_b sentence2 译文 翻译 英文 中文",
    "summary": "summary headline title abstract highlights target tldr 摘要 标题 概要",
    "target": "target output rewritten corrected correction answer response completion after paragraphs "
    "目标 改写 修改后 输出",
    "chosen": "chosen preferred better accepted win 优选 较好 更好",
    "rejected": "rejected dispreferred worse lose 拒绝 较差 更差",
    "label": "label category class tag intent sentiment polarity emotion topic opinion target rating stars star "
    "label_name label_text class_name gold answer y 标签 类别 分类 情感 类型 意图 评分 星级 态度",
    "labels": "labels categories classes tags topics 标签 类别",
    "score": "score similarity relatedness relatedness_score rating value grade label 分数 相似度 评分",
    "context": "context passage document paragraph article text content 上下文 文章 段落 原文",
    "question": "question query 问题 提问",
    "answers": "answers answer 答案",
    "choices": "choices options alternatives candidates endings 选项",
    "answer": "answer answer_key gold label correct 答案",
    "positives": "positives positive pos 正例",
    "negatives": "negatives negative neg hard_negatives 负例",
    "head": "head subject e1 头实体",
    "tail": "tail object e2 尾实体",
    "entities": "entities spans ner entity_list 实体",
    "tokens": "tokens words chars sentence text 词",
    "tags": "tags ner_tags ner word_labels labels label tag bio 标记",
    "words": "words segmented tokens 分词",
}
"""What columns are called elsewhere, the likeliest first."""

_AFTER = (("1", "2"), ("a", "b"), ("一", "二"), ("甲", "乙"))
_TOGETHER = (
    ("text", "text_pair"),
    ("text", "text2"),
    ("text", "text_b"),
    ("premise", "hypothesis"),
    ("question", "sentence"),
    ("question", "passage"),
    ("query", "title"),
    ("query", "document"),
    ("query", "passage"),
)
"""Names of two texts that are read together, which of them goes first, beside those that are counted."""

_NO_LABEL = re.compile(r"[+-]?\d*\.\d*[1-9]\d*|\d{4}[-/.年]\d.*|\d{1,2}[-/.]\d{1,2}[-/.]\d.*|\d+:\d+.*|https?://.*")
"""Fractions, dates, times, addresses."""

_MOST_LABELS = 0.5  # different labels a row: what has more is a text, or a number that counts rows
_LONGEST_LABEL = 60  # characters, on average
_SHORTER = 0.25  # of the length of a text, which another column has at least that might be the text
_REPEATED = 0.1  # different texts a row: what has fewer is a class
_ENOUGH = 0.8  # of the rows that must have a value which fits
_OPENING = 16  # characters with which all values of a column begin that says who wrote what
_AS_LONG = 0.4  # of the bytes of the longest text, which one before it has that is as likely the one that is read

NONE = "none"
"""Of a column that is not to be looked for."""


@dataclass(frozen=True)
class Column:
    """What stands in a column of the first rows: how many rows have it, and their values."""

    name: str
    rows: int
    values: list[Any]

    @property
    def distinct(self) -> int:
        """How many different values there are."""
        return len({str(value) for value in self.values})

    @property
    def length(self) -> float:
        """Characters of a value, on average."""
        return sum(len(str(value)) for value in self.values) / max(1, len(self.values))

    @property
    def bytes(self) -> int:
        """Of all values in UTF-8: a sentence has about as many in Chinese as in English."""
        return sum(len(str(value).encode("utf-8", "replace")) for value in self.values)

    @property
    def opens_alike(self) -> bool:
        """Whether nearly all values, which differ, begin with the same words, as those of a licence do."""
        counts = Counter(str(value)[:_OPENING] for value in self.values)
        return self.distinct > 1 and max(counts.values(), default=0) > _ENOUGH * len(self.values) > 1

    def fits(self, shape: Shape, like: Any) -> bool:
        """Whether the values can be texts, labels, numbers, or structures such as `like`."""
        if len(self.values) < _ENOUGH * self.rows and not (shape == "label" and self.values):
            return False
        if shape == "structure":
            return any(self.values) and all(_alike(like, value) for value in self.values[:50])
        if shape == "number":
            return all(_is_number(value) for value in self.values)
        if shape == "text":
            wordy = sum(isinstance(value, str) and not _is_number(value) for value in self.values)
            return wordy >= _ENOUGH * len(self.values)
        labels = [label_of(value) for value in self.values]
        if None in labels or any(is_fraction(v) or _NO_LABEL.fullmatch(str(v)) for v in self.values):
            return False
        few = self.distinct <= max(2, _MOST_LABELS * len(labels)) or (len(labels) < 20 and self.distinct < len(labels))
        return few and self.length <= _LONGEST_LABEL


def columns_of(records: Sequence[Record]) -> dict[str, Column]:
    """The columns of some records with what stands in them."""
    found: dict[str, list[Any]] = {}
    for record in records:
        for name, value in record.items():
            found.setdefault(name, [])
            if not is_empty(value):
                found[name].append(value)
    return {name: Column(name, len(records), values) for name, values in found.items()}


def ways(task: type[Task]) -> list[tuple[str, ...]]:
    """The sets of columns with any of which the task can learn, the fullest first.

    They are those of its samples, and its other ways, or each other column that stands in none of these.
    """
    sets = {tuple(name for name in record if name in {*task.columns, *task.other_columns}) for record in task.sample}
    sets |= {tuple(task.columns)} if not any(set(way) <= set(task.columns) for way in sets) else set()
    alone = ((name,) for name in task.other_columns if not any(name in way for way in sets))
    return [*sorted(sets, key=lambda way: (-len(way), way)), *(task.other_ways or alone)]


def shape_of(task: type[Task], column: str) -> tuple[Shape, Any]:
    """What the task wants in a column, as its samples and its own words tell, and a value like it."""
    values = [record[column] for record in task.sample if column in record]
    like = next((value for value in values if value), None)
    if isinstance(like, list | dict) or column in ("words", "tokens", "tags", "entities", "answer"):
        return "structure", like or [""]
    if isinstance(like, int | float) and not isinstance(like, bool):
        return "number", like
    return ("label" if column == "label" or "label" in task.columns.get(column, "") else "text"), like


def matched(task: type[Task], columns: Mapping[str, Column], given: Mapping[str, str]) -> dict[str, str] | None:
    """The column of the data for each column of the task, where there is a way; None where there is none.

    `given` is not doubted, and what it says is `NONE` is not looked for. What is more than the task must have is taken
    by its name alone.
    """
    without = {name for name, column in given.items() if column == NONE}
    given = {name: column for name, column in given.items() if name not in without}
    for way in ways(task):
        if without & {*way}:
            continue
        needed = set(way) <= set(task.columns)
        found = {name: given[name] for name in way if name in given}
        for name in way:  # what is called as the task calls it is taken for nothing else
            if name not in found and name not in found.values() and _fits(task, name, columns):
                found[name] = name
        for by_name in (True, False) if needed else (True,):
            for name in way:
                if name in found:
                    continue
                if likely := best(task, name, columns, {*found.values()}, by_name=by_name, whole=not needed):
                    found[name] = likely
        if set(found) == set(way) and set(given) <= set(way) | {*task.columns, *task.other_columns}:
            return found | ({} if SECOND in without else _second(task, found, columns, given))
    return None


def _second(
    task: type[Task], found: Mapping[str, str], columns: Mapping[str, Column], given: Mapping[str, str]
) -> dict[str, str]:
    """The two texts of a task that may read two, where one was found or given and the names of both belong together."""
    if SECOND not in task.other_columns or SECOND in found or "text" not in found or len(task.columns) < 2:
        return {}
    if SECOND in given:
        return {SECOND: given[SECOND]}
    if "text" in given:
        return {}
    texts = {
        _plain(key): key
        for key, column in columns.items()
        if column.fits("text", "") and column.distinct > _REPEATED * column.rows
    }
    name = _plain(found["text"])
    numbered = [(name, name[:-1] + after) for before, after in _AFTER if name.endswith(before)]
    for first, second in [*numbered, *_TOGETHER]:
        if name in (first, second) and {first, second} <= texts.keys():
            taken = {"text": texts[first], SECOND: texts[second]}
            return {} if {*taken.values()} & {value for key, value in found.items() if key != "text"} else taken
    return {}


def others(task: type[Task], name: str, columns: Mapping[str, Column], taken: Sequence[str]) -> list[str]:
    """Columns that could be meant as well."""
    shape, like = shape_of(task, name)
    free = [column for column in columns.values() if column.name not in taken and column.fits(shape, like)]
    if shape != "text":
        return [column.name for column in free]
    least = _SHORTER * max((columns[name].length for name in taken if name in columns), default=0.0)
    return [column.name for column in free if column.length >= least and column.distinct > _REPEATED * column.rows]


def best(
    task: type[Task],
    name: str,
    columns: Mapping[str, Column],
    taken: set[str],
    *,
    by_name: bool,
    whole: bool = False,
) -> str | None:
    """The likeliest column for one of the task among those that fit, by its name or by what stands in it.

    Under `whole` a column is meant by its whole name alone, not by a word of it, unless the task must have it.
    """
    shape, like = shape_of(task, name)
    fitting = {key: column for key, column in columns.items() if key not in taken and column.fits(shape, like)}
    if by_name:
        named = dict.fromkeys(_named_alike(name, list(fitting), part=not whole or name in task.columns))
        if shape == "text" and set(task.columns) == {name} and name not in named:  # to learn from text alone: the most
            return max(named, key=lambda key: fitting[key].length, default=None)
        return next(iter(named), None)
    if shape == "text":
        wanted = sum(shape_of(task, other)[0] == "text" for other in task.columns)
        said = [key for key, column in columns.items() if column.fits(shape, like) and not column.opens_alike]
        told = [key for key in fitting if key in said or len(said) < wanted]
        longest = max((fitting[key].bytes for key in told), default=0)
        if wanted > 1:  # in their order
            return next((key for key in told if fitting[key].bytes >= _AS_LONG * longest), None)
        return max(told, key=lambda key: (fitting[key].length, fitting[key].distinct), default=None)
    if shape == "label":
        told = [key for key, column in fitting.items() if column.distinct > 1]
        return min(told, key=lambda key: (_numeric(fitting[key]), fitting[key].distinct), default=None)
    return next(iter(fitting), None)


def _fits(task: type[Task], name: str, columns: Mapping[str, Column]) -> bool:
    return name in columns and columns[name].fits(*shape_of(task, name))


def _named_alike(name: str, there: Sequence[str], *, part: bool) -> Iterator[str]:
    """The columns called so, the likeliest first: by the whole name, then by a `part` of it."""
    words = _NAMES.get(name, name).split()
    whole = (key for word in words for key in there if _plain(key) == word)
    parts = (key for word in words for key in there if word in re.split(r"[_\W\d]+", _plain(key)) or _han_in(word, key))
    return chain((key for key in there if key == name), whole, parts if part else ())


def _plain(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip()).lower()


def _han_in(word: str, name: str) -> bool:
    return not word.isascii() and word in name


def _numeric(column: Column) -> bool:
    return all(_is_number(value) for value in column.values)


def _is_number(value: Any) -> bool:
    if isinstance(value, int | float):
        return True
    try:
        return isinstance(value, str) and bool(value.strip()) and float(value) == float(value)
    except ValueError:
        return False


def _alike(like: Any, value: Any) -> bool:
    """Whether a value has the form of another: lists of the same, objects with the same keys, both texts or numbers."""
    if isinstance(like, list):
        return isinstance(value, list) and (not value or not like or _alike(like[0], value[0]))
    if isinstance(like, dict):
        return isinstance(value, dict) and all(key in value and _alike(item, value[key]) for key, item in like.items())
    if isinstance(like, bool | str):
        return isinstance(value, type(like)) or (isinstance(like, str) and label_of(value) is not None)
    return isinstance(value, int | float)


def counted(values: Sequence[Any]) -> Counter[str]:
    """How often each label occurs."""
    return Counter(label for value in values if (label := label_of(value)) is not None)
