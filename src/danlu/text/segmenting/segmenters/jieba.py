"""jieba's dictionary, its most probable path, and its hidden Markov model for words that it does not know.

https://github.com/fxsjy/jieba
"""

from copy import copy
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from pydantic import Field

from danlu.data.characters.jieba_cutter import jieba_cutter
from danlu.data.characters.side_by_side import Bools, Characters
from danlu.data.reading.lines import lines
from danlu.data.reading.source_file import find_source
from danlu.refusal import Refusal
from danlu.text.segmenting.segmenter import Segmenter


class Jieba(Segmenter):
    """The segmenter of the package jieba."""

    hmm: bool = Field(default=True, description="whether its hidden Markov model joins what the dictionary leaves")
    user_dictionary: str | None = Field(
        default=None, description="file with a word a line, and its count if there is one, beside jieba's own"
    )

    def inputs(self) -> list[str]:
        """The dictionary of the user."""
        return [self.user_dictionary] if self.user_dictionary else []

    def begins(self, given: Characters) -> Bools:
        """Where a word begins; see `Segmenter.begins`."""
        borders = given.first.tolist()
        lengths = [
            len(word)
            for start, end in pairwise(borders)
            for word in self._tokenizer.cut(given.whole[start:end], HMM=self.hmm)
        ]
        found = np.zeros(len(given.codes) + 1, np.bool_)
        found[np.cumsum([0, *lengths])] = True
        return found[:-1]

    @cached_property
    def _tokenizer(self) -> Any:
        plain = jieba_cutter("jieba", "the segmenter 'jieba'")
        if self.user_dictionary is None:
            return plain
        made = copy(plain)
        made.FREQ, made.user_word_tag_tab = dict(made.FREQ), {}
        _add_words(made, self.user_dictionary)
        return made


def _add_words(tokenizer: Any, path: str) -> None:
    source = find_source(path)
    for number, line in lines(source):
        fields = line.split()
        if not fields:
            continue
        count = fields[1] if len(fields) > 1 else None
        if count is not None and len(fields) == 2 and count.isascii() and count.isalpha():
            count = None  # a part of speech, as in 凯特琳 nz
        if count is not None and not (count.isascii() and count.isdigit() and len(count) < 19 and int(count)):
            raise Refusal(
                f"{source.name}, line {number}: expected a word and its count, a whole number from 1, not '{count}'; "
                "mend the line, or leave the count out"
            )
        tokenizer.add_word(fields[0], None if count is None else int(count))
