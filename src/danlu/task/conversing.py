"""What all tasks have that read a conversation and learn the assistant's part in it: template, system text, ends."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator
from torch import nn

from danlu.data.record import Record
from danlu.model.heads import unwrapped
from danlu.model.policies.greedy import Greedy
from danlu.model.policy import Policy, of_usual_kind
from danlu.model.source import borders_alike
from danlu.model.written import Written
from danlu.refusal import Refusal
from danlu.task.columns import text_in
from danlu.task.next_tokens import NextTokens
from danlu.task.numbered import NUMBERS
from danlu.task.task import Prediction
from danlu.text.batching.encoded import Encoded, Ids, Row
from danlu.text.dialogue.call_forms import AnyForm, form_of_calls
from danlu.text.dialogue.ids import encoded
from danlu.text.dialogue.messages import Message, asked, checked, tools_in
from danlu.text.dialogue.rendered import conversation, question
from danlu.text.dialogue.template import Template
from danlu.text.dialogue.templates.own import Own
from danlu.text.dialogue.templates.plain import Plain
from danlu.text.tokenizing.special import end_id
from danlu.text.tokenizing.tokenizer import Tokenizer, special_ids


class Conversing(NextTokens):
    """Learn what the assistant says, each answer with the token that ends it, and write the next one."""

    template: Template | None = Field(
        default=None, description="how a conversation is written; None: the tokenizer's own, or plain where it has none"
    )
    system: str = Field(default="", description="system message of conversations that have none")
    too_long: Literal["stop", "truncate", "drop"] = "stop"  # type: ignore[assignment]
    policy: Policy = Field(default=Greedy(), description="how an answer is written")
    ends: Annotated[tuple[int, ...], NUMBERS] = Field(
        default=(), description="tokens that end an answer; learnt from the template"
    )
    calls: AnyForm | None = Field(default=None, description="how calls of tools are written; learnt from the template")

    @field_validator("policy", mode="before")
    @classmethod
    def _kind_may_be_left_out(cls, value: Any) -> Any:
        return of_usual_kind(value, Greedy())

    def suited(self, model: nn.Module, tokenizer: Tokenizer, say: Callable[[str], None]) -> Self:
        """This task with its template, which the tokenizer takes over, and the tokens that end an answer.

        Raises `Refusal` for a template that this tokenizer cannot follow, and for a model that sees what it is to
        predict.
        """
        suited = super().suited(model, tokenizer, say)
        template = suited.template or (Own() if tokenizer.chat_template else Plain())
        if suited.template is None and isinstance(template, Plain):
            say("the tokenizer has no chat template, so conversations are written as by 'template: plain'")
        jinja = template.jinja(tokenizer)
        ends = _ends_of(template.kind, jinja, tokenizer)
        if (end := end_id(tokenizer)) is not None:
            ends.add(end)
        ends |= _known_ends(model) & {*special_ids(tokenizer), *tokenizer.added_tokens_decoder}
        if _asks_otherwise(jinja, tokenizer):
            say(
                "the template asks for an answer with other words than stand before one that is given, so answers are "
                "learnt behind something else than will be asked; choose another 'template'"
            )
        if self.ends and set(self.ends) != ends:
            told = ", ".join(map(str, sorted(ends)))
            raise Refusal(f"task.ends: the template ends an answer with token {told}; leave 'ends' out")
        calls = form_of_calls(jinja, tokenizer, ends)
        if self.calls is not None and type(self.calls) is not type(calls):  # older ones have other words
            raise Refusal("task.calls: the template writes calls of tools in another way; leave 'calls' out")
        tokenizer.chat_template = jinja
        suited = suited.model_copy(update={"template": template, "ends": tuple(sorted(ends)), "calls": calls})
        borders_alike(unwrapped(model), suited.config())  # as in the bundle, so that validation ends alike
        return suited

    def config(self) -> dict[str, Any]:
        """What ends an answer, too, for programs that read it there."""
        return super().config() | ({"eos_token_id": list(self.ends)} if self.ends else {})

    def prompts(self, records: Sequence[Record], tokenizer: Tokenizer, limit: int) -> list[Encoded]:
        """The row of each conversation up to where an answer is wanted, which one may already stand behind."""
        return self._prompts(records, tokenizer, limit, whole=False)

    def whole_prompts(self, records: Sequence[Record], tokenizer: Tokenizer, limit: int) -> list[Encoded]:
        """`prompts` without leaving anything out. Raises `Refusal` for a conversation that leaves too little room."""
        return self._prompts(records, tokenizer, limit, whole=True)

    def composed(self, written: Sequence[Written], encoded: Sequence[Encoded], record: Record) -> Prediction:
        """See `Task.composed`; calls, where the template writes such, are `tool_calls`, in the form of OpenAI."""
        found = super().composed(written, encoded, record)
        if self.calls is None:
            return found
        told = self.told_apart(found["text"], record)
        return {**found, "text": told["content"], "tool_calls": told.get("tool_calls", [])}

    def told_apart(self, text: str, record: Record) -> Message:
        """An answer to a record as a message, with the calls that its text holds."""
        said, calls = (text, []) if self.calls is None else self.calls.read(text, tools_in(record, 0) or ())
        return {"role": "assistant", "content": said} | ({"tool_calls": calls} if calls else {})

    def messages(self, record: Record, number: int) -> list[Message]:
        """The messages of record `number`, counted from 0; a text is what the user says where there are none.

        Raises `Refusal` for what is no conversation.
        """
        if "messages" in record:
            messages = checked(record["messages"], number)
        else:
            messages = [{"role": "user", "content": text_in(record, number)}]
        if self.system and messages[0]["role"] != "system":
            messages.insert(0, {"role": "system", "content": self.system})
        return messages

    def jinja(self, tokenizer: Tokenizer) -> str:
        """The template in Jinja."""
        return (self.template or (Own() if tokenizer.chat_template else Plain())).jinja(tokenizer)

    def _prompts(self, records: Sequence[Record], tokenizer: Tokenizer, limit: int, *, whole: bool) -> list[Encoded]:
        jinja = self.jinja(tokenizer)
        limit = min(limit, self.max_length or limit)
        return [
            self._asked(record, jinja, tokenizer, limit, number, whole=whole) for number, record in enumerate(records)
        ]

    def _asked(
        self, record: Record, jinja: str, tokenizer: Tokenizer, limit: int, number: int, *, whole: bool
    ) -> Encoded:
        """The row that an answer is written after.

        The oldest turns go where there would be no room for it, whatever `too_long` says of training: a conversation
        that goes on outgrows every row. Under `whole` none goes; a question alone may leave less room than is wanted.
        """
        messages, tools = asked(self.messages(record, number), number), tools_in(record, number)
        room = max(1, limit - min(self.policy.max_new_tokens, limit // 2))
        ids, _ = encoded(question(messages, jinja, tokenizer, number, tools), tokenizer)
        size = len(ids)
        several = len(_questions(messages)[1]) > 1
        if size > room and several and whole:
            raise Refusal(
                f"record {number + 1:,}: what is asked has {size:,} tokens, and a row that takes {limit:,} has room "
                f"for {room:,} before the answer; shorten it, or let less be written"
            )
        if size > room and several:

            def ids_of(fewer: list[Message]) -> Ids:
                return encoded(question(fewer, jinja, tokenizer, number, tools), tokenizer)[0]

            ids = ids_of(shortened(messages, lambda fewer: len(ids_of(fewer)) <= room))
        if len(ids) >= limit:
            raise Refusal(
                f"record {number + 1:,}: what is asked has {len(ids):,} tokens, and a row takes {limit:,} with the "
                "answer; shorten it"
            )
        kept = () if self.calls is None else tuple(self.calls.kept.values())
        return Encoded(number, (Row(ids),), cut=size - len(ids), kept=kept)


def shortened(messages: list[Message], fits: Callable[[list[Message]], bool]) -> list[Message]:
    """The conversation without its oldest questions and what follows each, as few as have to go; the last one stays.

    They are looked for by halves, for each look renders all.
    """
    first, starts = _questions(messages)

    def without(gone: int) -> list[Message]:
        return [*messages[:first], *messages[starts[gone] :]]

    last = len(starts) - 1
    return without(bisect_left(range(last), 1, 1, key=lambda gone: int(fits(without(gone)))) if last else 0)


def _questions(messages: list[Message]) -> tuple[int, list[int]]:
    """Where the first stands, behind what the system says, and where each does with which a conversation may begin."""
    first = 1 if messages[0]["role"] == "system" else 0
    return first, [first, *(place for place in range(first + 1, len(messages)) if messages[place]["role"] == "user")]


def last_alone(learnt_T: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The last run alone of what is learnt."""
    starts = np.flatnonzero(np.diff(learnt_T.astype(np.int8), prepend=0) == 1)
    return learnt_T & (np.arange(len(learnt_T)) >= (starts[-1] if len(starts) else 0))


