"""The card says what the bundle is, and can be read as Markdown with its front matter."""

from types import SimpleNamespace

import pytest
import yaml

from danlu.bundle import card

FACTS = {"engine": {"kind": "torch", "precision": "bfloat16"}, "max_length": 48}


def test_it_tells_task_labels_counts_and_scores_with_their_intervals(tiny: SimpleNamespace) -> None:
    _, _, task = tiny.parts("bert", "classify")
    text = card.write("bundle", FACTS | {"provenance": tiny.provenance}, task, "en")
    _, front, body = text.split("---\n", 2)
    assert yaml.safe_load(front)["pipeline_tag"] == "text-classification"
    assert body.startswith("\n# reviews/finetune\n")
    for words in (
        "`classify`",
        "- Labels: `negative`, `positive`",
        "- Records: train 12,000, validation 1,500",
        "| macro_f1 | 0.8312 | 0.81 – 0.85 |",
        "48 tokens",
        "AutoModelForSequenceClassification.from_pretrained",
        'danlu.load("path/to/bundle")',
    ):
        assert words in body


@pytest.mark.parametrize("kind", ["classify", "tag", "masked_lm", "causal_lm"])
def test_it_does_without_what_is_not_known(tiny: SimpleNamespace, kind: str) -> None:
    _, _, task = tiny.parts("bert" if kind != "causal_lm" else "llama", kind)
    text = card.write("mine", FACTS | {"provenance": {}}, task, "en")
    assert "\n# mine\n" in text
    assert "None" not in text
    assert "Scores" not in text


def test_it_speaks_chinese_where_the_recipe_does(tiny: SimpleNamespace) -> None:
    _, _, task = tiny.parts("bert", "classify")
    text = card.write("bundle", FACTS | {"provenance": tiny.provenance | {"validation": 0.5}}, task, "zh")
    assert "用 danlu 训练的模型，任务为 `classify`。" in text
    english = card.write("bundle", FACTS | {"provenance": {}}, task, "en")
    headings = [line for line in english.splitlines() if line.startswith("## ")]
    assert len(headings) == 4
    assert not [line for line in headings if line in text.splitlines()]
