"""What writes the vectors of virtual tokens is peft's prompt encoder, and nothing is left of it in what is saved."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from peft import PromptEncoder, PromptEncoderConfig
from safetensors.torch import load_file

from danlu.tuning.method import Method

KEPT = "weights.bert.embeddings.word_embeddings.virtual.weight"


@pytest.mark.parametrize("encoder", ["mlp", "lstm"])
def test_the_encoder_is_that_of_peft_and_goes_when_it_is_saved(
    tiny: SimpleNamespace, tmp_path: Path, encoder: str
) -> None:
    section = {"kind": "ptuning", "encoder": encoder, "size": 5, "width": 7, "init": "random"}
    method = Method.model_validate(section)
    model = method.apply(tiny.build("tag-bert"))
    tiny.steps(model, 2)
    ours = model.get_input_embeddings().virtual
    sizes = {"num_virtual_tokens": 5, "token_dim": 32, "num_attention_heads": 2, "num_layers": 2}
    kinds = {"task_type": "TOKEN_CLS", "num_transformer_submodules": 1, "encoder_num_layers": 2}
    kinds |= {"encoder_reparameterization_type": encoder.upper(), "encoder_hidden_size": 7}
    theirs = PromptEncoder(PromptEncoderConfig(**sizes, **kinds))
    names = {"layers": "mlp_head", "both": "lstm_head", "weight": "embedding.weight"}
    renamed = {}
    for name, value in ours.state_dict().items():
        first, dot, rest = name.partition(".")
        renamed[f"{names[first]}{dot}{rest}"] = value
    theirs.load_state_dict(renamed)
    with torch.no_grad():
        expected = theirs(torch.arange(5)[None])[0]
    torch.testing.assert_close(ours.written(), expected)
    method.save(model, tmp_path)
    kept = load_file(tmp_path / "added.safetensors")
    assert [name for name in kept if "virtual" in name] == [KEPT]
    torch.testing.assert_close(kept[KEPT], expected)
    prompt = Method.model_validate({"kind": "prompt", "size": 5}).apply(tiny.build("tag-bert")).eval()
    prompt.load_state_dict({name.removeprefix("weights."): value for name, value in kept.items()}, strict=False)
    with torch.no_grad():
        torch.testing.assert_close(prompt(**tiny.inputs()).logits, model.eval()(**tiny.inputs()).logits)
