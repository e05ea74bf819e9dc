"""Silence where transformers would talk: we say what matters ourselves."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_alone = threading.RLock()


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars of transformers, no report of fresh heads, no notes of torchao at the import of a model.

    One thread at a time: while transformers makes a model, it changes how torch makes tensors in all threads, and what
    two of them put back may not be what the first one found.
    """
    with _alone:
        yield from _silent()


@contextmanager
def quiet_unpacking() -> Iterator[None]:
    """The same where transformers reads a GGUF file, of which it shows a bar that is none of its others."""
    from transformers import modeling_gguf_pytorch_utils as unpacking
    from transformers.utils import logging as words

    with quiet():
        unpacking.tqdm = words.tqdm  # type: ignore[attr-defined]  # which is silent with the others
        yield


def _silent() -> Iterator[None]:
    from transformers.utils import logging as words

    shown = words.is_progress_bar_enabled()
    words.disable_progress_bar()  # type: ignore[no-untyped-call]
    loggers = [logging.getLogger(name) for name in ("torchao", "torch.utils._pytree", "transformers")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        if shown:
            words.enable_progress_bar()  # type: ignore[no-untyped-call]
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
