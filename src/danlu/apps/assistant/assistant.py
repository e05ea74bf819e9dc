"""A customer service: questions answered by what was answered before, or handed over to a person."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from danlu.apps.assistant import conversations as talk
from danlu.apps.assistant import judging, versions
from danlu.apps.assistant.folding import Folded, plain
from danlu.apps.assistant.handing_over import hand_over, summary
from danlu.apps.assistant.matching import Known, Matcher, Vectors
from danlu.apps.assistant.opened import Opened, fingerprint
from danlu.apps.assistant.ranking import Placed, Ranking
from danlu.apps.assistant.store import Phrase, Store
from danlu.apps.assistant.tickets import LONGEST_QUESTION
from danlu.apps.assistant.words import language_of, said
from danlu.index.document import Document
from danlu.index.index import Index
from danlu.refusal import Refusal

if TYPE_CHECKING:
    from danlu.bundle.bundle import Bundle

GOES_ON = 0.4
"""Share of a question's rare words that must stand in what is found by it and the question before together."""
SHOWN = 3
"""Answers that are shown beside the first."""
