"""Guesses from what was read, which change the passes and not the text."""

import pytest
from writers import FAMILIES, built, examples, policy, random_rows, word_tokenizer, write

from danlu.model.ends import Endings
from danlu.model.fast import use_our_attention
from danlu.model.generate import Session, Wanted
from danlu.model.heads import unwrapped
from danlu.model.lookup import Lookup
from danlu.model.positions import longest_row
from danlu.model.readers import reader_for
from danlu.model.written import Written
from danlu.text.tokenizing.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return word_tokenizer()


@pytest.mark.parametrize("family", FAMILIES)
def test_guesses_from_what_was_read_change_the_passes_and_not_the_text(family: str, tokenizer: Tokenizer) -> None:
    """Alone, and where others join and leave; guesses are right and wrong by turns."""
    model, rows = built(family), [row * 3 for row in random_rows(5, 2, 7, seed=3)]
    use_our_attention(model)
    fields = {"max_new_tokens": 14, "min_new_tokens": 8, "stop": ("w7 w8",), "repetition_penalty": 1.05}
    plain = [write(model, tokenizer, policy("greedy", **fields), [row])[0][0] for row in rows]
    for slots in (1, 32):
        session = Session(reader_for(model, 0)(), Endings(model, tokenizer, longest_row(unwrapped(model))), slots)
        found, pieces, passes, guessing = dict[int, list[Written]](), [""], 0, policy("greedy", lookup=4, **fields)
        for number, prompt in enumerate(session.endings.prompts(examples(rows))):
            take = None if number else lambda _, piece, pieces=pieces: pieces.append(piece)
            session.ask(
                Wanted(guessing, [prompt], lambda _, texts, n=number, found=found: found.update({n: texts}), take)
            )
        while session.busy:
            session.step()
            passes += 1
        for right, (ours, *_) in zip(plain, map(found.__getitem__, range(3)), strict=True):
            assert (ours.ids.tolist(), ours.text, ours.ended) == (right.ids.tolist(), right.text, right.ended)
            assert ours.log_probability == pytest.approx(right.log_probability, abs=1e-3)
        assert "".join(pieces) == plain[0].text
        assert (slots > 1) or family != "llama" or passes < sum(len(each.ids) for each in plain)


def test_what_followed_last_time_is_guessed_and_fewer_tokens_where_guesses_were_wrong() -> None:
    lookup = Lookup([1, 2, 3, 4, 9, 1, 2, 5, 6, 7], 3)
    assert lookup.guess() == []
    for token in (1, 2):
        lookup.add(token)
    assert lookup.guess() == [5, 6, 7]
    lookup.learn(3, 1)
    assert lookup.guess() == [5]
    lookup.learn(1, 1)
    assert lookup.guess() == [5, 6]
    lookup.add(3)  # the longer run has gone on in another way
    assert lookup.guess() == [4, 9]
