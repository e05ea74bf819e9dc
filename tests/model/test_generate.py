"""Writing: token by token what transformers writes, whoever joins and leaves beside it."""

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel
from writers import (
    FAMILIES,
    VOCABULARY,
    built,
    by_transformers,
    examples,
    policy,
    random_rows,
    word_tokenizer,
    write,
)

from danlu.model.cached import Cached
from danlu.model.carried import Carried
from danlu.model.ends import FORMS, Endings
from danlu.model.fast import use_our_attention
from danlu.model.generate import Session, Wanted
from danlu.model.lean import Lean
from danlu.model.reader import Prompt, Reader, Whole
from danlu.model.readers import reader_for
from danlu.model.written import Written
from danlu.refusal import Refusal
from danlu.text.batching.encoded import Encoded, Row
from danlu.text.tokenizing.folder import open_tokenizer
from danlu.text.tokenizing.tokenizer import Tokenizer, TokenizerSource
from danlu.tuning.method import Method

STORIES = Path(__file__).parents[3] / "shared" / "models" / "stories260k"

BEAMS = itertools.cycle(
    [
        {},
        {"early_stopping": True, "length_penalty": 2.0, "repetition_penalty": 1.3, "no_repeat_ngram": 2},
        {"early_stopping": "never", "length_penalty": 0.5, "min_new_tokens": 4},
    ]
)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return word_tokenizer()


@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_and_beams_are_those_of_transformers_where_rows_join_and_leave(
    family: str, tokenizer: Tokenizer
) -> None:
    model = built(family)
    rows = random_rows(5, 2, 13, seed=len(family))
    greedy = {"max_new_tokens": 6} | ({"repetition_penalty": 1.2, "min_new_tokens": 3} if len(family) % 2 else {})
    beams = {"max_new_tokens": 6, "beams": 3} | next(BEAMS)
    right = (
        [by_transformers(model, row, **greedy) for row in rows],
        [by_transformers(model, row, **beams) for row in rows],
    )
    use_our_attention(model)
    reader = reader_for(model, 0)()
    own = {"mamba": Whole, "llama": Lean, "qwen3": Lean, "gru": Carried}
    assert type(reader) is own.get(family, Cached)
    assert reader.mixes
    found = write(model, tokenizer, policy("greedy", **greedy), rows, slots=2)
    assert [texts[0].ids.tolist() for texts in found] == right[0]
    searched = write(model, tokenizer, policy("beam", **beams), rows, slots=6)
    assert [texts[0].ids.tolist() for texts in searched] == right[1]


@pytest.mark.parametrize("family", ["llama", "bart"])
def test_rows_of_one_length_are_read_side_by_side_where_others_may_not_be(family: str, tokenizer: Tokenizer) -> None:
    model = built(family)
    rows = random_rows(4, 7, 4, 4, 7)
    right = [texts[0].ids.tolist() for texts in write(model, tokenizer, policy("greedy"), rows)]
    session = Session(Cached(model, 0, mixes=False), Endings(model, tokenizer, 96), slots=2)
    found: dict[int, list[Written]] = {}
    session.ask(Wanted(policy("greedy"), session.endings.prompts(examples(rows)), found.__setitem__))
    while session.busy:
        session.step()
    assert [found[number][0].ids.tolist() for number in range(5)] == right


