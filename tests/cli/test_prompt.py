"""`danlu prompt`: with plain model folders of every shape, in both languages, and what it refuses."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers
from transformers import (
    BertConfig,
    BertForMaskedLM,
    LlamaConfig,
    LlamaForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)

from danlu.cli.main import main
from danlu.data.corpus.prepared import save_split
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece

TEXTS = ["the film was great . it was good", "电影很好，结尾很差", "no , it was bad and the end was terrible"]
STORIES = Path(__file__).parents[3] / "shared" / "models" / "stories260k"
DATA = "text,label\nthe film was great,1\nthe end was terrible,0\n电影很好,1\n结尾很差,0\nit was bad,0\n"
POOL = "text,label\nthe film was good,1\nit was terrible,0\n很好,1\n很差,0\nthe film was bad,0\n"
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
PLAIN = 'text: "{text}: {label}"\nverbalizer: {1: good, 0: bad}\n'


def run(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    code = 0
    try:
        main(["prompt", *map(str, words)])
    except SystemExit as ended:
        code = int(ended.code or 0)
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny models of three shapes, as transformers saves them."""
    folder = tmp_path_factory.mktemp("models")
    pieces = Bpe(size=300).build(lambda: iter(TEXTS))
    words = WordPiece(size=90, min_frequency=1).build(lambda: iter(TEXTS))
    ends = {"bos_token_id": pieces.bos_token_id, "eos_token_id": pieces.eos_token_id, "pad_token_id": 0}
    t5 = {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2, "decoder_start_token_id": 0}
    torch.manual_seed(0)
    built = {
        "decoder": LlamaForCausalLM(LlamaConfig(vocab_size=len(pieces), max_position_embeddings=256, **ends, **SIZES)),
        "encoder_decoder": T5ForConditionalGeneration(T5Config(vocab_size=len(pieces), **ends, **t5)),
        "encoder": BertForMaskedLM(BertConfig(vocab_size=len(words), max_position_embeddings=128, **SIZES)),
    }
    for shape, model in built.items():
        model.save_pretrained(folder / shape)
        (words if shape == "encoder" else pieces).save_pretrained(folder / shape)
    return folder


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("DANLU_LANGUAGE", "en")

    def written(name: str, text: str) -> Path:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    written("data.csv", DATA)
    written("pool.csv", POOL)
    written("plain.yaml", PLAIN)
    return written


