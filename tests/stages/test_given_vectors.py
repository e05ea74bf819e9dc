"""Vectors of models that others trained are those of sentence-transformers, or there are none."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from transformers import BertConfig, LlamaConfig

import danlu
from danlu.refusal import Refusal
from danlu.stages.given import take

from .others_models import TEXTS, given, taken


def _as_vectors(folder: Path, pooling: dict[str, Any], *more: str) -> None:
    """The files of sentence-transformers beside a trunk."""
    names = ["Transformer", "Pooling", *more]
    paths = ["", *(f"{place}_{name}" for place, name in enumerate(names[1:], 1))]
    modules = [
        {"idx": place, "name": str(place), "path": path, "type": f"sentence_transformers.models.{name}"}
        for place, (name, path) in enumerate(zip(names, paths, strict=True))
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 8, "do_lower_case": False}))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 16} | pooling))


@pytest.mark.parametrize(
    ("pooling", "first"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, True),
        ({"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True, "include_prompt": True}, False),
        ({"pooling_mode": "cls"}, True),
    ],
)
def test_vectors_are_pooled_and_cut_as_sentence_transformers_would(
    tmp_path: Path, pooling: dict[str, Any], *, first: bool
) -> None:
    folder = given(tmp_path, "AutoModel")
    _as_vectors(folder, pooling, "Normalize")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    bundle = taken(folder)
    for text in [*TEXTS, " ".join(TEXTS)]:
        with torch.no_grad():
            hidden_TE = model(**tokenizer(text, return_tensors="pt", truncation=True, max_length=8))[0][0]
        vector_E = hidden_TE[0] if first else hidden_TE.mean(0)
        expected = (vector_E / vector_E.norm()).tolist()
        assert bundle.predict([text])[0]["vector"] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("mode", ["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"])
@pytest.mark.parametrize("config", [BertConfig, LlamaConfig], ids=["encoder", "decoder"])
def test_every_pooling_of_sentence_transformers_makes_the_same_vectors_and_is_kept(
    mode: str, config: type[Any], tmp_path: Path
) -> None:
    library = pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")
    folder = given(tmp_path, "AutoModel", config)
    _as_vectors(folder, {"pooling_mode": mode}, "Normalize")
    if (mode, config) == ("cls", LlamaConfig):
        with pytest.raises(Refusal, match="the first token of a decoder has seen no other; write 'mean' or 'last'"):
            taken(folder)
        return
    texts = [*TEXTS, " ".join(TEXTS)]
    told = library.SentenceTransformer(str(folder), device="cpu").encode(texts)
    bundle = taken(folder)
    assert np.array([each["vector"] for each in bundle.predict(texts)]) == pytest.approx(told, abs=1e-5)
    again = library.SentenceTransformer(str(bundle.folder), device="cpu").encode(texts)
    assert again == pytest.approx(told, abs=1e-5)


@pytest.mark.parametrize("mode", ["lasttoken", "max", "weightedmean"])
def test_vectors_of_a_decoder_are_those_of_its_hidden_states(mode: str, tmp_path: Path) -> None:
    folder = given(tmp_path, "AutoModel", LlamaConfig)
    _as_vectors(folder, {"pooling_mode": mode}, "Normalize")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    for text, said in zip(TEXTS, taken(folder).predict(TEXTS), strict=True):
        with torch.no_grad():
            hidden_TE = model(**tokenizer(text, return_tensors="pt", truncation=True, max_length=8))[0][0]
        places_T1 = torch.arange(1, len(hidden_TE) + 1)[:, None]
        vector_E = {
            "lasttoken": hidden_TE[-1],
            "max": hidden_TE.amax(0),
            "weightedmean": (hidden_TE * places_T1).sum(0) / places_T1.sum(),
        }[mode]
        assert said["vector"] == pytest.approx((vector_E / vector_E.norm()).tolist(), abs=1e-5)


def test_an_embedder_is_tuned_with_the_pooling_that_it_has_learnt(tmp_path: Path) -> None:
    folder = given(tmp_path, "AutoModel", LlamaConfig)
    _as_vectors(folder, {"pooling_mode_lasttoken": True}, "Normalize")
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps({"text": text, "text_pair": text + "。"}) + "\n" for text in TEXTS))
    for named, pooling in (({}, "last"), ({"pooling": "mean"}, "mean")):
        stage = {
            "kind": "train", "data": {"kind": "jsonl", "path": str(path)}, "task": {"kind": "embed", **named},
            "model": {"kind": "pretrained", "path": str(folder)}, "train": {"steps": 1, "rate": 1e-9},
        }  # fmt: skip
        said: list[str] = []
        ran = danlu.run({"name": pooling, "stages": {"fit": stage}}, root=tmp_path, say=said.append)
        with danlu.load(ran["fit"] / "bundle") as bundle:
            assert bundle.task.pooling == pooling
        assert any("pooling: 'last', as" in line for line in said) == (not named)


def test_a_prompt_that_is_left_out_of_vectors_is_refused_and_a_default_told(tmp_path: Path) -> None:
    folder, said = given(tmp_path, "AutoModel"), list[str]()
    _as_vectors(folder, {"pooling_mode": "mean", "include_prompt": False})
    told = {"prompts": {"query": "query: ", "document": ""}, "default_prompt_name": "query"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(told))
    with pytest.raises(Refusal, match="include_prompt"):
        taken(folder)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode": "mean"}))
    take(str(folder), None, folder.parent / "other", "auto", "en", said.append)
    assert "(query: 'query: '; its author's default is 'query')" in said[-1]


def test_a_limit_of_the_tokenizer_cuts_as_well(tmp_path: Path) -> None:
    folder = given(tmp_path, "AutoModel")
    _as_vectors(folder, {"pooling_mode": "mean"}, "Normalize")
    (folder / "sentence_bert_config.json").write_text("{}")
    told = json.loads((folder / "tokenizer_config.json").read_text()) | {"model_max_length": 8}
    (folder / "tokenizer_config.json").write_text(json.dumps(told))
    assert taken(folder).task.max_length == 8


def test_a_reranker_beside_the_files_of_sentence_transformers_is_no_embedder(tmp_path: Path) -> None:
    folder = given(tmp_path, "AutoModelForSequenceClassification", num_labels=1)
    modules = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.base.modules.Transformer"}]
    (folder / "modules.json").write_text(json.dumps(modules))
    assert taken(folder).task.kind == "rank"


def test_small_letters_that_the_tokenizer_does_not_make_are_refused(tmp_path: Path) -> None:
    folder = given(tmp_path, "AutoModel", LlamaConfig)
    _as_vectors(folder, {"pooling_mode": "mean"})
    (folder / "sentence_bert_config.json").write_text(json.dumps({"do_lower_case": True}))
    with pytest.raises(Refusal, match="made small letters of first"):
        taken(folder)
    (folder / "sentence_bert_config.json").write_text(json.dumps({"do_lower_case": False}))
    assert taken(folder).task.kind == "embed"


def test_what_is_to_stand_before_texts_is_told(tmp_path: Path) -> None:
    folder = given(tmp_path, "AutoModel")
    _as_vectors(folder, {"pooling_mode": "mean"})
    told = {"prompts": {"query": "query: ", "document": ""}}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(told))
    said: list[str] = []
    take(str(folder), None, folder.parent / "taken", "auto", "en", said.append)
    assert said[-1] == "texts want something written before them, which you write (query: 'query: ')"


@pytest.mark.parametrize(
    ("pooling", "more", "sentence"),
    [
        ({"pooling_mode_some_tokens": True}, (), "pooled by some_tokens"),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True}, (), "by cls_token and mean_tokens"),
        ({}, (), "by nothing"),
        ({"pooling_mode": "mean"}, ("Dense",), "go through a layer 'Dense'"),
    ],
)
def test_vectors_that_are_made_otherwise_are_refused(
    tmp_path: Path, pooling: dict[str, Any], more: tuple[str, ...], sentence: str
) -> None:
    folder = given(tmp_path, "AutoModel")
    _as_vectors(folder, pooling, *more)
    with pytest.raises(Refusal, match=sentence):
        taken(folder)


@pytest.mark.parametrize("broken", ["{}", "[3]", '[{"type": "x"}]', "no json", '{"path": []}'])
def test_a_broken_list_of_modules_is_one_sentence(tmp_path: Path, broken: str) -> None:
    folder = given(tmp_path, "AutoModel")
    (folder / "modules.json").write_text(broken)
    with pytest.raises(Refusal, match=r"modules\.json"):
        taken(folder)


def test_what_fills_in_words_gives_vectors_though_its_folder_has_no_pooler(tmp_path: Path) -> None:
    folder = given(tmp_path, "AutoModelForMaskedLM")
    bundle = taken(folder, kind="embed", pooling="first")
    (said,) = bundle.predict([TEXTS[0]])
    model = transformers.AutoModel.from_pretrained(folder, add_pooling_layer=False).eval()
    with torch.no_grad():
        vector_E = model(**transformers.AutoTokenizer.from_pretrained(folder)(TEXTS[0], return_tensors="pt"))[0][0, 0]
    assert said["vector"] == pytest.approx((vector_E / vector_E.norm()).tolist(), abs=1e-5)
    assert danlu.load(folder.parent / "taken").predict([TEXTS[0]]) == [said]
