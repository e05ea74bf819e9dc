"""jieba (https://github.com/fxsjy/jieba) with its own dictionary, loaded once, whoever asks for it."""

import logging
import warnings
from functools import cache
from typing import Any

from danlu.data.extra import needed


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
