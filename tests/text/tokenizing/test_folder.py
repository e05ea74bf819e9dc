"""Folders of tokenizers: what lies in them is read, what they name elsewhere is not."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from danlu.refusal import Refusal
from danlu.text.batching.shards import tokenizer_hash
from danlu.text.tokenizing.folder import open_tokenizer, save_tokenizer
from danlu.text.tokenizing.tokenized import tokenized
from danlu.text.tokenizing.tokenizer import Tokenizer, fingerprint
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.text.tokenizing.tokenizers.extended import Extended
from danlu.text.tokenizing.tokenizers.pretrained import Pretrained
from danlu.text.tokenizing.tokenizers.unigram import Unigram
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece

TEXT = "the cat sat on the mat"
FAMILIES = [
    "qwen2",
    "qwen3_5",
    "qwen3",
    "siglip2",
    "llama",
    "mistral",
    "gpt2",
    "bert",
    "roberta",
    "electra",
    "t5",
    "bart",
]
FAMILIES += ["marian", "xlnet", "xlm-roberta", "hyperclovax_vision_v2"]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer") / "made"
    WordPiece(size=60, min_frequency=1).build(lambda: iter([TEXT])).save_pretrained(folder)
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "made"))


def opened(folder: Path) -> Tokenizer:
    return open_tokenizer(folder, str(folder))


def change(folder: Path, **changes: Any) -> None:
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_it_is_what_was_saved_and_saves_the_same(folder: Path, tmp_path: Path) -> None:
    tokenizer = opened(folder)
    assert tokenizer.name_or_path == str(folder)
    tokenizer.save_pretrained(tmp_path / "again")
    assert (tmp_path / "again" / "tokenizer.json").read_bytes() == (folder / "tokenizer.json").read_bytes()
    assert "danlu-" not in (tmp_path / "again" / "tokenizer_config.json").read_text()
    assert opened(tmp_path / "again")(TEXT)["input_ids"] == tokenizer(TEXT)["input_ids"]


def test_tokens_that_are_added_to_an_opened_tokenizer_are_text_where_somebody_types_them(tmp_path: Path) -> None:
    special = ("<x>", "<|im_end|>", "a cat")
    Unigram(size=330, min_frequency=1).build(lambda: iter([f"{TEXT} <x> <|im_end|>"] * 9)).save_pretrained(
        tmp_path / "1"
    )
    assert not opened(tmp_path / "1").backend_tokenizer.encode_special_tokens
    made = Extended(base=Pretrained(path=str(tmp_path / "1")), special=special).build(lambda: iter(()))
    save_tokenizer(made, tmp_path / "2")
    for tokenizer in (made, opened(tmp_path / "2")):
        for encoding, token in zip(tokenized(list(special), tokenizer, special=False), special, strict=True):
            assert tokenizer.convert_tokens_to_ids(token) not in encoding.ids
    assert fingerprint(made) == fingerprint(opened(tmp_path / "2"))
    assert tokenizer_hash(made) == tokenizer_hash(opened(tmp_path / "2"))


def test_templates_of_conversations_are_all_there_and_are_no_tokenizer(folder: Path, tmp_path: Path) -> None:
    tokenizer, named = opened(folder), {"default": "{{ 'd' }}", "tool_use": "{{ 't' }}"}
    tokenizer.chat_template = named
    tokenizer.save_pretrained(tmp_path / "again")
    assert opened(tmp_path / "again").chat_template == named
    (tmp_path / "again" / "tokenizer.json").unlink()
    with pytest.raises(Refusal, match=r"holds no tokenizer\.json"):
        opened(tmp_path / "again")


@pytest.mark.parametrize("source", [Bpe(size=300), WordPiece(size=60, min_frequency=1)])
def test_it_stays_what_it_is_in_a_model_of_any_family(tmp_path: Path, source: Any) -> None:
    """Transformers makes another one of the same words for a Qwen2, composed and cut otherwise."""
    made = source.build(lambda: iter([TEXT]))
    made.save_pretrained(tmp_path)
    for family in FAMILIES:
        (tmp_path / "config.json").write_text(json.dumps({"model_type": family}))
        assert opened(tmp_path).backend_tokenizer.to_str() == made.backend_tokenizer.to_str(), family


@pytest.mark.parametrize("key", ["tokenizer_file", "vocab_file", "merges_file", "spm_file", "fast_tokenizer_files"])
@pytest.mark.parametrize("whole", [True, False])
def test_files_that_the_settings_name_are_not_looked_for(folder: Path, tmp_path: Path, key: str, whole: bool) -> None:
    expected = opened(folder)(TEXT)["input_ids"]
    Bpe(size=300).build(lambda: iter([TEXT])).save_pretrained(tmp_path / "other")
    outside = str(tmp_path / "other" / "tokenizer.json")
    change(folder, **{key: ["tokenizer.9.json", "../other/tokenizer.0.0.1.json"] if key.endswith("s") else outside})
    (tmp_path / "other" / "tokenizer.0.0.1.json").write_bytes((tmp_path / "other" / "tokenizer.json").read_bytes())
    if whole:
        assert opened(folder)(TEXT)["input_ids"] == expected
    else:
        (folder / "tokenizer.json").unlink()
        with pytest.raises(Refusal, match=r"it holds no tokenizer\.json"):
            opened(folder)


@pytest.mark.parametrize(
    "named", ["RagRetriever", "AutoModelForCausalLM", "Trainer", "pipeline", "__doc__", 5, ["x"], {}]
)
def test_no_other_class_of_transformers_serves_as_a_tokenizer(folder: Path, named: Any) -> None:
    expected = opened(folder)(TEXT)["input_ids"]
    change(folder, tokenizer_class=named)
    assert opened(folder)(TEXT)["input_ids"] == expected
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", "tokenizer_class": named}))
    assert opened(folder)(TEXT)["input_ids"] == expected


DAMAGE: list[Any] = [
    None,
    True,
    -1,
    2**70,
    1e300,
    "",
    "x",
    [],
    [[]],
    {},
    {"a": [None]},
    [{"id": "x"}],
    {"type": "Evil"},
]


@pytest.mark.parametrize("file", ["tokenizer.json", "tokenizer_config.json"])
@pytest.mark.parametrize("value", DAMAGE, ids=range(len(DAMAGE)))
def test_every_key_of_the_files_with_any_value_is_a_tokenizer_or_one_sentence(
    folder: Path, file: str, value: Any
) -> None:
    plain = json.loads((folder / file).read_text())
    for key in [*plain, "added_tokens_decoder", "auto_map", "extra_special_tokens", "chat_template"]:
        (folder / file).write_text(json.dumps(plain | {key: value}))
        try:
            assert len(opened(folder)(TEXT)["input_ids"]) < 100
        except Refusal as refusal:
            assert "\n" not in str(refusal)  # noqa: PT017


@pytest.mark.parametrize("data", [b"", b"{", b"[" * 10_000, b"\xff", b"null", b'{"model": {"type": "WordPiece"}}'])
def test_damaged_files_are_one_sentence(folder: Path, data: bytes) -> None:
    (folder / "tokenizer.json").write_bytes(data)
    with pytest.raises(Refusal, match="no tokenizer could be read there"):
        opened(folder)


def test_an_empty_folder_and_a_family_of_no_tokenizer_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="no tokenizer could be read there"):
        opened(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "bert", "num_hidden_layers": 1000000000}')
    with pytest.raises(Refusal, match="no tokenizer could be read there"):
        opened(tmp_path)
