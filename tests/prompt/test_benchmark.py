"""Examinations by likelihood, beside a plain loop over transformers that writes the prompts by hand."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

from danlu.data.cleaning.cleaners.chinese import Chinese
from danlu.data.reading.subjects import Layout, Question, Subject
from danlu.evaluate.scoring.compare import compare
from danlu.evaluate.scoring.examine import write
from danlu.prompt.benchmark import take_benchmark, template_for
from danlu.prompt.scorer import Scorer, scorer
from danlu.refusal import Refusal
from danlu.text.tokenizing.tokenizer import Tokenizer
from danlu.text.tokenizing.tokenizers.bpe import Bpe

INSTRUCTIONS = {
    "mmlu": "The following are multiple choice questions (with answers) about high school law.",
    "ceval": "以下是中国关于high school law考试的单项选择题，请选出其中的正确答案。",
    "cmmlu": "以下是关于high school law的单项选择题，请直接给出正确答案的选项。",
}
ANSWERS = {"mmlu": "Answer: ", "ceval": "答案：", "cmmlu": "答案是："}
WORDS = ["court", "the judge", "法院", "a law {of} land", "律师很好", "nobody at all"]


def questions(count: int, seed: int) -> tuple[Question, ...]:
    rng = np.random.default_rng(seed)
    return tuple(
        Question(
            f"who decides {number}？",
            tuple(WORDS[each] for each in rng.permutation(6)[:4]),
            int(rng.integers(4)),
            f"law.csv, line {number + 1}",
        )
        for number in range(count)
    )


def subject(layout: Layout, count: int = 5, shots: int = 2) -> Subject:
    return Subject("high_school_law", layout, questions(count, 1), questions(shots, 2))


@pytest.fixture(scope="module")
def network() -> tuple[PreTrainedModel, Tokenizer]:
    texts = [*INSTRUCTIONS.values(), *ANSWERS.values(), *WORDS, "题目：who decides 0123456789？", "A. B. C. D. "]
    tokenizer = Bpe(size=400).build(lambda: iter(texts))
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": 0}
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    torch.manual_seed(3)
    config = LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=512, initializer_range=0.3, **ends, **sizes)
    return LlamaForCausalLM(config).eval(), tokenizer


@pytest.fixture(scope="module")
def opened(network) -> Scorer:
    model, tokenizer = network
    return scorer(copy.deepcopy(model), tokenizer)


def written(each: Question, layout: str, by: str) -> str:
    text = ("题目：" if layout == "cmmlu" else "") + each.text + "\n"
    if by == "letter":
        text += "".join(f"{letter}. {choice}\n" for letter, choice in zip("ABCD", each.choices, strict=True))
    return text + ANSWERS[layout]


def word(each: Question, place: int, by: str) -> str:
    return "ABCD"[place] if by == "letter" else each.choices[place]


@torch.inference_mode()
def by_a_loop(model: PreTrainedModel, tokenizer: Tokenizer, asked: Subject, by: str) -> list[list[float]]:
    """Each choice behind its whole prompt, in a pass of its own."""
    shown = [written(each, asked.layout, by) + word(each, each.answer, by) for each in asked.examples]
    found = []
    for each in asked.questions:
        prompt = "\n\n".join([INSTRUCTIONS[asked.layout], *shown, written(each, asked.layout, by)])
        rows = [tokenizer(prompt + word(each, place, by), return_offsets_mapping=True) for place in range(4)]
        firsts = [next(at for at, (_, end) in enumerate(row["offset_mapping"]) if end > len(prompt)) for row in rows]
        logs = []
        for place, row in enumerate(rows):
            ids = [tokenizer.bos_token_id] + [token for token in row["input_ids"] if token != tokenizer.bos_token_id]
            logs_TV = torch.log_softmax(model(torch.tensor([ids]), use_cache=False).logits[0].double(), -1)
            begin = min(firsts) + (len(ids) - len(row["input_ids"]))
            total = sum(float(logs_TV[at - 1, ids[at]]) for at in range(begin, len(ids)))
            logs.append(total / (1 if by == "letter" else len(word(each, place, by))))
        shares = np.exp(np.array(logs))
        found.append((shares / shares.sum()).tolist())
    return found


def test_subjects_of_cmmlu_are_called_as_its_authors_call_them() -> None:
    named = [template_for(replace(subject("cmmlu"), name=name)).instruction for name in ("college_law", "my_own")]
    assert named == [
        "以下是关于大学法律的单项选择题，请直接给出正确答案的选项。",
        "以下是关于my own的单项选择题，请直接给出正确答案的选项。",
    ]


@pytest.mark.parametrize(("layout", "by"), [("mmlu", "letter"), ("ceval", "text"), ("cmmlu", "letter")])
def test_shares_are_those_of_a_loop_without_a_shared_prefix(network, opened, layout: Layout, by) -> None:
    model, tokenizer = network
    asked = subject(layout, 3, 1)
    right = by_a_loop(model, tokenizer, asked, by)
    wrong = [
        replace(each, answer=(int(np.argmax(shares)) + 1) % 4)
        for each, shares in zip(asked.questions, right, strict=True)
    ]
    asked = replace(asked, questions=tuple(wrong))  # so that all of them are told, as errors
    divide_by = "nothing" if by == "letter" else "characters"
    taken = take_benchmark(opened, [asked], by=by, divide_by=divide_by)
    assert [answer["answer"] for answer in taken.found.answers()] == [int(np.argmax(shares)) for shares in right]
    assert [answer["gold"] for answer in taken.found.answers()] == [each.answer for each in wrong]
    told = {error["record"]["text"]: error["prediction"]["scores"] for error in taken.found.errors}
    for each, shares in zip(wrong, right, strict=True):
        assert told[each.text] == pytest.approx(shares, abs=1e-5)


def test_macro_weighs_subjects_alike_and_micro_questions(opened, tmp_path: Path) -> None:
    few, many = subject("mmlu", 2, 1), Subject("other", "mmlu", questions(5, 7), ())
    taken = take_benchmark(opened, [few, many])
    plain = taken.to_plain()
    right = [told["right"] for told in plain["subjects"].values()]
    assert plain["micro"]["value"] == pytest.approx(sum(right) / 7)
    assert plain["macro"]["value"] == pytest.approx((right[0] / 2 + right[1] / 5) / 2)
    assert plain["chance"] == 0.25
    assert plain["micro"]["value"] == pytest.approx(taken.found.scores.metrics["accuracy"].interval.value)
    for name in ("one", "two"):
        write(tmp_path / name, taken.found)
    compared = compare(tmp_path / "one", tmp_path / "two")
    assert compared.paired
    assert compared.metrics[0].difference.value == 0


def test_examples_that_the_model_has_no_room_for_are_left_out(opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opened, "limit", 300)
    asked = subject("mmlu", 1, 9)
    taken = take_benchmark(opened, [asked])
    assert taken.fewer == 1
    monkeypatch.setattr(opened, "limit", 20)
    with pytest.raises(Refusal, match=r"law\.csv, line 1: the question alone has more than the 20 tokens"):
        take_benchmark(opened, [asked])


def test_what_a_conversation_puts_around_a_question_takes_room_too(opened, monkeypatch: pytest.MonkeyPatch) -> None:
    around = "{% for message in messages %}{{ 'who decides who decides ' + message['content'] }}{% endfor %}"
    monkeypatch.setattr(opened.tokenizer, "chat_template", around)
    asked = subject("mmlu", 1, 3)
    most = next(limit for limit in range(200, 512) if take_benchmark(at_most(opened, limit), [asked]).fewer == 0)
    assert take_benchmark(at_most(opened, most), [asked], chat=True).fewer == 1


def at_most(opened: Scorer, limit: int) -> Scorer:
    """The same with shorter rows."""
    found = copy.copy(opened)
    found.limit = limit
    return found


def test_an_empty_choice_has_a_letter_and_no_likelihood(opened) -> None:
    asked = Subject("law", "mmlu", (Question("who?", ("a", "", "c", "d"), 0, "law.csv, line 4"),), ())
    assert take_benchmark(opened, [asked]).to_plain()["questions"] == 1
    with pytest.raises(Refusal, match=r"law\.csv, line 4: choice B is empty, .* --by letter"):
        take_benchmark(opened, [asked], by="text")


def test_questions_are_read_as_the_training_data_were(opened, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("opencc")
    asked = Subject("law", "ceval", (Question("律師很好", ("法院", "律師", "好", "院"), 0, "x"),), ())
    monkeypatch.setattr(opened, "rewriters", [Chinese()])
    read, scored = [], opened.scored
    monkeypatch.setattr(opened, "scored", lambda prompts, chat: read.extend(prompts) or scored(prompts, chat))
    take_benchmark(opened, [asked], by="text")
    take_benchmark(opened, [asked])
    assert [each.words for each in read] == [("法院", "律师", "好", "院"), ("A", "B", "C", "D")]
    assert all("律师很好" in each.before for each in read)
    assert "B. 律师\n" in read[1].before
