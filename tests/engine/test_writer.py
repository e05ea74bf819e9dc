"""Writing for many callers at once, by tasks that write and by Python."""

import copy
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from danlu.bundle.bundle import Bundle, load, save
from danlu.cli.main import main
from danlu.engine.engines.torch import TorchNetwork
from danlu.engine.predict import Predictor
from danlu.model.generate import Session, Wanted
from danlu.model.hypothesis import Line
from danlu.model.policies.greedy import Greedy
from danlu.model.policy import Policy
from danlu.refusal import Refusal
from danlu.task.task import Task
from danlu.text.batching.encoded import Encoded, Row
from danlu.text.tokenizing.tokenizer import Tokenizer, TokenizerSource

pytestmark = pytest.mark.usefixtures("two_cores")

TEXT = "床前明月光，疑是地上霜。举头望明月，低头思故乡。All that glisters is not gold."
CONTINUE = '''
from typing import Any, ClassVar, Literal
from pydantic import Field
from danlu.model.policy import Policy
from danlu.task.columns import text_in
from danlu.task.task import Task
from danlu.text.batching.encoded import Encoded, Row
from danlu.text.batching.windows import beginnings

class Continue(Task):
    """Go on with a text."""

    auto_class: ClassVar[str] = "AutoModelForCausalLM"
    columns: ClassVar[dict[str, str]] = {"text": "text"}
    answers_by: ClassVar[Literal["forward", "likelihood", "generate"]] = "generate"
    answer_form: ClassVar[str] = "text"
    metrics: ClassVar[tuple[str, ...]] = ()
    sample = ({"text": "床前"}, {"text": "All"}, {"text": "举头望"})
    policy: Policy = Field(default="greedy", validate_default=True)

    def encode(self, records, tokenizer, limit, *, labelled):
        texts = [text_in(record, number) for number, record in enumerate(records)]
        return [Encoded(record, (Row(ids),)) for record, ids in enumerate(beginnings(texts, tokenizer))]

    def collate(self, encoded, width, tokenizer, rng):
        raise AssertionError

    def losses(self, said, batch):
        raise AssertionError

    def outputs(self, said, batch):
        raise AssertionError

    def gold(self, record, number=0):
        return record["text"]
'''


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    source = TokenizerSource.model_validate(
        {"kind": "bpe", "size": 300, "min_frequency": 1, "begin": "<s>", "end": "</s>"}
    )
    return source.build(lambda: iter([TEXT]))


@pytest.fixture(scope="module")
def model(tokenizer: Tokenizer) -> LlamaForCausalLM:
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=96,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    made = LlamaForCausalLM(config).eval()
    for parameter in made.parameters():
        parameter.data.mul_(4)
    return made


