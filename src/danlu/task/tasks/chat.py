"""Answering in a conversation: instruction tuning and dialogue (Wei et al., 2022; Ouyang et al., 2022)."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from torch import nn

from danlu.data.record import Record
from danlu.model.heads import unwrapped
from danlu.model.policies.greedy import Greedy
from danlu.model.policy import Policy
from danlu.refusal import Refusal
from danlu.task.columns import text_in
from danlu.task.next_tokens import NextTokens, packed_rows
from danlu.text.batching.encoded import Encoded, Row
from danlu.text.dialogue.ids import encoded
from danlu.text.dialogue.messages import Message, answered, asked, checked
from danlu.text.dialogue.rendered import conversation, question
from danlu.text.dialogue.template import Template
from danlu.text.dialogue.templates.own import Own
from danlu.text.dialogue.templates.plain import Plain
from danlu.text.tokenizing.special import end_id
from danlu.text.tokenizing.tokenizer import Tokenizer


class Chat(NextTokens):
    """Write the next message of a conversation.

    What the assistant says is learnt, each answer with the token that ends it, and nothing else. A conversation that is
    longer than a row loses its oldest turns under "truncate", after them the end of its answer; the system message
    stays. Under "drop" it is left out.
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

    template: Template | None = Field(
        default=None, description="how a conversation is written; None: the tokenizer's own, or plain where it has none"
    )
    learn: Literal["all", "last"] = Field(default="all", description="which answers of a conversation are learnt")
    system: str = Field(default="", description="system message of conversations that have none")
    too_long: Literal["stop", "truncate", "drop"] = "stop"  # type: ignore[assignment]
    policy: Policy = Field(default=Greedy(), description="how an answer is written")
    ends: tuple[int, ...] = Field(default=(), description="tokens that end an answer; learnt from the template")

    def suited(self, model: nn.Module, tokenizer: Tokenizer, say: Callable[[str], None]) -> Self:
        """This task with its template, which the tokenizer takes over, and the tokens that end an answer.

        Raises `Refusal` for a template that this tokenizer cannot follow, and as `NextTokens.suited`.
        """
        suited = super().suited(model, tokenizer, say)
        template = suited.template or (Own() if tokenizer.chat_template else Plain())
        if suited.template is None and isinstance(template, Plain):
            say("the tokenizer has no chat template, so conversations are written as by 'template: plain'")
        jinja = template.jinja(tokenizer)
        probe: list[Message] = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
        ids, learnt = encoded(conversation(probe, jinja, tokenizer, 0), tokenizer)
        ends = {int(ids[learnt][-1])}
        if (end := end_id(tokenizer)) is not None:
            ends.add(end)
        tokenizer.chat_template = jinja
        unwrapped(model).config.eos_token_id = sorted(ends)  # as in the bundle, so that validation ends alike
        return suited.model_copy(update={"template": template, "ends": tuple(sorted(ends))})

    def config(self) -> dict[str, Any]:
        """What ends an answer, too, for programs that read it there."""
        return super().config() | ({"eos_token_id": list(self.ends)} if self.ends else {})

    def encode(self, records: Sequence[Record], tokenizer: Tokenizer, limit: int, *, labelled: bool) -> list[Encoded]:
        """One row a conversation: where `labelled` the whole of it with the target `tokens`, else up to the answer."""
        jinja = self._template(tokenizer).jinja(tokenizer)
        limit = min(limit, self.max_length or limit)
        found = []
        for number, record in enumerate(records):
            messages = self._messages(record, number)
            if labelled:
                answered(messages, number)
                row = self._learnt(messages, jinja, tokenizer, limit, number)
            else:
                row = self._asked(asked(messages, number), jinja, tokenizer, limit, number)
            if row is not None:
                found.append(row)
        return found

    def learnable(self, records: Sequence[Record], tokenizer: Tokenizer, limit: int, room: int) -> Sequence[Encoded]:
        """Rows filled to `room` tokens with `pack`."""
        rows = self.encode(records, tokenizer, limit, labelled=True)
        longest = min(limit, self.max_length or limit)
        return packed_rows(rows, max(min(longest, room), *map(len, rows))) if self.pack and rows else rows

    def gold(self, record: Record, number: int = 0) -> tuple[str, ...]:
        """The last answer."""
        messages = self._messages(record, number)
        answered(messages, number)
        return (messages[-1]["content"],)

    def kept(self, record: Record) -> Record:
        """See `Task.kept`; a text is what the user says where there are no messages."""
        names = ("messages",) if "messages" in record else ("text",)
        return {name: record[name] for name in names if name in record}

    def _messages(self, record: Record, number: int) -> list[Message]:
        if "messages" in record:
            messages = checked(record["messages"], number)
        else:
            messages = [{"role": "user", "content": text_in(record, number)}]
        if self.system and messages[0]["role"] != "system":
            messages.insert(0, {"role": "system", "content": self.system})
        return messages

    def _template(self, tokenizer: Tokenizer) -> Template:
        return self.template or (Own() if tokenizer.chat_template else Plain())

    def _learnt(
        self, messages: list[Message], jinja: str, tokenizer: Tokenizer, limit: int, number: int
    ) -> Encoded | None:
        """The row of a conversation; None where it is dropped."""
        ids, learnt = encoded(conversation(messages, jinja, tokenizer, number), tokenizer)
        size = len(ids)
        if size > limit and self.too_long == "stop":
            raise Refusal(
                f"record {number + 1:,}: the conversation has {size:,} tokens and a row takes {limit:,}; shorten it, "
                "or set the task's 'too_long' to 'truncate' or 'drop'"
            )
        fewer: list[Message] | None = messages if self.too_long == "truncate" else None
        while len(ids) > limit and fewer and (fewer := _without_the_oldest(fewer)):
            ids, learnt = encoded(conversation(fewer, jinja, tokenizer, number), tokenizer)
        if self.learn == "last":
            _last_alone(learnt)
        if len(ids) > limit and self.too_long == "drop":
            return None
        ids, learnt = ids[:limit], learnt[:limit]
        tokens = np.append(np.where(learnt[1:], ids[1:], -100), -100).astype(np.int32)
        return Encoded(number, (Row(ids),), {"tokens": tokens}, cut=size - len(ids)) if learnt.any() else None

    def _asked(self, messages: list[Message], jinja: str, tokenizer: Tokenizer, limit: int, number: int) -> Encoded:
        """The row that an answer is written after; the oldest turns go where there would be no room for one."""
        room = max(1, limit - min(self.policy.max_new_tokens, limit // 2))
        ids, _ = encoded(question(messages, jinja, tokenizer, number), tokenizer)
        size, fewer = len(ids), list(messages)
        while len(ids) > room and (shorter := _without_the_oldest(fewer)):
            fewer = shorter
            ids, _ = encoded(question(fewer, jinja, tokenizer, number), tokenizer)
        if len(ids) >= limit:
            raise Refusal(
                f"record {number + 1:,}: what is asked has {len(ids):,} tokens, and a row takes {limit:,} with the "
                "answer; shorten it"
            )
        return Encoded(number, (Row(ids),), cut=size - len(ids))


def _without_the_oldest(messages: list[Message]) -> list[Message] | None:
    """The conversation without its first question and all up to the next; None where there is one question alone."""
    first = 1 if messages[0]["role"] == "system" else 0
    later = [place for place in range(first + 1, len(messages)) if messages[place]["role"] == "user"]
    return [*messages[:first], *messages[later[0] :]] if later else None


def _last_alone(learnt_T: NDArray[np.bool_]) -> None:
    """Keep the last run that is learnt."""
    starts = np.flatnonzero(np.diff(learnt_T.astype(np.int8), prepend=0) == 1)
    if len(starts):
        learnt_T[: starts[-1]] = False
