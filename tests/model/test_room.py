"""How much a reader keeps of rows side by side: no more than there is room for, and nothing once all are gone."""

from functools import partial

import pytest
from writers import built, examples, policy, random_rows, word_tokenizer, write

from danlu.model import cached, kv
from danlu.model.cached import Cached
from danlu.model.ends import Endings
from danlu.model.generate import Session, Wanted
from danlu.model.written import Written


@pytest.mark.parametrize("family", ["llama", "bart"])
def test_a_long_text_beside_short_ones_takes_no_more_memory_than_there_is(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, tokenizer = built(family), word_tokenizer()
    rows = random_rows(40, 2, 3, 4, 2, 3, 5, 4)
    few = policy("greedy", max_new_tokens=5, min_new_tokens=4)
    alone = [write(model, tokenizer, few, [row])[0][0].ids.tolist() for row in rows]
    beside: dict[float, int] = {}
    monkeypatch.setattr(kv, "STEP", 1)
    monkeypatch.setattr(cached, "UNASKED", 0)
    for free in (float("inf"), 0.0):
        monkeypatch.setattr(cached, "free_on", lambda _, free=free: free)
        reader = Cached(model, 0)
        session = Session(reader, Endings(model, tokenizer, 96), slots=8)
        found: dict[int, list[Written]] = {}
        for number, prompt in enumerate(session.endings.prompts(examples(rows))):
            told = partial(found.__setitem__, number)
            session.ask(Wanted(few, [prompt], lambda _, written, told=told: told(written)))
            if not number:
                session.step()  # how large a row is, is known once one was read
        while session.busy:
            session.step()
            if 0 not in found:
                beside[free] = max(beside.get(free, 0), reader.kept.window.rows)
        assert [found[number][0].ids.tolist() for number in range(len(rows))] == alone
    assert beside == {float("inf"): len(rows), 0.0: 1}


def test_buffers_are_given_back_once_no_text_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    model, tokenizer = built("llama"), word_tokenizer()
    rows = random_rows(30, 4)
    right = [texts[0].ids.tolist() for texts in write(model, tokenizer, policy("greedy"), rows)]
    reader = Cached(model, 0)
    session = Session(reader, Endings(model, tokenizer, 96))
    for most in (2**27, 0):
        monkeypatch.setattr(kv, "KEPT", most)
        for _ in range(2):
            found: dict[int, list[Written]] = {}
            session.ask(Wanted(policy("greedy"), session.endings.prompts(examples(rows)), found.__setitem__))
            while session.busy:
                session.step()
            assert [found[number][0].ids.tolist() for number in range(2)] == right
        assert (reader.kept.bytes > 0) is (most > 0)
        assert reader.kept.row_bytes(1)
