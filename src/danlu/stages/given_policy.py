"""How the author of a model lets it write: the settings of its `generation_config.json` that are ours, too."""

from pathlib import Path
from typing import Any

from danlu.machine.door import file_inside, read_json
from danlu.model.folder import CONFIG, GENERATION
from danlu.model.source import Say

_OURS = {
    "max_new_tokens": "max_new_tokens",
    "min_new_tokens": "min_new_tokens",
    "repetition_penalty": "repetition_penalty",
    "no_repeat_ngram_size": "no_repeat_ngram",
}
_BEAM = {"num_beams": "beams", "length_penalty": "length_penalty", "early_stopping": "early_stopping"}
_CHANCE = ("temperature", "top_k", "top_p", "min_p", "typical_p")
_IDLE = {"repetition_penalty": 1.0, "no_repeat_ngram_size": 0, "min_new_tokens": 0}
"""Values with which a setting does nothing."""


def author_policy(folder: Path, say: Say) -> dict[str, Any] | None:
    """The policy of a model in a folder, the likeliest text where its author draws; None where nothing is said."""
    told = next((name for name in (GENERATION, CONFIG) if (folder / name).is_file()), None)
    if told is None:
        return None
    plain = read_json(file_inside(folder, told), "copy the folder again")  # older ones say it in their settings
    beams = plain.get("num_beams") or 1
    names = _OURS | (_BEAM if beams > 1 else {})
    given = {name: value for name, value in plain.items() if name in names and value not in (None, _IDLE.get(name))}
    found = {names[name]: value for name, value in given.items()}
    if plain.get("do_sample") is True:
        drawn = ["policy.kind=sample"]
        drawn += [f"policy.{name}={plain[name]}" for name in _CHANCE if plain.get(name) not in (None, 0)]
        drawing = " ".join(each for each in drawn if each not in ("policy.top_p=1.0", "policy.top_p=1"))
        say(f"its author lets it draw by chance; here it writes what is likeliest, and draws with: {drawing}")
    return {"kind": "beam" if beams > 1 else "greedy"} | found if found or beams > 1 else None
