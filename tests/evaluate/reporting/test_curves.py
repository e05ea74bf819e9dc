"""The course of a training is drawn from what its log tells, whether or not each line tells all."""

from danlu.evaluate.reporting.sections.curves import curves


def test_a_line_without_loss_counts_among_the_steps() -> None:
    step = {"rate": 1e-3, "seconds": 30.0, "tokens_per_second": 1000.0}
    log = [{"step": 1, **step, "loss": 2.0}, {"step": 2, **step}, {"step": 2, "event": "left_out", "loss": "nan"}]
    page = str(curves(log, lambda text: text))
    assert "60 s" in page
