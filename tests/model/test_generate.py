"""Writing: token by token what transformers writes, whoever joins and leaves beside it."""

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer as Backend
from tokenizers import models, pre_tokenizers
from transformers import AutoModelForCausalLM, PreTrainedModel

from danlu.model.cached import Cached
from danlu.model.ends import Endings
from danlu.model.fast import use_our_attention
from danlu.model.generate import Session, Wanted
from danlu.model.heads import unwrapped
from danlu.model.lean import Lean
from danlu.model.policy import Policy
from danlu.model.positions import longest_row
from danlu.model.reader import Reader, Whole
from danlu.model.readers import reader_for
from danlu.model.written import Written
from danlu.refusal import Refusal
from danlu.text.batching.encoded import Encoded, Row
from danlu.text.tokenizing.folder import open_tokenizer
from danlu.text.tokenizing.tokenizer import Tokenizer
from danlu.tuning.method import Method

STORIES = Path(__file__).parents[3] / "shared" / "models" / "stories260k"
VOCABULARY = 48
COMMON = {"vocab_size": VOCABULARY, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
PLAIN = COMMON | {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 24,
    "max_position_embeddings": 96,
}
SIDES = COMMON | {
    "d_model": 16,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 24,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "max_position_embeddings": 96,
}
GROUPED = {"num_key_value_heads": 2, "head_dim": 8}
SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", PLAIN | GROUPED),
    "gpt2": ("GPT2Config", COMMON | {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 96}),
    "qwen3": ("Qwen3Config", PLAIN | GROUPED),
    "opt": (
        "OPTConfig",
        COMMON | SMALL | {"ffn_dim": 24, "max_position_embeddings": 96, "word_embed_proj_dim": 16},
    ),
    "bloom": ("BloomConfig", COMMON | {"hidden_size": 16, "n_layer": 2, "n_head": 2}),
    "gemma2": ("Gemma2Config", PLAIN | GROUPED | {"sliding_window": 8, "final_logit_softcapping": 0.5}),
    "mistral": ("MistralConfig", PLAIN | GROUPED | {"sliding_window": 8}),
    "falcon": ("FalconConfig", COMMON | SMALL),
    "falcon_alibi": ("FalconConfig", COMMON | SMALL | {"alibi": True}),
    "gpt_neox": ("GPTNeoXConfig", PLAIN),
    "mpt": (
        "MptConfig",
        COMMON | {"d_model": 16, "n_layers": 2, "n_heads": 2, "max_seq_len": 96, "expansion_ratio": 2},
    ),
    "mamba": ("MambaConfig", COMMON | {"hidden_size": 16, "num_hidden_layers": 2, "state_size": 4}),
    "bart": (
        "BartConfig",
        SIDES | {"decoder_start_token_id": 2, "forced_eos_token_id": None, "forced_bos_token_id": 5},
    ),
    "marian": ("MarianConfig", SIDES | {"decoder_start_token_id": 0, "forced_eos_token_id": None}),
    "t5": (
        "T5Config",
        COMMON | {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2, "decoder_start_token_id": 0},
    ),
}
TWO_SIDED = {"bart", "marian", "t5"}
BEAMS = itertools.cycle(
    [
        {},
        {"early_stopping": True, "length_penalty": 2.0, "repetition_penalty": 1.3, "no_repeat_ngram": 2},
        {"early_stopping": "never", "length_penalty": 0.5, "min_new_tokens": 4},
    ]
)


def built(family: str) -> PreTrainedModel:
    name, fields = FAMILIES[family]
    torch.manual_seed(5)
    config = getattr(transformers, name)(**fields)
    head = "Seq2SeqLM" if family in TWO_SIDED else "CausalLM"
    model = getattr(transformers, f"AutoModelFor{head}").from_config(config)
    with torch.no_grad():  # fresh weights of deviation 0.02 make attention all but uniform: nothing would be seen
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.15)
    return model.eval()  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    backend = Backend(models.WordLevel({f"w{number}": number for number in range(VOCABULARY)}, unk_token="w3"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    named = {"pad_token": "w0", "bos_token": "w1", "eos_token": "w2", "unk_token": "w3"}
    return Tokenizer(tokenizer_object=backend, **named)


def policy(kind: str, **fields: Any) -> Policy:
    return Policy.model_validate({"kind": kind, "max_new_tokens": 12} | fields)


def examples(rows: Sequence[Sequence[int]]) -> list[Encoded]:
    return [Encoded(number, (Row(np.array(row, np.int32)),)) for number, row in enumerate(rows)]


def write(
    model: PreTrainedModel, tokenizer: Tokenizer, policy: Policy, rows: Sequence[Sequence[int]], slots: int = 32
) -> list[list[Written]]:
    limit = longest_row(unwrapped(model))
    session = Session(reader_for(model, 0)(), Endings(model, tokenizer, limit), slots)
    found: dict[int, list[Written]] = {}
    session.ask(Wanted(policy, session.endings.prompts(examples(rows)), found.__setitem__))
    while session.busy:
        session.step()
    return [found[number] for number in range(len(rows))]


def by_transformers(model: PreTrainedModel, row: Sequence[int], **fields: Any) -> list[int]:
    names = {"no_repeat_ngram": "no_repeat_ngram_size", "beams": "num_beams"}
    given = {names.get(name, name): value for name, value in fields.items()}
    ids = torch.tensor([row])
    found = model.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, pad_token_id=0, **{"max_new_tokens": 12} | given
    )[0].tolist()
    start = 1 if model.config.is_encoder_decoder else len(row)
    forced = getattr(model.generation_config, "forced_bos_token_id", None) if start == 1 else None
    written = found[start + (forced is not None) :]
    return written[: written.index(2)] if 2 in written else written


def random_rows(*lengths: int, seed: int = 0) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    return [rng.integers(3, VOCABULARY, length).tolist() for length in lengths]


@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_and_beams_are_those_of_transformers_where_rows_join_and_leave(
    family: str, tokenizer: Tokenizer
) -> None:
    model = built(family)
    rows = random_rows(5, 2, 13, seed=len(family))
    greedy = {"repetition_penalty": 1.2, "min_new_tokens": 3} if len(family) % 2 else {}
    beams = {"beams": 3} | next(BEAMS)
    right = (
        [by_transformers(model, row, **greedy) for row in rows],
        [by_transformers(model, row, **beams) for row in rows],
    )
    use_our_attention(model)
    reader = reader_for(model, 0)()
    assert type(reader) is (Whole if family == "mamba" else Lean if family in ("llama", "qwen3") else Cached)
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


@pytest.mark.parametrize("family", FAMILIES)
def test_guesses_from_what_was_read_change_the_passes_and_not_the_text(family: str, tokenizer: Tokenizer) -> None:
    """Alone, and where others join and leave; guesses are right and wrong by turns."""
    model, rows = built(family), [row * 3 for row in random_rows(5, 2, 7, seed=3)]
    use_our_attention(model)
    fields = {"max_new_tokens": 40, "min_new_tokens": 20, "stop": ("w7 w8",), "repetition_penalty": 1.05}
    plain = [write(model, tokenizer, policy("greedy", **fields), [row])[0][0] for row in rows]
    for slots in (1, 32):
        session = Session(reader_for(model, 0)(), Endings(model, tokenizer, longest_row(unwrapped(model))), slots)
        found, pieces, passes, guessing = dict[int, list[Written]](), [""], 0, policy("greedy", lookup=4, **fields)
        for number, prompt in enumerate(session.endings.prompts(examples(rows))):
            take = None if number else pieces.append
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
