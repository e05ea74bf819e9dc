"""What was read before is not read again, and what is written is as if it had been."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import LlamaConfig, LlamaForCausalLM
from writers import FAMILIES, VOCABULARY, built, by_transformers, examples, policy, random_rows, word_tokenizer

from danlu.model.cached import Cached
from danlu.model.ends import Endings
from danlu.model.generate import Session, Wanted
from danlu.model.kv import Columns, KeyValues
from danlu.model.read_before import MOST_TEXTS, SHARED, ReadBefore
from danlu.model.reader import Reader
from danlu.model.readers import reader_for
from danlu.model.written import Written
from danlu.text.tokenizing.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return word_tokenizer()


def written(reader: Reader, tokenizer: Tokenizer, rows: Sequence[list[int]]) -> list[list[int]]:
    """What is written greedily after each row, each asked for by itself and all at once."""
    session = Session(reader, Endings(reader.model, tokenizer, 96))
    found: dict[int, list[Written]] = {}
    for number, row in enumerate(rows):

        def done(_: int, texts: list[Written], number: int = number) -> None:
            found[number] = texts

        session.ask(Wanted(policy("greedy"), session.endings.prompts(examples([row])), done))
    while session.busy:
        session.step()
    return [found[number][0].ids.tolist() for number in range(len(rows))]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many tokens of each row were read as a prompt."""
    counts: list[int] = []
    padded: Callable[..., torch.Tensor] = Reader.padded

    def counted(self: Reader, given: Sequence[Sequence[int]]) -> torch.Tensor:
        counts.extend(map(len, given))
        return padded(self, given)

    monkeypatch.setattr(Reader, "padded", counted)
    return counts


@pytest.mark.parametrize("family", FAMILIES)
def test_a_conversation_goes_on_with_what_is_written_when_all_is_read_anew(family: str, tokenizer: Tokenizer) -> None:
    model = built(family)
    before = ReadBefore()
    make = reader_for(model, 0, before)
    rows = random_rows(20, 25, 31, seed=len(family))
    for turn in range(3):
        right = [by_transformers(model, row) for row in rows]
        assert written(make(), tokenizer, rows) == right  # a new session, as after a pause
        more = random_rows(5, 1, 9, seed=turn)
        rows = [[*row, *answer, *new][:70] for row, answer, new in zip(rows, right, more, strict=True)]
    two_sided = model.config.is_encoder_decoder
    assert len(before) == 0 if two_sided or not isinstance(make(), Cached) else len(before) > 0


def test_of_a_conversation_its_last_turn_is_read(tokenizer: Tokenizer, read: list[int]) -> None:
    model = built("llama")
    make = reader_for(model, 0, ReadBefore())
    (row,) = random_rows(30)
    read.clear()
    (answer,) = written(make(), tokenizer, [row])
    assert read == [30]
    row = [*row, *answer, *random_rows(7, seed=4)[0]]
    read.clear()
    written(make(), tokenizer, [row])
    assert read == [8]  # the last token that was written had not been read
    read.clear()
    assert written(make(), tokenizer, [row]) == [by_transformers(model, row)]
    assert read == [1]


def test_equal_prompts_are_read_once_and_others_beside_them(tokenizer: Tokenizer, read: list[int]) -> None:
    model = built("llama")
    one, other, third = random_rows(20, 9, 30)
    rows = [one, other, one, third, other, one]
    found = written(reader_for(model, 0, ReadBefore())(), tokenizer, rows)
    assert found == [by_transformers(model, row) for row in rows]
    assert sorted(read[-3:]) == [9, 20, 30]
    read.clear()
    rows = [third[:25] + other, other, one, third]  # with 25, none, 19 and 29 tokens that were read before
    reader = reader_for(model, 0, ReadBefore())()
    written(reader, tokenizer, [third, one])
    read.clear()
    assert written(reader, tokenizer, rows) == [by_transformers(model, row) for row in rows]
    assert sorted(read) == [1, 1, 9, 9]


def test_weights_that_may_change_leave_nothing_behind(tokenizer: Tokenizer) -> None:
    model = built("llama")
    make = reader_for(model, 0)
    (row,) = random_rows(30)
    written(make(), tokenizer, [row])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    assert written(make(), tokenizer, [row]) == [by_transformers(model, row)]


def guessed(reader: Reader, tokenizer: Tokenizer, row: list[int], stop: str) -> Written:
    """What is written with guesses until a text, or to its end."""
    session = Session(reader, Endings(reader.model, tokenizer, 96))
    found: list[Written] = []
    asked = policy("greedy", lookup=4, stop=[stop])
    session.ask(Wanted(asked, session.endings.prompts(examples([row])), lambda _, texts: found.extend(texts)))
    while session.busy:
        session.step()
    return found[0]


