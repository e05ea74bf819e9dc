"""Networks that learn beside the one that serves: given or made, shared with it, and left in folders of their own."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForMaskedLM, AutoModelForPreTraining, AutoTokenizer

import danlu
from danlu.refusal import Refusal

TEXTS = ["床前明月光，疑是地上霜。", "举头望明月，低头思故乡。", "白日依山尽，黄河入海流。", "欲穷千里目，更上一层楼。"]
ELECTRA = {"kind": "scratch", "architecture": "electra", "layers": 1, "width": 32, "heads": 2, "positions": 64}
TRAIN = {"steps": 4, "rate": 5e-3, "batch_examples": 4, "precision": "float32"}


def recipe(folder: Path, **stages: dict[str, Any]) -> dict[str, Any]:
    file = folder / "records.jsonl"
    file.write_text("".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in TEXTS * 4), "utf-8")
    data = {"kind": "jsonl", "path": str(file)}
    words = {"kind": "tokenizer", "data": data, "tokenizer": {"kind": "wordpiece", "size": 150, "min_frequency": 1}}
    fits = {
        name: {"kind": "train", "data": data, "validation": data, "task": "replaced_token", "train": TRAIN} | section
        for name, section in stages.items()
    }
    return {"name": "beside", "stages": {"vocab": words, **fits}}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    root, said = tmp_path_factory.mktemp("learners"), list[str]()
    begin = {"tokenizer": "@vocab", "model": ELECTRA}
    on = {
        "model": {"kind": "pretrained", "path": "@begin"},
        "roles": {"generator": {"kind": "pretrained", "path": str(root / "runs/beside/begin/generator")}},
        "train": TRAIN | {"steps": 1, "rate": 1e-9},
    }
    danlu.run(recipe(root, begin=begin), root=root / "runs", say=said.append)
    danlu.run(recipe(root, begin=begin, on=on), root=root / "runs", say=said.append)
    return root / "runs/beside", said


def test_plain_transformers_opens_both(done: tuple[Path, list[str]]) -> None:
    folder, said = done
    judge = AutoModelForPreTraining.from_pretrained(folder / "begin/bundle").eval()
    guesser = AutoModelForMaskedLM.from_pretrained(folder / "begin/generator").eval()
    words = AutoTokenizer.from_pretrained(folder / "begin/generator")
    row = words(f"床前{words.mask_token}月光", return_tensors="pt")
    assert judge(**row).logits.shape == row["input_ids"].shape
    assert guesser(**row).logits.shape == (*row["input_ids"].shape, len(words))
    one, other = (model.electra.embeddings.word_embeddings.weight for model in (judge, guesser))
    assert torch.equal(one, other)
    assert guesser.config.hidden_size < judge.config.hidden_size == guesser.config.embedding_size
    assert any("embeddings shared with those of the network that serves" in line for line in said)


def test_both_answer_as_bundles(done: tuple[Path, list[str]]) -> None:
    folder, _ = done
    with danlu.load(folder / "begin/bundle", "float32") as bundle:
        (answer,) = bundle.predict(["床前明月光"])
    assert {"replaced", "perplexity"} <= answer.keys()
    with danlu.load(folder / "begin/generator", "float32") as bundle:
        (answer,) = bundle.predict([f"床前{bundle.tokenizer.mask_token}月光"])
    assert len(answer["fills"]) == 1


def test_a_generator_that_is_given_goes_on_from_its_weights(done: tuple[Path, list[str]]) -> None:
    folder, _ = done
    before, after = (load_file(folder / name / "generator/model.safetensors") for name in ("begin", "on"))
    assert before.keys() == after.keys()
    assert all(torch.allclose(value, after[name], atol=1e-6) for name, value in before.items())
    told = json.loads((folder / "on/bundle/danlu.json").read_text("utf-8"))["provenance"]["roles"]
    assert told["generator"]["kind"] == "pretrained"


def test_what_cannot_learn_beside_is_refused(done: tuple[Path, list[str]], tmp_path: Path) -> None:
    folder, _ = done
    model = {"kind": "pretrained", "path": str(folder / "begin/bundle")}
    with pytest.raises(Refusal, match="comes with its own width; name the smaller one beside it under 'roles'"):
        danlu.run(recipe(tmp_path, fit={"model": model}), root=tmp_path / "runs", say=lambda _: None)
    other = recipe(tmp_path, fit={"model": ELECTRA, "tokenizer": "@vocab", "roles": {"generator": model}})
    other["stages"]["vocab"]["tokenizer"] = {"kind": "char", "min_frequency": 1}
    with pytest.raises(Refusal, match=r"roles\.generator: has another tokenizer than the network that serves"):
        danlu.run(other, root=tmp_path / "others", say=lambda _: None)
    unknown = recipe(tmp_path, fit={"model": ELECTRA, "tokenizer": "@vocab", "roles": {"teacher": model}})
    with pytest.raises(Refusal, match="the task replaced_token has none under 'roles'"):
        danlu.run(unknown, root=tmp_path / "unknown", say=lambda _: None)
