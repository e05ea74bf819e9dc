"""A chat template at work: what it writes of a conversation, and what it may not."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jinja2 import TemplateError
from transformers.utils import chat_template_utils

from danlu.refusal import Refusal
from danlu.text.dialogue.messages import CALLS, Message, with_json_arguments, with_short_ids
from danlu.text.tokenizing.tokenizer import Tokenizer, special_tokens

Tools = Sequence[Mapping[str, Any]] | None
"""What tools a model is told of, in the form of OpenAI."""

MOST_TURNS = 4_000_000
"""Turns of all counted loops of a template together, a second or two; a loop within a loop over 1,000 messages has a
quarter of that."""
MOST_WRITTEN = 1_000_000
"""Characters that a template may write beside ten times what the messages say."""


DAY = datetime(2024, 7, 26)
"""What a template that writes today's date is told (that of Llama 3.1 where it is told none): rows that are learnt, and
what a bundle was verified with, are those of any other day."""


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
        messages, text = self._as_it_wants(messages, asks=asks)
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

    def _as_it_wants(self, messages: Sequence[Message], *, asks: bool) -> tuple[Sequence[Message], str]:
        """The messages with ids and arguments of calls as the template wants them, and what it writes of them.

        Arguments are objects, unless it takes none, or writes them as Python does (`{'a': 1}`), which nobody reads.
        """
        tried, refused = [messages], None
        if (renamed := with_short_ids(messages)) is not None:
            tried += [renamed, with_json_arguments(messages), with_json_arguments(renamed)]
        for each in tried:
            try:
                text = self._text(each, self.tools, asks=asks)
            except Refusal as refusal:
                refused = refused or refusal
                continue
            given = [call["function"]["arguments"] for one in each for call in one.get("tool_calls", ())]
            if not any(told and not isinstance(told, str) and repr(told) in text for told in given):
                return each, text
        if refused is not None:
            raise refused
        return messages, self._text(messages, self.tools, asks=asks)

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
