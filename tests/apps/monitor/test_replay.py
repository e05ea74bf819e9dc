"""What a replay makes of surges that were planted."""

import pytest

from danlu.apps.monitor.replay import Heard, Replayed, Surge, _compare, plant
from danlu.refusal import Refusal


def test_a_surge_needs_texts_of_both_kinds() -> None:
    rows = [Heard(step, ("all",), negative=False) for step in range(10)]
    with pytest.raises(Refusal, match="a surge cannot be planted in 'all': of its 10 texts none are negative"):
        plant(rows, [Surge("all", 2, 4, 2.5)])


def test_steps_of_a_surge_and_of_its_end_are_no_steps_without_one() -> None:
    found = Replayed(surges=[Surge("a", 10, 14, 2.5)])
    _compare(found, {"a": list(range(30)), "b": list(range(30))})
    assert found.stable == 20 + 30
