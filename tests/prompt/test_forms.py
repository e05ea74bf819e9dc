"""Choices and excerpts by prompt: as likely as a loop over plain transformers finds them."""

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from danlu.data.cleaning.cleaner import Cleaner
from danlu.prompt import scorer as scoring
from danlu.prompt.examined import compare_prompts, examine_prompt
from danlu.prompt.forms import form_of
from danlu.refusal import Refusal
from danlu.text.prompting.template import PromptTemplate
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.text.tokenizing.tokenizers.char import Char

QUESTIONS = [
    {"text": "the film was", "choices": ["good", "bad and terrible", "电影"], "answer": "A"},
    {"text": "结尾很", "choices": ["差", "good film"], "answer": "B"},
    {"text": "it was", "choices": ["bad", "good"], "answer": "A"},
]
CONTEXTS = [
    {"context": "the film was good, no end", "question": "was it", "answers": [{"text": "good", "start": 13}]},
    {"context": "电影很好", "question": "电影", "answers": [{"text": "很好", "start": 2}]},
]
CHOICE = {"text": "{text} => {choice}.", "calibrate": False}
EXCERPT = {"text": "{context}\n{question}: {excerpt}\n", "longest_excerpt": 2, "calibrate": False}


@pytest.fixture(scope="module")
def scorer():
    texts = ["the film was great . it was good", "电影很好，结尾很差", "no , it was bad and the end was terrible =>"]
    return scorer_of(Bpe(size=300).build(lambda: iter(texts)))


def scorer_of(tokenizer):
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **sizes, **ends)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return scoring.scorer(model, tokenizer)


