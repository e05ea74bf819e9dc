"""A tiny network of random weights of every text family that transformers has, found from its own lists.

The sizes in a family's configuration are shrunk by their names, so that a family of a later version is there without
anyone having written it down; `OTHERWISE` has what a family asks for beyond that.
"""

import re
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer as Backend
from tokenizers import models, pre_tokenizers, processors
from torch import nn
from transformers import CONFIG_MAPPING, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast
from transformers.models.auto import modeling_auto as lists

VOCABULARY, POSITIONS = 160, 64
PAD, BEGIN, END, UNKNOWN, MASK = range(5)

HEADS = {
    "causal_lm": ("AutoModelForCausalLM", lists.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES),
    "masked_lm": ("AutoModelForMaskedLM", lists.MODEL_FOR_MASKED_LM_MAPPING_NAMES),
    "classify": ("AutoModelForSequenceClassification", lists.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES),
    "tag": ("AutoModelForTokenClassification", lists.MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES),
}
FAMILIES = sorted(set().union(*(families for _, families in HEADS.values())))
PAIRS = [(family, task) for family in FAMILIES for task in HEADS if family in HEADS[task][1]]

_SIZES: dict[str, float] = {
    r"qk_head_dim|num_latents": 16,
    r".*vocab_size|n_vocab|.*_vocab|vocab_size_per_layer_input": VOCABULARY,
    r"(.*_)?head_dim|d_kv|kv_channels|d_head|dim_head|attention_head_size|mamba_d_head|mamba_headdim|rotary_dim"
    r"|.*_rank|qk_dim|v_dim|mamba_d_state|state_size|ssm_state_size|index_topk|attention_chunk_size": 8,
    r"(.*_)?hidden_size(_.*)?|d_model|n_embd|dim|width|(.*_)?embed_dim|emb_dim|lru_width|d_embed|(.*_)?embedding_size"
    r"|embedding_dim|word_embed_proj_dim|projection_dim|mamba_d_ssm|d_latents|(.*_)?output_dim": 32,
    r"num_(hidden_|encoder_|decoder_)?layers(_per_stack)?|n_layers?|(en|de)coder_layers|num_blocks|depth": 2,
    r"(num_|swa_num_|linear_num_)?((en|de)coder_)?(attention_|key_|value_|mamba_)?heads?|n_heads?|n_head"
    r"|num_(en|de)coder_attention_heads|index_n_heads|mamba_n_heads|mamba_num_heads|num_query_groups": 4,
    r"(swa_)?num_key_value_heads|num_kv_heads|n_head_kv": 2,
    r".*intermediate_size.*|.*ffn_dim|d_ff|n_inner|hidden_dim|.*ffn_hidden_size|feed_forward_size|dff|dim_ff|d_inner"
    r"|mlp_dim": 48,
    r"(original_)?max_position_embeddings|n_positions|max_seq_len|n_ctx|context_length|model_max_length": POSITIONS,
    r"num_(local_)?experts|n_routed_experts|moe_num_experts": 4,
    r"num_experts_per_tok|top_k|moe_topk|moe_k": 2,
    r"mamba_dt_rank|time_step_rank": 8,
    r"image_size|input_size|crop_size": 32,
    r"patch_size": 16,
    r"sliding_window|attention_window(_size)?|window_size|local_attention": 4,
    r"(mamba_)?chunk_size": 16,
    r".*soft_?cap.*": 0.5,
}
_LATENT = ("axk2", "deepseek_v3", "deepseek_v32", "dots3_note_text", "glm4_moe_lite", "glm_moe_dsa", "longcat_flash")
_LATENT += ("minicpm3", "mistral4", "youtu")
_MLA = {"num_key_value_heads": 4}
_HEAD = {"head_dim": 8}
OTHERWISE: dict[str, dict[str, Any]] = {
    **dict.fromkeys(_LATENT, _MLA),
    "glm_moe_dsa": _MLA | {"index_topk": POSITIONS},  # scores of keys tie at 0, and their last bits would choose
    **dict.fromkeys(("hunyuan_v1_dense", "hunyuan_v1_moe", "ministral"), _HEAD),
    "axk1": _MLA | {"n_group": 1, "topk_group": 1},
    "bailing_hybrid": _MLA | {"layer_types": ["linear_attention", "full_attention"]},
    "bamba": {"mamba_d_head": 16, "attn_layer_indices": [1]},
    "deepseek_v2": _MLA | {"num_experts_per_tok": 2},
    "dots1": {"n_routed_experts": 4, "num_experts_per_tok": 2, "n_group": 1, "topk_group": 1, "n_shared_experts": 1},
    "esm": {"vocab_size": VOCABULARY},
    "esmc": _MLA | {"vocab_size": VOCABULARY},
    "gpt_neo": {"num_layers": 2, "attention_types": [[["global", "local"], 1]]},
    "granitemoehybrid": {"mamba_d_head": 16, "layer_types": ["mamba", "attention"]},
    "hrm_text": {"num_layers_per_stack": 2, "num_hidden_layers": 32},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1, "expert_layer_period": 2, "expert_layer_offset": 1},
    "kimi_linear": _MLA,
    "layoutlmv3": {"coordinate_size": 4, "shape_size": 8},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"]},
    "lfm3": {"layer_types": ["conv", "full_attention"], "num_hidden_layers": 2},
    "lilt": {"hidden_size": 48},
    "mamba2": {"num_heads": 8, "n_groups": 2},
    "mobilebert": {"true_hidden_size": 32, "intra_bottleneck_size": 32},
    "nemotron": {"head_dim": 8, "num_key_value_heads": 2},
    "nemotron_h": {"n_groups": 1, "mamba_n_groups": 1, "n_group": 1, "topk_group": 1, "num_hidden_layers": 4}
    | {"layers_block_type": ["mamba", "attention", "moe", "mlp"]},
    "neomme": {"head_dim": 32, "num_attention_heads": 1, "num_key_value_heads": 1},
    "openai-gpt": {"n_positions": POSITIONS},
    "recurrent_gemma": {"block_types": ["recurrent", "attention"]},
    "reformer": {"axial_pos_embds": False},
    "t5": {"decoder_start_token_id": 0},
    "xmod": {"default_language": "en_XX"},
    "zamba": {"attention_hidden_size": 64, "attention_head_dim": 16, "num_hidden_layers": 5}
    | {"layers_block_type": ["mamba", "hybrid", "mamba", "mamba", "hybrid"]},
    "zamba2": {"attention_hidden_size": 64, "attention_head_dim": 16, "num_hidden_layers": 3, "num_mem_blocks": 1}
    | {"layers_block_type": ["mamba", "hybrid", "hybrid"]},
}
"""Fields of families whose sizes depend on each other."""


