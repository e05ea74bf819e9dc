"""Tasks that were learnt in turn, in words: where each row stands in the sequence."""

from danlu.evaluate.reporting.learnt_in_turn import in_turn_in_words, matrix_of
from danlu.language import translator


def remedy(*after: list[str]) -> dict[str, object]:
    rows = [{"after": each} for each in after]
    told = {"average": 0.5, "beside_joint": -0.1, "forgetting": None, "backward": None, "forward": 0.1}
    return {"rows": rows, "matrix": [[place, 0.0] for place in range(len(rows))], **told}


def test_rows_say_after_which_task_they_stand_or_that_all_were_learnt_at_once() -> None:
    in_turn, at_once = remedy([], ["a"], ["a", "b"]), remedy([], ["a", "b"])
    assert [after for after, _ in matrix_of(in_turn, translator("en"))] == ["before any task", "after a", "after b"]
    assert [after for after, _ in matrix_of(at_once, translator("en"))] == ["before any task", "after all at once"]
    task = {"metric": "accuracy", "higher_is_better": True}
    told = {"tasks": {"a": task, "b": task}, "remedies": {"joint": at_once}}
    assert any(line.startswith("一起学完之后") for line in in_turn_in_words(told, "zh"))
