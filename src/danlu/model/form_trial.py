"""Whether a form that comes from outside can be read in time, as tried where it may be killed.

A schema of 40 characters may take minutes and gigabytes to become a grammar, in a library that cannot be told to stop.
"""

import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from danlu.machine.extra import needed
from danlu.model import form_child
from danlu.model.constraint import WHAT, grammar_of, without_specials
from danlu.refusal import Refusal
from danlu.text.tokenizing.tokenizer import Tokenizer

SIZE = 64 * 1024
"""Bytes of a form."""
KEPT = 1024
"""Forms whose fate is remembered."""
WAIT = 10.0
"""Seconds for a form, on a machine that has much to do; for a tokenizer three times as many."""


class FormTrial:
    """A process that is started when it is needed, and again when it had to be killed; for one thread at a time."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[str] | None = None
        self._tokenizer: Tokenizer | None = None
        self._fates: dict[str, bool] = {}
        self._one = threading.Lock()

    def refuse_endless(self, tokenizer: Tokenizer, form: Mapping[str, Any]) -> None:
        """Raises `Refusal` for a form that is too large, or cannot be read in time and memory."""
        ((name, value),) = form.items()
        plain = json.dumps(value)
        if len(plain) > SIZE:
            raise Refusal(f"policy.{name}: has {len(plain):,} bytes, and {SIZE:,} are taken; write a smaller one")
        library = needed("llguidance", "constrain", WHAT)
        try:
            grammar = grammar_of(library.LLMatcher, name, value)
        except ValueError:
            return  # the writer says what is wrong with it
        key = hashlib.sha256(f"{id(tokenizer)} {grammar}".encode()).hexdigest()
        with self._one:
            if key not in self._fates:
                while len(self._fates) >= KEPT:
                    self._fates.pop(next(iter(self._fates)))
                self._fates[key] = self._read(tokenizer, grammar)
            if not self._fates[key]:
                raise Refusal(f"policy.{name}: is too complex to be read in time; write a simpler one")

    def close(self) -> None:
        """End the process, whatever it does."""
        child, self._child, self._tokenizer = self._child, None, None
        if child is not None:
            child.kill()
            child.wait()
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    pipe.close()

    def _read(self, tokenizer: Tokenizer, grammar: str) -> bool:
        if self._child is None or self._tokenizer is not tokenizer:
            ends = [] if tokenizer.eos_token_id is None else [int(tokenizer.eos_token_id)]
            told = {"tokenizer": without_specials(tokenizer), "size": len(tokenizer), "ends": ends}
            if not ends or not self._told(told, 3 * WAIT):
                return True  # the writer says that there is no end, or what the tokenizer lacks
            self._tokenizer = tokenizer
        return self._told({"grammar": grammar}, WAIT)

    def _told(self, told: Mapping[str, Any], seconds: float) -> bool:
        """Whether the process has read it; else it is gone."""
        if self._child is None:
            self._child = subprocess.Popen(  # noqa: S603
                [sys.executable, "-I", str(Path(form_child.__file__))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
            )
        child = self._child
        assert child.stdin is not None
        assert child.stdout is not None
        timer = threading.Timer(seconds, child.kill)
        timer.daemon = True
        timer.start()
        try:
            child.stdin.write(json.dumps(told) + "\n")
            child.stdin.flush()
            answered = bool(child.stdout.readline())
        except (OSError, ValueError):
            answered = False
        finally:
            timer.cancel()
        if not answered:
            self.close()
        return answered