@pytest.fixture(scope="module")
def bundle(model: LlamaForCausalLM, tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("writes") / "bundle"
    task = Task.model_validate("causal_lm")
    save(folder, model, tokenizer, task, precision="float32", provenance={}, examples=[{"text": "床前"}])
    return load(folder)


def test_a_task_that_writes_answers_with_what_its_policy_writes(
    model: LlamaForCausalLM, tokenizer: Tokenizer, joined: Callable[[dict[str, dict[str, str]]], Path], tmp_path: Path
) -> None:
    joined({"danlu.tasks": {"continue": CONTINUE}})
    task = Task.model_validate({"kind": "continue", "policy": {"kind": "greedy", "max_new_tokens": 8}})
    records = [{"text": TEXT[:length]} for length in (1, 9, 4, 2, 6)]
    with Predictor(TorchNetwork(model), task, tokenizer) as predictor:
        predictions = predictor.predict(records)
        alone = [predictor.predict([record])[0] for record in records]
        assert [each["text"] for each in predictions] == [each["text"] for each in alone]
        assert [each["score"] for each in predictions] == pytest.approx([each["score"] for each in alone], rel=1e-4)
        assert [prediction.keys() for prediction in predictions] == [{"text", "score", "ended"}] * 5
    save(tmp_path / "b", model, tokenizer, task, precision="float32", provenance={}, examples=records[:2])
    with load(tmp_path / "b") as again:
        assert again.task == task
        assert [each["text"] for each in again.predict(records)] == [each["text"] for each in predictions]
        assert again.generate(records[:1])[0][0].text == predictions[0]["text"]


def test_eight_threads_at_once_get_what_each_gets_alone(bundle: Bundle) -> None:
    kinds = [
        {"policy": "greedy"},
        {"policy": "sample", "seed": 3},
        {"policy": "beam", "beams": 2},
        {"policy": "greedy"},
    ]
    asked = [([TEXT[number : number + 2 + 3 * (number % 4)], TEXT[number:]], kinds[number % 4]) for number in range(8)]

    def ask(number: int) -> list[str]:
        prompts, fields = asked[number]
        return [texts[0].text for texts in bundle.generate(prompts, max_new_tokens=12, **fields)]  # type: ignore[arg-type]

    alone = [ask(number) for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == alone


def test_a_stream_joined_is_the_text_and_never_splits_a_character(bundle: Bundle) -> None:
    for number in range(6):
        fields = {"seed": number, "max_new_tokens": 40, "temperature": 0.5, "logit_bias": {"</s>": -100.0}}
        pieces = list(bundle.generate_stream(TEXT[: number + 1], "sample", **fields))
        assert "".join(pieces) == bundle.generate([TEXT[: number + 1]], "sample", **fields)[0][0].text
        assert len(pieces) > 1


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="the system does not tell the threads of a process")
def test_a_writer_that_waits_leaves_the_cores_to_others(model: LlamaForCausalLM, tokenizer: Tokenizer) -> None:
    """With threads of OpenMP left in it, a training that had something written took 1.1 to 1.5 times as long after."""
    counted = []

    def take(_number: int, _piece: str) -> None:
        torch.ones(2_000_000).add_(1)  # as a network of some size, with all cores
        counted.append(len(list(Path("/proc/self/task").iterdir())))

    policy = Policy.model_validate({"kind": "greedy", "max_new_tokens": 4})
    with Predictor(TorchNetwork(model, 2), Task.model_validate("causal_lm"), tokenizer) as predictor:
        encoded = predictor.prompts([{"text": "床前"}], policy)
        predictor.writing(encoded, policy, take).result()
        until = time.monotonic() + 10
        while (left := len(list(Path("/proc/self/task").iterdir()))) >= counted[-1] and time.monotonic() < until:
            time.sleep(0.01)
        assert left < counted[-1]


def test_who_lets_go_of_a_stream_leaves_nothing_behind(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    steps, step = [], Session.step
    monkeypatch.setattr(Session, "step", lambda session: (steps.append(1), step(session))[1])
    stream = bundle.generate_stream("床前", max_new_tokens=90, logit_bias={"</s>": -100.0})
    next(stream)
    stream.close()
    writer = bundle.predictor._queue.writer
    while writer._under_way:
        pass
    assert len(steps) < 45


def test_what_contradicts_itself_is_one_sentence(bundle: Bundle) -> None:
    wrong = {
        "say 'kind: greedy'": {"policy": "sample", "temperature": 0},
        "one beam is the likeliest": {"policy": "beam", "beams": 1},
        "returned 5 is more than the 4 beams": {"policy": "beam", "returned": 5},
        "unknown key 'temperature'": {"policy": "greedy", "temperature": 0.5},
        "at least 1 character": {"stop": [""]},
        "leaves no room for an end": {"min_new_tokens": 9, "max_new_tokens": 9},
        "this should be less than 1": {"policy": "sample", "top_p": 1},
        "there is no token #999": {"logit_bias": {"#999": 1}},
        "name one token": {"logit_bias": {"All that glisters": 1}},
        "there is no policy 'gredy'; did you mean 'greedy'": {"policy": "gredy"},
    }
    for sentence, fields in wrong.items():
        with pytest.raises(Refusal, match=sentence):
            bundle.generate(["床"], **fields)  # type: ignore[arg-type]
    with pytest.raises(Refusal, match="a stream is of one text"):
        bundle.generate_stream("床", "beam")


def test_a_model_that_does_not_write_says_so(model: LlamaForCausalLM, tokenizer: Tokenizer) -> None:
    task = Task.model_validate({"kind": "classify", "labels": ["a", "b"]})
    sentence = "of the task classify answers with a label and writes no text"
    with Predictor(TorchNetwork(model), task, tokenizer) as predictor, pytest.raises(Refusal, match=sentence):
        next(predictor.write([{"text": "a"}], Policy.model_validate("greedy")))


def test_predict_writes_on_where_it_is_asked_to(bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*arguments: str) -> tuple[str, str]:
        with suppress(SystemExit):
            main(["predict", str(bundle.folder), "--text", "床前", *arguments])
        said = capsys.readouterr()
        return said.out, said.err

    shown, _ = run("policy.kind=sample", "policy.samples=2", "policy.max_new_tokens=5", "--generate")
    expected = bundle.generate(["床前"], "sample", samples=2, max_new_tokens=5)[0]
    assert json.loads(shown)["prediction"]["text"] == expected[0].text
    assert json.loads(shown)["prediction"]["others"] == [expected[1].text]
    assert "policy.seed: the task causal_lm writes no text by itself; add --generate" in run("policy.seed=1")[1]


def test_what_is_drawn_does_not_depend_on_how_many_are_held_at_once(bundle: Bundle) -> None:
    policy = Policy.model_validate({"kind": "sample", "max_new_tokens": 6})
    records = [{"text": "床"}] * 9
    whole = [texts[0].text for texts in bundle.predictor.write(records, policy, block=9)]
    assert [texts[0].text for texts in bundle.predictor.write(records, policy, block=4)] == whole
    assert len(set(whole)) > 5


def test_a_record_that_leaves_no_room_is_counted_from_its_chunk(bundle: Bundle) -> None:
    records = [{"text": "床"}] * 4 + [{"text": TEXT * 4}]
    with pytest.raises(Refusal, match=r"record 1: has \d+ tokens.* \(counted from record 5\)"):
        list(bundle.predictor.write(records, Policy.model_validate("greedy"), block=4))


class Failing(Greedy):
    """A policy with a mistake."""

    def choose(self, scores_BV: Tensor, lines: Sequence[Line]) -> Tensor:
        raise ValueError("mine")


def test_what_goes_wrong_for_one_caller_is_told_to_that_one_alone(bundle: Bundle) -> None:
    right = [texts[0].text for texts in bundle.generate(["床前", "All"], max_new_tokens=40)]
    predictor = bundle.predictor
    examples = predictor.prompts([{"text": "床前"}, {"text": "All"}], predictor.policy)
    asked = [predictor.network, predictor.tokenizer]
    sound = predictor._queue.writer.submit(
        *asked, Policy.model_validate({"kind": "greedy", "max_new_tokens": 40}), examples
    )
    wrong = predictor._queue.writer.submit(*asked, Failing(), examples)
    with pytest.raises(ValueError, match="mine"):
        wrong.result()
    assert [texts[0].text for texts in sound.result()] == right


def test_a_small_question_does_not_wait_for_all_of_a_large_one(model: LlamaForCausalLM, tokenizer: Tokenizer) -> None:
    session = TorchNetwork(model).session(tokenizer)
    session.slots = 2
    prompts = session.endings.prompts(
        [Encoded(number, (Row(np.array([5 + number], np.int32)),)) for number in range(12)]
    )
    done: list[str] = []
    policy = Policy.model_validate({"kind": "greedy", "max_new_tokens": 3})
    session.ask(Wanted(policy, prompts, lambda _number, _texts: done.append("large")))
    session.step()
    session.ask(Wanted(policy, prompts[:1], lambda _number, _texts: done.append("small")))
    while session.busy:
        session.step()
    assert len(done) == 13
    assert done.index("small") < 5


@pytest.mark.parametrize("kind", ["greedy", "sample", "beam"])
def test_logits_that_are_no_numbers_are_refused(model: LlamaForCausalLM, tokenizer: Tokenizer, kind: str) -> None:
    broken = copy.deepcopy(model)
    broken.lm_head.weight.data[7] = float("nan")
    with Predictor(TorchNetwork(broken), Task.model_validate("causal_lm"), tokenizer) as predictor:
        with pytest.raises(Refusal, match="record 1: the model's outputs are not finite numbers; predict in float32"):
            list(predictor.write([{"text": "床前"}], Policy.model_validate(kind)))
        with pytest.raises(Refusal, match="not finite numbers"):
            "".join(predictor.write_stream({"text": "床前"}, Policy.model_validate("greedy")))
