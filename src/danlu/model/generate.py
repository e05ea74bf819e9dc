"""Text, token by token: rows join when there is room, and leave when they are done, so that no row waits for another.

Legend: B rows, V vocabulary.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from danlu.model.ends import Endings, Ends
from danlu.model.hypothesis import Hypotheses, Line, Lines
from danlu.model.lookup import Lookup
from danlu.model.policy import Policy
from danlu.model.reader import Prompt, Reader
from danlu.model.written import Written
from danlu.refusal import Refusal

SLOTS = 64
"""Rows written side by side: keys and values of 64 rows of 400 tokens, 12 layers of 768, are 1.9 GB in float32."""

NOT_FINITE = (
    "the model's outputs are not finite numbers; predict in float32, and if that fails too, train again at a lower rate"
)

PREFILL = 4096
"""Tokens of prompts, with padding, that are read at once: what bounds their memory."""


def _raised(error: BaseException) -> None:
    raise error


@dataclass(eq=False)
class Wanted:
    """What one caller wants: a text or several after each prompt.

    - `first`: how many prompts the caller has asked before these; with their numbers it tells texts apart by chance.
    - `fail`: is given what went wrong with these texts, and with these alone.
    - `done`: is given the number of a prompt, and what was written after it, the best first.
    - `take`: is given the texts after one prompt piece by piece, each piece with the number of its text; where texts
      are written one by one.
    - `still`: whether the caller still waits.
    - `likeliest`: with a number, what is written tells how likely each token was, and so many of the likeliest in its
      place; where texts are written one by one.
    """

    policy: Policy
    prompts: Sequence[Prompt]
    done: Callable[[int, list[Written]], object]
    take: Callable[[int, str], object] | None = None
    still: Callable[[], bool] = lambda: True
    fail: Callable[[BaseException], object] = _raised
    first: int = 0
    likeliest: int | None = None


@dataclass(eq=False)
class _Text:
    """What is written after one prompt, and which rows of the reader that takes."""

    whose: Wanted
    policy: Policy
    number: int
    hypotheses: Hypotheses
    rows: list[int] = field(default_factory=list)
    lookup: Lookup | None = None


class Session:
    """Prompts of any callers, written after side by side; `step` goes on by a token with each."""

    def __init__(self, reader: Reader, endings: Endings, slots: int = SLOTS) -> None:
        self.reader = reader
        self.endings = endings
        self.slots = slots
        self._waiting: deque[tuple[Wanted, deque[int]]] = deque()
        self._texts: list[_Text] = []

    def ask(self, wanted: Wanted) -> None:
        """Write after these prompts as soon as there is room; callers take turns, with their long ones first."""
        numbers = sorted(range(len(wanted.prompts)), key=lambda number: -len(wanted.prompts[number].ids))
        if numbers:
            self._waiting.append((wanted, deque(numbers)))

    @property
    def busy(self) -> bool:
        """Whether anything is left to write."""
        return bool(self._texts or self._waiting)

    @torch.inference_mode()
    def step(self) -> None:
        """Let rows join, or go on by a token with all that are there."""
        self._forget()
        joining = self._joining()
        if joining:
            self._join(joining)
        elif guessed := self._guessed():
            self._advance_ahead(*guessed)
        elif self._texts:
            self._advance(self._texts, self.reader.step(self._tokens()))

    def _tokens(self) -> list[int]:
        tokens = [0] * sum(len(text.rows) for text in self._texts)
        for text in self._texts:
            for row, token in zip(text.rows, text.hypotheses.tokens, strict=True):
                tokens[row] = token
        return tokens

    def _guessed(self) -> tuple[_Text, Line, Lookup, list[int]] | None:
        """What a text that is written alone may go on with, if anything."""
        if len(self._texts) != 1 or self._waiting:
            return None
        (text,) = self._texts
        if not text.policy.guesses or not isinstance(text.hypotheses, Lines) or len(text.rows) != 1:
            return None
        (line,) = text.hypotheses.open
        prompt = text.whose.prompts[text.number]
        read = [*(prompt.source or ()), *prompt.ids]
        if text.lookup is None:
            text.lookup = Lookup(read, text.policy.guesses)
        for token in line.ids[len(text.lookup.ids) - len(read) :]:
            text.lookup.add(token)
        room = line.ends.room - len(line.ids) - line.ends.forced - 1
        guesses = text.lookup.guess()[:room]
        return (text, line, text.lookup, guesses) if guesses else None

    def _advance_ahead(self, text: _Text, line: Line, lookup: Lookup, guesses: list[int]) -> None:
        """Read the guesses with the token before them, and go on by as many as are what the model says."""
        logits_TV = self.reader.ahead([*text.hypotheses.tokens, *guesses])
        right = 0
        for place, guess in enumerate([*guesses, -1]):
            self._advance([text], logits_TV[place : place + 1])
            if not self._texts or line.ids[-1] != guess:
                break
            right += 1
        lookup.learn(len(guesses), right)
        if self._texts:
            self.reader.forget(len(guesses) - right)

    def _remember(self, text: _Text) -> None:
        """Keep what was read of a text that was asked for alone, as one of a conversation is, which may go on."""
        if len(text.whose.prompts) == 1 and isinstance(text.hypotheses, Lines) and len(text.hypotheses.all) == 1:
            line = text.hypotheses.all[0]
            read = line.ids if line.ended == "end" else line.ids[:-1]  # the last one may stand where a guess was read
            self.reader.remember(text.rows[0], (*text.whose.prompts[0].ids, *read))

    def _forget(self) -> None:
        """Let go of what nobody waits for any more."""
        if all(text.whose.still() for text in self._texts):
            return
        for text in self._texts:
            if not text.whose.still():
                text.hypotheses.parents = []
        self._settle()

    def _joining(self) -> list[tuple[Wanted, int]]:
        """Who joins now: rather several at once than one by one, since each time takes a pass of its own."""
        self._waiting = deque(each for each in self._waiting if each[0].still())
        if not self._waiting:
            return []
        free = self.slots - sum(len(text.rows) for text in self._texts)
        more = sum(whose.policy.rows * len(numbers) for whose, numbers in self._waiting)
        if self._texts and free < min(self.slots // 8, more):
            return []
        under_way = [(text.whose, text.number) for text in self._texts]
        joining: list[tuple[Wanted, int]] = []
        width, length = 0, len(self._waiting[0][0].prompts[self._waiting[0][1][0]].ids)
        while self._waiting:
            whose, numbers = self._waiting[0]
            prompt = whose.prompts[numbers[0]]
            width = max(width, len(prompt.ids), len(prompt.source or ()))
            fits = whose.policy.rows <= free and width * (len(joining) + 1) <= PREFILL
            fits = fits and self._room_for([*under_way, *joining, (whose, numbers[0])])
            if not self.reader.mixes:
                fits = fits and len(prompt.ids) == length and not self._texts
            if not fits and (joining or self._texts):
                break
            joining.append((whose, numbers.popleft()))
            free -= whose.policy.rows
            self._waiting.popleft()
            if numbers:
                self._waiting.append((whose, numbers))
        return joining

    def _room_for(self, texts: Sequence[tuple[Wanted, int]]) -> bool:
        """Whether the reader can keep what it reads of all these side by side, if each becomes as long as it may."""
        prompts = [(whose.prompts[number], whose.policy.max_new_tokens) for whose, number in texts]
        return self.reader.room_for(
            sum(whose.policy.rows for whose, _ in texts),
            min(self.endings.limit, max(len(prompt.ids) + most for prompt, most in prompts)),
            max(len(prompt.source or ()) for prompt, _ in prompts),
        )

    def _join(self, joining: list[tuple[Wanted, int]]) -> None:
        prompts = [whose.prompts[number] for whose, number in joining]
        logits_NV = self.reader.enter(prompts)
        first = sum(len(text.rows) for text in self._texts)
        texts = []
        for row, ((whose, number), prompt) in enumerate(zip(joining, prompts, strict=True)):
            policy = self._known(whose.policy)
            try:
                hypotheses = whose.policy.begin(prompt.ids, whose.first + number, self.endings.of(prompt, policy))
            except Exception as error:
                hypotheses = Lines(prompt.ids, Ends(self.endings.tokenizer, frozenset(), 0), 0)
                hypotheses.parents = []
                whose.fail(error)
            if whose.still() and whose.take is not None and isinstance(hypotheses, Lines):
                hypotheses.stream(whose.take)
            if whose.likeliest is not None and isinstance(hypotheses, Lines):
                hypotheses.likeliest = whose.likeliest
            texts.append(_Text(whose, policy, number, hypotheses, [first + row]))
        self._texts += texts
        self._advance(texts, logits_NV, first)

    def _known(self, policy: Policy) -> Policy:
        """The policy under way that chooses alike, so that rows of several callers are chosen for together."""
        return next((text.policy for text in self._texts if text.policy.chooses_as(policy)), policy)

    def _advance(self, texts: Sequence[_Text], logits_BV: Tensor, first: int = 0) -> None:
        """Let each policy choose for its rows; `first` is the row of the first logits.

        What goes wrong there is told to those alone whose texts it was about.
        """
        groups: defaultdict[int, list[_Text]] = defaultdict(list)
        sound_B = logits_BV.amax(1).isfinite().tolist()
        for text in texts:
            if not all(sound_B[row - first] for row in text.rows):
                self._fail([text], Refusal(f"record {text.number + 1:,}: {NOT_FINITE}"))
            elif text.whose.still():
                groups[id(text.policy)].append(text)
        for members in groups.values():
            rows = [row - first for text in members for row in text.rows]
            chosen = logits_BV if rows == list(range(len(logits_BV))) else logits_BV[rows]
            try:
                members[0].policy.advance([text.hypotheses for text in members], chosen)
            except Exception as error:
                self._fail(members, error)
        self._settle()

    def _fail(self, texts: Sequence[_Text], error: BaseException) -> None:
        for text in texts:
            text.hypotheses.parents = []
            text.whose.fail(error)

    def _settle(self) -> None:
        """Rows go where their texts are; those that are done leave, and others move as little as can be."""
        held = sum(len(text.rows) for text in self._texts)
        wanted = [
            (text, place, text.rows[parent])
            for text in self._texts
            for place, parent in enumerate(text.hypotheses.parents)
        ]
        index = [-1] * len(wanted)
        homeless = []
        for text in self._texts:
            done = not text.hypotheses.parents
            if done and text.whose.still():
                self._remember(text)
                text.whose.done(text.number, text.hypotheses.written())
            text.rows = [-1] * len(text.hypotheses.parents)
        for text, place, row in wanted:
            if row < len(index) and index[row] < 0:
                index[row] = text.rows[place] = row
            else:
                homeless.append((text, place, row))
        free = iter([row for row, taken in enumerate(index) if taken < 0])
        for (text, place, row), home in zip(homeless, free, strict=True):
            index[home] = row
            text.rows[place] = home
        self._texts = [text for text in self._texts if text.rows]
        for text in self._texts:
            text.hypotheses.parents = list(range(len(text.rows)))
        if index != list(range(held)):
            self.reader.select(index)
