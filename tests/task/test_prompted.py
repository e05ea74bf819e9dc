"""The task `prompted`: before any training it says what `danlu prompt` says; what it learns, its bundle serves."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from danlu.data.record import Record
from danlu.engine.engines.torch import TorchNetwork
from danlu.engine.predict import Predictor
from danlu.prompt.answering import answered
from danlu.prompt.scorer import scorer
from danlu.prompt.shots import Shots
from danlu.refusal import Refusal
from danlu.task.task import Task
from danlu.text.prompting.template import PromptTemplate
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece

TEXTS = ["the film was great . it was good", "电影很好，结尾很差", "no , it was bad and the end was terrible"]
RECORDS: list[Record] = [
    {"text": text, "label": label}
    for text, label in (("the film was great", 1), ("电影很好", 1), ("no , it was bad", 0), ("", 0), ("it was good", 1))
]
FAMILIES = {
    "bert": ("AutoModelForMaskedLM", "encoder"),
    "llama": ("AutoModelForCausalLM", "decoder"),
    "gpt2": ("AutoModelForCausalLM", "decoder"),
    "bart": ("AutoModelForSeq2SeqLM", "encoder_decoder"),
    "t5": ("AutoModelForSeq2SeqLM", "encoder_decoder"),
}
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
SIDES = {"d_model": 16, "encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24}
SIDES |= {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "decoder_start_token_id": 2}
SETTINGS = {
    "bert": SIZES,
    "llama": SIZES,
    "gpt2": {"n_embd": 16, "n_layer": 2, "n_head": 2},
    "bart": SIDES | {"forced_bos_token_id": 5},
    "t5": {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2, "decoder_start_token_id": 0},
}


def built(family: str):
    auto_class, shape = FAMILIES[family]
    source = WordPiece(size=90, min_frequency=1) if shape == "encoder" else Bpe(size=300)
    tokenizer = source.build(lambda: iter(TEXTS))
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": 0}
    config = transformers.AutoConfig.for_model(
        family, vocab_size=len(tokenizer), **SETTINGS[family], **(ends if shape != "encoder" else {})
    )
    torch.manual_seed(0)
    model = getattr(transformers, auto_class).from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return model, tokenizer


PLAIN = {"text": "{text}: it was {label}", "verbalizer": {1: "good", 0: "terrible"}}
SEVERAL = {
    "text": "{text}: it was {label} .",
    "verbalizer": {1: ["good", "great", "好"], 0: ["bad and terrible", "差"]},
}
CASES = [
    *((family, PLAIN) for family in FAMILIES),
    *((family, SEVERAL | {"several": "sum", "divide_by": "characters"}) for family in FAMILIES),
    ("bert", SEVERAL | {"instruction": "no , it was", "between": " .", "longest": 9, "divide_by": "nothing"}),
    ("llama", {"text": "{label}: {text}", "verbalizer": {1: "good", 0: "bad"}}),
    ("llama", SEVERAL | {"chat": "plain"}),
    ("gpt2", {"text": "{text}{label}", "verbalizer": {1: "g", 0: "t"}}),
]


@pytest.mark.parametrize(("family", "template"), CASES)
def test_before_any_training_it_says_what_a_prompt_says(family: str, template: dict) -> None:
    model, tokenizer = built(family)
    task = Task.model_validate({"kind": "prompted", "template": template})
    task = task.fitted(RECORDS).shaped(FAMILIES[family][1]).suited(model, tokenizer, print)
    prompt = PromptTemplate(**template)
    told = list(answered(scorer(model, tokenizer), prompt, RECORDS, Shots(prompt, [], RECORDS, "")))
    with Predictor(TorchNetwork(model, threads=1), Task.model_validate(task.to_plain()), tokenizer) as predictor:
        for prediction, right in zip(predictor.predict(RECORDS), told, strict=True):
            assert list(prediction["scores"].values()) == pytest.approx(right.raw, abs=1e-5)
            assert list(prediction["scores"]) == ["1", "0"]
    rows = task.encode(RECORDS, tokenizer, 64, labelled=True)
    batch = task.collate(rows, max(map(len, rows)), tokenizer, np.random.default_rng(0))
    expected = -sum(np.log(each.raw[each.labels.index(str(r["label"]))]) for each, r in zip(told, RECORDS, strict=True))
    assert task.loss(model, batch)["label"].item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("family", "words", "rows"), [("bert", "好差", 1), ("llama", "gt", 1), ("t5", "gt", 1)])
def test_words_of_one_token_share_a_row(family: str, words: str, rows: int) -> None:
    model, tokenizer = built(family)
    template = {"text": "{text}{label}", "verbalizer": {1: words[0], 0: words[1]}}
    task = Task.model_validate({"kind": "prompted", "template": template}).fitted(RECORDS)
    task = task.shaped(FAMILIES[family][1]).suited(model, tokenizer, print)
    (item,) = task.encode([{"text": "电影很"}], tokenizer, 64, labelled=False)
    assert len(item.rows) == rows
    assert item.targets["lengths"].tolist() == [1, 1]


def test_a_template_is_read_from_its_file_and_kept_in_the_task(tmp_path: Path) -> None:
    file = tmp_path / "mood.yaml"
    file.write_text('text: "{review} {label}"\nverbalizer: {good: 好, bad: [差, 坏]}\nslots: {review: text}\n', "utf-8")
    task = Task.model_validate({"kind": "prompted", "template": str(file)})
    file.unlink()
    assert Task.model_validate(json.loads(json.dumps(task.to_plain()))) == task
    assert task.template.columns == {"review": "text"}
    with pytest.raises(ValueError, match=r"mood\.yaml: there is no such template"):
        Task.model_validate({"kind": "prompted", "template": str(file)})
    file.write_text("text: '{review} {label}'\nverbalizer: {good: 好, bad: 好}\n", "utf-8")
    with pytest.raises(ValueError, match=r"mood\.yaml line 2: verbalizer: .*have the same word '好'"):
        Task.model_validate({"kind": "prompted", "template": str(file)})


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"shots": 2}, "'shots' of the template has no effect where a model learns"),
        ({"calibrate": True}, "'calibrate' of the template has no effect"),
        ({"seed": 1}, "'seed' of the template has no effect"),
        ({"slots": {"label": "mood"}}, "names the column 'mood' for the label, which a task finds in 'label'"),
    ],
)
def test_what_has_no_effect_in_training_is_refused(fields: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Task.model_validate({"kind": "prompted", "template": PLAIN | fields})
    assert Task.model_validate({"kind": "prompted", "template": PLAIN | {"calibrate": False}})
    with pytest.raises(ValueError, match=r"the template asks for \{choice\}, and this task learns labels"):
        Task.model_validate({"kind": "prompted", "template": {"text": "{text}{choice}"}})


def test_data_that_do_not_suit_the_template_are_refused_by_name() -> None:
    task = Task.model_validate({"kind": "prompted", "template": {**PLAIN, "text": "{txt} {label}"}})
    with pytest.raises(Refusal, match=r"record 1: there is no column 'txt' .* did you mean 'text'\?; the slot \{txt\}"):
        task.fitted(RECORDS)
    task = Task.model_validate({"kind": "prompted", "template": PLAIN})
    with pytest.raises(Refusal, match=r"record 2: the label '2' is not among those of the template's verbalizer"):
        task.fitted([RECORDS[0], {"text": "x", "label": 2}])
    with pytest.raises(Refusal, match=r"task.labels are 1, 2, and the template has words for 1, 0"):
        Task.model_validate({"kind": "prompted", "template": PLAIN, "labels": [1, 2]}).fitted(RECORDS)
    _model, tokenizer = built("bert")
    with pytest.raises(Refusal, match="the word '龘' is unknown"):
        Task.model_validate({"kind": "prompted", "template": PLAIN | {"verbalizer": {1: "龘", 0: "差"}}}).encode(
            RECORDS, tokenizer, 64, labelled=False
        )
    with pytest.raises(Refusal, match="'chat' is for decoders"):
        Task.model_validate({"kind": "prompted", "template": PLAIN | {"chat": "plain"}}).encode(
            RECORDS, tokenizer, 64, labelled=False
        )
    long = Task.model_validate(
        {"kind": "prompted", "too_long": "truncate", "template": PLAIN | {"instruction": "the film was great " * 20}}
    )
    with pytest.raises(Refusal, match=r"record 1: the template without its texts has \d+ tokens and a row takes 64"):
        long.encode(RECORDS, tokenizer, 64, labelled=False)


def test_a_text_is_cut_at_characters_where_several_tokens_are_one() -> None:
    """Bytes without merges: each of these characters is three tokens of the same offsets."""
    model, _tokenizer = built("llama")
    tokenizer = Bpe(size=264).build(lambda: iter(["a"]))
    template = {"text": "{text}{label}", "verbalizer": {1: "g", 0: "t"}}
    task = Task.model_validate({"kind": "prompted", "template": template, "too_long": "truncate"}).fitted(RECORDS)
    task = task.shaped("decoder").suited(model, tokenizer, print)
    longest = 0
    for limit in range(8, 21):
        (item,) = task.encode([{"text": "好书好"}], tokenizer, limit, labelled=False)
        longest = max(longest, *map(len, item.rows))
        assert max(map(len, item.rows)) <= limit
        assert item.cut % 3 == 0
    assert longest > 8
    assert not item.cut


def test_records_of_several_blocks_keep_their_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    _model, tokenizer = built("bert")
    task = Task.model_validate({"kind": "prompted", "template": PLAIN}).fitted(RECORDS)
    whole = task.encode(RECORDS, tokenizer, 64, labelled=True)
    monkeypatch.setattr("danlu.task.tasks.prompted.BLOCK", 2)
    parts = task.encode(RECORDS, tokenizer, 64, labelled=True)
    assert [item.record for item in parts] == [0, 1, 2, 3, 4]
    assert [item.targets["label"] for item in parts] == [item.targets["label"] for item in whole]
    assert [item.row.input_ids.tolist() for item in parts] == [item.row.input_ids.tolist() for item in whole]
    with pytest.raises(Refusal, match="record 3: column 'text' must be text"):
        task.encode([*RECORDS[:2], {"text": 3.5}], tokenizer, 64, labelled=False)
