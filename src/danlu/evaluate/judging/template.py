"""How a judge is asked which of two answers is better, as a file; verdicts are as in MT-Bench (Zheng et al., 2023)."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError

from danlu.recipe.part import Part
from danlu.recipe.read import sentences, written_file
from danlu.refusal import Refusal

Verdict = Literal["first", "second", "tie"]

OURS = {language: Path(__file__).with_name(f"judge_{language}.yaml") for language in ("en", "zh")}

SLOTS = ("question", "reference", "first", "second")

LONGEST = 20_000
"""Characters of a slot; what is longer is cut, and that is told."""

_SLOT = re.compile(r"\{(\w+)\}")


def _with_slots(prompt: str) -> str:
    used = _SLOT.findall(prompt)
    for slot in ("first", "second"):
        if slot not in used:
            raise ValueError(f"has no slot {{{slot}}}, where one of the answers stands; write it")
    for slot in used:
        if slot not in SLOTS:
            raise ValueError(f"has the slot {{{slot}}}, and there are: {', '.join(f'{{{name}}}' for name in SLOTS)}")
    return prompt


class Verdicts(Part):
    """What the judge writes for each verdict; the last of them that stands in its reply is meant."""

    first: str = Field(min_length=1, description="where the answer that stands first is better")
    second: str = Field(min_length=1, description="where the other one is")
    tie: str = Field(min_length=1, description="where both are equally good")


class JudgeTemplate(Part):
    """What a judge reads."""

    system: str = Field(default="", description="what it is told before; empty: nothing")
    prompt: Annotated[str, AfterValidator(_with_slots)] = Field(
        description="with the slots {first} and {second} for the answers, {question} and {reference}"
    )
    verdicts: Verdicts

    def messages(self, question: str, reference: str, first: str, second: str) -> list[dict[str, str]]:
        """What is sent; a slot's text is put in as it is, whatever brackets it has."""
        slots = dict(zip(SLOTS, (question, reference, first, second), strict=True))
        asked = _SLOT.sub(lambda slot: slots[slot[1]][:LONGEST], self.prompt)
        before = [{"role": "system", "content": self.system}] if self.system else []
        return [*before, {"role": "user", "content": asked}]

    def verdict(self, reply: str) -> Verdict | None:
        """What a reply says; None where it says none of the three."""
        words: dict[Verdict, str] = {
            "first": self.verdicts.first,
            "second": self.verdicts.second,
            "tie": self.verdicts.tie,
        }
        # the one that ends last, and of words within one another ("better", "not better") the longest
        ends = {verdict: (reply.rfind(word) + len(word), len(word)) for verdict, word in words.items() if word in reply}
        if not ends:
            return None
        return max(ends, key=ends.__getitem__)


def read_judge_template(path: str) -> JudgeTemplate:
    """Read a template; `en` and `zh` are ours.

    Raises:
        Refusal: there is no such file, or a key of it is wrong; names file, line and key.
    """
    file = Path(OURS.get(path, path))
    if not file.is_file():
        raise Refusal(f"{path}: there is no such template; give the path of a YAML file with 'prompt', or en or zh")
    plain = written_file(file, "a template is a mapping with the keys 'prompt' and 'verdicts'")
    try:
        return JudgeTemplate.model_validate(plain.data)
    except ValidationError as error:
        raise Refusal(sentences(error, plain)) from error