@pytest.mark.parametrize("shape", ["decoder", "encoder_decoder", "encoder"])
def test_a_prompt_is_shown_and_scored_with_models_of_every_shape(
    shape: str, models: Path, write: Callable[[str, str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = write("few.yaml", PLAIN + "shots: 2\ninstruction: Judge!\n")
    given = [
        models / shape,
        few,
        tmp_path / "data.csv",
        "--examples",
        tmp_path / "pool.csv",
        "--output",
        tmp_path / "out",
    ]
    code, out, err = run(capsys, *given)
    assert (code, err) == (0, "")
    shown = out[: out.index("log-likelihood")]
    assert "Judge!" in shown
    assert "the film was great: ⟨" in shown
    assert "← truth" in out
    assert "5 records" in out
    assert "calibrated" in out
    scores = json.loads((tmp_path / "out" / "scores.json").read_text(encoding="utf-8"))
    assert (scores["records"], scores["labels"]) == (5, ["1", "0"])
    assert len((tmp_path / "out" / "answers.jsonl").read_text(encoding="utf-8").splitlines()) == 5
    again = run(capsys, *given[:-2])
    assert again == (0, out.replace(f"written to {tmp_path / 'out'}\n", ""), "")


@pytest.mark.parametrize("shape", ["decoder", "encoder_decoder"])
def test_the_figures_that_are_shown_are_those_of_plain_transformers(
    shape: str, models: Path, write: Callable[[str, str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = write("raw.yaml", PLAIN.replace(": {label}", ":{label}") + "calibrate: false\ndivide_by: nothing\n")
    code, out, _ = run(capsys, models / shape, plain, tmp_path / "data.csv")
    assert code == 0
    head = transformers.AutoModelForCausalLM if shape == "decoder" else transformers.AutoModelForSeq2SeqLM
    model = head.from_pretrained(models / shape).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(models / shape)
    read = tokenizer.encode("the film was great:", add_special_tokens=False)
    for word in ("good", "bad"):
        written = tokenizer.encode(word, add_special_tokens=False)
        start = [tokenizer.bos_token_id, *read] if shape == "decoder" else [0]
        row = torch.tensor([[*start, *written]])
        sides = {"input_ids": torch.tensor([[*read, tokenizer.eos_token_id]]), "decoder_input_ids": row}
        with torch.inference_mode():
            said = model(row) if shape == "decoder" else model(**sides)
        logs_TV = torch.log_softmax(said.logits[0], -1)
        log = sum(float(logs_TV[len(start) - 1 + place, token]) for place, token in enumerate(written))
        assert re.search(rf"{word} +{len(written)} +{log:.3f} ", out)


def test_two_prompts_are_compared_on_the_same_records_and_in_chinese(
    models: Path, write, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = write("other.yaml", 'text: "{text}，很{label}"\nverbalizer: {0: 差, 1: 好}\n')
    given = [models / "decoder", "--compare", tmp_path / "plain.yaml", other, tmp_path / "data.csv", "--show", "0"]
    code, out, err = run(capsys, *given)
    assert (code, err) == (0, "")
    assert out.splitlines()[0].split()[:3] == ["plain", "other", "difference"]
    assert "Both saw the same records" in out
    monkeypatch.setenv("DANLU_LANGUAGE", "zh")
    code, out, _ = run(capsys, *given[:-1], "1")
    assert code == 0
    assert "模型看到的内容" in out
    assert "对数似然" in out
    assert "两者" in out


@pytest.mark.parametrize(
    ("template", "words", "says"),
    [
        (PLAIN, ["nowhere.csv"], "nowhere.csv"),
        (PLAIN, [], "expected a template and a data file behind the model"),
        (
            "text: '{review} {label}'\nverbalizer: {1: good, 0: bad}\n",
            ["data.csv"],
            "data.csv, record 1: there is no column 'review'",
        ),
        (
            "text: '{text} {label}'\nverbalizer: {1: good, 2: bad}\n",
            ["data.csv"],
            "data.csv, record 2: the label '0' is",
        ),
        ("text: '{text} {label}'\nverbalizer: {1: good, 0: ' good'}\n", ["data.csv"], "have the same word 'good'"),
        ("text: '{text} {label}'\nverbalizer: {1: 龘, 0: 齉}\n", ["data.csv"], "unknown to the model's tokenizer"),
        (PLAIN + "shots: 1\n", ["data.csv"], "give a file of them with --examples"),
        (
            PLAIN + "shots: 9\n",
            ["data.csv", "--examples", "pool.csv"],
            "pool.csv: the template shows 9 examples, and there",
        ),
        (PLAIN, ["data.csv", "--examples", "pool.csv"], "pool.csv: the template shows no examples"),
        (
            f"instruction: '{'the film ' * 90}'\n" + PLAIN,
            ["data.csv"],
            "data.csv, record 1: the prompt with its answer has",
        ),
        (PLAIN, ["data.csv", "--precision", "int3"], "precision 'int3': expected auto, float32 or bfloat16"),
        (PLAIN, ["data.csv", "--resamples", "3"], "resamples 3: expected"),
        (PLAIN, ["data.csv", "--metric", "bleu"], "measures answers of the form text"),
        (PLAIN, ["plain.yaml", "data.csv", "--compare", "--output", "x"], "leave out --compare"),
    ],
)
def test_what_will_not_do_is_one_sentence(
    template: str, words: list[str], says: str, models: Path, write, tmp_path: Path, capsys, monkeypatch
) -> None:
    write("this.yaml", template)
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, models / "encoder", "this.yaml", *words)
    assert (code, out) == (2, ""), err
    assert says in err
    assert err.count("\n") == 1
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("shape", ["decoder", "encoder_decoder", "encoder"])
def test_choices_and_excerpts_are_asked_of_models_of_every_shape(
    shape: str, models: Path, write, tmp_path: Path, capsys
) -> None:
    offered = {"text": "the film was", "choices": ["good", "bad", "很好"], "answer": 1}
    found = {"context": "the end was terrible", "question": "no", "answers": [{"text": "terrible", "start": 12}]}
    for name, record, text in (
        ("choice", offered, "{text} {choice}"),
        ("excerpt", found, "{context} {question} {excerpt}"),
    ):
        data = write(f"{name}.jsonl", json.dumps(record) + "\n")
        template = write(f"{name}.yaml", f'text: "{text}"\n')
        out = tmp_path / f"{name}-{shape}"
        code, said, err = run(capsys, models / shape, template, data, "--output", out)
        assert (code, err) == (0, "")
        assert "← truth" in said
        scores = json.loads((out / "scores.json").read_text(encoding="utf-8"))
        assert (scores["form"], scores["records"]) == (name, 1)
        assert "calibrated" in said


def test_prepared_data_show_examples_of_their_training_split(models: Path, write, tmp_path: Path, capsys) -> None:
    (tmp_path / "clean").mkdir()
    for split, word in (("test", "film"), ("train", "end")):
        records = [{"text": f"the {word} was {place}", "label": str(place % 2)} for place in range(4)]
        save_split(tmp_path / "clean", split, records)
    few = write("few.yaml", PLAIN + "shots: 2\n")
    code, out, err = run(capsys, models / "decoder", few, tmp_path / "clean", "--show", "4")
    assert (code, err) == (0, "")
    assert "4 records" in out
    assert out.count("the end was") == 2 * out.count("the film was") == 8


def test_a_classifier_is_no_language_model(models: Path, write, tmp_path: Path, capsys) -> None:
    folder = tmp_path / "classifier"
    transformers.BertForSequenceClassification(BertConfig(vocab_size=90, **SIZES)).save_pretrained(folder)
    transformers.AutoTokenizer.from_pretrained(models / "encoder").save_pretrained(folder)
    code, _, err = run(capsys, folder, tmp_path / "plain.yaml", tmp_path / "data.csv")
    assert code == 2
    assert "so it was not trained as AutoModelForMaskedLM; give a model that was" in err


def test_a_real_model_tells_happy_stories_from_sad_ones(write, tmp_path: Path, capsys) -> None:
    if not STORIES.is_dir():
        pytest.skip("the model stories260k is not here")
    happy = ["Lily got a new toy.", "They played in the park all day.", "Tom ate a big cake with his friends."]
    sad = ["Lily lost her toy.", "Tom fell and hurt his leg.", "The dog ran away and did not come back."]
    rows = [*(f"{text},happy" for text in happy), *(f"{text},sad" for text in sad)]
    data = write("stories.csv", "\n".join(["text,label", *rows]) + "\n")
    template = write("mood.yaml", 'text: "{text} She was very {label}"\nverbalizer: {happy: happy, sad: sad}\n')
    code, _out, err = run(capsys, STORIES, template, data, "--output", tmp_path / "out")
    assert (code, err) == (0, "")
    scores = json.loads((tmp_path / "out" / "scores.json").read_text(encoding="utf-8"))
    assert scores["metrics"]["accuracy"]["value"] >= 4 / 6
