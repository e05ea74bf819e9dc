"""What else is found in folders of others: settings of other types, heads of other kinds, tokens without a row."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers import GPT2Config, LlamaConfig, M2M100Config

import danlu
from danlu.bundle import manifest
from danlu.refusal import Refusal
from danlu.stages.given import take

from .others_models import TEXTS, given, pieces, taken

TURNS = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}<|endoftext|>{% endfor %}<assistant>"
CHAT = {"chat_template": TURNS}


def settings(folder: Path, name: str = "config.json", **told: Any) -> None:
    """Write some settings of a folder anew."""
    plain = json.loads((folder / name).read_text()) if (folder / name).is_file() else {}
    (folder / name).write_text(json.dumps(plain | told))


@pytest.mark.parametrize(
    "told",
    [
        {"architectures": [3]},
        {"architectures": 5},
        {"architectures": {"a": 1}},
        {"architectures": "BertForMaskedLM"},
        {"architectures": []},
        {"id2label": {"0": "a", "1": "a"}},
        {"id2label": {"0": "", "1": "b"}},
    ],
)
def test_settings_of_another_form_are_one_sentence(tmp_path: Path, told: dict[str, Any]) -> None:
    folder = given(tmp_path, "AutoModelForSequenceClassification", id2label={0: "a", 1: "b"})
    settings(folder, **told)
    with pytest.raises(Refusal) as refused:
        taken(folder)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("value", [5, {"a": 1}, [["mean"]], None])
@pytest.mark.parametrize("longest", ["abc", -1, 9.5])
def test_odd_settings_of_vectors_are_refused(tmp_path: Path, value: Any, longest: Any) -> None:
    folder = given(tmp_path, "AutoModel")
    kind = "sentence_transformers.models"
    modules = [{"type": f"{kind}.Transformer", "path": ""}, {"type": f"{kind}.Pooling", "path": "1_Pooling"}]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    settings(folder, "1_Pooling/config.json", pooling_mode=value)
    settings(folder, "sentence_bert_config.json", max_seq_length=longest)
    with pytest.raises(Refusal):
        taken(folder)


def test_labels_with_spaces_around_them_are_their_own(tmp_path: Path) -> None:
    folder = given(tmp_path, "AutoModelForSequenceClassification", id2label={0: "bad ", 1: "good"})
    assert taken(folder).task.label_names() == ("bad", "good")


def test_a_head_of_one_number_that_is_one_is_no_ranker(tmp_path: Path) -> None:
    folder = given(tmp_path, "AutoModelForSequenceClassification", num_labels=1, problem_type="regression")
    told = transformers.pipeline("text-classification", str(folder))(TEXTS, function_to_apply="none")
    with taken(folder) as bundle:
        assert bundle.task.kind == "regress"
        numbers = [said["number"] for said in bundle.predict(TEXTS)]
    assert numbers == pytest.approx([one["score"] for one in told], abs=1e-5)
    settings(folder, id2label={"0": "a", "1": "b", "2": "c"})
    with pytest.raises(Refusal, match="its head says 3 numbers"):
        take(str(folder), None, tmp_path / "three", "auto", "en", lambda _: None)


def test_entities_that_begin_with_inside_are_found(tmp_path: Path) -> None:
    folder = given(tmp_path, "AutoModelForTokenClassification", id2label={0: "O", 1: "I-PER", 2: "B-PER"})
    model = transformers.AutoModelForTokenClassification.from_pretrained(folder)
    model.classifier.weight.data.zero_()
    model.classifier.bias.data.copy_(torch.tensor([1.0, 6.0, -4.0]))
    model.save_pretrained(folder)
    (said,) = taken(folder).predict(["Ada lived"])
    assert [(one["text"], one["label"]) for one in said["entities"]] == [("Ada lived", "PER")]


def test_tokens_without_a_row_are_refused(tmp_path: Path) -> None:
    folder = given(tmp_path, "AutoModelForCausalLM", GPT2Config, n_embd=16, n_layer=1, n_head=2)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["<|im_start|>"], special_tokens=True)
    tokenizer.save_pretrained(folder)
    with pytest.raises(Refusal, match=r"'<\|im_start\|>' would be read as noise"):
        taken(folder)


def test_a_decoder_that_cannot_tell_an_end_from_padding_is_refused(tmp_path: Path) -> None:
    folder = given(
        tmp_path, "AutoModelForSequenceClassification", GPT2Config, n_embd=16, n_layer=1, n_head=2, num_labels=2
    )
    plain = json.loads((folder / "tokenizer.json").read_text())
    end = pieces().eos_token
    special = {"id": end, "ids": [pieces().eos_token_id], "tokens": [end]}
    both = [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": end, "type_id": 0}}]
    plain["post_processor"] = {
        "type": "TemplateProcessing", "single": both, "pair": both, "special_tokens": {end: special},
    }  # fmt: skip
    (folder / "tokenizer.json").write_text(json.dumps(plain))
    settings(folder, "tokenizer_config.json", pad_token=end)
    with pytest.raises(Refusal, match="could not be told from padding"):
        taken(folder)


def test_every_end_that_the_author_names_is_kept(tmp_path: Path) -> None:
    folder = given(tmp_path, "AutoModelForCausalLM", LlamaConfig, eos_token_id=pieces().eos_token_id)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    other = tokenizer.convert_ids_to_tokens(100)
    tokenizer.add_tokens([transformers.AddedToken(other, special=True, normalized=False)])
    tokenizer.chat_template = TURNS
    tokenizer.save_pretrained(folder)
    settings(folder, "generation_config.json", eos_token_id=[pieces().eos_token_id, 100])
    with taken(folder) as bundle:
        assert bundle.task.config()["eos_token_id"] == sorted([pieces().eos_token_id, 100])


def test_it_writes_as_its_author_lets_it_where_that_is_no_chance(tmp_path: Path) -> None:
    folder = given(tmp_path, "AutoModelForCausalLM", LlamaConfig, eos_token_id=pieces().eos_token_id)
    settings(folder, "tokenizer_config.json", **CHAT)
    settings(folder, "generation_config.json", repetition_penalty=1.3, do_sample=True, temperature=0.7, top_p=0.8)
    said: list[str] = []
    take(str(folder), None, tmp_path / "taken", "float32", "en", said.append)
    assert "policy.kind=sample policy.temperature=0.7 policy.top_p=0.8" in " ".join(said)
    with danlu.load(tmp_path / "taken") as bundle:
        assert bundle.predictor.policy.to_plain()["repetition_penalty"] == 1.3
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
        given_ids = tokenizer.apply_chat_template(
            [{"role": "user", "content": "Where?"}], tokenize=False, add_generation_prompt=True
        )
        ids = tokenizer(given_ids, return_tensors="pt", add_special_tokens=False)["input_ids"]
        wrote = model.generate(ids, max_new_tokens=12, do_sample=False)[0, ids.shape[1] :]
        (texts,) = bundle.generate(["Where?"], max_new_tokens=12)
        assert texts[0].text == tokenizer.decode(wrote, skip_special_tokens=True).rstrip("\ufffd")


def test_a_translator_of_many_languages_wants_their_names(tmp_path: Path) -> None:
    half = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2}
    half |= {"decoder_attention_heads": 2, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24}
    folder = given(tmp_path, "AutoModelForSeq2SeqLM", M2M100Config, **half)
    with pytest.raises(Refusal, match="translates between many languages"):
        taken(folder)


def test_an_adapter_is_no_model(tmp_path: Path) -> None:
    folder = given(tmp_path, "AutoModelForMaskedLM")
    (folder / "config.json").rename(folder / "adapter_config.json")
    with pytest.raises(Refusal, match="is an adapter and no model"):
        taken(folder)


def test_hints_are_of_what_lies_there(tmp_path: Path) -> None:
    folder = given(tmp_path, "AutoModelForMaskedLM")
    with pytest.raises(Refusal, match="is a model and no bundle; make one of it with: danlu bundle"):
        danlu.load(folder)
    with pytest.raises(Refusal, match="lies in the bundle"):
        take(str(folder), None, folder / "bundle", "auto", "en", lambda _: None)
    taken(folder).close()
    (tmp_path / "taken" / manifest.NAME).unlink()
    with pytest.raises(Refusal, match=r"is no bundle, for there is no danlu\.json"):
        danlu.load(tmp_path / "taken")
