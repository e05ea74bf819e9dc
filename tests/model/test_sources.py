import http.server
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BertForMaskedLM,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
    T5Config,
    T5ForConditionalGeneration,
)

from danlu.machine import hub
from danlu.model.sources.pretrained import Pretrained
from danlu.refusal import Refusal
from danlu.text.tokenizing.tokenizer import Tokenizer
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece

LABELS = {"id2label": {0: "bad", 1: "good"}, "label2id": {"bad": 0, "good": 1}}
QUERY = "bert.encoder.layer.1.attention.self.query.weight"


def test_a_local_folder_loads_and_its_trunk_is_what_was_saved(folder: Path, tokenizer: Tokenizer) -> None:
    source = Pretrained(path=str(folder), dropout=0.3)
    model = source.build("AutoModelForSequenceClassification", tokenizer, LABELS)
    saved = load_file(folder / "model.safetensors")
    trunk = {name: value for name, value in model.state_dict().items() if name in saved}
    assert len(trunk) > 20
    assert all(torch.equal(value, saved[name]) for name, value in trunk.items())
    assert model.config.num_labels == 2
    assert model.config.hidden_dropout_prob == 0.3
    assert source.tokenizer_path() == str(folder)


def test_a_trunk_without_head_loads_too(folder: Path, tokenizer: Tokenizer) -> None:
    BertModel.from_pretrained(folder).save_pretrained(folder)
    Pretrained(path=str(folder)).build("AutoModelForTokenClassification", tokenizer, LABELS)


def test_a_trunk_alone_begins_a_pooler_that_its_folder_lacks_always_alike(folder: Path, tokenizer: Tokenizer) -> None:
    """As what masked words have taught, which has none, becomes an encoder of texts."""
    BertForMaskedLM.from_pretrained(folder).save_pretrained(folder)
    said: list[str] = []
    trunk = Pretrained(path=str(folder)).build("AutoModel", tokenizer, {}, said.append)
    assert not any(value.any() for value in trunk.pooler.parameters())
    assert ["pooler.dense" in line for line in said] == [True]


@pytest.mark.parametrize("fault", ["missing", "shape"])
def test_weights_that_the_trunk_lacks_are_refused(folder: Path, tokenizer: Tokenizer, fault: str) -> None:
    file = folder / "model.safetensors"
    weights = load_file(file)
    assert QUERY in weights
    weights[QUERY] = torch.zeros(8, 8)
    if fault == "missing":
        del weights[QUERY]
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(Refusal, match=rf"1 tensors of the trunk are missing or of another shape .* {QUERY}"):
        Pretrained(path=str(folder)).build("AutoModelForSequenceClassification", tokenizer, LABELS)


def test_a_model_that_is_all_trunk_is_checked_as_well(tmp_path: Path, tokenizer: Tokenizer) -> None:
    config = T5Config(vocab_size=len(tokenizer), d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    T5ForConditionalGeneration(config).save_pretrained(tmp_path)
    Pretrained(path=str(tmp_path)).build("AutoModelForSeq2SeqLM", tokenizer, {})
    weights = load_file(tmp_path / "model.safetensors")
    del weights["decoder.block.0.layer.0.SelfAttention.q.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(Refusal, match=r"the first being decoder\.block\.0\.layer\.0\.SelfAttention\.q\.weight"):
        Pretrained(path=str(tmp_path)).build("AutoModelForSeq2SeqLM", tokenizer, {})


def test_a_decoder_without_a_padding_token_classifies_rows_of_different_lengths(tmp_path: Path) -> None:
    tokenizer = Bpe(size=264).build(lambda: iter(["the cat sat"]))
    sizes = {"n_embd": 16, "n_layer": 1, "n_head": 2, "vocab_size": len(tokenizer), "n_positions": 16}
    GPT2LMHeadModel(GPT2Config(**sizes)).save_pretrained(tmp_path)
    model = Pretrained(path=str(tmp_path)).build("AutoModelForSequenceClassification", tokenizer, LABELS).eval()
    assert model.config.pad_token_id == tokenizer.pad_token_id
    short = torch.tensor([[5, 6]])
    padded = torch.tensor([[5, 6, tokenizer.pad_token_id], [7, 8, 9]])
    torch.testing.assert_close(model(padded).logits[:1], model(short).logits)


def test_a_pickle_is_refused_and_never_opened(folder: Path, tokenizer: Tokenizer) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04c__builtin__\nexit\n.")
    with pytest.raises(Refusal, match=r"pytorch_model\.bin: weights in a pickle can run code and are not loaded"):
        Pretrained(path=str(folder)).build("AutoModelForSequenceClassification", tokenizer, LABELS)


@pytest.mark.parametrize("damage", ["cut", "rubbish", "gone", "config"])
def test_damaged_folders_are_one_sentence(folder: Path, tokenizer: Tokenizer, damage: str) -> None:
    file = folder / "model.safetensors"
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:-100])
    elif damage == "rubbish":
        file.write_bytes(b"rubbish " * 20)
    elif damage == "gone":
        file.unlink()
    else:
        (folder / "config.json").write_text("{")
    expected = r"(no model could be read there|cannot be read as json) \(.*\); give a folder with config\.json"
    with pytest.raises(Refusal, match=expected) as told:
        Pretrained(path=str(folder)).build("AutoModelForSequenceClassification", tokenizer, LABELS)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("kind", ["bert", "unheard-of"])
