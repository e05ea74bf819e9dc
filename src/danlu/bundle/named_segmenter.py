"""The segmenter that a command means by a name."""

from danlu.bundle.manifest import NAME
from danlu.machine.located import at_home
from danlu.recipe.part import kinds, nearest
from danlu.refusal import Refusal
from danlu.text.segmenting.segmenter import Learner, Segmenter, holds_segmenter, open_segmenter


def named_segmenter(name: str) -> Segmenter:
    """The segmenter of a folder, the tagger of a bundle, or one of a kind that needs no training.

    Raises:
        Refusal: it is none of these.
    """
    if holds_segmenter(name):
        return open_segmenter(name)
    folder = at_home(name)
    if any((folder / place / NAME).is_file() for place in ("", "bundle")):
        return Segmenter.model_validate({"kind": "neural", "path": name})
    there = kinds(Segmenter)
    if name not in there:
        raise Refusal(
            f"'{name}' is neither a folder with a segmenter or a tagger, nor a kind of segmenter"
            f"{nearest(name, there)}; the kinds are: {', '.join(there)}"
        )
    if name == "neural":
        raise Refusal("the segmenter 'neural' is a tagger that was trained; give the folder of its bundle instead")
    chosen = Segmenter.model_validate({"kind": name})
    if isinstance(chosen, Learner):
        raise Refusal(
            f"the segmenter '{name}' has learnt nothing yet; train it by a stage of kind segmenter, and give the "
            "folder of that stage instead"
        )
    return chosen
