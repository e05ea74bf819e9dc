"""A conversation as text, in which is known who wrote what: the template, a person, or the model that is to learn.

A template is asked for marks in place of the messages, so it shows where each of them stands. Unicode keeps the
characters of the marks out of all text that is exchanged (noncharacters, chapter 23.7).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from danlu.refusal import Refusal
from danlu.text.dialogue.messages import WEIGHT, Message
from danlu.text.dialogue.thoughts import CLOSED, OPENED, forms_of, thoughts_and_rest
from danlu.text.dialogue.writer import Tools, Writer
from danlu.text.tokenizing.special import end_id
from danlu.text.tokenizing.tokenizer import Tokenizer, special_tokens

_MARK = re.compile("\ufdd0([0-9]+)\ufdd1")


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


def _spans(messages: Sequence[Message], writer: Writer, *, asks: bool) -> list[Span]:
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
                start, stop = _call(messages[: place + 1], marked, done, writer, special)
                if done <= start < stop:
                    spans += [_span(part, contents) for part in _parts(marked[done:start])]
                    spans += [_span(part, contents, learnt=True) for part in _parts(marked[start:stop])]
                    done = stop
                    if not marked[done:].strip() and not re.search(rf"(?:{special})$", marked[:done]):
                        spans.append(_end(tokenizer, writer.number))
                        done = len(marked)
                elif not asks and place == len(messages) - 1:
                    raise _unlearnable(writer.number)
            continue
        before, _ = _marked(messages[:place], writer, asks=True)
        start = len(before) if done <= len(before) <= match.start() and marked.startswith(before) else match.start()
        spans += [_span(part, contents) for part in _parts(marked[done:start])]
        spans += [_span(part, contents, learnt=True) for part in _parts(marked[start : match.end()])]
        done = match.end()
        if ended := end.match(marked, done):
            spans.append(Span(ended[0], ours=True, learnt=True))
            done = ended.end()
        elif not asks and place == last_answer and not marked[done:].strip() and end_id(tokenizer) is not None:
            spans.append(_end(tokenizer, writer.number))
            done = len(marked)
        else:
            raise Refusal(
                "the chat template writes no special token behind an answer, so the model would never learn to end; "
                "choose another 'template', or a tokenizer with an end token"
            )
    return spans + [_span(part, contents) for part in _parts(marked[done:])]


def _end(tokenizer: Tokenizer, number: int) -> Span:
    """The end token, where a template writes none at the end. Raises `Refusal` where the tokenizer has none either."""
    last = end_id(tokenizer)
    if last is None:
        raise _unlearnable(number)
    return Span(str(tokenizer.convert_ids_to_tokens(last)), ours=True, learnt=True)


def _unlearnable(number: int) -> Refusal:
    return Refusal(
        f"record {number + 1:,}: the chat template writes the call at the end otherwise than where it asks for an "
        "answer, or without a special token behind it, so it cannot be learnt; add what the tool says and the answer, "
        "or leave that message out"
    )


def _call(messages: Sequence[Message], marked: str, done: int, writer: Writer, special: str) -> tuple[int, int]:
    """Where the last message, which calls tools, is written behind `done`: up to the special token that ends it.

    Thoughts that a template writes in the last message alone are none of the call. (0, 0) where it is not known where
    it stands, as of a template that writes a conversation in another way once it goes on.
    """
    try:
        (before, _), (upto, _) = _marked(messages[:-1], writer, asks=True), _marked(messages, writer, asks=False)
    except Refusal:
        return 0, 0
    whole = marked.startswith(before) and marked.startswith(upto) and upto.startswith(before)
    before = before if whole else re.sub(rf"{OPENED}\s*$", "", before)
    if not upto.startswith(before):
        return 0, 0
    written = upto[len(before) :]
    written = written if whole else re.sub(rf"^\s*{OPENED}[^{{]*?{CLOSED}\s*", "", written)
    ends = [found.end() for found in re.finditer(special, written)] if special else []
    if whole and special and not ends:  # what begins the next turn ends it, as in GLM-4.6
        follows = re.compile(rf"\s*(?:{special})").match(marked, len(before) + len(written.rstrip()))
        stop = len(before) + len(written.rstrip()) if follows is None else follows.end()
        return (0, 0) if follows is None and marked[stop:].strip() else (len(before), stop)
    start = len(before) if whole else marked.find(written[: ends[-1]], done) if ends else -1
    return (start, start + ends[-1]) if ends and start >= 0 else (0, 0)


def _is_answer(message: Message) -> bool:
    """Whether it is one that a model is to learn as a text; how a call of tools is written the template knows."""
    return bool(message["role"] == "assistant" and "tool_calls" not in message and WEIGHT not in message)


def _marked(messages: Sequence[Message], writer: Writer, *, asks: bool) -> tuple[str, list[str]]:
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


def _with_marks(messages: Sequence[Message], thinks: Sequence[bool], writer: Writer, *, asks: bool) -> str:
    """What a template writes of marks in place of the texts.

    Raises:
        Refusal: it drops a message, or writes it elsewhere.
    """
    number = writer.number
    said = [thoughts_and_rest(each)[1] if thinks[place] else each["content"] for place, each in enumerate(messages)]
    silent = {place for place, each in enumerate(messages) if "tool_calls" in each and not said[place].strip()}

    def named(place: int) -> str:
        opened = f"{OPENED}\n" if OPENED in messages[place]["content"] else ""  # else in what was asked
        thought = f"{opened}\ufdd0{len(messages) + place}\ufdd1\n{CLOSED}" if thinks[place] else ""
        if place in silent:
            return thought or messages[place]["content"]
        return f"{thought}\n\n\ufdd0{place}\ufdd1" if thought else f"\ufdd0{place}\ufdd1"

    marked = writer.written([{**each, "content": named(place)} for place, each in enumerate(messages)], asks=asks)
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
