"""GGUF: the files of llama.cpp (Gerganov, 2023), weights, settings and vocabulary in one."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from danlu.engine.engine import Network
from danlu.engine.engines.torch import TorchNetwork
from danlu.export.gguf_words import words_of
from danlu.export.target import Original, Target
from danlu.machine.door import opened
from danlu.machine.extra import needed
from danlu.machine.gguf import settings_of
from danlu.machine.quiet import quiet_unpacking
from danlu.machine.seed import drawn
from danlu.model.ends import Endings
from danlu.refusal import Refusal
from danlu.text.tokenizing.special import begin_id, end_id

FAMILIES = {"llama": "llama", "mistral": "llama", "qwen2": "qwen2", "qwen3": "qwen3"}
"""Families of transformers, and what they are called in the files."""

KINDS = {"float32": "F32", "float16": "F16", "bfloat16": "BF16", "int8_weights": "Q8_0"}
"""Number formats of matrices by precision; vectors are float32."""

MOST = 256  # texts that must be cut as the tokenizer cuts them, drawn from all
_BLOCK = 32  # values of a row that share a scale in Q8_0
_HALVES = re.compile(r"\.self_attn\.(q|k)_proj\.")


class ToGguf(Target):
    """A file for llama.cpp and what is built on it; of a decoder of the family of Llama, Mistral, Qwen2 or Qwen3."""

    makes: ClassVar[Literal["bundle", "folder", "file"]] = "file"

    precision: Literal["float32", "float16", "bfloat16", "int8_weights"] = "float16"

    def write(self, original: Original, place: Path) -> None:
        """See `Target.write`."""
        gguf = needed("gguf", "gguf", "an export to GGUF")
        bundle = original.bundle
        config = bundle.model.config
        _refuse(bundle.task.auto_class, config)
        texts = drawn([text for record in original.records for text in _texts_in(record)], MOST, 0, "compare")
        words = words_of(bundle.tokenizer, config.vocab_size, [*texts, *_TRIED])
        writer = gguf.GGUFWriter(str(place), FAMILIES[config.model_type])
        writer.add_name(bundle.folder.resolve().name)
        writer.add_file_type(int(getattr(gguf.LlamaFileType, _FILE_TYPES[self.precision])))
        _add_sizes(writer, config, bundle.network.limit)
        writer.add_tokenizer_model(words.model)
        writer.add_tokenizer_pre(words.cut)
        writer.add_token_list(words.tokens)
        writer.add_token_types(words.types)
        if words.scores:
            writer.add_token_scores(words.scores)
        if words.merges:
            writer.add_token_merges(words.merges)
        _add_ends(writer, bundle.model, bundle.tokenizer)
        names = gguf.get_tensor_name_map(_architecture(gguf, FAMILIES[config.model_type]), config.num_hidden_layers)
        for name, tensor in _tensors(bundle.model):
            kind = self._kind(gguf, tensor)
            found = names.get_name(name, try_suffixes=(".weight", ".bias"))
            if found is None:
                raise Refusal(f"GGUF has no name for the weights '{name}'; export to onnx, openvino or safetensors")
            writer.add_tensor(found, gguf.quants.quantize(tensor, kind), raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()

    def network(self, original: Original, place: Path) -> Network:
        """See `Target.network`; read by transformers, which multiplies the weights out."""
        import transformers

        remedy = "export to onnx, openvino or safetensors"
        with opened(place, "cannot be read again", remedy), quiet_unpacking():
            told = {"config": settings_of(place), "dtype": torch.float32, "local_files_only": True}
            model: Any = transformers.AutoModelForCausalLM.from_pretrained(place.parent, gguf_file=place.name, **told)
        return TorchNetwork(model.eval(), original.bundle.network.cores)

    def _kind(self, gguf: Any, tensor: NDArray[np.float32]) -> Any:
        kind = "F32" if tensor.ndim == 1 else KINDS[self.precision]
        return gguf.GGMLQuantizationType["F16" if kind == "Q8_0" and tensor.shape[-1] % _BLOCK else kind]


def _texts_in(value: Any) -> Iterator[str]:
    """All texts of a record, those of messages and lists too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list | tuple):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts_in(each)


_FILE_TYPES = {"float32": "ALL_F32", "float16": "MOSTLY_F16", "bfloat16": "MOSTLY_BF16", "int8_weights": "MOSTLY_Q8_0"}

