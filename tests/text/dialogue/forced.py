"""Calls that are forced: whether a text may be written there, and what is written by chance."""

import random
from collections.abc import Collection
from typing import Any

from danlu.model.constraint import Constraint
from danlu.text.dialogue.calls import CallForm
from danlu.text.tokenizing.tokenizer import Tokenizer


def forced(form: CallForm, told: list[dict[str, Any]], tokenizer: Tokenizer) -> Constraint:
    """What may be written where one of these tools must be called."""
    return Constraint(tokenizer, len(tokenizer), [int(tokenizer.eos_token_id)], {"grammar": form.grammar(told)})


def takes(form: CallForm, text: str, told: list[dict[str, Any]], tokenizer: Tokenizer) -> bool:
    """Whether a whole text may be written there."""
    constraint = forced(form, told, tokenizer)
    ids = [*tokenizer(text, add_special_tokens=False)["input_ids"], int(tokenizer.eos_token_id)]
    return all(not constraint.forbidden(ids[:end])[ids[end]] for end in range(len(ids)))


def drawn(constraint: Constraint, tokenizer: Tokenizer, seed: int, words: Collection[int], most: int) -> list[int]:
    """Tokens that are drawn until the end may come, at most so many: letters, and now and then one of `words`."""
    letters = {number for number in range(len(tokenizer)) if len(str(tokenizer.decode([number])).strip("\ufffd")) == 1}
    dice, ids = random.Random(seed), list[int]()
    while len(ids) < most:
        allowed = (~constraint.forbidden(ids)).nonzero().flatten().tolist()
        if tokenizer.eos_token_id in allowed:
            break
        marks = [token for token in allowed if token in words]
        few = [token for token in allowed if token in letters]
        ids.append(dice.choice(marks if marks and dice.random() < 0.3 else few or allowed))
    return ids
