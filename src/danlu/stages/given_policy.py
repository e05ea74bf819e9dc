"""How the author of a model lets it write: the settings of its `generation_config.json` that are ours, too."""

from pathlib import Path
from typing import Any

from danlu.machine.door import file_inside, read_json
from danlu.model.folder import CONFIG, GENERATION
from danlu.model.policy import Policy
from danlu.model.source import Say

_OURS = {
    "max_new_tokens": "max_new_tokens",
    "min_new_tokens": "min_new_tokens",
    "repetition_penalty": "repetition_penalty",
    "no_repeat_ngram_size": "no_repeat_ngram",
}
_BEAM = {"num_beams": "beams", "length_penalty": "length_penalty", "early_stopping": "early_stopping"}
_LENGTHS = {"min_length": "min_new_tokens", "max_length": "max_new_tokens"}
"""What authors of encoder-decoders say of a text together with the token that it begins with."""
_CHANCE = ("temperature", "top_k", "top_p", "min_p", "typical_p")
USUAL = Policy.model_fields["max_new_tokens"].default
_IDLE = {"repetition_penalty": 1.0, "no_repeat_ngram_size": 0, "min_new_tokens": 0}
"""Values with which a setting does nothing."""


def author_settings(folder: Path) -> dict[str, Any]:
    """What the author says of writing; of models of some years ago it stands among the other settings."""
    told = next((name for name in (GENERATION, CONFIG) if (folder / name).is_file()), None)
    return {} if told is None else read_json(file_inside(folder, told), "copy the folder again")


def author_policy(folder: Path, say: Say, *, two_sides: bool, most: int | None = None) -> dict[str, Any] | None:
    """The policy of a model in a folder, the likeliest text where its author draws; None where nothing is said.

    Lengths of an encoder-decoder (`two_sides`) are those of what it writes; of a decoder they count what it reads.
    `most` is how many tokens may be written, where somebody has said that.
    """
    plain = author_settings(folder)
    beams = plain.get("num_beams") or 1
    names = _OURS | (_BEAM if beams > 1 else {})
    given = {name: value for name, value in plain.items() if name in names and value not in (None, _IDLE.get(name))}
    found = {names[name]: value for name, value in given.items()}
    for name, ours in _LENGTHS.items() if two_sides else ():
        if isinstance(length := plain.get(name), int) and length > 1:
            found.setdefault(ours, length - 1)
    if most is not None:
        found["max_new_tokens"] = most
    least, limit = found.get("min_new_tokens", 0), found.get("max_new_tokens")
    if isinstance(limit, int) and isinstance(least, int) and least >= limit:
        say(f"its author wants texts of {least + 1} tokens or more, of which no more than {limit} may be written")
        found["min_new_tokens"] = limit - 1
    elif limit is None and isinstance(least, int) and least >= USUAL:
        found["max_new_tokens"] = 2 * least
    if plain.get("do_sample") is True:
        drawn = ["policy.kind=sample"]
        drawn += [f"policy.{name}={plain[name]}" for name in _CHANCE if plain.get(name) not in (None, 0)]
        drawing = " ".join(each for each in drawn if each not in ("policy.top_p=1.0", "policy.top_p=1"))
        say(f"its author lets it draw by chance; here it writes what is likeliest, and draws with: {drawing}")
    return {"kind": "beam" if beams > 1 else "greedy"} | found if found or beams > 1 else None