_MORE_ENDS = ("eot", "eom")

_TRIED = (
    "The train leaves at nine, and nobody waits.",
    "床前明月光，疑是地上霜。",
    "3 × 12,345 = 37,035!",
    "a\n\nb  c",
    "They're 12345678, WE'LL see; 2024年3月15日",
    "if (x==1) {\r\n\ty += 'it''s';\n    }",
    "the丹炉abc ёжик café naïve",
    "हिन्दी में ภาษาไทย q\u0303",  # letters with marks, which some count as one word and others as two
    "こんにちは 안녕하세요 مرحبا 👩‍👩‍👧 🇨🇳",
)
"""Texts that are cut by every vocabulary with which a file is written, composed (NFC) as such programs leave them."""


def _refuse(auto_class: str, config: Any) -> None:
    where = "export to onnx, openvino or safetensors"
    if auto_class != "AutoModelForCausalLM":
        raise Refusal(f"GGUF is for models that write on from a text, and this is an {auto_class}; {where}")
    if config.model_type not in FAMILIES:
        raise Refusal(
            f"GGUF is written of the families {', '.join(FAMILIES)}, and this is of '{config.model_type}'; {where}"
        )
    rope = getattr(config, "rope_parameters", None) or {}
    if rope.get("rope_type", "default") != "default":
        raise Refusal(f"its positions are of the kind '{rope['rope_type']}', which is not written to GGUF; {where}")
    window = getattr(config, "sliding_window", None)
    if window and (config.model_type == "mistral" or getattr(config, "use_sliding_window", False)):
        raise Refusal(f"its attention sees {window:,} tokens alone, which is not written to GGUF; {where}")


def _add_sizes(writer: Any, config: Any, limit: int) -> None:
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(limit)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_rope_dimension_count(head)
    writer.add_rope_freq_base(float((getattr(config, "rope_parameters", None) or {}).get("rope_theta", 10000.0)))
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)


def _add_ends(writer: Any, model: Any, tokenizer: Any) -> None:
    """Which tokens begin, end and pad, and whether a text gets them by itself.

    What ends a text beside the tokenizer's own end token, as answers of many chats have it, is written as the end of a
    turn and of a message, the other two that such programs stop at.
    """
    begin, end = begin_id(tokenizer), end_id(tokenizer)
    told = {"bos": begin, "eos": end, "unk": tokenizer.unk_token_id, "pad": tokenizer.pad_token_id}
    others = sorted(Endings(model, tokenizer, 1).ids - {end})
    if len(others) > len(_MORE_ENDS):
        raise Refusal(
            f"a text ends with any of {len(others) + 1} tokens, and GGUF has places for {len(_MORE_ENDS) + 1}; export "
            "to onnx, openvino or safetensors"
        )
    for name, number in [*told.items(), *zip(_MORE_ENDS, others, strict=False)]:
        if number is not None:
            getattr(writer, f"add_{name}_token_id")(number)
    plain, given = tokenizer.encode("a", add_special_tokens=False), tokenizer.encode("a")
    writer.add_add_bos_token(given[: len(given) - len(plain)][:1] == [begin])
    writer.add_add_eos_token(given[-1:] == [end] != plain[-1:])
    if template := tokenizer.chat_template:
        named = template if isinstance(template, dict) else {"default": template}
        writer.add_chat_template([{"name": name, "template": jinja} for name, jinja in named.items()])


def _architecture(gguf: Any, name: str) -> Any:
    return next(kind for kind, known in gguf.MODEL_ARCH_NAMES.items() if known == name)


def _tensors(model: Any) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """The weights; of Llama the rows of queries and keys in the order in which llama.cpp turns them."""
    config = model.config
    for name, value in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        tensor = value.detach().float().numpy()
        found = _HALVES.search(name)
        if found and FAMILIES[config.model_type] == "llama":
            heads = config.num_attention_heads if found[1] == "q" else config.num_key_value_heads
            tensor = turned(tensor, heads)
        yield name, np.ascontiguousarray(tensor)


def turned(rows: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Rows of each head with its two halves in turn: llama.cpp turns neighbours, transformers halves."""
    halves = rows.reshape(heads, 2, len(rows) // heads // 2, *rows.shape[1:])
    return halves.swapaxes(1, 2).reshape(rows.shape)
