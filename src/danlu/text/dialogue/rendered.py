"""A conversation as text, in which is known who wrote what: the template, a person, or the model that is to learn.

A template is asked for marks in place of the messages, so it shows where each of them stands. Unicode keeps the
characters of the marks out of all text that is exchanged (noncharacters, chapter 23.7).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import TemplateError

from danlu.refusal import Refusal
from danlu.text.dialogue.messages import Message
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


def question(messages: Sequence[Message], jinja: str, tokenizer: Tokenizer, number: int) -> list[Span]:
    """The conversation up to where an answer begins; earlier answers are marked as in `conversation`.

    Raises:
        Refusal: the template does not take these messages, drops one, or changes what it says.
    """
    return _spans(messages, jinja, tokenizer, number, asks=True)


def conversation(messages: Sequence[Message], jinja: str, tokenizer: Tokenizer, number: int) -> list[Span]:
    """The whole conversation; each answer is to be learnt, with all that the template puts into it, and its end.

    An answer begins where the template has asked for it, as it will when the model is asked. It ends with the special
    token that the template writes behind it; where that writes nothing behind the last one, with the end token.

    Raises:
        Refusal: as for `question`; or no end token follows an answer, so the model would not learn to end.
    """
    return _spans(messages, jinja, tokenizer, number, asks=False)


def _spans(messages: Sequence[Message], jinja: str, tokenizer: Tokenizer, number: int, *, asks: bool) -> list[Span]:
    marked, contents = _marked(messages, jinja, tokenizer, number, asks=asks)
    answers = [match for match in _MARK.finditer(marked) if messages[int(match[1])]["role"] == "assistant"]
    end = re.compile(r"\s*(?:" + "|".join(map(re.escape, _longest_first(tokenizer))) + ")")
    spans: list[Span] = []
    done = 0
    for match in answers:
        before, _ = _marked(messages[: int(match[1])], jinja, tokenizer, number, asks=True)
        start = len(before) if done <= len(before) <= match.start() and marked.startswith(before) else match.start()
        spans += [_span(part, contents) for part in _parts(marked[done:start])]
        spans += [_span(part, contents, learnt=True) for part in _parts(marked[start : match.end()])]
        done = match.end()
        if ended := end.match(marked, done):
            spans.append(Span(ended[0], ours=True, learnt=True))
            done = ended.end()
        elif (
            not asks and match is answers[-1] and not marked[done:].strip() and (last := end_id(tokenizer)) is not None
        ):
            spans.append(Span(str(tokenizer.convert_ids_to_tokens(last)), ours=True, learnt=True))
            done = len(marked)
        else:
            raise Refusal(
                "the chat template writes no special token behind an answer, so the model would never learn to end; "
                "choose another 'template', or a tokenizer with an end token"
            )
    return spans + [_span(part, contents) for part in _parts(marked[done:])]


def _marked(
    messages: Sequence[Message], jinja: str, tokenizer: Tokenizer, number: int, *, asks: bool
) -> tuple[str, list[str]]:
    """The text with a mark for each message, and what the messages say there: some templates strip it."""
    named = [{**message, "content": f"\ufdd0{place}\ufdd1"} for place, message in enumerate(messages)]
    marked = _written(named, jinja, tokenizer, number, asks=asks)
    right = _written(messages, jinja, tokenizer, number, asks=asks)
    missing = {str(place) for place in range(len(messages))} - set(_MARK.findall(marked))
    if missing:
        place = min(map(int, missing))
        raise Refusal(
            f"record {number + 1:,}: the chat template drops message {place + 1}, of the {messages[place]['role']}; "
            "choose another 'template', or leave such messages out"
        )
    given = [message["content"] for message in messages]
    for contents in (given, [text.strip() for text in given]):
        if "".join(_span(part, contents).text for part in _parts(marked)) == right:
            return marked, contents
    raise Refusal(
        f"record {number + 1:,}: the chat template changes what the messages say, so it is not known what the model "
        "writes; choose another 'template'"
    )


def _written(messages: Sequence[Message], jinja: str, tokenizer: Tokenizer, number: int, *, asks: bool) -> str:
    try:
        return str(
            tokenizer.apply_chat_template(
                list(messages), chat_template=jinja, tokenize=False, add_generation_prompt=asks
            )
        )
    except (TemplateError, TypeError, ValueError, LookupError, ArithmeticError) as error:
        raise Refusal(
            f"record {number + 1:,}: the chat template does not take these messages ({error!s:.200}); "
            "mend them, or choose another 'template'"
        ) from None


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