def test_what_many_prompts_begin_with_is_read_once(tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    model = built("llama")
    (begin,) = random_rows(30)
    rows = [begin + row for row in random_rows(3, 1, 6, 9, seed=2)]
    right = [by_transformers(model, row) for row in rows]
    read: list[int] = []
    padded: Callable[..., torch.Tensor] = Reader.padded

    def counted(self: Reader, given: Sequence[Sequence[int]]) -> torch.Tensor:
        read.extend(map(len, given))
        return padded(self, given)

    monkeypatch.setattr(Reader, "padded", counted)
    session = Session(Cached(model, 0), Endings(model, tokenizer, 96), slots=2)
    found: dict[int, list[Written]] = {}
    session.ask(Wanted(policy("greedy"), session.endings.prompts(examples(rows)), found.__setitem__))
    while session.busy:
        session.step()
    assert [found[number][0].ids.tolist() for number in range(4)] == right
    assert sorted(read) == [1, 3, 6, 9, 30]


@pytest.mark.parametrize("family", FAMILIES)
def test_prompts_that_begin_alike_are_written_on_as_each_alone(family: str, tokenizer: Tokenizer) -> None:
    model = built(family)
    (begin,) = random_rows(20, seed=len(family))
    rows = [begin + row for row in random_rows(3, 1, 6, 9, seed=2)] + [begin[:12] + random_rows(4, seed=3)[0]]
    few = policy("greedy", max_new_tokens=4)
    alone = [write(model, tokenizer, few, [row])[0][0] for row in rows]
    beside = [texts[0] for texts in write(model, tokenizer, few, rows, slots=3)]
    assert [text.ids.tolist() for text in beside] == [text.ids.tolist() for text in alone]
    assert [text.log_probability for text in beside] == pytest.approx(
        [text.log_probability for text in alone], abs=1e-3
    )


def test_forms_that_were_asked_for_long_ago_are_forgotten() -> None:
    kind = {"kind": "bpe", "size": 300, "min_frequency": 1, "begin": "<s>", "end": "</s>"}
    words = TokenizerSource.model_validate(kind).build(lambda: iter(["0123456789"]))
    pytest.importorskip("llguidance", reason="the extra 'constrain' is not installed")
    endings = Endings(built("llama"), words, 96)
    endings.vocabulary, endings.ids = len(words), frozenset({0})
    for number in range(FORMS + 5):
        endings.of(Prompt((1,)), policy("greedy", regex=f"{number}"))
    assert len(endings._constraints) == FORMS


def test_a_row_has_the_log_probability_that_the_model_gives_it(tokenizer: Tokenizer) -> None:
    model = built("llama")
    rows = random_rows(5, 3, 9)
    kinds = {"greedy": {"repetition_penalty": 1.5}, "sample": {"temperature": 0.5}, "beam": {"no_repeat_ngram": 2}}
    for kind, fields in kinds.items():
        for row, texts in zip(rows, write(model, tokenizer, policy(kind, **fields), rows), strict=True):
            text = texts[0]
            ids = [*row, *text.ids.tolist(), *([2] if text.ended == "end" else [])]
            log_TV = model(torch.tensor([ids])).logits[0].detach().log_softmax(-1)
            right = sum(float(log_TV[place - 1, ids[place]]) for place in range(len(row), len(ids)))
            assert text.log_probability == pytest.approx(right, abs=1e-4)
            assert 0 < text.score <= 1


def test_several_end_tokens_end_a_text_and_padding_does_not(tokenizer: Tokenizer) -> None:
    model = built("llama")
    rows = random_rows(*range(2, 14))
    plain = write(model, tokenizer, policy("greedy"), rows)
    often = np.bincount(np.concatenate([texts[0].ids for texts in plain]), minlength=VOCABULARY)
    second = int(often.argmax())
    model.generation_config.eos_token_id = [2, second]
    for texts, before in zip(write(model, tokenizer, policy("greedy"), rows), plain, strict=True):
        ids = before[0].ids.tolist()
        assert texts[0].ids.tolist() == (ids[: ids.index(second)] if second in ids else ids)
        assert (texts[0].ended == "end") == (second in ids or before[0].ended == "end")
    biased = write(model, tokenizer, policy("greedy", logit_bias={"#0": 100.0}), rows[:1])
    assert biased[0][0].ids.tolist() == [0] * 12


def test_a_prompt_without_room_is_refused_and_a_little_room_is_used(tokenizer: Tokenizer) -> None:
    model = built("llama")
    with pytest.raises(Refusal, match="record 2: has 96 tokens, and the model takes 96 with what it writes"):
        write(model, tokenizer, policy("greedy"), random_rows(4, 96))
    (texts,) = write(model, tokenizer, policy("greedy", min_new_tokens=11), random_rows(93))
    assert (len(texts[0].ids), texts[0].ended) == (3, "length")


def test_what_a_decoder_is_given_stands_before_what_it_writes(tokenizer: Tokenizer) -> None:
    model = built("t5")
    (row,) = random_rows(6)
    session = Session(reader_for(model, 0)(), Endings(model, tokenizer, 96))
    found: list[Written] = []
    given = Encoded(0, (Row(np.array(row, np.int32)),), target_ids=np.array([7, 9], np.int32))
    session.ask(Wanted(policy("greedy"), session.endings.prompts([given]), lambda _, texts: found.extend(texts)))
    while session.busy:
        session.step()
    ids = torch.tensor([row])
    right = model.generate(ids, decoder_input_ids=torch.tensor([[0, 7, 9]]), do_sample=False, max_new_tokens=12)
    assert found[0].ids.tolist() == right[0, 3:].tolist()


@pytest.mark.parametrize("kind", ["greedy", "beam"])
def test_special_tokens_that_are_kept_are_text(kind: str, tokenizer: Tokenizer) -> None:
    model = built("llama")
    end, special = int(tokenizer.eos_token_id), int(tokenizer.unk_token_id)
    assert special != end
    session = Session(reader_for(model, 0)(), Endings(model, tokenizer, 96))
    told: dict[bool, list[str]] = {True: [], False: []}
    asked = policy(kind, max_new_tokens=3, logit_bias={f"#{special}": 100.0}, **{"beams": 2} if kind == "beam" else {})
    for kept in told:
        given = Encoded(0, (Row(np.array([5, 6, 7], np.int32)),), kept=(special,) if kept else ())
        take = told[kept]
        session.ask(
            Wanted(asked, session.endings.prompts([given]), lambda _, texts, take=take: take.append(texts[0].text))
        )
    while session.busy:
        session.step()
    assert told[False] == [""]
    assert told[True][0].split() == [tokenizer.unk_token] * 3


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("given", [False, True])
def test_a_token_that_a_text_is_made_to_begin_with_is_one_of_those_written(
    given: bool, seed: int, tokenizer: Tokenizer
) -> None:
    torch.manual_seed(seed)
    model = built("bart")
    model.generation_config.forced_bos_token_id = 5
    (row,) = random_rows(6 + seed)
    first = np.array([5], np.int32) if given else None
    for kind, fields in (
        ("greedy", {"max_new_tokens": 6}),
        ("greedy", {"max_new_tokens": 9, "min_new_tokens": 5}),
        ("beam", {"max_new_tokens": 6, "beams": 3}),
        ("beam", {"max_new_tokens": 6, "beams": 3, "length_penalty": 3.0, "early_stopping": True}),
    ):
        found = by_session(
            model, tokenizer, Encoded(0, (Row(np.array(row, np.int32)),), target_ids=first), kind, fields
        )
        assert found == by_transformers(model, row, **fields)


def by_session(
    model: PreTrainedModel, tokenizer: Tokenizer, encoded: Encoded, kind: str, fields: dict[str, Any]
) -> list[int]:
    session = Session(reader_for(model, 0)(), Endings(model, tokenizer, 96))
    found: list[Written] = []
    session.ask(Wanted(policy(kind, **fields), session.endings.prompts([encoded]), lambda _, told: found.extend(told)))
    while session.busy:
        session.step()
    written: list[int] = found[0].ids.tolist()
    return written


@pytest.mark.skipif(not STORIES.is_dir(), reason=f"{STORIES} is not here")
def test_a_real_model_writes_what_transformers_writes() -> None:
    model, tokenizer = AutoModelForCausalLM.from_pretrained(STORIES).eval(), open_tokenizer(STORIES, str(STORIES))
    rows = [[1, *tokenizer.encode(text, add_special_tokens=False)] for text in ("Once upon a time", "Lily", "The dog")]
    for kind, fields in {"greedy": {}, "beam": {"beams": 3}}.items():
        right = [by_transformers(model, row, max_new_tokens=40, **fields) for row in rows]
        found = write(model, tokenizer, policy(kind, max_new_tokens=40, **fields), rows, slots=6)
        assert [texts[0].ids.tolist() for texts in found] == right
        assert " little girl named" in found[0][0].text


@pytest.mark.parametrize("family", ["llama", "gpt2", "t5"])
def test_in_bfloat16_a_row_is_written_as_well_as_alone(family: str, tokenizer: Tokenizer) -> None:
    model = built(family).to(torch.bfloat16)
    use_our_attention(model)
    rows = random_rows(5, 2, 9)
    together = write(model, tokenizer, policy("greedy"), rows)
    alone = [write(model, tokenizer, policy("greedy"), [row])[0] for row in rows]
    for one, other in zip(together, alone, strict=True):
        assert one[0].ids[:3].tolist() == other[0].ids[:3].tolist()
        assert len(one[0].ids) <= 12


def test_a_model_that_learns_through_an_adapter_writes(tokenizer: Tokenizer) -> None:
    model = built("llama")
    (row,) = random_rows(6)
    before = write(model, tokenizer, policy("greedy"), [row])[0][0].ids.tolist()
    tuned: Any = Method.model_validate({"kind": "lora", "rank": 4}).apply(model)
    assert write(tuned.eval(), tokenizer, policy("greedy"), [row])[0][0].ids.tolist() == before
    with torch.no_grad():
        for name, parameter in tuned.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    after = write(tuned, tokenizer, policy("greedy"), [row])[0][0].ids.tolist()
    assert after == by_transformers(tuned, row)
    assert after != before
