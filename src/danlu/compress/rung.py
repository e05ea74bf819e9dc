"""The rungs of a ladder, as people write them: `neurons:0.5+int8` is pruned first and then computed in int8."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from danlu.compress.pruning import Pruning
from danlu.recipe.part import kinds, nearest
from danlu.recipe.read import Written, keyed, sentences
from danlu.refusal import Refusal


@dataclass(frozen=True)
class Rung:
    """What is made of the original.

    - `prunings`: what is taken out, one after the other.
    - `computed`: what it is computed in; "" as the original is.
    """

    name: str
    prunings: tuple[Pruning, ...] = ()
    computed: str = ""

    @property
    def pruned_name(self) -> str:
        """The name of what is taken out alone, which several rungs may share."""
        return self.name.removesuffix(self.computed).rstrip("+") if self.computed else self.name

    def only(self, those: Callable[[Pruning], bool]) -> "Rung":
        """Those of its prunings alone, in their order, computed as the original is."""
        named = zip(self.pruned_name.split("+"), self.prunings, strict=False)
        kept = [(name, pruning) for name, pruning in named if those(pruning)]
        return Rung("+".join(name for name, _ in kept), tuple(pruning for _, pruning in kept))

    @property
    def trains(self) -> bool:
        """Whether a training afterwards can win back what the answers have lost."""
        moved = any(pruning.moves_answers for pruning in self.prunings)
        return moved and all(pruning.keeps_trained for pruning in self.prunings)


def rungs_of(text: str, computed: Sequence[str]) -> list[Rung]:
    """The rungs that a person has written, parted by commas; `computed` is what they may be computed in here.

    Raises:
        Refusal: there is none of a name, one is written twice, or its settings are wrong.
    """
    names = [name.strip() for name in re.split(r",(?![^\[{]*[\]}])", text) if name.strip()]
    if not names or len(set(names)) < len(names):
        raise Refusal(
            f"--rungs '{text}': expected rungs that differ, such as bfloat16,neurons:0.5,layers:0.25+bfloat16"
        )
    return [rung_of(name, computed) for name in names]


def rung_of(name: str, computed: Sequence[str]) -> Rung:
    """One rung; see `rungs_of`."""
    *before, last = name.split("+")
    pieces = [*before, last] if last not in computed else before
    for piece in pieces:
        kind = piece.partition(":")[0]
        if kind not in kinds(Pruning):
            known = [*kinds(Pruning), *computed]
            place = "; it stands at the end" if kind in computed else nearest(kind, known)
            raise Refusal(f"--rungs '{name}': there is no '{kind}'{place}; there are: {', '.join(known)}")
    return Rung(name, tuple(map(pruning_of, pieces)), last if last in computed else "")


def pruning_of(piece: str) -> Pruning:
    """`neurons:0.5`, or with other settings `neurons:share=0.5:importance=magnitude`.

    Raises:
        Refusal: there is no such pruning or setting.
    """
    kind, *given = piece.split(":")
    settings = [setting if "=" in setting else f"share={setting}" for setting in given]
    keys = [setting.partition("=")[0] for setting in settings]
    if twice := next((key for key in keys if keys.count(key) > 1), None):
        raise Refusal(f"'{piece}': '{twice}' is given twice; write it once")
    try:
        return Pruning.model_validate({"kind": kind} | keyed(settings))
    except ValidationError as error:
        raise Refusal(f"'{piece}': {sentences(error, Written(piece, {}))}") from None