def test_code_that_comes_with_weights_is_never_run(folder: Path, tokenizer: Tokenizer, kind: str) -> None:
    config = json.loads((folder / "config.json").read_text())
    code = {"AutoConfig": "evil.C", "AutoModelForSequenceClassification": "evil.M"}
    (folder / "config.json").write_text(json.dumps(config | {"model_type": kind, "auto_map": code}))
    (folder / "evil.py").write_text(f"open({str(folder / 'ran')!r}, 'w')\nclass C: pass\nclass M: pass\n")
    source = Pretrained(path=str(folder))
    if kind == "bert":  # a family of transformers' own: its own class serves
        assert "evil" not in type(source.build("AutoModelForSequenceClassification", tokenizer, LABELS)).__module__
    else:
        with pytest.raises(Refusal, match="no model could be read there"):
            source.build("AutoModelForSequenceClassification", tokenizer, LABELS)
    assert not (folder / "ran").exists()


def test_a_tokenizer_with_more_tokens_than_embeddings_is_refused(folder: Path) -> None:
    larger = WordPiece(size=200, min_frequency=1).build(lambda: iter(["".join(map(chr, range(0x4E00, 0x4E80)))]))
    with pytest.raises(Refusal, match=r"tokenizer has \d+ tokens but the model only \d+ embeddings; leave out"):
        Pretrained(path=str(folder)).build("AutoModelForSequenceClassification", larger, LABELS)


class _Nothing(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(404)
        self.send_header("X-Error-Code", "RepoNotFound")
        self.end_headers()

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def endpoint(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A hub of our own that is closed, silent, or knows nothing; and an empty cache."""
    from huggingface_hub import constants

    server: Any = None
    if request.param == "unknowing":
        server = http.server.HTTPServer(("127.0.0.1", 0), _Nothing)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
    else:
        silent = socket.create_server(("127.0.0.1", 0))  # takes connections, never answers
        port = silent.getsockname()[1]
        if request.param == "closed":
            silent.close()
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(hub, "PATIENCE", 1.0)
    yield
    if server is not None:
        server.shutdown()
        server.server_close()
    else:
        silent.close()


@pytest.mark.parametrize(
    ("endpoint", "sentence"),
    [
        ("closed", "the hub cannot be reached .*; give a local folder, or connect to the network once"),
        ("silent", "the hub cannot be reached .*; give a local folder, or connect to the network once"),
        ("unknowing", "the hub does not give it .*; check the spelling"),
    ],
    indirect=["endpoint"],
)
def test_a_name_that_cannot_be_had_is_one_sentence_within_seconds(
    endpoint: None, sentence: str, tokenizer: Tokenizer
) -> None:
    begun = time.monotonic()
    with pytest.raises(Refusal, match=sentence) as told:
        Pretrained(path="nobody/nothing").build("AutoModelForSequenceClassification", tokenizer, LABELS)
    assert time.monotonic() - begun < 30  # the hub's client by itself: 48 s
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("path", ["./nowhere", "/nowhere/at/all", "a/b/c", "~/nowhere-at-all"])
def test_a_path_that_does_not_exist_is_not_looked_for_on_the_network(path: str) -> None:
    with pytest.raises(Refusal, match="there is no such folder; give the path of one, or a name on the hub"):
        hub.local_folder(path, ["*"])


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "weights.safetensors").write_text("")
    with pytest.raises(Refusal, match="this is a file; give the folder that holds it"):
        hub.local_folder(str(tmp_path / "weights.safetensors"), ["*"])
