"""A recipe run by several ranks: the first goes through the stages, the others join it where a stage is in parallel."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from danlu.machine.ranks import Ranks
from danlu.recipe import lock as locks
from danlu.refusal import Refusal
from danlu.stages.recipe import Recipe
from danlu.stages.stage import Place, Stage


def refuse_idle(recipe: Recipe, ranks: Ranks) -> None:
    """Raise `Refusal` for a recipe of which several ranks could do nothing together."""
    if ranks.several and not any(stage.in_parallel for stage in recipe.stages.values()):
        trains = next((name for name, stage in recipe.stages.items() if stage.kind == "train"), "STAGE")
        raise Refusal(
            f"{ranks.count} processes were started, and no stage of the recipe shares its work; write 'parallel: ddp' "
            f"(or fsdp) under 'train', or add {trains}.train.parallel=ddp"
        )
    if ranks.several and recipe.seeds > 1:
        raise Refusal(f"seeds: {recipe.seeds} trainings one after the other are not shared by ranks; run with seeds=1")


@contextmanager
def led(ranks: Ranks) -> Iterator[None]:
    """Within the block the others follow the first rank; at its end, whatever that is, they are let go."""
    try:
        yield
    finally:
        ranks.tell(None)


def call(planned: locks.Lock, place: Place) -> None:
    """Let the other ranks join the first one in a stage.

    Raises:
        Refusal: one of them sees another recipe, other data or other versions.
    """
    ranks = place.ranks
    if not ranks.several:
        return
    root = place.folder.parent.parent
    ranks.tell(
        {
            "stage": planned.stage,
            "seed": planned.seed,
            "stages": planned.stages,
            "folder": place.folder.relative_to(root).as_posix(),
            "inputs": {name: folder.relative_to(root).as_posix() for name, folder in place.inputs.items()},
        }
    )
    with ranks.meeting() as facts:
        facts.update(_facts(planned))


def follow(recipe: Recipe, root: Path, ranks: Ranks) -> None:
    """Join the first rank in every stage that it calls to, until it lets this one go."""
    from danlu.train.events import Stopped  # brings torch

    while (order := ranks.hear()) is not None:
        with ranks.meeting() as facts:
            stage = _stage(recipe, order["stage"])
            lock = locks.lock(order["stage"], stage, order["seed"], order["stages"])
            facts.update(_facts(lock))
        place = Place(
            folder=root / order["folder"],
            inputs={name: root / folder for name, folder in order["inputs"].items()},
            fingerprint=lock.fingerprint,
            seed=lock.seed,
            language=recipe.spoken,
            say=lambda _line: None,
            ranks=ranks,
        )
        with suppress(Stopped):  # as the first rank has said, which says what comes next
            stage.run(place)


def _stage(recipe: Recipe, name: str) -> Stage:
    if name not in recipe.stages:
        raise Refusal(f"the recipe has no stage '{name}', and that of the first rank has; give all ranks the same")
    return recipe.stages[name]


def _facts(lock: locks.Lock) -> dict[str, str]:
    """What a stage depends on, in the order in which a difference is told."""
    section = sha256(json.dumps(lock.section, sort_keys=True).encode()).hexdigest()[:16]
    versions = {f"version of {name}": value for name, value in lock.versions.items()}
    inputs = {f"SHA-256 of {name}": value[:16] for name, value in lock.inputs.items()}
    return {**versions, **inputs, f"section of '{lock.stage}', hashed": section, "fingerprint": lock.fingerprint[:16]}
