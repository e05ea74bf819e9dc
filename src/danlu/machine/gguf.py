"""GGUF files of llama.cpp: weights, settings and vocabulary in one file, made a folder as `save_pretrained` writes it.

Transformers multiplies the weights out (Q4_K, Q8_0 and their like). That takes half a minute for half a billion
weights, so the folder is kept in the cache of this machine, by the file's path, size and time, and by what unpacks it.
"""

import hashlib
import json
import re
from collections.abc import Collection
from importlib.metadata import version
from pathlib import Path
from typing import Any

from danlu.machine.device import cache_folder
from danlu.machine.door import opened
from danlu.machine.extra import needed
from danlu.machine.files import folder_in_place
from danlu.machine.gguf_positions import FREQUENCIES, scale_positions
from danlu.machine.quiet import quiet_unpacking
from danlu.refusal import Refusal

MAGIC = b"GGUF"
UNPACKING = 3  # higher whenever what is made of a file changes, so that what is kept is made anew
COMPOSED = ("qwen2",)
"""Pre-tokenizers whose texts are composed (NFC) first, which the files do not say."""

USUAL_WIDTH = ("llama", "mistral", "qwen3")
"""Families whose heads transformers 5.23 takes for as wide as they usually are, whatever a file says."""

TWO_SIDED = ("t5", "umt5")
"""Families of which transformers 5.23 takes a gate for one of ReLU, where it is one of GELU, and for always there."""

ONE_MATRIX = 0.1  # two quantised copies of one matrix differ by less, as a share of its norm; Q4_0 and Q8_0 by 0.08

_EXPERTS = re.compile(r"_exps\b|\.exp_probs_b\.")  # weights that transformers knows under names of its own
_BESIDE = re.compile(r"(v|a|mm)\.")  # of what sees or hears, beside a model of texts
_FILLER = re.compile(r"\[PAD\d+\]")
_TROUBLE = "this GGUF file could not be read"
_REMEDY = "give a whole file of a family that transformers reads, or the folder that the file was made of"


