"""The task `choose`: one of several texts."""

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForMultipleChoice,
    BertConfig,
    BertForMultipleChoice,
    BertLMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
)

from danlu.bundle.bundle import save
from danlu.data.cleaning.cleaner import Cleaner
from danlu.data.cleaning.rewriting import rewrite_texts
from danlu.engine.engines.torch import TorchNetwork
from danlu.engine.predict import Predictor
from danlu.recipe.part import find
from danlu.refusal import Refusal
from danlu.task.choices import answer_in
from danlu.task.tasks.choose import Choose
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece

SAMPLE = Choose.sample
TEXTS = ["今天下雨，他淋湿了。", "It broke on the floor, and nobody sang.", "李白去了长安。"]
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}


def asked(answer, *choices, **fields):
    return {"text": "哪个？", "choices": list(choices), "answer": answer, **fields}


@pytest.fixture(scope="module")
def encoder():
    tokenizer = WordPiece(size=150, min_frequency=1).build(lambda: iter(TEXTS))
    torch.manual_seed(0)
    model = BertForMultipleChoice(BertConfig(vocab_size=len(tokenizer), **SIZES)).eval()
    return Choose().fitted(SAMPLE).shaped("encoder"), model, tokenizer


@pytest.fixture(scope="module")
def decoder():
    tokenizer = Bpe(size=300).build(lambda: iter(TEXTS))
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), bos_token_id=1, eos_token_id=2, **SIZES)).eval()
    return Choose().fitted(SAMPLE).shaped("decoder").suited(model, tokenizer, print), model, tokenizer


def answered(task, model, tokenizer, records, width=None):
    rows = task.encode(records, tokenizer, 256, labelled=True)
    batch = task.collate(rows, width or max(map(len, rows)), tokenizer, np.random.default_rng(0))
    with torch.inference_mode():
        return task.answered(model, batch), task.loss(model, batch)["label"].item(), batch


@pytest.mark.parametrize(
    ("answer", "choices", "reading"),
    [
        ("b", ("a", "b"), "text"),
        (1, ("a", "b"), "number"),
        ("1", ("x", "y"), "number"),
        ("1", ("0", "1"), "text"),
        (1.0, ("x", "y"), "number"),
        ("B", ("x", "y"), "letter"),
        ("(b).", ("x", "y"), "letter"),
    ],
)
def test_the_right_choice_is_named_by_text_number_or_letter(answer, choices, reading):
    task = Choose().fitted([asked(answer, *choices)])
    assert task.answer_is == reading
    assert task.gold(asked(answer, *choices)) == 1


def test_all_records_name_the_right_choice_alike():
    assert Choose().fitted([asked("1", "1", "2"), asked("1", "x", "y")]).answer_is == "number"
    assert Choose(answer_is="text").fitted([asked("A", "B", "A")]).gold(asked("A", "B", "A")) == 1
    assert Choose().fitted([asked("A", "B", "A"), asked("x y", "x y", "b")]).gold(asked("A", "B", "A")) == 1
    with pytest.raises(Refusal, match=r"record 2: the answer 'x' is none .* named by its letter \(A to B\); mend"):
        Choose().fitted([asked("A", "x", "y"), asked("x", "x", "y"), asked("B", "x", "y")])


