"""What is refused, in Chinese: complete, fresh, filled as the English is, and harmless on any text."""

import os
import subprocess
import sys

import pytest
import said_by_us
from hypothesis import given
from hypothesis import strategies as st

from danlu import sentences
from danlu.sentences import in_language

CATALOGUE = said_by_us.catalogue()


@pytest.fixture(scope="module")
def forms():
    return said_by_us.forms()


def test_every_refusal_of_the_code_has_its_chinese(forms):
    assert len(forms) > 1000
    missing = {form: place for form, place in forms.items() if form not in CATALOGUE}
    assert not missing, f"add these to {said_by_us.CATALOGUE.relative_to(said_by_us.ROOT)}: {missing}"


def test_nothing_in_the_catalogue_has_gone_out_of_use(forms):
    assert sorted(set(CATALOGUE) - set(forms)) == []


def fields(form):
    return sorted(said_by_us.FIELDS.findall(form.replace("{{", "").replace("}}", "")))


def test_translations_have_the_values_of_the_original():
    for english, chinese in CATALOGUE.items():
        assert fields(english) == fields(chinese), english


def filled(form, values):
    text = form.replace("{{", "\0").replace("}}", "\1")
    for field in set(said_by_us.FIELDS.findall(text)):
        text = text.replace(field, values[int(field[1:-1])])
    return text.replace("\0", "{").replace("\1", "}")


def test_a_refusal_with_its_values_is_found_by_its_form():
    values = [f"v{number}" for number in range(20)]
    lost = []
    for english, chinese in list(CATALOGUE.items())[::5]:
        if "{0}{1}" in english or "}{" in english.replace("{{", "").replace("}}", ""):
            continue  # where one value ends and the next begins cannot be told
        told = in_language(filled(english, values), "zh")
        if told != filled(chinese, values):
            lost.append((english, told))
    assert len(lost) <= len(CATALOGUE) // 500, lost  # some sentences are others with a value in them


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        (
            "x.csv: there is no such file; give the path of a file with data",
            "x.csv：没有这个文件；请给出数据文件的路径",
        ),
        (
            "recipe.yaml line 3: stages.a.split: unknown key 'foo'; did you mean 'fold'?; the keys are: a, b",
            "recipe.yaml 第 3 行：stages.a.split：未知的键 'foo'；是想写 'fold' 吗？；键有：a, b",
        ),
        (
            "a.jsonl: record 5: column 'label' must be a label (text), and it is of type int",
            "a.jsonl: 第 5 条记录：列 'label' 须是标签（文本），而它是 int 类型",
        ),
        (
            "the override foo.x= names no stage of r.yaml; did you mean 'fo'?; it may begin with: clean, seed",
            "覆盖项 foo.x= 没有指明 r.yaml 的阶段；是想写 'fo' 吗？；可以这样开头：clean, seed",
        ),
        ("the disk is full; free some space or choose another folder, then run the same command again", None),
    ],
)
def test_places_and_pieces_stand_where_they_belong(english, chinese):
    told = in_language(english, "zh")
    assert told == chinese if chinese else told and told.isascii() is False


def test_what_somebody_has_called_a_thing_stays_as_it_is():
    told = in_language("there is no task 'cannot be read'; there are: a", "zh")
    assert "'cannot be read'" in told
    assert told.startswith("没有任务")


def test_what_is_not_known_stays_english():
    assert in_language("Zwölf Boxkämpfer jagen Viktor", "zh") is None
    assert in_language("x.csv: there is no such file; give the path of a file with data", "en") is None


def test_a_place_that_a_library_names_is_not_taken_for_the_rest_of_the_sentence():
    told = "b.json: cannot be read as json (Expecting value: line 2 column 1 (char 2)); copy or train the bundle again"
    chinese = in_language(f"taken anew: a; 'b' stays as it was: {told}", "zh")
    assert chinese.startswith("已重新载入：a；'b' 保持原样：b.json: ")
    assert chinese.endswith("请重新复制或训练模型包")
    assert "line 2 column 1 (char 2)" in chinese
    assert in_language("line 12", "zh") == "第 12 行"


def test_a_sentence_is_looked_up_once_and_a_long_one_never(monkeypatch):
    read = []
    told = sentences._Reader.told
    monkeypatch.setattr(
        sentences._Reader, "told", lambda self, line, *depth: read.append(line) or told(self, line, *depth)
    )
    sentence = "once.csv: there is no such file; give the path of a file with data"
    assert in_language(sentence, "zh") == in_language(sentence, "zh") != sentence
    assert read.count(sentence) == 1
    assert in_language("long " * 1000, "zh") is None
    assert not any(line.startswith("long") for line in read)


@given(st.text(max_size=300), st.sampled_from(sorted(CATALOGUE)))
def test_no_text_of_a_user_stops_it(text, form):
    for sentence in (text, filled(form, [text] * 20)):
        told = in_language(sentence, "zh")
        assert told is None or isinstance(told, str)


def test_a_command_tells_both_where_the_language_is_chinese(tmp_path):
    environment = {**os.environ, "DANLU_LANGUAGE": "zh", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-m", "danlu", "run", "recipe.yml"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.returncode == 2
    first, second = done.stderr.splitlines()
    assert first == "danlu: recipe.yml：没有这个配方；请给出 YAML 文件的路径"
    assert second == "  (English: recipe.yml: there is no such recipe; give the path of a YAML file)"
