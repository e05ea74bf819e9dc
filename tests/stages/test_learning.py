"""How long a training within a sequence takes."""

import json
from pathlib import Path

from .in_turn import TRAIN, prepared, run


def test_all_tasks_together_take_as_many_steps_as_one_by_one(tmp_path: Path) -> None:
    """Also where tasks say in different ways for how long they are learnt."""
    own = {"colours": TRAIN | {"steps": 4}, "animals": {**TRAIN, "steps": None, "epochs": 1, "batch_examples": 4}}
    tasks = {name: {"data": f"@{name}", "task": "classify", "train": train} for name, train in own.items()}
    run(prepared(tmp_path), tmp_path / "turn", tasks=tasks, remedies=["joint"])

    def steps(name: str) -> int:
        lines = (tmp_path / "turn" / "logs" / f"{name}.jsonl").read_text().splitlines()
        return max(json.loads(line)["step"] for line in lines)

    assert steps("naive-colours") == 4
    assert steps("joint-all") == steps("naive-colours") + steps("naive-animals")