@pytest.mark.parametrize(
    ("record", "ways"),
    [
        (asked("A", "B", "A"), "as a text choice 1, as a letter choice 0"),
        (asked("1", "1", "2", "0"), "as a text choice 0, as a number choice 1"),
    ],
)
def test_an_answer_that_can_be_read_in_two_ways_is_refused_and_not_guessed(record, ways):
    clear = asked("A", "A", "B") if record["answer"] == "A" else asked("0", "0", "1")
    for records in ([record], [clear, record]):
        number = len(records)
        with pytest.raises(Refusal, match=rf"record {number}: .* in more than one way \({ways}.*'answer_is'"):
            Choose().fitted(records)
    with pytest.raises(Refusal, match="in more than one way"):
        answer_in(record, 0, None)
    assert Choose(answer_is="text").fitted([record]).gold(record) == record["choices"].index(record["answer"])


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        (asked("a", "a"), "record 1: has 1 of the two choices or more that a question needs"),
        (asked("a", "a", "b", "a"), r"record 1: choices 0 and 2 \(counted from 0\) are both 'a'; leave one"),
        (asked("a", "a", " "), r"record 1: choice 1 \(counted from 0\) is empty"),
        (asked("c", "a", "b"), r"record 1: the answer 'c' is none of its 2 choices, named by its text, .*; mend"),
        (asked(2, "a", "b"), r"record 1: the answer 2 is none of its 2 choices"),
        (asked(1.5, "a", "b"), r"record 1: the answer 1.5 is none of its 2 choices"),
        ({"text": "x", "choices": "a", "answer": 0}, "record 1: column 'choices' must be a list of texts, and it is"),
        ({"text": "x", "answer": 0}, r"record 1: there is no column 'choices' \(list of texts\)"),
        ({"text": "x", "choices": ["a", "b"]}, r"record 1: there is no column 'answer' \(the right choice\)"),
    ],
)
def test_bad_records_are_refused_by_number(record, sentence):
    with pytest.raises(Refusal, match=sentence):
        answer_in(record, 0, None)


def test_more_choices_than_letters_are_refused_where_letters_name_them():
    record = asked("B", *map(str, range(27)))
    with pytest.raises(Refusal, match=r"record 1: has 27 choices, and there are 26 letters .*; name it by its number"):
        Choose(answer_is="letter").fitted([record])


def test_a_choice_that_a_cleaner_rewrites_takes_its_answer_along():
    records = [asked("ａ", "ａ", "b")]
    rewrite_texts(records, find(Cleaner, "normalise")(), records[0].keys())
    assert (records[0]["choices"], records[0]["answer"]) == (["a", "b"], "a")


def test_likelihoods_are_those_of_plain_transformers(decoder):
    task, model, tokenizer = decoder
    for divide_by, length in (("characters", len), ("tokens", None), ("nothing", lambda _: 1)):
        changed = task.model_copy(update={"divide_by": divide_by})
        found, loss, _ = answered(changed, model, tokenizer, SAMPLE)
        expected_loss = 0.0
        for number, record in enumerate(SAMPLE):
            question = f"\n{record['question']}" if "question" in record else ""
            parts = (record["text"], f"{question}\n=>")
            read = [tokenizer.bos_token_id, *(i for part in parts for i in tokenizer(part)["input_ids"])]
            scores = []
            for choice in record["choices"]:
                ids = tokenizer(choice)["input_ids"]
                with torch.inference_mode():
                    log_TV = model(torch.tensor([read + ids])).logits[0].double().log_softmax(-1)
                sums = sum(log_TV[len(read) + place - 1, token].item() for place, token in enumerate(ids))
                scores.append(sums / (length(choice) if length else len(ids)))
            assert found[number].tolist() == pytest.approx(scores, rel=1e-4, abs=1e-5)
            expected_loss -= torch.tensor(scores).log_softmax(-1)[task.gold(record)].item()
        assert loss == pytest.approx(expected_loss, rel=1e-4)


def test_an_encoder_answers_as_plain_transformers_with_its_own_layout(encoder, tmp_path):
    task, model, tokenizer = encoder
    told = {"precision": "float32", "provenance": {}, "examples": list(SAMPLE[:1])}
    save(tmp_path / "bundle", model, tokenizer, task, **told)
    plain = AutoModelForMultipleChoice.from_pretrained(tmp_path / "bundle").eval()
    found, _, _ = answered(task, model, tokenizer, SAMPLE)
    for scores, record in zip(found, SAMPLE, strict=True):
        question = f"{record['question']}\n" if "question" in record else ""
        seconds = [question + choice for choice in record["choices"]]
        rows = tokenizer([record["text"]] * len(seconds), seconds, padding=True, return_tensors="pt")
        with torch.inference_mode():
            logits_BC = plain(**{name: value[None] for name, value in rows.items()}).logits
        assert scores.tolist() == pytest.approx(logits_BC[0].tolist(), abs=1e-5)


