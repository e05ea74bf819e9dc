"""What the section of results shows of labels."""

from danlu.evaluate.reporting.sections.results import results
from danlu.language import translator


def test_a_label_that_a_metric_does_not_tell_has_a_dash_and_no_zero():
    known = {"value": 0.5, "low": 0.4, "high": 0.6}
    metrics = {"macro_f1": {**known, "by_label": {"a": 0.75, "b": 0.0}}, "auc": {**known, "by_label": {"a": 0.875}}}
    page = str(results({"records": 9, "metrics": metrics, "support": {"a": 9}}, translator("en")))
    rows = {name: page[page.index(f">{name}</th>") :].partition("</tr>")[0] for name in "ab"}
    assert "0.875" in rows["a"]
    assert rows["b"].count("<span>0.000</span>") == 1
    assert "–" in rows["b"]
