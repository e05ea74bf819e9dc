"""Models that others trained, as they are: the answers are those of transformers' own pipelines on the same folder."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file
from transformers import BartConfig, GPT2Config, LlamaConfig, MarianConfig, RobertaConfig

import danlu
from danlu.refusal import Refusal
from danlu.stages.given import take
from danlu.stages.given_task import task_of
from danlu.task.task import Task

from .others_models import TEXTS, given, pieces, taken

HALF = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2}
HALF |= {"decoder_attention_heads": 2, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24}
TURNS = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}<|endoftext|>{% endfor %}<assistant>"


def test_a_classifier_answers_as_the_pipeline_does_with_the_labels_of_its_author(tmp_path: Path) -> None:
    labels = {0: "负面", 1: "Neutral", 2: "正面"}
    folder = given(tmp_path, "AutoModelForSequenceClassification", id2label=labels)
    bundle = taken(folder)
    assert bundle.task.label_names() == tuple(labels.values())
    told = transformers.pipeline("text-classification", str(folder), top_k=None)(TEXTS)
    for said, scores in zip(bundle.predict(TEXTS), told, strict=True):
        assert said["scores"] == pytest.approx({one["label"]: one["score"] for one in scores}, abs=1e-5)


def test_labels_without_names_are_their_numbers(tmp_path: Path) -> None:
    assert taken(given(tmp_path, "AutoModelForSequenceClassification", num_labels=4)).task.label_names() == (
        "0",
        "1",
        "2",
        "3",
    )


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_weights_of_16_bits_stay_so_on_disk_and_answer_as_before(dtype: str, tmp_path: Path) -> None:
    folder = given(tmp_path, "AutoModelForSequenceClassification", num_labels=3)
    auto = transformers.AutoModelForSequenceClassification
    auto.from_pretrained(folder, dtype=getattr(torch, dtype)).save_pretrained(folder)
    told = transformers.pipeline("text-classification", model=auto.from_pretrained(folder, dtype=torch.float32),
                                 tokenizer=str(folder), top_k=None)(TEXTS)  # fmt: skip
    with taken(folder) as bundle:
        stored = load_file(bundle.folder / "model.safetensors")
        assert {str(tensor.dtype) for tensor in stored.values()} == {f"torch.{dtype}"}
        for said, scores in zip(bundle.predict(TEXTS), told, strict=True):
            assert said["scores"] == pytest.approx({one["label"][6:]: one["score"] for one in scores}, abs=1e-5)


def test_two_texts_are_asked_where_the_labels_are_of_two(tmp_path: Path) -> None:
    folder = given(
        tmp_path, "AutoModelForSequenceClassification", id2label={0: "Entailment", 1: "Neutral", 2: "Contradiction"}
    )
    bundle = taken(folder)
    pair = {"text": TEXTS[0], "text_pair": TEXTS[1]}
    told = transformers.pipeline("text-classification", str(folder), top_k=None)(pair)
    expected = {one["label"]: one["score"] for one in told}
    assert bundle.predict([pair])[0]["scores"] == pytest.approx(expected, abs=1e-5)


def test_several_labels_at_once_are_sigmoids(tmp_path: Path) -> None:
    kind = "multi_label_classification"
    folder = given(tmp_path, "AutoModelForSequenceClassification", id2label={0: "a", 1: "b"}, problem_type=kind)
    told = transformers.pipeline("text-classification", str(folder), top_k=None)(TEXTS)
    for said, scores in zip(taken(folder).predict(TEXTS), told, strict=True):
        assert said["scores"] == pytest.approx({one["label"]: one["score"] for one in scores}, abs=1e-5)


def test_one_number_is_a_ranker_or_a_number_where_that_is_asked(tmp_path: Path) -> None:
    folder = given(tmp_path, "AutoModelForSequenceClassification", num_labels=1)
    pairs = [[TEXTS[0], other] for other in TEXTS[1:]]
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        number_B = model(**tokenizer(pairs, return_tensors="pt", padding=True)).logits[:, 0]
    with taken(folder) as bundle:
        (said,) = bundle.predict([{"text": TEXTS[0], "candidates": TEXTS[1:]}])
    assert said["scores"] == pytest.approx(number_B.sigmoid().sort(descending=True).values.tolist(), abs=1e-5)
    (folder.parent / "taken").rename(folder.parent / "ranker")
    records = [{"text": one, "text_pair": other} for one, other in pairs]
    numbers = [said["number"] for said in taken(folder, kind="regress", pairs=True).predict(records)]
    assert numbers == pytest.approx(number_B.tolist(), abs=1e-5)


def test_entities_are_those_of_the_pipeline_whatever_the_order_of_its_tags(tmp_path: Path) -> None:
    tags = dict(enumerate(["I-PER", "O", "B-LOC", "B-PER", "I-LOC"]))
    folder = given(tmp_path, "AutoModelForTokenClassification", id2label=tags)
    bundle = taken(folder)
    assert set(bundle.task.label_names()) == {"PER", "LOC"}
    text = "Ada lived in London"  # whole words of the vocabulary, and with the best tag of each that BIO allows
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForTokenClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        shares_TC = model(**tokenizer(text, return_tensors="pt")).logits[0].softmax(-1)
    (said,) = bundle.predict([text])
    for entity in said["entities"]:
        places = range(tokenizer(text).char_to_token(entity["start"]), tokenizer(text).char_to_token(entity["end"] - 1))
        found = [tags[int(shares_TC[place].argmax())][2:] for place in (*places, places.stop)]
        assert entity["label"] in found
    assert said["entities"] or all(tags[int(best)] == "O" for best in shares_TC[1:-1].argmax(-1))


@pytest.mark.parametrize(
    ("told", "task", "found"),
    [
        ({"max_length": 64, "min_length": 30}, {}, (29, 63)),
        ({"max_length": 64, "min_length": 30}, {"max_target": 20}, (19, 20)),
        ({"max_length": 142, "min_length": 142}, {}, (140, 141)),
        ({"min_length": 300}, {}, (299, 598)),
        ({"max_length": 512}, {}, (0, 511)),
    ],
)
def test_texts_are_as_long_as_their_author_lets_them_be_unless_somebody_says_it(
    told: dict[str, int], task: dict[str, int], found: tuple[int, int], tmp_path: Path
) -> None:
    begin = {"decoder_start_token_id": pieces().eos_token_id, "eos_token_id": pieces().eos_token_id}
    folder = given(tmp_path, "AutoModelForSeq2SeqLM", BartConfig, **HALF, **begin)
    path = folder / "generation_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | told))
    policy = task_of(str(folder), pieces(), Task.model_validate({"kind": "rewrite", **task}), lambda _: None).policy
    assert (policy.min_new_tokens, policy.max_new_tokens) == found


def test_an_answer_is_the_likeliest_piece_of_its_context(tmp_path: Path) -> None:
    folder = given(tmp_path, "AutoModelForQuestionAnswering")
    record = {"question": "Where?", "context": "Ada lived in London. The parcel came late."}
    model = transformers.AutoModelForQuestionAnswering.from_pretrained(folder).eval()
    asked = transformers.AutoTokenizer.from_pretrained(folder)(*record.values(), return_tensors="pt")
    with torch.no_grad():
        told = model(**asked)
    start_T, end_T = told.start_logits[0], told.end_logits[0]
    places = [place for place, side in enumerate(asked.sequence_ids(0)) if side == 1]
    start, end = max(
        ((one, other) for one in places for other in places if one <= other),
        key=lambda pair: float(start_T[pair[0]] + end_T[pair[1]]),
    )
    expected = record["context"][asked.token_to_chars(start).start : asked.token_to_chars(end).end]
    (said,) = taken(folder).predict([record])
    assert said["text"] == expected


def test_a_conversation_is_written_as_the_model_itself_writes_it(tmp_path: Path) -> None:
    folder = given(tmp_path, "AutoModelForCausalLM", LlamaConfig, eos_token_id=pieces().eos_token_id)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = TURNS
    tokenizer.save_pretrained(folder)
    bundle = taken(folder)
    assert bundle.task.kind == "chat"
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    turns = [{"role": "user", "content": "Where?"}]
    ids = tokenizer.apply_chat_template(turns, tokenize=True, add_generation_prompt=True, return_tensors="pt")
    ids = ids if torch.is_tensor(ids) else ids["input_ids"]
    wrote = model.generate(ids, max_new_tokens=12, do_sample=False)[0, ids.shape[1] :]
    (said,) = bundle.generate([{"messages": turns}], max_new_tokens=12)
    assert said[0].text == tokenizer.decode(wrote, skip_special_tokens=True)


def test_a_decoder_without_a_template_goes_on_with_a_text(tmp_path: Path) -> None:
    folder = given(tmp_path, "AutoModelForCausalLM", GPT2Config, n_embd=16, n_layer=1, n_head=2)
    assert taken(folder).task.kind == "causal_lm"


def test_hidden_words_are_guessed(tmp_path: Path) -> None:
    assert taken(given(tmp_path, "AutoModelForMaskedLM", RobertaConfig)).task.kind == "masked_lm"


def test_a_translation_is_that_of_the_same_beams(tmp_path: Path) -> None:
    begin = {"decoder_start_token_id": pieces().pad_token_id, "eos_token_id": pieces().eos_token_id}
    folder = given(tmp_path, "AutoModelForSeq2SeqLM", MarianConfig, **HALF, **begin)
    bundle = taken(folder)
    assert bundle.task.kind == "translate"
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    (prompt,) = bundle.task.encode([{"text": TEXTS[3]}], bundle.tokenizer, 512, labelled=False)
    ids = torch.tensor([prompt.row.input_ids.tolist()])
    wrote = model.generate(ids, max_new_tokens=10, num_beams=4, do_sample=False)[0, 1:]
    (said,) = bundle.generate([TEXTS[3]], max_new_tokens=10)
    assert said[0].text == tokenizer.decode(wrote, skip_special_tokens=True).rstrip("\ufffd")  # half a letter


@pytest.mark.parametrize(
    ("told", "kind"), [({"summarization": {}}, "summarise"), ({"summarization": {}, "translation": {}}, "rewrite")]
)
def test_what_becomes_of_a_text_is_told_by_the_settings(tmp_path: Path, told: dict[str, Any], kind: str) -> None:
    begin = {"decoder_start_token_id": pieces().eos_token_id, "eos_token_id": pieces().eos_token_id}
    folder = given(tmp_path, "AutoModelForSeq2SeqLM", BartConfig, **HALF, **begin)
    settings = folder / "config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"task_specific_params": told}))
    assert taken(folder).task.kind == kind


def test_a_trunk_alone_is_no_classifier(tmp_path: Path) -> None:
    folder = given(tmp_path, "AutoModel")
    with pytest.raises(Refusal, match="holds a BertModel, which has no head and so has not learnt 'classify'"):
        taken(folder, kind="classify", labels=["a", "b"])
    with pytest.raises(Refusal, match=r"the architecture BertModel, which does not say.*say it with 'kind'"):
        taken(folder)
    assert taken(folder, kind="embed").task.kind == "embed"


def test_a_head_that_is_not_there_is_refused_by_its_weights(tmp_path: Path) -> None:
    folder = given(tmp_path, "AutoModelForMaskedLM")
    with pytest.raises(Refusal, match=r"holds no weights that fit .*'classifier\.bias'.*must be learnt first"):
        taken(folder, kind="classify", labels=["a", "b"])


def test_weights_of_one_direction_do_not_answer_for_the_other(tmp_path: Path) -> None:
    folder = given(tmp_path, "AutoModelForMaskedLM")
    with pytest.raises(Refusal, match="holds a BertForMaskedLM, which has not learnt 'causal_lm'"):
        taken(folder, kind="causal_lm")


def test_other_labels_than_those_of_the_head_are_refused(tmp_path: Path) -> None:
    folder = given(tmp_path, "AutoModelForSequenceClassification", id2label={0: "bad", 1: "good"})
    with pytest.raises(Refusal, match="new and fresh: 'fair'"):
        taken(folder, kind="classify", labels=["bad", "fair", "good"])
    assert taken(folder, kind="classify", labels=["good", "bad"]).task.label_names() == ("good", "bad")


def test_a_bundle_is_taken_as_it_is(tmp_path: Path) -> None:
    folder = given(tmp_path, "AutoModelForMaskedLM")
    taken(folder).close()
    with pytest.raises(Refusal, match="is a bundle already"):
        take(str(folder.parent / "taken"), None, folder.parent / "again", "auto", "en", lambda _: None)


def test_a_recipe_scores_what_others_trained(tmp_path: Path) -> None:
    folder = given(tmp_path, "AutoModelForSequenceClassification", id2label={0: "bad", 1: "good"})
    data = tmp_path / "test.jsonl"
    data.write_text("".join(json.dumps({"text": text, "label": "good"}) + "\n" for text in TEXTS))
    stages = {
        "base": {"kind": "bundle", "path": str(folder)},
        "test": {"kind": "evaluate", "bundle": "@base", "data": {"kind": "jsonl", "path": str(data)}},
    }
    ran = danlu.run({"name": "scored", "stages": stages}, root=tmp_path, say=lambda _: None)
    assert (ran["test"] / "scores.json").is_file()
    card = (ran["base"] / "bundle" / "README.md").read_text()
    assert "A model that others trained, `given`, for the task `classify`." in card
