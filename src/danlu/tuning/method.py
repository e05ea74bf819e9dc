"""The promise of a tuning method: which parameters move, and how."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Self

from torch import Tensor, nn
from transformers import PreTrainedModel

from danlu.recipe.part import Part
from danlu.refusal import Refusal
from danlu.text.tokenizing.tokenizer import Tokenizer
from danlu.tuning.added import ADDED, fill, read, write
from danlu.tuning.combining import Saved, all_stored, mean
from danlu.tuning.group import Group


class Method(Part):
    """Which parameters of a model are trained.

    A method is frozen; what it has to remember of a training lies in the model (buffers, say) and is told by `state`.
    """

    folder: ClassVar[str] = "danlu.tuning.methods"

    freezes_trunk: ClassVar[bool] = False
    """True where no gradient enters the trunk: its features are then computed once, not every epoch."""

    mergeable: ClassVar[bool] = True
    """Whether `merge` gives a plain model with the same outputs; else what was added serves beside the base alone."""

    def reading(self, tokenizer: Tokenizer) -> Self:
        """This method with what it takes from the tokenizer of the model, such as the tokens of a text of its own."""
        return self

    @abstractmethod
    def apply(self, model: PreTrainedModel) -> nn.Module:
        """Freeze and add what the method needs; `requires_grad` then marks what is trained."""

    def merge(self, model: nn.Module) -> PreTrainedModel:
        """The plain model with what was learnt folded in; the same outputs, nothing left of the method.

        Every method that is `mergeable` says how.
        """
        raise TypeError(f"'{self.kind}' is not mergeable")

    def untouched(self, model: nn.Module) -> nn.Module | None:
        """The network as it was before `apply`, over the same weights and for as long as `model` is trained.

        None where the method changes these weights.
        """
        return None

    def groups(self, model: nn.Module, total: int) -> Sequence[Group]:
        """Parameters with rates of their own in a training of `total` steps; those of no group move at the rate."""
        return ()

    def state(self, model: nn.Module) -> dict[str, Tensor]:
        """Tensors in `model`, by any name, that the method changes beside what is trained.

        They are written into checkpoints and bundles, and filled in place when a training goes on.
        """
        return {}

    def served(self, weights: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Trained weights by name as they do without `state`, which a training has left beside them."""
        return dict(weights)

    def penalty(self, model: nn.Module) -> Tensor | None:
        """What is added to the loss of each step, for `model`, which may be a replica; None for nothing."""
        return None

    def after_gradients(
        self, model: nn.Module, weights: Mapping[str, Tensor], gradients: Mapping[str, Tensor], step: int, total: int
    ) -> bool:
        """Called as `after_step`, before it, with the gradients that the step of this number, of `total`, has taken.

        They are by name, in float32, and clipped. A step that was left out, since they were not finite, is none.
        """
        return False

    def after_step(self, model: nn.Module, weights: Mapping[str, Tensor], step: int) -> bool:
        """Called without gradients after the step of this number; whether `weights` were changed.

        `weights` are the trained parameters by name, in float32, to be changed in place; the model's may be rounded.
        """
        return False

    def base(self, model: nn.Module) -> dict[str, Tensor]:
        """The weights that are left as they were and that what was added belongs to, by their names in the base."""
        changed = {id(value) for value in self.state(model).values()}
        return {name: p for name, p in model.named_parameters() if not p.requires_grad and id(p) not in changed}

    def save(self, model: nn.Module, folder: Path) -> None:
        """Write into `folder` what was trained and what the method keeps, with the hash of the base; all in float32."""
        write(folder / ADDED, self._kept(model), self.kind, self.base(model))

    def load(self, model: PreTrainedModel, folder: Path) -> nn.Module:
        """The base, in float32, with the method applied and what `save` left in `folder` put in.

        Raises:
            Refusal: it was left by another method, it belongs to another base, or it is damaged.
        """
        tuned = self.apply(model)
        fill(self._kept(tuned), read(folder / ADDED, self.kind, self.base(tuned)), folder / ADDED)
        return tuned

    def combined(self, parts: Sequence[Saved], folder: Path, *, summed: bool) -> "Method":
        """Write into `folder` what several of this method have saved as one, and give the method that loads it.

        It is their mean, each as much as its weight says, which together are 1; or, where updates of weights were
        saved, with `summed` their sum, each times its weight.

        Raises:
            Refusal: they differ in more than their numbers, or have no sum.
        """
        if summed:
            raise Refusal(f"what '{self.kind}' has added is no update that could be added up; leave out --sum")
        for part in parts:
            if part.method != self:
                own, other = self.to_plain(), part.method.to_plain()
                key = next(key for key in own if own[key] != other.get(key))
                raise Refusal(
                    f"'{parts[0].name}' and '{part.name}' were trained with other settings: '{key}' is "
                    f"{own[key]!r:.100} and {other.get(key)!r:.100}; give adapters of one method and its settings"
                )
        found, base = all_stored(parts, ADDED)
        write(folder / ADDED, mean(parts, found), self.kind, base)
        return self

    def _kept(self, model: nn.Module) -> dict[str, Tensor]:
        trained = {f"weights.{name}": p.detach() for name, p in model.named_parameters() if p.requires_grad}
        return trained | {f"state.{name}": value for name, value in self.state(model).items()}
