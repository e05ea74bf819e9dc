"""Answering in a conversation: instruction tuning and dialogue (Wei et al., 2022; Ouyang et al., 2022)."""

from collections.abc import Iterable, Sequence
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from danlu.data.reading.call_lines import with_calls
from danlu.data.record import Record
from danlu.refusal import Refusal
from danlu.task.conversing import Conversing, last_alone, next_learnt, shortened
from danlu.task.next_tokens import PackedTokens
from danlu.task.packing import packed_rows, room_in
from danlu.task.task import Prediction
from danlu.text.batching.encoded import Encoded, Ids, Row
from danlu.text.dialogue.ids import encoded
from danlu.text.dialogue.messages import WEIGHT, Message, answered, tools_in
from danlu.text.dialogue.rendered import conversation
from danlu.text.dialogue.thoughts import answer_alone
from danlu.text.dialogue.writer import Tools
from danlu.text.tokenizing.tokenizer import Tokenizer


class Chat(Conversing, PackedTokens):
    """Write the next message of a conversation.

    What the assistant says is learnt, each answer with the token that ends it, and nothing else. A conversation that is
    longer than a row loses its oldest turns under "truncate", after them the end of its answer; the system message
    stays. Under "drop" it is left out. Calls of tools are learnt as the template writes them, and told as `tool_calls`
    where the model has written some; messages with `weight: 0` are not learnt at all.
    """

    columns: ClassVar[dict[str, str]] = {"messages": "messages, each with a role and content"}
    answers_by: ClassVar[Literal["forward", "likelihood", "generate"]] = "generate"
    answer_form: ClassVar[str] = "text"
    metrics: ClassVar[tuple[str, ...]] = ("rougel", "chrf", "repetition", "length_ratio", "target_script")
    baseline: ClassVar[str | None] = "nearest"
    sample: ClassVar[tuple[Record, ...]] = (
        {"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "请说。"}]},
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Sky?"},
                {"role": "assistant", "content": "Blue."},
            ]
        },
        {"messages": [{"role": "user", "content": "一加一？"}, {"role": "assistant", "content": "二。"}]},
    )

    learn: Literal["all", "last"] = Field(default="all", description="which answers of a conversation are learnt")

    def encode(self, records: Sequence[Record], tokenizer: Tokenizer, limit: int, *, labelled: bool) -> list[Encoded]:
        """One row a conversation: where `labelled` the whole of it with the target `tokens`, else up to the answer."""
        if not labelled:
            return self.prompts(records, tokenizer, limit)
        jinja = self.jinja(tokenizer)
        limit = min(limit, self.max_length or limit)
        found = []
        for number, record in enumerate(records):
            messages = self.messages(record, number)
            answered(messages, number)
            row = self._learnt(messages, tools_in(record, number), jinja, tokenizer, limit, number)
            if row is not None:
                found.append(row)
        return found

    def learnable(self, records: Sequence[Record], tokenizer: Tokenizer, limit: int, room: int) -> Sequence[Encoded]:
        """Rows filled to `room` tokens with `pack`; without `room`, a conversation is an example, and has its own."""
        rows = self.encode(records, tokenizer, limit, labelled=True)
        longest = min(limit, self.max_length or limit)
        return packed_rows(rows, room_in(longest, room)) if self.pack and room else rows

    def gold(self, record: Record, number: int = 0) -> tuple[str, ...]:
        """The last answer, without its thoughts, and what it calls, a line of JSON a call."""
        messages = self.messages(record, number)
        answered(messages, number)
        return (self._alone(messages[-1], record),)

    def examined(self, predictions: Iterable[Prediction], records: Sequence[Record]) -> Iterable[Prediction]:
        """See `Task.examined`: answers as `gold` has them, without thoughts, which a template may write before each."""
        for each, record in zip(predictions, records, strict=False):
            rest = {name: value for name, value in each.items() if name != "tool_calls"}
            told = {"content": each["text"], "tool_calls": each.get("tool_calls")} if "text" in each else None
            yield rest | ({"text": self._alone(told, record)} if told else {})

    def _alone(self, answer: Message, record: Record) -> str:
        """An answer without its thoughts, and a line of JSON a call, which its text may hold instead."""
        told = answer if answer.get("tool_calls") else self.told_apart(answer["content"], record)
        return with_calls(answer_alone(told["content"]), told.get("tool_calls"))

    def kept(self, record: Record) -> Record:
        """See `Task.kept`; a text is what the user says where there are no messages."""
        names = ("messages", "tools") if "messages" in record else ("text",)
        return {name: record[name] for name in names if name in record}

    def _learnt(
        self, messages: list[Message], tools: Tools, jinja: str, tokenizer: Tokenizer, limit: int, number: int
    ) -> Encoded | None:
        """The row of a conversation; None where it is dropped."""
        if self.learn == "last" and WEIGHT in messages[-1]:
            raise Refusal(
                f"record {number + 1:,}: its last answer has the weight 0, and 'learn: last' learns that one alone; "
                "leave the record out, or take 'learn: all'"
            )
        ids, learnt = encoded(conversation(messages, jinja, tokenizer, number, tools), tokenizer)
        size = len(ids)
        if size > limit and self.too_long == "stop":
            raise Refusal(
                f"record {number + 1:,}: the conversation has {size:,} tokens and a row takes {limit:,}; shorten it, "
                "or set the task's 'too_long' to 'truncate' or 'drop'"
            )
        if size > limit and self.too_long == "truncate":

            def row(fewer: list[Message]) -> tuple[Ids, NDArray[np.bool_]]:
                return encoded(conversation(fewer, jinja, tokenizer, number, tools), tokenizer)

            ids, learnt = row(shortened(messages, lambda fewer: len(row(fewer)[0]) <= limit))
        if self.learn == "last":
            learnt = last_alone(learnt)
        if len(ids) > limit and self.too_long == "drop":
            return None
        ids, learnt = ids[:limit], learnt[:limit]
        tokens = next_learnt(ids, learnt)
        return Encoded(number, (Row(ids),), {"tokens": tokens}, cut=size - len(ids)) if learnt.any() else None
