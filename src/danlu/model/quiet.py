"""Silence where transformers would talk: we say what matters ourselves."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars of transformers, no report of fresh heads, no notes of torchao at the import of a model."""
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
