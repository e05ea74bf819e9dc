"""Soft prompts: vectors in the place of word embeddings before each text (Lester et al. 2021)."""

from torch import Tensor, nn
from transformers import PreTrainedModel

from danlu.tuning.hooked import put_at
from danlu.tuning.virtual import NAME, Virtual, hook, replace_output


class Prompt(Virtual):
    """Train the embeddings of some tokens that stand before each text, and the head where it is a fresh one."""

    def _put(self, model: PreTrainedModel, trunk: nn.Module, ids_P: Tensor) -> None:
        table: nn.Module = trunk.get_input_embeddings()  # type: ignore[operator]  # T5's encoder has a module of its own
        put_at(table, NAME, self._vectors(table(ids_P[None])[0]), after=replace_output)
        hook(trunk, self.size)
