"""What a model reads of a prompt, and which tokens follow it for each word, by the shape of the model.

A prompt and a word are cut into tokens as one text. What is scored begins at the first token that any of the words has
a part in, so that all words are compared behind the same tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from danlu.refusal import Refusal
from danlu.text.dialogue.ids import encoded
from danlu.text.dialogue.rendered import Span, question
from danlu.text.dialogue.template import Template
from danlu.text.prompting.filled import Filled
from danlu.text.prompting.laid import Laid, laid
from danlu.text.tokenizing.special import begin_id, end_id
from danlu.text.tokenizing.tokenized import tokenized
from danlu.text.tokenizing.tokenizer import Tokenizer


@dataclass(frozen=True)
class Read:
    """What is read of one prompt, and the tokens of each word that are scored behind it.

    - `ids`: of a decoder what stands before the words, of an encoder-decoder what its encoder reads.
    - `characters`: of each word, those that are scored.
    """

    ids: tuple[int, ...]
    follow: tuple[tuple[int, ...], ...]
    characters: tuple[int, ...]


def continued(prompts: Sequence[Filled], tokenizer: Tokenizer) -> list[Read]:
    """For a decoder: the word and what stands behind it follow what stands before.

    Raises:
        Refusal: see `laid`.
    """
    begin = begin_id(tokenizer)
    before = () if begin is None else (begin,)
    found = []
    for each, rows in zip(prompts, laid(prompts, tokenizer, special=False), strict=True):
        shared = _shared(rows)
        follow = tuple(row.ids[shared:] for row in rows)
        found.append(Read((*before, *rows[0].ids[:shared]), follow, _characters(each)))
    return found


def answered(prompts: Sequence[Filled], tokenizer: Tokenizer, jinja: str) -> list[Read]:
    """For a decoder that converses: the prompt is what the user says, and the answer begins with the word.

    Raises:
        Refusal: see `laid`; the chat template does not take the prompt.
    """
    found = []
    bare = [Filled("", "", each.where, each.words, each.loose) for each in prompts]
    laid(list(dict.fromkeys(bare)), tokenizer, special=False)  # which refuses words without tokens, or with the same
    for number, each in enumerate(prompts):
        try:
            asked = question([{"role": "user", "content": each.before.rstrip()}], jinja, tokenizer, number)
        except Refusal as refusal:
            raise Refusal(f"{each.where}: {str(refusal).removeprefix(f'record {number + 1:,}: ')}") from None
        rows = [encoded([*asked, Span(word + each.after, ours=False, learnt=True)], tokenizer) for word in each.words]
        read = tuple(rows[0][0][~rows[0][1]].tolist())
        follow = tuple(tuple(ids_T[learnt_T].tolist()) for ids_T, learnt_T in rows)
        found.append(Read(read, follow, _characters(each)))
    return found


def written(prompts: Sequence[Filled], tokenizer: Tokenizer) -> list[Read]:
    """For an encoder-decoder: what stands before is read by one, the word and what stands behind it written by other.

    Raises:
        Refusal: see `laid`.
    """
    sources = tokenized([each.before.rstrip() for each in prompts], tokenizer, offsets=False)
    sides = laid([replace(each, before="") for each in prompts], tokenizer, special=False, written=True)
    end = end_id(tokenizer)
    found = []
    for each, source, rows in zip(prompts, sources, sides, strict=True):
        ended = source.special_tokens_mask[-1:] == [1] or end is None
        ids = source.ids if ended or end is None else [*source.ids, end]
        found.append(Read(tuple(ids), tuple(row.ids for row in rows), _characters(each)))
    return found


def by_a_decoder(prompts: Sequence[Filled], tokenizer: Tokenizer, chat: Template | None) -> list[Read]:
    """What a decoder reads of prompts, which are what a user says where there is a template of conversations.

    Raises:
        Refusal: see `laid`; there is no chat template.
    """
    if chat is None:
        return continued(prompts, tokenizer)
    return answered(prompts, tokenizer, chat.jinja(tokenizer))


def refuse_chat(chat: Template | None) -> None:
    """Raise `Refusal` where a model that is no decoder is to converse."""
    if chat is not None:
        raise Refusal("the template's 'chat' is for decoders, which go on with a conversation; leave it out")


def blank(word: Laid, place: int, mask: int) -> tuple[int, ...]:
    """The row of a masked language model that is asked for the token at `place`, the word's own before it filled in."""
    return (*word.ids[:place], *(mask,) * (word.end - place), *word.ids[word.end :])


def _shared(rows: Sequence[Laid]) -> int:
    """How many tokens stand before the first that is scored: none is part of a word, and all are the same."""
    shared = min(row.first for row in rows)
    return next((place for place in range(shared) if len({row.ids[place] for row in rows}) > 1), shared)


def _characters(prompt: Filled) -> tuple[int, ...]:
    return tuple(len(word) + len(prompt.after) for word in prompt.words)
