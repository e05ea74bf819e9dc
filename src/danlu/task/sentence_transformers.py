"""What the library sentence-transformers reads of a folder with a model that says vectors."""

from typing import Any

MODES = {
    "mean_tokens": "mean",
    "cls_token": "first",
    "lasttoken": "last",
    "max_tokens": "max",
    "weightedmean_tokens": "weighted",
}
"""Our poolings by the names of that library."""

ALIKE = {"mean_sqrt_len_tokens": "mean"}
"""Of one more: a sum that is divided by a root points where the mean does, and vectors have length 1."""


_OLD = ("mean", "first", "max")  # versions up to 2.2 know no other, and refuse the name of one


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
            **{
                f"pooling_mode_{mode}": name == pooling
                for mode, name in MODES.items()
                if name in _OLD or name == pooling
            },
        },
        "2_Normalize/config.json": {},
    }
