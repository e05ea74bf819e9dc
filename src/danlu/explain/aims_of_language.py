"""What is explained of language models: each token that one writes, or what stands in a blank.

N variants of a row, U tokens of a target side, V vocabulary.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from danlu.data.record import Record
from danlu.engine.predict import Predictor
from danlu.explain.aim import Aim, Said, log_odds
from danlu.explain.inside import Inside
from danlu.explain.rows import Wanted, windows_of, without_places
from danlu.explain.tokens import Token, tokens_as_read, tokens_of, unread
from danlu.model.policy import changed
from danlu.refusal import Refusal
from danlu.task.columns import text_in
from danlu.task.tasks.masked_lm import MaskedLm
from danlu.text.batching.batch import Batch
from danlu.text.batching.encoded import Encoded, Ids, Row
from danlu.text.tokenizing.tokenized import tokenized
from danlu.text.tokenizing.tokenizer import Tokenizer

TOKENS = "tokens"
_BEFORE = 24  # characters of what was written that are shown before a token


def aims_of_written(inside: Inside, predictor: Predictor, record: Record, wanted: Wanted) -> list[Aim]:
    """The log-odds of each token that the model writes, always the likeliest, behind those that it wrote before.

    The tokens of what it was given are explained; those that it wrote stay as they are.
    """
    task = inside.task
    wanted.refuse_at(task)
    wanted.refuse_target(task, "is explained by what it writes itself")
    own = None if predictor.policy.kind == "greedy" else "greedy"  # whose other settings stay
    policy = changed(predictor.policy, own, {"max_new_tokens": wanted.written})
    (prompt, *_) = predictor.prompts([record], policy)
    (written, *_) = next(predictor.write([record], policy))
    if not len(written.ids):
        raise Refusal("the model writes nothing after this text, so there is nothing to explain; give another text")
    texts, tokens = _prompt_in_tokens(inside.tokenizer, prompt, record)
    names = [_shown(inside.tokenizer, written.ids, place) for place in range(len(written.ids))]
    two_sides = getattr(task, "shape", None) == "encoder_decoder"
    aims = []
    for place, name in enumerate(names):
        item = (_on_two_sides if two_sides else _in_one_row)(prompt, written.ids[: place + 1])
        behind = () if two_sides else tuple(map(Token, names[:place]))
        aims.append(
            Aim(
                target=_written(inside.tokenizer, written.ids, place, name),
                unit="log-odds",
                item=item,
                texts=texts,
                tokens=(*tokens, *behind),
                of=_filled(0, 1, int(written.ids[place])),
                narrow=_last_alone,
            )
        )
    return aims


def aims_of_blanks(inside: Inside, record: Record, wanted: Wanted) -> list[Aim]:
    """The log-odds of the likeliest word in each blank of a text, or of another word."""
    task, tokenizer = inside.task, inside.tokenizer
    assert isinstance(task, MaskedLm)
    wanted.refuse_at(task)
    texts = {"text": text_in(record, 0)}
    number = None if wanted.target is None else _word(tokenizer, wanted.target)
    aims: list[Aim] = []
    for item in windows_of(inside, record):
        if "blanks" not in item.targets:
            continue
        places = item.targets["blanks"].positions.tolist()
        tokens = tuple(tokens_of(item, texts, tokenizer, blanks=True))
        batch = inside.batch(item, item.row.input_ids[None])
        likeliest = inside.said(batch)["logits"].argmax(-1).tolist()
        for blank in range(len(places)):
            chosen = likeliest[blank] if number is None else number
            name = str(tokenizer.decode([chosen])).strip()
            aim = Aim(name, "log-odds", item, texts, tokens, _filled(blank, len(places), chosen))
            aims.append(without_places(aim, places))
    if not aims:
        raise Refusal(
            f"a masked language model is explained by what stands in a blank; write {tokenizer.mask_token} into the "
            "text where the word is wanted"
        )
    return aims


def _filled(place: int, places: int, number: int) -> Callable[[Said, Batch], Tensor]:
    """The log-odds of a token in one of the blanks of a row."""
    return lambda said, _: log_odds(said["logits"][place::places], number)


def _word(tokenizer: Tokenizer, word: str) -> int:
    (encoding,) = tokenized([word], tokenizer, offsets=False, special=False)
    if len(encoding.ids) != 1:
        raise Refusal(
            f"--target '{word:.80}' has {len(encoding.ids)} tokens of this model, and a blank has one; give a shorter "
            "word"
        )
    return int(encoding.ids[0])


def _prompt_in_tokens(tokenizer: Tokenizer, prompt: Encoded, record: Record) -> tuple[dict[str, str], list[Token]]:
    """The texts of a prompt and its tokens: the record's text where it stands in it whole, else all that is read."""
    text = record.get("text")
    if isinstance(text, str):
        tokens = tokens_of(prompt, {"text": text}, tokenizer, late=True)
        if not unread({"text": text}, tokens) or prompt.cut:
            return {"text": text}, tokens
    read, tokens = tokens_as_read(prompt.row.input_ids, tokenizer, "prompt")
    return {"prompt": read}, tokens


def _in_one_row(prompt: Encoded, ids_K: Ids) -> Encoded:
    """A row up to the last of some tokens, which is what is asked for."""
    ids_T = np.concatenate([prompt.row.input_ids, ids_K[:-1]]).astype(np.int32)
    next_T = np.full(len(ids_T), -100, np.int32)
    next_T[-1] = ids_K[-1]
    return Encoded(0, (Row(ids_T),), {TOKENS: next_T}, cut=prompt.cut)


def _on_two_sides(prompt: Encoded, ids_K: Ids) -> Encoded:
    given = np.zeros(0, np.int32) if prompt.target_ids is None else prompt.target_ids
    return replace(prompt, target_ids=np.concatenate([given, ids_K]).astype(np.int32))


def _last_alone(batch: Batch) -> Batch:
    """The batch asked for the last token of each row that it is asked for."""
    tokens_NU = batch.targets[TOKENS]
    place_U = torch.arange(tokens_NU.shape[1])
    last_N = torch.where(tokens_NU >= 0, place_U, -1).max(1).values
    narrowed = torch.where(place_U == last_N[:, None], tokens_NU, -100)
    return replace(batch, targets=batch.targets | {TOKENS: narrowed})


def _written(tokenizer: Tokenizer, ids_K: Ids, place: int, name: str) -> str:
    """A token in brackets behind the end of what was written before it."""
    before = str(tokenizer.decode(ids_K[:place].tolist()))
    return f"{before[-_BEFORE:]} [{name}]" if before else name


def _shown(tokenizer: Tokenizer, ids_K: Ids, place: int) -> str:
    """How the token at a place reads behind those before it."""
    before = str(tokenizer.decode(ids_K[:place].tolist()))
    through = str(tokenizer.decode(ids_K[: place + 1].tolist()))
    read = through.removeprefix(before) if through.startswith(before) else str(tokenizer.decode([int(ids_K[place])]))
    return read.strip() or str(tokenizer.convert_ids_to_tokens(int(ids_K[place])))
