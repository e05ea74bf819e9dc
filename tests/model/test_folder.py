"""Folders of models: nothing but safetensors in them is opened, and settings neither fetch nor ask for too much."""

import json
import pickle
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForMaskedLM, GPT2Config, GPT2LMHeadModel

from danlu.model.folder import OVERRULED, open_model
from danlu.model.sources.pretrained import Pretrained
from danlu.refusal import Refusal
from danlu.text.tokenizing.tokenizer import Tokenizer
from danlu.text.tokenizing.tokenizers.pretrained import Pretrained as PretrainedTokenizer
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece

CLASSIFIER = "AutoModelForSequenceClassification"


class Payload:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.mark,)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return WordPiece(size=60, min_frequency=1).build(lambda: iter(["the cat sat on the mat", "北京是中国的首都"]))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, tokenizer: Tokenizer) -> Path:
    folder = tmp_path_factory.mktemp("model") / "bert"
    torch.manual_seed(1)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    config = BertConfig(vocab_size=len(tokenizer), max_position_embeddings=32, pad_token_id=0, **sizes)
    BertForMaskedLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    import shutil

    return Path(shutil.copytree(original, tmp_path / "given" / "bert"))


@pytest.fixture(autouse=True)
def nothing_outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Neither a pickle is opened nor a connection made."""
    reached: list[str] = []

    def refused(name: str) -> Callable[..., Any]:
        def call(*_: Any, **__: Any) -> Any:
            reached.append(name)
            raise AssertionError(name)

        return call

    monkeypatch.setattr(torch, "load", refused("torch.load"))
    monkeypatch.setattr(pickle, "load", refused("pickle.load"))
    monkeypatch.setattr(pickle, "loads", refused("pickle.loads"))
    monkeypatch.setattr(pickle, "Unpickler", refused("pickle.Unpickler"))
    monkeypatch.setattr(socket.socket, "connect", refused("connect"))
    monkeypatch.setattr(socket, "getaddrinfo", refused("getaddrinfo"))
    yield reached
    assert not reached


def change(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")


def built(folder: Path, tokenizer: Tokenizer) -> Any:
    return Pretrained(path=str(folder)).build(CLASSIFIER, tokenizer, {})


def mine(folder: Path) -> Path:
    """Pickled weights and a mark that they leave."""
    mark = folder.parent / "ran"
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Payload(mark)))
    return mark


def indexed(folder: Path, file: str) -> None:
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").rename(folder.parent / "outside.safetensors")
    index = {"metadata": {}, "weight_map": dict.fromkeys(weights, file)}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


@pytest.mark.parametrize(
    "file", ["pytorch_model.bin", "../outside.safetensors", "{parent}/outside.safetensors",
             "sub/../../outside.safetensors", "..\\outside.safetensors", "sub/x.safetensors", "config.json", ""],
)  # fmt: skip
def test_an_index_names_safetensors_of_the_folder_or_is_refused(folder: Path, tokenizer: Tokenizer, file: str) -> None:
    mark = mine(folder)
    indexed(folder, file.format(parent=folder.parent))
    with pytest.raises(Refusal, match=r"index\.json: names '.*', but weights are read from files of this folder"):
        built(folder, tokenizer)
    assert not mark.exists()


@pytest.mark.parametrize("index", ["{}", '{"weight_map": []}', '{"weight_map": {}}', '{"weight_map": 5}', "[]", "{"])
def test_an_index_without_a_map_is_refused(folder: Path, tokenizer: Tokenizer, index: str) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(index)
    with pytest.raises(Refusal, match=r"model\.safetensors\.index\.json"):
        built(folder, tokenizer)


def test_shards_of_the_folder_are_read_as_one(folder: Path, tokenizer: Tokenizer) -> None:
    before = built(folder, tokenizer).state_dict()
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    places: dict[str, str] = {}
    for number, names in enumerate((list(weights)[::2], list(weights)[1::2])):
        file = f"model-{number}.safetensors"
        save_file({name: weights[name] for name in names}, folder / file, {"format": "pt"})
        places |= dict.fromkeys(names, file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    after = built(folder, tokenizer).state_dict()
    assert all(torch.equal(after[name], before[name]) for name in weights if name in before)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_links_out_of_the_folder_are_refused(folder: Path, tokenizer: Tokenizer, name: str) -> None:
    (folder / name).rename(folder.parent / "elsewhere")
    (folder / name).symlink_to(folder.parent / "elsewhere")
    with pytest.raises(Refusal, match=r"is a link to .*, outside of the folder"):
        built(folder, PretrainedTokenizer(path=str(folder)).build(lambda: iter(())))


@pytest.mark.parametrize("whole", [True, False])
def test_adapters_lead_nowhere(folder: Path, tokenizer: Tokenizer, whole: bool) -> None:
    base = folder.parent / "base"
    folder.rename(base)
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(base), "peft_type": "LORA"}))
    (folder / "adapter_model.bin").write_bytes(pickle.dumps(Payload(folder.parent / "ran")))
    if whole:
        for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
            (folder / name).write_bytes((base / name).read_bytes())
    with pytest.raises(Refusal, match="holds an adapter"):
        built(folder, tokenizer)
    assert not (folder.parent / "ran").exists()


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.ckpt", "pytorch_model.bin.index.json"])
def test_pickles_alone_are_refused(folder: Path, tokenizer: Tokenizer, name: str) -> None:
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(pickle.dumps(Payload(folder.parent / "ran")))
    with pytest.raises(Refusal, match=r"weights in a pickle|no model could be read there"):
        built(folder, tokenizer)
    assert not (folder.parent / "ran").exists()


def test_a_distributed_checkpoint_is_not_opened(folder: Path, tokenizer: Tokenizer) -> None:
    (folder / ".metadata").write_bytes(pickle.dumps(Payload(folder.parent / "ran")))
    (folder / "__0_0.distcp").write_bytes(b"x")
    built(folder, tokenizer)
    assert not (folder.parent / "ran").exists()


HOSTILE: dict[str, Any] = {
    "attn_implementation": "kernels-community/evil", "_attn_implementation": "flash_attention_2",
    "_attn_implementation_internal": "paged|evil", "experts_implementation": "deepgemm",
    "quantization_config": {"quant_method": "gptq", "bits": 4}, "compression_config": {"quant_method": "hqq"},
    "auto_map": {"AutoConfig": "evil--a.B", "AutoModelForSequenceClassification": "evil--a.C"},
    "torch_dtype": "load", "dtype": "manual_seed", "transformers_weights": "../outside.safetensors",
    "fusion_config": {"patch_embeddings": True}, "name_or_path": "evil/evil", "_name_or_path": "evil/evil",
    "return_dict": False, "torchscript": True, "output_attentions": True, "output_hidden_states": True,
    "use_kernels": True, "kernel_config": {"x": "y"}, "gguf_file": "x.gguf", "subfolder": "..", "device_map": "disk",
    "custom_generate": "evil/evil", "cache_implementation": "offloaded",
}  # fmt: skip


@pytest.mark.parametrize("key", list(HOSTILE))
def test_settings_that_reach_code_packages_or_other_files_are_overruled(
    folder: Path, tokenizer: Tokenizer, key: str
) -> None:
    assert key in OVERRULED
    expected = {
        name: value.clone() for name, value in built(folder, tokenizer).state_dict().items() if "cla" not in name
    }
    change(folder, **{key: HOSTILE[key]})
    network = built(folder, tokenizer)
    found = network.state_dict()
    assert all(torch.equal(found[name], value) for name, value in expected.items() if "pooler" not in name)
    assert network.dtype == torch.float32
    assert network(torch.tensor([[2, 5, 3]])).logits.shape == (1, 2)
    assert network.config._attn_implementation in ("sdpa", "eager")


@pytest.mark.parametrize("key", ["num_hidden_layers", "vocab_size", "num_attention_heads", "hidden_size", "num_labels",
                                 "max_position_embeddings", "type_vocab_size", "intermediate_size"])  # fmt: skip
@pytest.mark.parametrize("number", [10**9, 10**12, 2**70, -1, 0])
def test_sizes_that_do_not_fit_the_weights_are_refused_before_memory_is_taken(
    folder: Path, tokenizer: Tokenizer, key: str, number: int
) -> None:
    change(folder, **{key: number})
    if key == "num_labels" and number <= 0:
        return
    with pytest.raises(Refusal) as told:
        built(folder, tokenizer)
    assert "\n" not in str(told.value)


def test_too_many_labels_are_refused(folder: Path, tokenizer: Tokenizer) -> None:
    change(folder, id2label={str(number): str(number) for number in range(20_000)})
    with pytest.raises(Refusal):
        built(folder, tokenizer)


def test_layers_that_the_settings_leave_out_are_told(folder: Path, tokenizer: Tokenizer) -> None:
    change(folder, num_hidden_layers=1)
    with pytest.raises(Refusal, match=r"holds the weights '.*layer\.1\..*', for which config\.json has no layer"):
        built(folder, tokenizer)


def test_a_network_of_which_a_part_alone_is_stored_is_bounded_as_well(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text()) | {"intermediate_size": 10**8, "num_hidden_layers": 900}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(Refusal, match="describes a network that is far larger than"):
        open_model(folder, "x", "AutoModel", {}, ignore_mismatched_sizes=True)


def test_generation_is_set_by_numbers_alone(tmp_path: Path) -> None:
    GPT2LMHeadModel(GPT2Config(n_embd=16, n_layer=1, n_head=2, vocab_size=40)).save_pretrained(tmp_path)
    wild = {"num_beams": 3, "bad_words_ids": [[1, 2]], "cache_implementation": "evil", "compile_config": {"x": 1}}
    (tmp_path / "generation_config.json").write_text(json.dumps(wild))
    network, _ = open_model(tmp_path, "x", "AutoModelForCausalLM", {})
    assert (network.generation_config.num_beams, network.generation_config.bad_words_ids) == (3, [[1, 2]])
    assert network.generation_config.cache_implementation is None


def test_quantised_weights_are_named(folder: Path, tokenizer: Tokenizer) -> None:
    weights = load_file(folder / "model.safetensors")
    name = "bert.encoder.layer.0.attention.self.query.weight"
    save_file(weights | {name: weights[name].to(torch.float8_e4m3fn)}, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(Refusal, match=r"holds numbers of the kind F8_E4M3, which are quantised"):
        built(folder, tokenizer)
