"""Changes as a person types them: the name of one, or a section of YAML."""

from collections.abc import Sequence

from pydantic import ValidationError

from danlu.evaluate.perturbing.perturbation import Perturbation
from danlu.recipe.read import Written, sentences
from danlu.recipe.yaml_text import parse
from danlu.refusal import Refusal


def read_changes(given: Sequence[str]) -> list[Perturbation]:
    """The perturbation that each text means: `typos`, or `{kind: typos, share: 0.3}`.

    Raises:
        Refusal: there is no such change, or it has no such key.
    """
    found = []
    for text in given:
        value, lines = parse(text, f"--under {text}")
        try:
            found.append(Perturbation.model_validate(value))
        except ValidationError as error:
            keys = value if isinstance(value, dict) else {}
            raise Refusal(sentences(error, Written(f"--under {text}", keys, lines))) from error
    return found
