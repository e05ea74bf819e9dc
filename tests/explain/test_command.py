"""`danlu explain`, as people use it."""

import io
import json
import re

import pytest

import danlu
from danlu.cli.main import main


def run(capsys, *words):
    code = 0
    try:
        main(["explain", *map(str, words)])
    except SystemExit as ended:
        code = int(ended.code or 0)
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.mark.parametrize(("language", "said"), [("en", "the scores sum to"), ("zh", "分数")])
def test_files_and_terminal_tell_the_same(planted_folder, bright, tmp_path, capsys, monkeypatch, language, said):
    monkeypatch.setenv("DANLU_LANGUAGE", language)
    monkeypatch.setenv("COLUMNS", "200")
    page, picture, numbers = tmp_path / "a.html", tmp_path / "a.svg", tmp_path / "a.json"
    text = f"{bright[0]} <b>&"
    code, out, _ = run(capsys, planted_folder, text, "--html", page, "--svg", picture, "--json", numbers)
    assert code == 0
    assert text in out.replace("\n", "")
    assert said in out
    (plain,) = json.loads(numbers.read_text())
    assert plain["target"] == "bright"
    assert plain["sum"] == pytest.approx(sum(word["score"] for word in plain["words"]), abs=1e-9)
    top = max(plain["words"], key=lambda word: word["score"])
    assert top["text"] == "spark"
    markup = page.read_text()
    assert "<b>" not in markup
    assert f'lang="{"zh-CN" if language == "zh" else "en"}"' in markup
    (heat,) = re.findall(r'<p class="tokens heat".*?</p>', markup)
    assert re.sub("<[^>]+>", "", heat).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") == text
    assert f"{top['score']:+.3g}" in picture.read_text()


def test_a_page_of_attention_has_each_head_and_leads_to_it(planted_folder, bright, tmp_path, capsys):
    page = tmp_path / "a.html"
    code, *_ = run(capsys, planted_folder, bright[0], "layer=1", "head=2", "--method", "attention", "--html", page)
    markup = page.read_text()
    assert code == 0
    assert "<script" not in markup
    for mark in ("e0-1-1", "e0-1-2", "e0-2-1", "e0-2-2"):
        assert markup.count(f'href="#{mark}"') == 1
        assert f'id="{mark}"' in markup
    assert re.search(r'id="e0-1-2" class="head first"', markup)


def test_examples_are_told_with_an_answer(planted_folder, bright, learnt, tmp_path, capsys):
    data = tmp_path / "data.jsonl"
    data.write_text("".join(json.dumps(record) + "\n" for record in learnt[:20]))
    code, out, _ = run(capsys, planted_folder, learnt[1]["text"], "--examples", data, "--method", "occlusion")
    assert code == 0
    assert "1.000" in out
    assert learnt[1]["text"][:20] in out


def test_records_of_a_file_are_explained_in_order(planted_folder, learnt, tmp_path, capsys):
    data, numbers = tmp_path / "data.jsonl", tmp_path / "a.json"
    data.write_text("".join(json.dumps(record) + "\n" for record in learnt[:4]))
    code, _, err = run(
        capsys, planted_folder, data, "--records", 3, "--method", "gradient_input", "--json", numbers, "--no-check"
    )
    assert code == 0
    assert "the first 3 records" in err
    assert [each["record"] for each in json.loads(numbers.read_text())] == [0, 1, 2]


def test_a_text_of_unknown_words_alone_is_told(planted_folder, capsys):
    said = "1 of 1 texts hold no word that the model knows"
    assert said in run(capsys, planted_folder, "Ωμέγα ไม่รู้", "--method", "gradient_input", "--no-check")[2]
    assert said not in run(capsys, planted_folder, "the river", "--method", "gradient_input", "--no-check")[2]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["text", "--method", "shapp"], "did you mean 'shap'"),
        (["text", "steps=0"], "--method integrated_gradients: steps"),
        (["text", "stepz=3"], "did you mean 'steps'"),
        (["text", "layer=9", "--method", "attention"], "there is no layer 9"),
        (["  "], "the text is empty"),
        (["the river", "--target", "bribht"], "did you mean 'bright'"),
        (["nowhere.csv"], "nowhere.csv: there is no such file"),
        (["nowhere.ndjson"], "nowhere.ndjson: there is no such file"),
        (["nowhere.xlsx"], "nowhere.xlsx: there is no such file"),
        (["/tmp/无此.csv"], "/tmp/无此.csv: there is no such file"),
        (["/"], "/: is a folder"),
        (['{"txt": "the river"}'], "there is no column 'text'"),
    ],
)
def test_nonsense_is_one_sentence(planted_folder, words, said, capsys):
    code, out, err = run(capsys, planted_folder, *words)
    assert (code, out) == (2, "")
    assert said in err
    assert len(err.strip().splitlines()) == 1


def test_words_that_end_like_a_file_are_a_text(planted_folder, capsys):
    code, out, err = run(capsys, planted_folder, "看这个文件data.csv", "--method", "gradient_input", "--no-check")
    assert code == 0, err
    assert "看这个文件data.csv" in out


def test_lines_of_standard_input_are_explained(planted_folder, tmp_path, capsys, monkeypatch):
    numbers = tmp_path / "a.json"
    fast = ("--method", "gradient_input", "--no-check", "--json", numbers)
    for typed, texts in (("the spark\nthe river\n", ["the spark", "the river"]), ('{"text": "the"}\n', ["the"])):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(typed.encode())))
        assert run(capsys, planted_folder, "-", *fast)[0] == 0
        assert [each["texts"]["text"] for each in json.loads(numbers.read_text())] == texts
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
    assert "standard input: no text came" in run(capsys, planted_folder, "-", *fast)[2]


def test_rows_without_words_are_left_out_and_told(planted_folder, learnt, tmp_path, capsys):
    data, numbers = tmp_path / "data.jsonl", tmp_path / "a.json"
    fast = ("--method", "gradient_input", "--no-check", "--json", numbers)
    rows = [learnt[0], {"text": "", "label": "dull"}, learnt[1]]
    data.write_text("".join(json.dumps(record) + "\n" for record in rows))
    code, _, err = run(capsys, planted_folder, data, *fast)
    assert code == 0, err
    assert "1 texts have no word" in err
    assert [each["record"] for each in json.loads(numbers.read_text())] == [0, 2]
    data.write_text('{"text": ""}\n' * 2)
    code, _, err = run(capsys, planted_folder, data, *fast)
    assert (code, err.count("\n")) == (2, 1)
    assert "there is no word that the model reads" in err


def test_a_file_that_cannot_be_written_is_told_before_the_work(planted_folder, capsys):
    code, out, err = run(capsys, planted_folder, "the river", "--html", planted_folder)
    assert (code, out) == (2, "")
    assert "name a file in it" in err or "is a folder" in err


def test_the_face_explains_a_folder_and_an_open_bundle_alike(planted_folder, planted, bright):
    (one,) = danlu.explained(planted_folder, bright[:1], "gradient_input", checked=False)
    (other,) = danlu.explained(planted, bright[:1], "gradient_input", checked=False)
    assert one.ranked()[0][0] == "spark"
    assert one.scores == pytest.approx(other.scores, abs=1e-4)