@pytest.mark.parametrize("shape", ["encoder", "decoder"])
def test_padding_and_company_change_nothing(shape, request):
    task, model, tokenizer = request.getfixturevalue(shape)
    together, loss, _ = answered(task, model, tokenizer, SAMPLE, 100)
    alone = [answered(task, model, tokenizer, [record]) for record in SAMPLE]
    assert loss == pytest.approx(sum(each[1] for each in alone), rel=1e-5)
    for one, (found, _, _) in zip(together, alone, strict=True):
        assert one.tolist() == pytest.approx(found[0].tolist(), rel=1e-5, abs=1e-5)
    predictor = Predictor(TorchNetwork(model, threads=1), task, tokenizer)
    records = [{name: value for name, value in record.items() if name != "answer"} for record in SAMPLE]
    for prediction, scores, record in zip(predictor.predict(records), together, records, strict=True):
        assert prediction["choice"] == scores.argmax()
        assert prediction["option"] == record["choices"][prediction["choice"]]
        assert sum(prediction["scores"]) == pytest.approx(1)
    predictor.close()


@pytest.mark.parametrize("shape", ["encoder", "decoder"])
def test_the_text_is_cut_and_no_choice(shape, request):
    task, _, tokenizer = request.getfixturevalue(shape)
    record = {"text": "雨" * 200, "choices": ["今天", "湿了"], "answer": "A", "question": "李白？"}
    with pytest.raises(Refusal, match=r"record 1: .* tokens and a row takes|record 1: .* tokens with its longest"):
        task.encode([record], tokenizer, 64, labelled=True)
    (item,) = task.model_copy(update={"too_long": "truncate"}).encode([record], tokenizer, 64, labelled=True)
    assert item.cut > 0
    assert all(len(row) <= 64 for row in item.rows)
    for row, choice in zip(item.rows, record["choices"], strict=True):
        read = tokenizer.decode(row.input_ids.tolist(), skip_special_tokens=True).replace(" ", "")
        assert read.replace("<s>", "").startswith("雨")
        assert read.endswith(choice)
        assert "李白" in read


@pytest.mark.parametrize("shape", ["encoder", "decoder"])
def test_a_person_sees_which_row_is_right(shape, request):
    task, model, tokenizer = request.getfixturevalue(shape)
    _, _, batch = answered(task, model, tokenizer, SAMPLE)
    words = [task.told(batch, row, tokenizer)[0] for row in range(len(batch.inputs["input_ids"]))]
    assert words[:4] == ["choice 0: right", "choice 1: wrong", "choice 2: wrong", "choice 0: wrong"]
    assert [words[4], words[7]] == ["choice 1: right", "choice 2: right"]


def test_a_family_that_sees_the_choice_is_refused(encoder):
    _, model, tokenizer = encoder
    bert = BertLMHeadModel(model.config)
    with pytest.raises(Refusal, match="are seen by those before them; choose a decoder"):
        Choose(shape="decoder").suited(bert, tokenizer, print)
    with pytest.raises(Refusal, match=r"task.shape is 'encoder', and the model is a decoder; leave 'shape' out"):
        Choose(shape="encoder").shaped("decoder")


@pytest.mark.parametrize("shape", ["encoder", "decoder"])
def test_choices_that_leave_no_room_are_refused_and_never_cut(shape, request):
    task, _, tokenizer = request.getfixturevalue(shape)
    record = {"text": "雨" * 200, "choices": ["今" * 40 + "天", "今" * 40 + "了"], "answer": "A"}
    cut = task.model_copy(update={"too_long": "truncate"})
    with pytest.raises(Refusal, match=r"record 1: .*no room for the .*shorten"):
        cut.encode([record], tokenizer, 32, labelled=True)
    (item,) = cut.encode([record], tokenizer, 200, labelled=True)
    assert len({row.input_ids.tobytes() for row in item.rows}) == 2
