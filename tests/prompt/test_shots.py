"""Examples: which are shown, in which order."""

from collections import Counter
from pathlib import Path

import pytest
import torch
from transformers import AutoModel, AutoTokenizer, BertConfig, BertForMaskedLM, BertModel

from danlu.bundle.bundle import save
from danlu.prompt.shots import Shots
from danlu.refusal import Refusal
from danlu.task.task import Task
from danlu.text.prompting.template import PromptTemplate
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece

LABELS = ["a"] * 12 + ["b"] * 5 + ["c"] * 3
POOL = [{"text": f"row number {number}", "label": label} for number, label in enumerate(LABELS)]
ASKED = [{"text": "what is this", "label": "a"}, {"text": "and this", "label": "b"}]


def template(**fields) -> PromptTemplate:
    return PromptTemplate(text="{text} = {label}", verbalizer={"a": "x", "b": "y", "c": "z"}, **fields)


def shown(pool=POOL, asked=ASKED, number=0, **fields) -> list[str]:
    return Shots(template(**fields), pool, asked, "pool.csv").of(number)


@pytest.mark.parametrize("choose", ["random", "balanced"])
def test_examples_and_their_order_follow_from_the_seed_and_are_the_same_for_all_records(choose: str) -> None:
    first = shown(shots=6, choose=choose)
    assert len(set(first)) == 6
    assert shown(shots=6, choose=choose, number=1) == first == shown(shots=6, choose=choose)
    others = [shown(shots=6, choose=choose, seed=seed) for seed in range(1, 5)]
    assert all(other != first for other in others)
    assert shown() == []


def test_balanced_examples_are_of_each_label_as_many() -> None:
    for shots, counts in ((6, [2, 2, 2]), (7, [2, 2, 3]), (12, [3, 4, 5]), (2, [1, 1])):
        found = Counter(text[-1] for text in shown(shots=shots, choose="balanced"))
        assert sorted(found.values()) == counts
    seen = {tuple(text[-1] for text in shown(shots=3, seed=seed)) for seed in range(20)}
    assert len(seen) == 6  # no label always comes last


def test_similar_examples_are_those_most_like_the_text_and_the_most_similar_is_last() -> None:
    pool = [
        {"text": "电池很耐用，屏幕清晰", "label": "a"},
        {"text": "物流太慢了", "label": "b"},
        {"text": "屏幕很清晰，电池也很耐用", "label": "a"},
        {"text": "客服态度差", "label": "c"},
    ]
    asked = [{"text": "屏幕清晰，电池很耐用"}, {"text": "物流真慢，太慢"}]
    first, second = (shown(pool, asked, number, shots=2, choose="similar") for number in (0, 1))
    assert {text.partition(" = ")[0] for text in first} == {pool[0]["text"], pool[2]["text"]}
    assert first[-1] == "电池很耐用，屏幕清晰 = x"
    assert second[-1] == "物流太慢了 = y"


@pytest.mark.parametrize("choose", ["random", "balanced", "similar"])
def test_a_record_that_is_asked_is_no_example_of_itself(choose: str) -> None:
    shots = Shots(template(shots=3, choose=choose), POOL, POOL[::2], "pool.csv")
    assert shots.left_out == 10
    asked = {record["text"] for record in POOL[::2]}
    for number in range(10):
        assert not asked & {text.partition(" = ")[0] for text in shots.of(number)}


@pytest.mark.parametrize(
    ("pool", "fields", "says"),
    [
        (POOL[:3], {"shots": 4}, "pool.csv: the template shows 4 examples, and there are 3; give more"),
        ([*POOL[:1], *ASKED], {"shots": 2, "choose": "random"}, "there are 1 besides 2 that are asked themselves"),
        (POOL[:12], {"shots": 4}, "pool.csv: there is no example of the label 'b', and they are to be balanced"),
        ([*POOL, {"text": "x", "label": "d"}], {"shots": 4}, "pool.csv, record 21: the label 'd' is not among those"),
        ([{"text": "x"}], {"shots": 1}, "there is no column 'label'"),
        ([{"label": "a"}], {"shots": 1}, r"pool.csv, record 1: there is no column 'text'"),
    ],
)
def test_examples_that_will_not_do_are_refused(pool, fields, says: str) -> None:
    with pytest.raises(Refusal, match=says):
        shown(pool, **fields)


@pytest.fixture(scope="module")
def embedding(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the task `embed`, and one of another task beside it."""
    folder = tmp_path_factory.mktemp("bundles")
    tokenizer = WordPiece(size=90, min_frequency=1).build(lambda: iter(["row number what is this and 0123456789"]))
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
    config = BertConfig(vocab_size=len(tokenizer), **sizes)
    for name, model in (("embed", BertModel(config)), ("masked_lm", BertForMaskedLM(config))):
        task = Task.model_validate(name)
        save(
            folder / name, model.eval(), tokenizer, task, precision="float32", provenance={}, examples=[{"text": "row"}]
        )
    return folder


def test_a_bundle_of_vectors_says_which_examples_are_similar(embedding: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(embedding / "embed")
    model = AutoModel.from_pretrained(embedding / "embed")
    with torch.inference_mode():
        vectors = [
            model(**tokenizer(each["text"], return_tensors="pt")).last_hidden_state[0].mean(0)
            for each in [*POOL, *ASKED]
        ]
    cosines_NM = (
        torch.nn.functional.normalize(torch.stack(vectors[: len(POOL)]), dim=-1)
        @ torch.nn.functional.normalize(torch.stack(vectors[len(POOL) :]), dim=-1).T
    )
    for number in range(2):
        found = shown(number=number, shots=3, choose="similar", vectors=str(embedding / "embed"))
        right = cosines_NM[:, number].argsort(descending=True)[:3].tolist()[::-1]
        assert [text.partition(" = ")[0] for text in found] == [POOL[each]["text"] for each in right]


def test_vectors_of_another_task_and_without_effect_are_refused(embedding: Path) -> None:
    with pytest.raises(
        Refusal, match=r"masked_lm: is a bundle of the task masked_lm, and 'vectors' of a template needs"
    ):
        shown(shots=3, choose="similar", vectors=str(embedding / "masked_lm"))
    with pytest.raises(ValueError, match="'vectors' has an effect under 'choose: similar' alone"):
        template(shots=3, vectors="x")
