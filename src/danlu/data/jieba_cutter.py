"""jieba (https://github.com/fxsjy/jieba) with its own dictionary, loaded once, whoever asks for it."""

import logging
import re
import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any

from danlu.data.extra import needed

_LONGEST = 1024
"""Characters without punctuation that jieba is given at a time: its Viterbi search copies its path at every step."""

_RUN = "[\u4e00-\u9fd5a-zA-Z0-9+#&._%-]"  # what jieba looks for words in; it cuts at everything else by itself
_LONG = re.compile(f"{_RUN}{{{_LONGEST + 1}}}")
_PIECES = re.compile(f"{_RUN}{{1,{_LONGEST}}}|[^{_RUN[1:]}+")


def cut_by_jieba(cutter: Any, text: str, *, hmm: bool = True) -> Iterator[str]:
    """The words of a text in time linear in its length; runs without punctuation are cut when they are absurdly long.

    The words are jieba's own wherever no run is longer than that.
    """
    if _LONG.search(text) is None:
        yield from cutter.cut(text, HMM=hmm)
        return
    for piece in _PIECES.finditer(text):
        yield from cutter.cut(piece[0], HMM=hmm)


@cache
def jieba_cutter(extra: str, what: str) -> Any:
    """The `jieba.Tokenizer` that all share; its dictionary takes a second to read.

    Raises:
        Refusal: jieba is not installed; names the `extra` that brings it, for `what` needs it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the escapes and of pkg_resources in its source
        needed("jieba", extra, what)
    return _loaded()


@cache
def _loaded() -> Any:
    import jieba

    logging.getLogger("jieba").setLevel(logging.WARNING)
    made = jieba.Tokenizer()
    # not through its cache of marshalled objects, which lies in a folder that anyone may write to
    made.FREQ, made.total = made.gen_pfdict(made.get_dict_file())
    made.initialized = True
    return made
