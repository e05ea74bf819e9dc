"""What the library sentence-transformers reads of a folder with a model that says vectors."""

from typing import Any


def described(width: int, longest: int, pooling: str) -> dict[str, Any]:
    """Its files, as plain values by their names: a trunk of hidden states of `width`, pooled, of length 1."""
    modules = ["Transformer", "Pooling", "Normalize"]
    paths = ["", "1_Pooling", "2_Normalize"]
    return {
        "modules.json": [
            {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{module}"}
            for number, (module, path) in enumerate(zip(modules, paths, strict=True))
        ],
        "sentence_bert_config.json": {"max_seq_length": longest},
        "1_Pooling/config.json": {
            "word_embedding_dimension": width,
            "pooling_mode_cls_token": pooling == "first",
            "pooling_mode_mean_tokens": pooling == "mean",
        },
        "2_Normalize/config.json": {},
    }
