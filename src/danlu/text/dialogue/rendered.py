"""A conversation as text, in which is known who wrote what: the template, a person, or the model that is to learn.

A template is asked for marks in place of the messages, so it shows where each of them stands. Unicode keeps the
characters of the marks out of all text that is exchanged (noncharacters, chapter 23.7).
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from jinja2 import TemplateError
from transformers.utils import chat_template_utils

from danlu.refusal import Refusal
from danlu.text.dialogue.messages import CALLS, WEIGHT, Message
from danlu.text.dialogue.thoughts import forms_of, thoughts_and_rest
from danlu.text.tokenizing.special import end_id
from danlu.text.tokenizing.tokenizer import Tokenizer, special_tokens

Tools = Sequence[Mapping[str, Any]] | None
"""What tools a model is told of, in the form of OpenAI."""

_MARK = re.compile("\ufdd0([0-9]+)\ufdd1")
MOST_TURNS = 4_000_000
"""Turns of all counted loops of a template together, a second or two; a loop within a loop over 1,000 messages has a
quarter of that."""
MOST_WRITTEN = 1_000_000
"""Characters that a template may write beside ten times what the messages say."""


DAY = datetime(2024, 7, 26)
"""What a template that writes today's date is told (that of Llama 3.1 where it is told none): rows that are learnt, and
what a bundle was verified with, are those of any other day."""


@dataclass(frozen=True, slots=True)
class Span:
    """Some characters of a conversation.

    - `ours`: the template wrote them, so special tokens in them are such; in what a person says they are text.
    - `learnt`: the model is to write them.
    """

    text: str
    ours: bool
    learnt: bool = False


def question(
    messages: Sequence[Message], jinja: str, tokenizer: Tokenizer, number: int, tools: Tools = None
) -> list[Span]:
    """The conversation up to where an answer begins; earlier answers are marked as in `conversation`.

    Raises:
        Refusal: the template does not take these messages, drops one, or changes what it says.
    """
    return _spans(messages, Writer(jinja, tokenizer, number, tools), asks=True)


def conversation(
    messages: Sequence[Message], jinja: str, tokenizer: Tokenizer, number: int, tools: Tools = None
) -> list[Span]:
    """The whole conversation; each answer and call of tools is to be learnt, as the template writes it, and its end.

    An answer begins where the template has asked for it, as it will when the model is asked. It ends with the special
    token that the template writes behind it; where that writes nothing behind the last one, with the end token.

    Raises:
        Refusal: as for `question`; or no end token follows an answer, so the model would not learn to end.
    """
    return _spans(messages, Writer(jinja, tokenizer, number, tools), asks=False)


def _spans(messages: Sequence[Message], writer: "Writer", *, asks: bool) -> list[Span]:
    tokenizer = writer.tokenizer
    marked, contents = _marked(messages, writer, asks=asks)
    special = "|".join(map(re.escape, _longest_first(tokenizer)))
    end = re.compile(rf"\s*(?:{special})")
    found = [match for match in _MARK.finditer(marked) if int(match[1]) < len(messages)]
    answers = {place: match for match in found if _is_answer(messages[place := int(match[1])])}
    last_answer = max(answers, default=-1)
    spans: list[Span] = []
    done = 0
    for place, message in enumerate(messages):
        match = answers.get(place)
        if match is None:
            if "tool_calls" in message and WEIGHT not in message:
                start, stop = _call(messages[: place + 1], marked, writer, special)
                if done <= start < stop:
                    spans += [_span(part, contents) for part in _parts(marked[done:start])]
                    spans += [_span(part, contents, learnt=True) for part in _parts(marked[start:stop])]
                    done = stop
                elif not asks and place == len(messages) - 1:
                    raise Refusal(
                        f"record {writer.number + 1:,}: the chat template writes the call at the end otherwise than "
                        "where it asks for an answer, or without a special token behind it, so it cannot be learnt; "
                        "add what the tool says and the answer, or leave that message out"
                    )
            continue
        before, _ = _marked(messages[:place], writer, asks=True)
        start = len(before) if done <= len(before) <= match.start() and marked.startswith(before) else match.start()
        spans += [_span(part, contents) for part in _parts(marked[done:start])]
        spans += [_span(part, contents, learnt=True) for part in _parts(marked[start : match.end()])]
        done = match.end()
        if ended := end.match(marked, done):
            spans.append(Span(ended[0], ours=True, learnt=True))
            done = ended.end()
        elif (
            not asks and place == last_answer and not marked[done:].strip() and (last := end_id(tokenizer)) is not None
        ):
            spans.append(Span(str(tokenizer.convert_ids_to_tokens(last)), ours=True, learnt=True))
            done = len(marked)
        else:
            raise Refusal(
                "the chat template writes no special token behind an answer, so the model would never learn to end; "
                "choose another 'template', or a tokenizer with an end token"
            )
    return spans + [_span(part, contents) for part in _parts(marked[done:])]


def _call(messages: Sequence[Message], marked: str, writer: "Writer", special: str) -> tuple[int, int]:
    """Where the last message, which calls tools, is written in the text: up to the special token that ends it.

    (0, 0) where that is not known, as of a template that writes a conversation in another way once it goes on.
    """
    try:
        (before, _), (upto, _) = _marked(messages[:-1], writer, asks=True), _marked(messages, writer, asks=False)
    except Refusal:
        return 0, 0
    if not marked.startswith(before) or not marked.startswith(upto) or not upto.startswith(before):
        return 0, 0
    ends = [found.end() for found in re.finditer(special, upto[len(before) :])] if special else []
    return (len(before), len(before) + ends[-1]) if ends else (0, 0)


def _is_answer(message: Message) -> bool:
    """Whether it is one that a model is to learn as a text; how a call of tools is written the template knows."""
    return bool(message["role"] == "assistant" and "tool_calls" not in message and WEIGHT not in message)


def _marked(messages: Sequence[Message], writer: "Writer", *, asks: bool) -> tuple[str, list[str]]:
    """The text with a mark for each message, and what the messages say there: some templates strip it.

    Where a template knows the thoughts of an answer these have marks of their own, numbered behind the messages.
    """
    right = writer.written(messages, asks=asks)
    for thoughts in (False, True):
        said = [thoughts_and_rest(message) if thoughts else ("", message["content"]) for message in messages]
        if thoughts and not any(thought for thought, _ in said):
            break
        marked = _with_marks(messages, [bool(thought) for thought, _ in said], writer, asks=asks)
        forms = [forms_of(message, rest) for message, (_, rest) in zip(messages, said, strict=True)]
        if not asks:  # the last answer is learnt with its thoughts
            forms[-1] = forms_of({**messages[-1], "role": ""}, said[-1][1])
            if said[-1][0] and f"\ufdd0{2 * len(messages) - 1}\ufdd1" not in marked:
                break
        forms += [[thought, thought.strip("\n"), thought.strip()] for thought, _ in said]
        if (contents := _read_off(_parts(marked), right, forms)) is not None:
            return marked, contents
    raise Refusal(
        f"record {writer.number + 1:,}: the chat template changes what the messages say, so it is not known what the "
        "model writes; choose another 'template'"
    )


def _read_off(parts: Sequence[str | int], right: str, forms: Sequence[Sequence[str]]) -> list[str] | None:
    """Which form of each text stands in what a template has written; None where it is none of these."""
    found, done = [each[0] for each in forms], 0
    for place, part in enumerate(parts):
        if isinstance(part, str):
            done += len(part)
            continue
        after = parts[place + 1] if place + 1 < len(parts) else None
        for form in forms[part]:
            end = done + len(form)
            goes_on = end == len(right) if after is None else isinstance(after, int) or right.startswith(after, end)
            if right.startswith(form, done) and goes_on:
                found[part], done = form, end
                break
        else:
            return None
    return found if "".join(_span(part, found).text for part in parts) == right else None


def _with_marks(messages: Sequence[Message], thinks: Sequence[bool], writer: "Writer", *, asks: bool) -> str:
    """What a template writes of marks in place of the texts.

    Raises:
        Refusal: it drops a message, or writes it elsewhere.
    """
    number = writer.number
    silent = {place for place, message in enumerate(messages) if "tool_calls" in message and not message["content"]}

    def named(place: int) -> str:
        thought = f"<think>\n\ufdd0{len(messages) + place}\ufdd1\n</think>\n\n" if thinks[place] else ""
        return f"{thought}\ufdd0{place}\ufdd1"

    marked = writer.written(
        [
            message if place in silent else {**message, "content": named(place)}
            for place, message in enumerate(messages)
        ],
        asks=asks,
    )
    found = [int(place) for place in _MARK.findall(marked) if int(place) < len(messages)]
    missing = set(range(len(messages))) - set(found) - silent
    if missing:
        place = min(missing)
        raise Refusal(
            f"record {number + 1:,}: the chat template drops message {place + 1}, of the {messages[place]['role']}; "
            "choose another 'template', or leave such messages out"
        )
    turns = [place for place in found if messages[place]["role"] != "system"]  # some write that into a later one
    if turns != sorted(turns):
        place = next(after for before, after in pairwise(turns) if after < before)
        raise Refusal(
            f"record {number + 1:,}: the chat template writes message {place + 1}, of the {messages[place]['role']}, "
            "behind later ones, so the model would learn to answer before it is asked; choose another 'template'"
        )
    return marked


@dataclass(frozen=True)
class Writer:
    """A template with its tokenizer, the number of the record that it writes, and the tools that this tells of."""

    jinja: str
    tokenizer: Tokenizer
    number: int
    tools: Tools

    def written(self, messages: Sequence[Message], *, asks: bool) -> str:
        """The text of a conversation.

        Raises:
            Refusal: the template does not take these messages, or has no place for tools; or what is said of tools
                spells special tokens, which it would make such.
        """
        self._refuse_spelling(messages)
        text = self._text(messages, self.tools, asks=asks)
        if self.tools and text == self._text(messages, None, asks=asks):
            raise Refusal(
                f"record {self.number + 1:,}: the chat template has no place for tools, so the model would not hear of "
                "them; leave 'tools' out, or take a model with a template for them"
            )
        if any("tool_calls" in message for message in messages):
            without = [{name: told for name, told in each.items() if name != "tool_calls"} for each in messages]
            if text == self._text(without, self.tools, asks=asks):
                raise Refusal(
                    f"record {self.number + 1:,}: the chat template drops the calls of tools; take a model with a "
                    "template for them, or write them as text ('kind: chat' of data does)"
                )
        return text

    def _refuse_spelling(self, messages: Sequence[Message]) -> None:
        given = [self.tools, *([message[name] for name in CALLS if name in message] for message in messages)]
        told = json.dumps([each for each in given if each], ensure_ascii=False)
        spelled = [token for token in special_tokens(self.tokenizer) if token in told] if len(told) > len("[]") else []
        if spelled:
            raise Refusal(
                f"record {self.number + 1:,}: what is said of tools spells the special token '{spelled[0]}'; leave it "
                "out"
            )

    def _text(self, messages: Sequence[Message], tools: Tools, *, asks: bool) -> str:
        try:
            return "".join(self._pieces(messages, tools, asks=asks))
        except Exception as error:  # a template is a program of somebody else, which may raise anything
            told = str(error) if isinstance(error, TemplateError) else f"{type(error).__name__}: {error}"
            raise Refusal(
                f"record {self.number + 1:,}: the chat template does not take these messages ({told:.200}); "
                "mend them, or choose another 'template'"
            ) from None

    def _pieces(self, messages: Sequence[Message], tools: Tools, *, asks: bool) -> Iterator[str]:
        """What `apply_chat_template` writes, piece by piece, since a template may never end."""
        turns, size = 0, 0

        def counted(*bounds: int) -> range:
            nonlocal turns
            turns += len(range(*bounds))
            if turns > MOST_TURNS:
                raise TemplateError(f"its loops take more than {MOST_TURNS:,} turns")
            return range(*bounds)

        template = chat_template_utils._compile_jinja_template(self.jinja)
        most = MOST_WRITTEN + 10 * sum(len(message["content"]) for message in messages)
        told = None if tools is None else [dict(tool) for tool in tools]
        given: dict[str, Any] = {"messages": [dict(message) for message in messages], "tools": told, "documents": None}
        given |= {**self.tokenizer.special_tokens_map, "range": counted, "add_generation_prompt": asks}
        given["strftime_now"] = DAY.strftime
        for piece in template.generate(**given):
            size += len(piece)
            if size > most:
                raise TemplateError(f"it writes more than {MOST_WRITTEN:,} characters of its own")
            yield piece


def _parts(marked: str) -> list[str | int]:
    """Text of the template, and the numbers of messages in between."""
    parts: list[str | int] = list(_MARK.split(marked))
    parts[1::2] = [int(part) for part in parts[1::2]]
    return [part for part in parts if part != ""]


def _span(part: str | int, contents: Sequence[str], *, learnt: bool = False) -> Span:
    if isinstance(part, int):
        return Span(contents[part], ours=False, learnt=learnt)
    return Span(part, ours=True, learnt=learnt)


def _longest_first(tokenizer: Tokenizer) -> list[str]:
    return sorted(special_tokens(tokenizer), key=len, reverse=True)
