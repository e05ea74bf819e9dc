"""Tasks that write a text for a text: what is read, what is learnt, and that nothing of it depends on padding."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import AutoModelForSeq2SeqLM, BartForConditionalGeneration
from transformers.models.bart.modeling_bart import shift_tokens_right

from danlu.bundle.bundle import load, save
from danlu.engine.engines.torch import TorchNetwork
from danlu.model.ends import Endings
from danlu.model.policy import Policy
from danlu.model.sources.pretrained import Pretrained
from danlu.model.sources.scratch import Scratch
from danlu.recipe.part import find
from danlu.refusal import Refusal
from danlu.task.task import Task
from danlu.text.tokenizing.special import begin_id, end_id
from danlu.text.tokenizing.tokenizer import Tokenizer, TokenizerSource

PAIRS = [
    {"text": "我喜欢喝茶。", "translation": "I like tea."},
    {"text": "车站在哪里？", "translation": ["Where is the station?", "Where's the station?"]},
    {"text": "好", "translation": "Good"},
]
TEXTS = [pair["text"] for pair in PAIRS] + ["I like tea. Where is the station? Good", "=>\n<s></s>[SEP]<pad>"]
LIMIT = 64
TOKENIZERS = {
    "bpe": {"kind": "bpe", "size": 280},
    "wordpiece": {"kind": "wordpiece", "size": 120, "min_frequency": 1, "lowercase": False},
    "char": {"kind": "char", "style": "decoder"},
}
GOLDEN = Path(__file__).with_name("decoder_sides.json")


def words(kind: str) -> Tokenizer:
    return TokenizerSource.model_validate(TOKENIZERS[kind]).build(lambda: iter(TEXTS))


def made(architecture: str, tokens: str = "bpe", **fields: object) -> tuple[Task, torch.nn.Module, Tokenizer]:
    source = Scratch(architecture=architecture, layers=2, width=32, heads=4, positions=LIMIT, dropout=0.0, seed=3)
    tokenizer = words(tokens)
    task = Task.model_validate({"kind": "translate", **fields}).shaped(source.shape())
    model = source.build(task.auto_class, tokenizer, task.config()).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2)
    return task.suited(model, tokenizer, print), model, tokenizer


def batch_of(task: Task, tokenizer: Tokenizer, records: list, width: int | None = None):
    rows = task.encode(records, tokenizer, LIMIT, labelled=True)
    return task.collate(rows, width or max(map(len, rows)), tokenizer, np.random.default_rng(0))


@pytest.mark.parametrize("tokens", TOKENIZERS)
@pytest.mark.parametrize("architecture", ["bart", "t5", "marian"])
def test_decoder_inputs_and_labels_are_those_of_the_golden_file(architecture: str, tokens: str) -> None:
    """Told in words, by hand: a start token and all but the last; the text and one end token."""
    task, model, tokenizer = made(architecture, tokens)
    batch = batch_of(task, tokenizer, PAIRS)
    read = [tokenizer.convert_ids_to_tokens(row) for row in batch.inputs["decoder_input_ids"].tolist()]
    labels = batch.targets["tokens"]
    learnt = [["-" if each < 0 else tokenizer.convert_ids_to_tokens(each) for each in row] for row in labels.tolist()]
    golden = json.loads(GOLDEN.read_text("utf-8"))[f"{architecture}, {tokens}"]
    assert {"read": [" ".join(row) for row in read], "learnt": [" ".join(row) for row in learnt]} == golden
    shifted = shift_tokens_right(labels, tokenizer.pad_token_id, model.config.decoder_start_token_id)
    keep = labels >= 0
    assert torch.equal(batch.inputs["decoder_input_ids"][keep], shifted[keep])
    assert [row.count(tokenizer.convert_ids_to_tokens(end_id(tokenizer))) for row in learnt] == [1, 1, 1]


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("architecture", ["bart", "t5", "marian", "gpt2", "llama", "qwen3"])
def test_padding_and_accumulation_change_no_loss_and_no_gradient(architecture: str, smoothing: float) -> None:
    task, model, tokenizer = made(architecture, label_smoothing=smoothing)
    gradients, losses = [], []
    for parts in ([batch_of(task, tokenizer, PAIRS)], [batch_of(task, tokenizer, [pair]) for pair in PAIRS]):
        count = sum(part.counts["tokens"] for part in parts)
        model.zero_grad()
        values = [task.loss(model, part)["tokens"] / count for part in parts]
        sum(values).backward()
        losses.append(sum(values).item())
        gradients.append({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    scale = max(float(value.abs().max()) for value in gradients[0].values())
    for name, value in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], value, rtol=1e-4, atol=1e-5 * scale)
    wide = batch_of(task, tokenizer, PAIRS, LIMIT)
    assert task.loss(model, wide)["tokens"].item() / wide.counts["tokens"] == pytest.approx(losses[0], rel=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_of_an_encoder_decoder_is_that_of_transformers(smoothing: float) -> None:
    task, model, tokenizer = made("bart", label_smoothing=smoothing)
    assert isinstance(model, BartForConditionalGeneration)
    batch = batch_of(task, tokenizer, PAIRS)
    labels = batch.targets["tokens"]
    inputs = {key: value for key, value in batch.inputs.items() if key != "decoder_input_ids"}
    logits = model(**inputs, labels=labels).logits
    right = cross_entropy(logits.flatten(0, 1), labels.flatten(), label_smoothing=smoothing, ignore_index=-100)
    assert task.loss(model, batch)["tokens"].item() / batch.counts["tokens"] == pytest.approx(right.item(), rel=1e-5)


@pytest.mark.parametrize("tokens", TOKENIZERS)
def test_a_decoder_learns_the_target_and_one_end_token_and_nothing_of_the_prompt(tokens: str) -> None:
    task, model, tokenizer = made("llama", tokens)
    end, total = end_id(tokenizer), 0.0
    for pair, row in zip(PAIRS, task.encode(PAIRS, tokenizer, LIMIT, labelled=True), strict=True):
        target = pair["translation"] if isinstance(pair["translation"], str) else pair["translation"][0]
        prompt = [begin_id(tokenizer), *tokenizer.encode(pair["text"] + "\n=>", add_special_tokens=False)]
        wanted = [*tokenizer.encode(target, add_special_tokens=False), end]
        assert row.row.input_ids.tolist() == prompt + wanted
        (asked,) = task.encode([{"text": pair["text"]}], tokenizer, LIMIT, labelled=False)
        assert asked.row.input_ids.tolist() == prompt
        assert asked.target_ids is None
        logits = model(input_ids=torch.tensor([prompt + wanted])).logits[0, len(prompt) - 1 : -1]
        total += cross_entropy(logits, torch.tensor(wanted), reduction="sum").item()
    batch = batch_of(task, tokenizer, PAIRS)
    assert task.loss(model, batch)["tokens"].item() == pytest.approx(total, rel=1e-5)
    with torch.inference_mode():
        values = task.answered(model, batch)
    assert np.stack(values)[:, 0].sum() == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize("architecture", ["bart", "llama"])
def test_what_is_too_long_to_be_written_is_refused_cut_or_dropped(architecture: str) -> None:
    records = [PAIRS[0], {"text": "好", "translation": "很" * 30}]
    task, _, tokenizer = made(architecture, max_target=20)

    def encode(rule: str, some: list) -> list:
        return task.model_copy(update={"target_too_long": rule}).encode(some, tokenizer, LIMIT, labelled=True)

    with pytest.raises(
        Refusal, match=r"record 2: what is to be written has \d+ tokens, and 20 are .*'target_too_long'"
    ):
        encode("stop", records)
    assert [row.record for row in encode("drop", records)] == [0]
    with pytest.raises(Refusal, match="none of 1 texts to be written has at most 20 tokens, so nothing is left"):
        encode("drop", records[1:])
    cut = encode("truncate", records)[1]
    learnt = cut.targets["tokens"][cut.targets["tokens"] >= 0] if architecture == "llama" else cut.target_ids
    assert (len(learnt), end_id(tokenizer) in learnt, cut.cut) == (20, False, len(tokenizer.encode("很" * 30)) - 19)
    assert len(task.encode([{"text": "好"}], tokenizer, LIMIT, labelled=False)) == 1


@pytest.mark.parametrize("architecture", ["marian", "gpt2"])
def test_a_text_that_is_too_long_is_refused_or_loses_its_end_but_not_that_of_the_template(architecture: str) -> None:
    task, _, tokenizer = made(architecture, template="再说：{text}=>")
    records = [{"text": "好" * 60, "translation": "Good"}]
    for labelled in (True, False):
        with pytest.raises(Refusal, match=r"record 1: the text has .* tokens and a row takes"):
            task.encode(records, tokenizer, LIMIT, labelled=labelled)
        (row,) = task.model_copy(update={"too_long": "truncate"}).encode(records, tokenizer, LIMIT, labelled=labelled)
        told = tokenizer.decode(row.row.input_ids, skip_special_tokens=True)
        assert told.startswith("再说：好好")
        assert told.endswith("=>" if not (labelled and architecture == "gpt2") else "=>Good")
        assert len(row) <= LIMIT
        assert row.cut > 0


@pytest.mark.parametrize("architecture", ["t5", "llama"])
@pytest.mark.parametrize("tokens", TOKENIZERS)
def test_a_special_token_that_somebody_types_is_text_on_both_sides(architecture: str, tokens: str) -> None:
    task, _, tokenizer = made(architecture, tokens)
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    typed = "".join(map(str, tokenizer.all_special_tokens))
    for record in ({"text": typed, "translation": "Good"}, {"text": "好", "translation": typed}):
        (row,) = task.encode([record], tokenizer, 256, labelled=True)
        (plain,) = task.encode([{"text": "好", "translation": "Good"}], tokenizer, 256, labelled=True)
        for found, usual in ((row.row.input_ids, plain.row.input_ids), (row.target_ids, plain.target_ids)):
            assert usual is None or np.isin(found, [*special]).sum() == np.isin(usual, [*special]).sum()


def many_languages() -> Tokenizer:
    tokenizer = words("bpe")
    tokenizer.add_special_tokens({"additional_special_tokens": ["zh_CN", "en_XX", "__fr__"]})
    return tokenizer


def test_tokens_of_languages_stand_before_what_is_read_and_what_is_written() -> None:
    task, _, _ = made("bart")
    task = task.model_copy(update={"source_language": "zh_CN", "target_language": "en_XX"})
    tokenizer = many_languages()
    chinese, english = tokenizer.convert_tokens_to_ids(["zh_CN", "en_XX"])
    (row,) = task.encode(PAIRS[:1], tokenizer, LIMIT, labelled=True)
    assert row.row.input_ids.tolist() == [chinese, *tokenizer.encode("我喜欢喝茶。"), tokenizer.eos_token_id]
    assert row.target_ids.tolist() == [english, *tokenizer.encode("I like tea."), tokenizer.eos_token_id]
    (asked,) = task.encode(PAIRS[:1], tokenizer, LIMIT, labelled=False)
    assert (asked.row.input_ids.tolist(), asked.target_ids.tolist()) == (row.row.input_ids.tolist(), [english])
    french = task.model_copy(update={"target_language": "fr"}).encode(PAIRS[:1], tokenizer, LIMIT, labelled=False)
    assert french[0].target_ids.tolist() == tokenizer.convert_tokens_to_ids(["__fr__"])
    with pytest.raises(Refusal, match=r"task.source_language: the tokenizer has no token of .*'zh_TW'.*mean 'zh_CN'"):
        task.model_copy(update={"source_language": "zh_TW"}).encode(PAIRS, tokenizer, LIMIT, labelled=False)


def test_the_first_token_that_a_model_is_made_to_begin_with_is_learnt_and_given() -> None:
    task, model, tokenizer = made("bart")
    assert (task.start, task.forced) == (model.config.decoder_start_token_id, None)
    model.generation_config.forced_bos_token_id = 7
    forced = task.suited(model, tokenizer, print)
    assert forced.encode(PAIRS[:1], tokenizer, LIMIT, labelled=True)[0].target_ids[0] == forced.forced == 7
    assert forced.encode(PAIRS[:1], tokenizer, LIMIT, labelled=False)[0].target_ids.tolist() == [7]


def test_what_cannot_be_is_one_sentence() -> None:
    task, _, tokenizer = made("llama")
    with pytest.raises(ValueError, match=r"must hold \{text\} once"):
        Task.model_validate({"kind": "rewrite", "template": "say it again"})
    with pytest.raises(Refusal, match="the tokenizer makes no token of what stands behind"):
        task.model_copy(update={"template": "{text}"}).encode(PAIRS, tokenizer, LIMIT, labelled=False)
    long = task.model_copy(update={"template": "很" * 40 + "{text}=>", "too_long": "truncate"})
    with pytest.raises(Refusal, match=r"no room for the text in \d+ tokens; shorten the task's 'template'"):
        long.encode(PAIRS, tokenizer, LIMIT, labelled=False)
    with pytest.raises(Refusal, match="the task rewrite writes text, which an encoder alone cannot"):
        find(Task, "rewrite")().shaped("encoder")
    with pytest.raises(Refusal, match=r"task.shape is 'decoder', and the model is a encoder_decoder"):
        Task.model_validate({"kind": "rewrite", "shape": "decoder"}).shaped("encoder_decoder")
    with pytest.raises(Refusal, match=r"task.shape: nothing says yet"):
        find(Task, "rewrite")().encode([{"text": "a", "target": "b"}], tokenizer, LIMIT, labelled=True)
    with pytest.raises(Refusal, match=r"record 1: there is no column 'translation' \(text, or a list of texts\)"):
        task.encode([{"text": "a"}], tokenizer, LIMIT, labelled=True)
    with pytest.raises(Refusal, match="record 1: column 'translation' must be text, and it is of type list"):
        task.encode([{"text": "a", "translation": [1]}], tokenizer, LIMIT, labelled=True)
    source = Scratch(architecture="xlnet", layers=1, width=32, heads=4)
    model = source.build("AutoModelForCausalLM", tokenizer, {})
    with pytest.raises(Refusal, match="a token is seen by those before it, so that writing it"):
        task.suited(model, tokenizer, print)


@pytest.mark.parametrize("architecture", ["bart", "t5", "marian"])
def test_what_a_decoder_was_taught_to_begin_with_is_what_it_begins_with_live_and_saved(
    architecture: str, tmp_path: Path
) -> None:
    task, model, tokenizer = made(architecture, start=7)
    save(tmp_path / "b", model, tokenizer, task, precision="float32", provenance={}, examples=PAIRS[:1])
    with load(tmp_path / "b") as bundle:
        assert bundle.task.start == 7
        for network in (TorchNetwork(model), bundle.network):
            examples = task.prompts(PAIRS[:1], tokenizer, LIMIT)
            (prompt,) = network.session(tokenizer).endings.prompts(examples)
            assert prompt.ids[0] == 7
    again = Pretrained(path=str(tmp_path / "b")).build(task.auto_class, tokenizer, {"decoder_start_token_id": 9})
    assert again.config.decoder_start_token_id == again.generation_config.decoder_start_token_id == 9


@pytest.mark.parametrize("given", [{"forced": 7}, {"source_language": "zh_CN", "target_language": "en_XX"}])
def test_the_first_token_is_the_same_saved_loaded_and_in_plain_transformers(
    given: dict[str, object], tmp_path: Path
) -> None:
    tokenizer = many_languages()
    source = Scratch(architecture="bart", layers=1, width=32, heads=4, positions=LIMIT, dropout=0.0, seed=3)
    task = Task.model_validate({"kind": "translate", "policy": {"kind": "greedy", "max_new_tokens": 6}, **given})
    task = task.shaped(source.shape())
    model = source.build(task.auto_class, tokenizer, task.config()).eval()
    task = task.suited(model, tokenizer, print)
    first = 7 if "forced" in given else tokenizer.convert_tokens_to_ids("en_XX")
    save(tmp_path / "b", model, tokenizer, task, precision="float32", provenance={}, examples=PAIRS[:1])
    with load(tmp_path / "b") as bundle:
        (row,) = task.encode(PAIRS[:1], tokenizer, LIMIT, labelled=False)
        ((ours,),) = bundle.generate([{"text": PAIRS[0]["text"]}])
    plain = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "b")
    assert plain.generation_config.forced_bos_token_id == first == task.forced
    ids = torch.tensor([row.row.input_ids.tolist()])
    theirs = plain.generate(ids, max_new_tokens=6, do_sample=False)[0].tolist()
    assert theirs[1] == first
    assert [token for token in theirs[2:] if token != tokenizer.eos_token_id] == ours.ids.tolist()[-len(theirs[2:]) :]
    again = Pretrained(path=str(tmp_path / "b")).build(task.auto_class, tokenizer, {})
    assert (
        Task.model_validate({"kind": "translate"}).shaped("encoder_decoder").suited(again, tokenizer, print).forced
        == first
    )


@pytest.mark.parametrize("field", ["start", "forced"])
def test_what_only_two_sides_have_is_refused_for_a_decoder(field: str) -> None:
    with pytest.raises(Refusal, match=rf"task\.{field} is for models with an encoder and a decoder"):
        Task.model_validate({"kind": "rewrite", field: 0}).shaped("decoder")


def test_a_decoder_ends_with_what_its_targets_end_with(tmp_path: Path) -> None:
    """A tokenizer as BERT's names no end token: what ends a target ends what is written, too."""
    from transformers import GPT2Config, GPT2LMHeadModel

    tokenizer = words("wordpiece")
    config = GPT2Config(vocab_size=len(tokenizer), n_positions=LIMIT, n_embd=32, n_layer=1, n_head=2)
    model = GPT2LMHeadModel(config)  # whose own end token, 50256, lies beyond the vocabulary
    task = Task.model_validate({"kind": "translate"}).shaped("decoder").suited(model, tokenizer, print)
    [row] = task.encode(PAIRS[:1], tokenizer, LIMIT, labelled=True)
    assert Endings(model, tokenizer, LIMIT).ids == {int(row.row.input_ids[-1])} == {end_id(tokenizer)}


@pytest.mark.parametrize(
    ("kind", "policy", "found"),
    [
        ("translate", {"max_new_tokens": 9}, {"kind": "beam", "beams": 4, "max_new_tokens": 9}),
        ("translate", {"beams": 2}, {"kind": "beam", "beams": 2}),
        ("translate", {"kind": "greedy", "max_new_tokens": 9}, {"kind": "greedy", "max_new_tokens": 9}),
        ("summarise", {"max_new_tokens": 9}, {"kind": "greedy", "max_new_tokens": 9}),
        ("chat", {"stop": ["x"]}, {"kind": "greedy", "stop": ["x"]}),
        ("chat", {}, {"kind": "greedy"}),
    ],
)
def test_settings_of_a_policy_without_a_kind_change_the_usual_one(kind: str, policy: dict, found: dict) -> None:
    task = Task.model_validate({"kind": kind, "policy": policy})
    whole = Policy.model_validate(found)
    assert (task.policy, task.policy.model_fields_set) == (whole, whole.model_fields_set)
    with pytest.raises(ValueError, match="unknown key 'beams'"):
        Task.model_validate({"kind": "chat", "policy": {"beams": 3}})