def build(family: str, task: str, **fields: Any) -> PreTrainedModel:
    """A network for a task, the same at every call; its weights are large enough that attention is not uniform."""
    kind = CONFIG_MAPPING[family]
    settings = kind(**{**_shrunk(kind()), **OTHERWISE.get(family, {}), **fields})
    with torch.random.fork_rng():
        torch.manual_seed(5)
        network: PreTrainedModel = getattr(transformers, HEADS[task][0]).from_config(settings)
        with torch.no_grad():
            for parameter in network.parameters():
                if parameter.dim() > 1:
                    parameter.add_(torch.randn_like(parameter), alpha=0.1)
                    nn.init.zeros_(parameter[PAD : PAD + 1]) if parameter.shape[0] == VOCABULARY else None
    return network.eval()


def _shrunk(settings: PreTrainedConfig) -> dict[str, Any]:
    """The fields of a default configuration that have to be smaller."""
    names = {there: name for name, there in (getattr(type(settings), "attribute_map", None) or {}).items()}
    found: dict[str, Any] = {}
    for name, value in vars(settings).items():
        if isinstance(value, PreTrainedConfig):
            found[name] = _shrunk(value) | {"model_type": value.model_type}
        elif name in {"pad_token_id", "bos_token_id", "eos_token_id"}:
            found[name] = {"pad_token_id": PAD, "bos_token_id": BEGIN, "eos_token_id": END}[name]
        elif name.endswith(("token_id", "token_index")) and isinstance(value, int):
            found[name] = UNKNOWN
        elif isinstance(value, int | float) and not isinstance(value, bool) and value > 1:
            smaller = _size(name) or _size(names.get(name, ""))
            if smaller is not None:
                found[name] = type(value)(min(value, smaller)) if smaller >= 1 else smaller
    kinds = vars(settings).get("layer_types")
    if kinds and len(set(kinds)) > 1:  # a layer of each kind
        found["layer_types"] = list(dict.fromkeys(kinds))
        found["num_hidden_layers"] = len(found["layer_types"])
    return found


def _size(name: str) -> float | None:
    return next((size for pattern, size in _SIZES.items() if re.fullmatch(pattern, name)), None)


def tokenizer() -> PreTrainedTokenizerFast:
    """Words `w0`, `w1` ..., between a begin and an end token."""
    names = ["<pad>", "<s>", "</s>", "<unk>", "<mask>"]
    words = names + [f"w{number}" for number in range(VOCABULARY - len(names))]
    backend = Backend(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    ends = [("<s>", BEGIN), ("</s>", END)]
    backend.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
    roles = ("pad", "bos", "eos", "unk", "mask")
    special = {f"{role}_token": name for role, name in zip(roles, names, strict=True)}
    return PreTrainedTokenizerFast(tokenizer_object=backend, cls_token="<s>", sep_token="</s>", **special)


def records(task: str) -> list[dict[str, Any]]:
    """Five records of different lengths with what the task learns from."""
    texts = [" ".join(f"w{(7 * n + 3 * i * i) % 150}" for i in range(n)) for n in (3, 15, 9, 5, 12)]
    found: list[dict[str, Any]] = [{"text": text} for text in texts]
    for number, record in enumerate(found):
        if task == "classify":
            record["label"] = "ab"[number % 2]
        elif task == "tag":
            record["entities"] = [{"start": 0, "end": len(record["text"].split()[0]), "label": "x"}]
    return found
