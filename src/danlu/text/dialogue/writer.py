"""A chat template at work: what it writes of a conversation, and what it may not."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
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


_PROBE = {"danlu_key": "danlu value"}
_WANT_JSON: dict[tuple[Any, ...], bool] = {}
_MOST_KNOWN = 64  # templates; a bundle has one

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
        if self.tools and not self._differs(text, messages, None, asks=asks):
            raise Refusal(
                f"record {self.number + 1:,}: the chat template has no place for tools, so the model would not hear of "
                "them; leave 'tools' out, or take a model with a template for them"
            )
        if any("tool_calls" in message for message in messages):
            without = [{name: told for name, told in each.items() if name != "tool_calls"} for each in messages]
            if not self._differs(text, without, self.tools, asks=asks):
                raise Refusal(
                    f"record {self.number + 1:,}: the chat template drops the calls of tools; take a model with a "
                    "template for them, or write them as text ('kind: chat' of data does)"
                )
        return text

    def _differs(self, text: str, messages: Sequence[Message], tools: Tools, *, asks: bool) -> bool:
        """Whether other messages are written otherwise; those that a template does not take are, too."""
        try:
            return text != self._text(messages, tools, asks=asks)
        except Refusal:
            return True

    def _as_it_wants(self, messages: Sequence[Message], *, asks: bool) -> tuple[Sequence[Message], str]:
        """The messages with arguments and ids of calls as the template wants them, and what it writes of them."""
        if any("tool_calls" in message for message in messages) and self._wants_json():
            messages = with_json_arguments(messages)
        try:
            return messages, self._text(messages, self.tools, asks=asks)
        except Refusal:
            if (renamed := with_short_ids(messages)) is None or renamed == list(messages):
                raise
            return renamed, self._text(renamed, self.tools, asks=asks)

    def _wants_json(self) -> bool:
        """Whether arguments are to be JSON: objects are not taken, or written as Python does, which nobody reads."""
        key = (self.jinja, tuple(sorted(self.tokenizer.special_tokens_map.items(), key=str)))
        known = _WANT_JSON.get(key)
        if known is None:
            dumped = json.dumps(_PROBE)
            plain, text = self._shown(_PROBE), self._shown(dumped)
            wrong = plain is None or (repr(_PROBE) in plain and dumped not in plain)
            if len(_WANT_JSON) >= _MOST_KNOWN:
                _WANT_JSON.clear()
            known = _WANT_JSON[key] = wrong and text is not None and dumped in text
        return known

    def _shown(self, arguments: Any) -> str | None:
        """What is written of a made call with these arguments; None where the template does not take them."""
        call = {"id": "danlu0001", "type": "function", "function": {"name": "danlu_probe", "arguments": arguments}}
        messages: list[Message] = [{"role": "user", "content": "a"}]
        messages.append({"role": "assistant", "content": "", "tool_calls": [call]})
        tool = {"name": "danlu_probe", "description": "d", "parameters": {"type": "object", "properties": {}}}
        with suppress(Refusal):
            return self._text(messages, [{"type": "function", "function": tool}], asks=False)
        return None

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