def by_a_loop(scorer, before: str, words, after: str) -> np.ndarray:
    """Shares by the mean log-likelihood of the tokens that not all have in common, a row each."""
    tokenizer = scorer.tokenizer
    rows = [tokenizer.encode(before + word + after, add_special_tokens=False) for word in words]
    prefix = tokenizer.encode(before + words[0], add_special_tokens=False, return_offsets_mapping=False)
    shared = 0
    while len({tuple(row[: shared + 1]) for row in rows}) == 1 and prefix[shared] == rows[0][shared]:
        shared += 1
    offsets = tokenizer(before + words[0], add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    shared = min(shared, next(place for place, (_, end) in enumerate(offsets) if end > len(before)))
    logs = []
    for row in rows:
        whole = torch.tensor([[tokenizer.bos_token_id, *row]])
        with torch.inference_mode():
            logs_TV = torch.log_softmax(scorer.model(whole).logits[0], -1)
        found = [float(logs_TV[place, row[place]]) for place in range(shared, len(row))]
        logs.append(sum(found) / len(found))
    return np.exp(logs) / np.exp(logs).sum()


def test_choices_have_the_shares_of_a_loop_and_are_scored_as_those_of_the_task(scorer) -> None:
    found = examine_prompt(scorer, PromptTemplate(**CHOICE), QUESTIONS, shown=3, resamples=100)
    for told, record in zip(found.told, QUESTIONS, strict=True):
        shares = by_a_loop(scorer, f"{record['text']} => ", record["choices"], ".")
        assert told.raw == pytest.approx(shares, abs=1e-5)
        prediction = told.prediction()
        assert prediction["option"] == record["choices"][prediction["choice"]]
    assert found.found.side.gold == [0, 1, 0]
    assert set(found.found.scores.to_plain()["metrics"]) == {"accuracy"}


def test_what_a_model_thinks_of_choices_without_the_text_can_be_taken_off(scorer) -> None:
    template = PromptTemplate(**CHOICE | {"calibrate": True, "content_free": ("N/A",)})
    compared, (found, _) = compare_prompts(scorer, (template, template), QUESTIONS, shown=1, resamples=100)
    (told,) = found.told
    free = by_a_loop(scorer, "N/A => ", QUESTIONS[0]["choices"], ".")
    assert told.prejudice == pytest.approx(free, abs=1e-5)
    assert found.raw is not None
    assert all(row.difference.value == 0 for row in compared.metrics)


@pytest.mark.parametrize("many", [3, 1000])
def test_an_excerpt_is_the_likeliest_piece_of_the_text(scorer, many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "MANY", many)
    found = examine_prompt(scorer, PromptTemplate(**EXCERPT), CONTEXTS, shown=2, resamples=100)
    told, second = found.told
    pieces = ["the", "the film", "film", "film was", "was", "was good", "good", "good, no", "no", "no end", "end"]
    assert list(told.words) == pieces
    assert list(second.words) == ["电", "电影", "影", "影很", "很", "很好", "好"]
    shares = by_a_loop(scorer, "the film was good, no end\nwas it: ", pieces, "\n")
    assert told.raw == pytest.approx(shares, abs=1e-5)
    prediction = told.prediction()
    assert prediction["text"] == CONTEXTS[0]["context"][prediction["start"] : prediction["end"]]
    assert prediction["text"] == pieces[int(shares.argmax())]
    assert len(prediction["answers"]) == 5
    assert set(found.found.scores.to_plain()["metrics"]) == {"token_f1", "exact_match"}


def test_examples_of_choices_and_excerpts_are_shown_with_their_answers(scorer) -> None:
    for fields, records in ((CHOICE, QUESTIONS), (EXCERPT, CONTEXTS)):
        template = PromptTemplate(**fields, shots=1)
        found = examine_prompt(scorer, template, records[:1], records[1:2], shown=1, resamples=100)
        before = found.told[0].filled.before
        right = "good film" if fields is CHOICE else "很好"
        assert before.startswith(f"结尾很 => {right}." if fields is CHOICE else f"电影很好\n电影: {right}\n")


@pytest.mark.parametrize(
    ("fields", "record", "says"),
    [
        (CHOICE, {"text": "x", "answer": "A"}, "record 1: there is no column 'choices'"),
        (CHOICE, {"text": "x", "choices": ["a", "b"], "answer": "d"}, "record 1: the answer 'd' is none of its 2"),
        (EXCERPT, {"context": "x", "question": "y", "answers": []}, "record 1: has no answer, and a prompt always"),
        (EXCERPT, {"context": "x", "question": "y"}, "record 1: there is no column 'answers'"),
    ],
)
def test_records_without_such_an_answer_are_refused(scorer, fields, record, says: str) -> None:
    with pytest.raises(Refusal, match=says):
        examine_prompt(scorer, PromptTemplate(**fields), [record])


def test_a_text_without_a_word_has_no_excerpt() -> None:
    template = PromptTemplate(**EXCERPT)
    with pytest.raises(Refusal, match="record 1: column 'context' has no word; give a text"):
        form_of(template, []).words({"context": " .."}, 0)


def test_templates_of_other_answers_are_not_compared(scorer) -> None:
    templates = PromptTemplate(**CHOICE), PromptTemplate(**EXCERPT)
    with pytest.raises(Refusal, match=r"the two templates ask for other answers .\{choice\} and \{excerpt\}."):
        compare_prompts(scorer, templates, QUESTIONS)


def test_an_excerpt_stands_where_it_is_a_word_of_its_own() -> None:
    form = form_of(PromptTemplate(**EXCERPT), [])
    record = {"context": "another other the"}
    words = form.words(record, 0)
    assert form.prediction(record, words, np.eye(len(words))[words.index("other")])["start"] == 8
    assert form.prediction(record, words, np.eye(len(words))[words.index("the")])["start"] == 14


@pytest.fixture
def rewriting(scorer, monkeypatch: pytest.MonkeyPatch):
    rewriters = tuple(map(Cleaner.model_validate, ("whitespace", "control")))
    monkeypatch.setattr(scorer, "rewriters", rewriters)
    return scorer


def test_choices_are_rewritten_and_the_answer_that_is_one_of_them_follows(rewriting) -> None:
    named = [{"text": "it was", "options": ["bad  film", "good\t"], "answer": "bad  film"}]
    template = PromptTemplate(**CHOICE, slots={"choice": "options"}, shots=1)
    pool = [{"text": "no", "options": ["end  it", "good"], "answer": "end  it"}]
    found = examine_prompt(rewriting, template, named, pool, shown=1, resamples=100)
    assert found.told[0].words == ("bad film", "good")
    assert found.told[0].filled.before.startswith("no => end it.")
    assert found.found.side.gold == [0]


def test_excerpts_are_said_of_the_text_as_it_was_given(rewriting) -> None:
    words = ["th\u200be", "fi\u200blm", "w\u200bas"]
    answers = [{"text": words[1], "start": 8}]
    given = {"context": "  " + "   ".join(words), "question": "was it", "answers": answers}
    pool = [{"context": "no  end, \u200bgood  film", "question": "x", "answers": [{"text": "good  film", "start": 10}]}]
    template = PromptTemplate(**EXCERPT | {"longest_excerpt": 1}, shots=1)
    found = examine_prompt(rewriting, template, [given], pool, shown=1, resamples=100)
    assert found.told[0].words == ("the", "film", "was")
    assert found.told[0].filled.before.startswith("no end, good film\nx: good film\n")
    assert found.found.side.values[0][0] in words
    assert found.found.side.gold == [("fi\u200blm",)]


def test_choices_that_the_tokenizer_does_not_know_or_tell_apart_are_asked_for() -> None:
    few = scorer_of(Char(size=20).build(lambda: iter(["the film was good =>"])))
    record = {"text": None, "q": "the film was", "choices": ["好", "差"], "answer": "A"}
    found = examine_prompt(few, PromptTemplate(text="{q} => {choice}", calibrate=False), [record])
    assert found.told[0].raw == pytest.approx([0.5, 0.5])
    labels = PromptTemplate(text="{q} => {label}", verbalizer={"a": "好", "b": "good"}, calibrate=False)
    with pytest.raises(Refusal, match=r"^the word '好' is unknown to the model's tokenizer"):
        examine_prompt(few, labels, [{"q": "the film", "label": "a"}])


def test_answers_that_no_excerpt_can_be_are_counted(scorer) -> None:
    long = {"context": "电影很好结尾很差", "question": "q", "answers": [{"text": "很好结尾", "start": 2}]}
    assert examine_prompt(scorer, PromptTemplate(**EXCERPT), [*CONTEXTS, long]).beyond == 1
    found = examine_prompt(scorer, PromptTemplate(**EXCERPT | {"longest_excerpt": 4}), [*CONTEXTS, long])
    assert found.beyond == 0
    cut = examine_prompt(scorer, PromptTemplate(**EXCERPT | {"longest_excerpt": 4}, longest=3), [long])
    assert cut.beyond == 1
    assert set(cut.told[0].words) == {"电", "影", "很", "电影", "影很", "电影很"}