def next_learnt(ids_T: Ids, learnt_T: NDArray[np.bool_]) -> Ids:
    """The token after each where that is to be learnt, else -100, (T,)."""
    return np.append(np.where(learnt_T[1:], ids_T[1:], -100), -100).astype(np.int32)


_PROBE: list[Message] = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]


def _asks_otherwise(jinja: str, tokenizer: Tokenizer) -> bool:
    """Whether what is asked is no beginning of what is learnt, as with templates that begin a thought for the model."""
    learnt, _ = encoded(conversation(_PROBE, jinja, tokenizer, 0), tokenizer)
    with suppress(Refusal):  # of a template that writes no question alone, which is told where one is asked
        asked, _ = encoded(question(_PROBE[:1], jinja, tokenizer, 0), tokenizer)
        return bool(learnt[: len(asked)].tolist() != asked.tolist())
    return False


def _known_ends(model: nn.Module) -> set[int]:
    """The tokens at which a pretrained model ends what it writes, where it names several; a single one may be any's."""
    told = getattr(getattr(unwrapped(model), "generation_config", None), "eos_token_id", None)
    return set(told) if isinstance(told, Sequence) else set()


def _ends_of(kind: str, jinja: str, tokenizer: Tokenizer) -> set[int]:
    """The last token of an answer behind which the talk goes on, and of the last one, which may end otherwise.

    Raises:
        Refusal: the template cannot write a question and its answer.
    """
    try:
        ids, learnt = encoded(conversation(_PROBE, jinja, tokenizer, 0), tokenizer)
    except Refusal as error:
        why = str(error).removeprefix("record 1: ")
        raise Refusal(f"task.template: '{kind}' cannot write a question and its answer: {why}") from None
    ends = {int(ids[learnt][-1])}
    with suppress(Refusal):  # of a template for one question alone
        ids, learnt = encoded(conversation([*_PROBE, *_PROBE], jinja, tokenizer, 0), tokenizer)
        lasts = {int(token) for token in ids[learnt & ~np.append(learnt[1:], False)]}
        ends |= lasts & {*tokenizer.all_special_ids}  # any other, such as a line's end, may stand in an answer
    return ends