def is_gguf(path: Path) -> bool:
    """Whether a file begins as such files do."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def unpacked(path: Path) -> Path:
    """The folder with the same model and tokenizer, made at first use.

    Raises:
        Refusal: the package `gguf` is missing, the file is damaged, of an unknown family, not whole, or holds what
            transformers does not read; or the disk is full.
    """
    needed("gguf", "gguf", f"{path}: a GGUF file")
    there, by = path.resolve().stat(), f"{UNPACKING} {version('transformers')}"
    key = hashlib.sha256(f"{path.resolve()} {there.st_size} {there.st_mtime_ns} {by}".encode()).hexdigest()
    folder = cache_folder() / "gguf" / f"{path.stem[:40]}-{key[:16]}"
    if not folder.is_dir():
        with opened(path, _TROUBLE, _REMEDY), folder_in_place(folder) as writing, quiet_unpacking():
            _refuse_piece(path)
            _write_model(path, writing)
            _write_tokenizer(path, writing)
    return folder


def settings_of(path: Path) -> Any:
    """The settings of the model in a file, with how wide its heads are, what gates it and how positions are scaled.

    Raises:
        Refusal: they are scaled in a way that transformers has no settings for.
    """
    import gguf
    import transformers

    settings: Any = transformers.AutoConfig.from_pretrained(path.parent, gguf_file=path.name, local_files_only=True)
    reader = gguf.GGUFReader(path)
    if settings.model_type in USUAL_WIDTH:
        widths = [field for key, field in reader.fields.items() if key.endswith(".attention.key_length")]
        settings.head_dim = int(widths[0].contents()) if widths else settings.head_dim
    if settings.model_type in TWO_SIDED:
        gated = any("ffn_gate" in tensor.name for tensor in reader.tensors)
        settings.feed_forward_proj, settings.is_gated_act = ("gated-gelu", True) if gated else ("relu", False)
        settings.dense_act_fn = "gelu_new" if gated else "relu"
    scale_positions(settings, reader, path)
    return settings


def _refuse_piece(path: Path) -> None:
    """Refuse one of several files that a model was split into."""
    import gguf

    count = gguf.GGUFReader(path).get_field("split.count")
    if count is not None and int(count.contents()) > 1:
        raise Refusal(
            f"{path}: is one of {int(count.contents())} files that a model was split into; join them first with: "
            "llama-gguf-split --merge FIRST-FILE WHOLE-FILE"
        )


def _write_model(path: Path, folder: Path) -> None:
    """Weights and settings; float32, since some files hold numbers that float16 does not."""
    import torch
    import transformers
    from safetensors.torch import save_model

    settings = settings_of(path)
    auto: Any = getattr(transformers, _auto_class(settings.model_type))
    told = {"config": settings, "dtype": torch.float32, "local_files_only": True, "output_loading_info": True}
    model, found = auto.from_pretrained(path.parent, gguf_file=path.name, **told)
    _refuse_lacking(path, found["missing_keys"])
    _refuse_unread(path, model)
    ends, words = model.get_output_embeddings(), model.get_input_embeddings()
    two = ends is not None and ends.weight is not words.weight and ends.weight.shape == words.weight.shape
    if two and not model.config.is_encoder_decoder:  # where one matrix makes T5 scale what it writes
        apart = (ends.weight - words.weight).norm() / ends.weight.norm()
        if apart < ONE_MATRIX:  # one matrix upstream, quantised twice; the copy for the output is the finer one
            words.weight.data.copy_(ends.weight.data)
            model.config.tie_word_embeddings = True
            model.tie_weights()
    plain = {key: value for key, value in model.config.to_dict().items() if key != "quantization_config"}
    plain |= {"dtype": "float32", "architectures": [type(model).__name__]}
    (folder / "config.json").write_text(json.dumps(plain, indent=2), encoding="utf-8")
    if getattr(model, "generation_config", None) is not None:
        model.generation_config.save_pretrained(folder)
    save_model(model, str(folder / "model.safetensors"), {"format": "pt"})


def _auto_class(family: str) -> str:
    """The class of transformers that opens a family with the most that its weights can do."""
    from transformers.models.auto import modeling_auto as known

    if family in known.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES:
        return "AutoModelForSeq2SeqLM"
    return "AutoModelForCausalLM" if family in known.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES else "AutoModel"


def _refuse_lacking(path: Path, names: Collection[str]) -> None:
    """Refuse a file without weights that the model needs, which transformers would draw at random."""
    if names:
        raise Refusal(
            f"{path}: holds no '{min(names)}', and lacks {len(names):,} of the weights of its model in all; {_REMEDY}"
        )


def _refuse_unread(path: Path, model: Any) -> None:
    """Refuse a file with weights that transformers passes over, without which the model would answer otherwise."""
    import gguf

    reader: Any = gguf.GGUFReader(path)
    family = reader.get_field("general.architecture").contents()
    blocks = int(reader.get_field(f"{family}.block_count").contents())
    kind = next(kind for kind, known in gguf.MODEL_ARCH_NAMES.items() if known == family)
    names, ends = gguf.get_tensor_name_map(kind, blocks), (".weight", ".bias")
    inner = [
        name.partition(".")[2] for name in model.state_dict()
    ]  # some families are named without what is about them
    read = {names.get_name(name, try_suffixes=ends) for name in [*model.state_dict(), *inner]} | {FREQUENCIES}
    for tensor in reader.tensors:
        if tensor.name not in read and not _EXPERTS.search(tensor.name) and not _BESIDE.match(tensor.name):
            raise Refusal(
                f"{path}: holds '{tensor.name}', which transformers does not read of the family '{family}', so the "
                "model would answer otherwise; give the folder that the file was made of"
            )


def _write_tokenizer(path: Path, folder: Path) -> None:
    """The tokenizer without the words that only fill up its table."""
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name, local_files_only=True)
    tokenizer.save_pretrained(folder)
    place = folder / "tokenizer.json"
    if not place.exists():
        raise Refusal(f"{path}: its tokenizer has no fast form with character offsets; give the folder it was made of")
    plain = json.loads(place.read_text(encoding="utf-8"))
    vocab = plain["model"].get("vocab")
    if isinstance(vocab, dict):
        last = max((number for token, number in vocab.items() if not _FILLER.fullmatch(token)), default=-1)
        special = {each["id"] for each in plain.get("added_tokens", [])}
        kept = {word: number for word, number in vocab.items() if not _FILLER.fullmatch(word) or number in special}
        if all(number > last for word, number in vocab.items() if word not in kept):
            plain["model"]["vocab"] = kept
    if _pre_tokenizer(path) in COMPOSED and not plain.get("normalizer"):
        plain["normalizer"] = {"type": "NFC"}
    place.write_text(json.dumps(plain, ensure_ascii=False), encoding="utf-8")


def _pre_tokenizer(path: Path) -> str | None:
    """Its name in the file."""
    import gguf

    field = gguf.GGUFReader(path).get_field("tokenizer.ggml.pre")
    return None if field is None else str(field.contents())