def test_what_stands_where_a_guess_was_read_is_not_kept(tokenizer: Tokenizer) -> None:
    """A text that is stopped amid guesses: its last token was never read, a wrong guess was."""
    model = built("llama")
    ends = [0, 0]
    for seed in range(12):
        (row,) = random_rows(24, seed=seed)
        for token in by_transformers(model, row)[2:9]:
            make = reader_for(model, 0, ReadBefore())
            found = guessed(make(), tokenizer, row, tokenizer.decode([token]).strip())
            more = [*row, *found.ids.tolist(), *random_rows(3, seed=seed)[0]]
            ends[found.ended == "stop"] += 1
            assert written(make(), tokenizer, [more]) == [by_transformers(model, more)]
    assert ends[1] > 40


@pytest.mark.parametrize("turning", ["longrope", "dynamic"])
def test_where_angles_depend_on_the_length_of_the_row_nothing_is_kept(turning: str, tokenizer: Tokenizer) -> None:
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    factors = {"short_factor": [1.0] * 8, "long_factor": [float(n + 2) for n in range(8)]}
    rope = {"rope_type": turning, "rope_theta": 10_000.0, "factor": 4.0, "original_max_position_embeddings": 40}
    rope |= factors if turning == "longrope" else {}
    torch.manual_seed(0)
    config = LlamaConfig(vocab_size=VOCABULARY, max_position_embeddings=160, rope_parameters=rope, **sizes)
    model = LlamaForCausalLM(config).eval()
    before = ReadBefore()
    make = reader_for(model, 0, before)
    for seed in range(6):
        (row,) = random_rows(24, seed=seed)
        (answer,) = written(make(), tokenizer, [row])
        row = [*row, *answer, *random_rows(22, seed=seed + 50)[0]]
        anew = written(reader_for(model, 0)(), tokenizer, [row])
        assert written(make(), tokenizer, [row]) == anew
    assert len(before) == 0


def test_a_beginning_that_is_too_large_to_keep_is_still_read_once_for_all_that_join(
    tokenizer: Tokenizer, read: list[int]
) -> None:
    model = built("llama")
    (begin,) = random_rows(30)
    rows = [begin + row for row in random_rows(3, 5, 9, seed=2)]
    reader = reader_for(model, 0, ReadBefore(100))()
    read.clear()
    assert written(reader, tokenizer, rows) == [by_transformers(model, row) for row in rows]
    assert sorted(read) == [3, 5, 9, 30]


def cache(tokens: int) -> KeyValues:
    """Of one layer, two heads and 8 bytes a token and head, which tell the place."""
    kept = KeyValues(1, tokens)
    kept.layers.append(Columns(kept.window))
    values = torch.arange(tokens, dtype=torch.float32)[None, None, :, None].expand(1, 2, tokens, 1)
    kept.window.rows = 1
    kept.layers[0].update(values, -values)
    kept.advance(tokens)
    return kept


IDS = st.lists(st.integers(0, 2), min_size=1, max_size=60)


@given(st.lists(IDS, max_size=12), IDS, st.integers(0, 1500))
def test_the_longest_beginning_is_found_and_never_more_than_may_be_kept(
    texts: list[list[int]], wanted: list[int], most: int
) -> None:
    kept = ReadBefore(most)
    for ids in texts:
        kept.keep(ids, cache(len(ids)))
    assert sum(each.bytes for _, each in kept._texts) <= most
    found, tokens = kept.longest(wanted)
    lengths = [0]
    for ids, _ in kept._texts:
        alike = next((at for at, (a, b) in enumerate(zip(ids, wanted[:-1], strict=False)) if a != b), None)
        lengths.append(min(len(ids), len(wanted) - 1) if alike is None else alike)
    best = max(lengths)
    assert tokens == (best if best >= SHARED else 0)
    assert (found is None) == (tokens == 0)
    if most > 60 * 16 * len(texts):  # nothing had to go
        for ids in texts:
            assert len(ids) < SHARED or any(list(known[: len(ids)]) == ids for known, _ in kept._texts)


def test_what_is_asked_for_stays_and_what_is_a_part_goes() -> None:
    kept = ReadBefore(16 * 20 * 3)
    texts = [[number] * 20 for number in range(4)]
    for ids in texts[:3]:
        kept.keep(ids, cache(20))
    assert kept.longest([*texts[0], 9])[1] == 20
    kept.keep(texts[3], cache(20))
    assert [kept.longest([*ids, 9])[1] for ids in texts] == [20, 0, 20, 20]
    kept.keep([*texts[0], 5, 6], cache(22))
    assert kept.longest([*texts[0], 9])[1] == 20
    kept.keep(texts[0], cache(20))
    assert sum(list(ids[:20]) == texts[0] for ids, _ in kept._texts) == 1
    many = ReadBefore()
    for number in range(MOST_TEXTS + 9):
        many.keep(np.arange(20) + number, cache(20))
    assert len(many) == MOST_TEXTS
