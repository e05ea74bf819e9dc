"""Words with a tag each: given ones, and those of a plain text."""

import numpy as np
import pytest

from danlu.data.cleaning.cleaners.normalise import Normalise
from danlu.refusal import Refusal
from danlu.task.rewritten import as_given, rewritten
from danlu.task.tasks.tag_words import TagWords
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece

CHINESE = {"words": ["我们", "计划", "旅行"], "tags": ["r", "v", "n"]}
ENGLISH = {"words": ["They", "do", "n't", "plan"], "tags": ["PRON", "AUX", "PART", "VERB"]}


@pytest.fixture(scope="module", params=["wordpiece", "bpe"])
def tokenizer(request):
    source = WordPiece(size=120, min_frequency=1) if request.param == "wordpiece" else Bpe(min_frequency=99)
    return source.build(lambda: iter(["我们计划旅行", "They do n't plan"]))


def outputs(task, rows, found=0.0):
    """Sure of the truth; `found` is added to the class outside of everything."""
    classes = len(task.config()["id2label"])
    sure = np.where(np.eye(classes, dtype=bool), 0.0, -30.0).astype(np.float32)
    said = [sure[np.maximum(row.targets["tags"], 0)] for row in rows]
    for each in said:
        each[:, 0] += found
    return said


@pytest.mark.parametrize("decoding", ["constrained", "crf", "argmax"])
@pytest.mark.parametrize("record", [CHINESE, ENGLISH], ids=["zh", "en"])
def test_each_given_word_has_one_tag_and_a_plain_text_is_cut_as_well(tokenizer, record, decoding):
    task = TagWords(decoding=decoding).fitted([CHINESE, ENGLISH])
    rows = task.encode([record], tokenizer, 64, labelled=True)
    words = {"words": record["words"]}
    prediction = task.decode(outputs(task, rows, found=50.0), rows, words)
    assert prediction["tags"] == record["tags"]
    assert task.form.value(prediction) == task.gold(record)
    assert [item["text"] for item in prediction["entities"]] == record["words"]
    text = {"text": "".join(record["words"]) if record is CHINESE else " ".join(record["words"])}
    assert task.form.value(task.decode(outputs(task, rows), rows, text)) == task.gold(record)


def test_a_text_of_its_own_may_have_more_space_than_the_words():
    task = TagWords().fitted([{"text": "我们 计划  旅行", **CHINESE}])
    assert task.gold({"text": "我们 计划  旅行", **CHINESE}) == {(0, 2, "r"), (3, 5, "v"), (7, 9, "n")}
    assert task.gold({"tokens": CHINESE["words"], "tags": CHINESE["tags"]}) == task.gold(CHINESE)


def test_words_that_share_a_token_have_its_tag_and_one_without_a_token_that_of_the_word_before():
    tokenizer = WordPiece(size=120, min_frequency=1).build(lambda: iter(["cannot"] * 9))
    record = {"text": "cannot", "words": ["can", "not"], "tags": ["AUX", "PART"]}
    task = TagWords().fitted([record])
    rows = task.encode([record], tokenizer, 64, labelled=True)
    assert len(rows[0]) == 3, "cannot is one token"
    assert rows[0].widened > 0
    assert task.decode(outputs(task, rows), rows, record)["tags"] == ["AUX", "AUX"]
    control = {"words": ["can", "\x00"], "tags": ["AUX", "PART"]}
    rows = task.encode([control], tokenizer, 64, labelled=True)
    assert task.decode(outputs(task, rows), rows, {"words": control["words"]})["tags"] == ["AUX", "AUX"]


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ({"words": ["a", "b"], "tags": ["x"]}, "one tag for each of the 2 words"),
        ({"words": ["a"], "tags": [""]}, "none of them empty"),
        ({"words": ["a"], "tags": "x"}, "column 'tags' must be a list"),
        ({"words": ["a", ""], "tags": ["x", "x"]}, "column 'words' must be a list of words"),
        ({"words": ["a"]}, "there is no column 'tags'"),
        ({"text": "a", "tags": ["x"]}, "there is no column 'words'"),
        ({"text": "b", "words": ["a"], "tags": ["x"]}, "the words do not spell the text"),
        ({"words": ["a"], "tags": ["y"]}, "the tag 'y' is not among those of the training data"),
    ],
)
def test_wrong_words_and_tags_are_refused_with_their_record(record, says):
    tokenizer = Bpe(size=264).build(lambda: iter(["abc"]))
    with pytest.raises(Refusal, match=f"record 2: .*{says}"):
        TagWords(labels=("x",)).encode([{"words": ["b"], "tags": ["x"]}, record], tokenizer, 64, labelled=True)


def test_what_is_said_of_rewritten_words_is_said_of_those_that_were_given():
    rewriters = [Normalise()]
    given = {"words": ["Ｔｈｅｙ", "plan", "①"]}
    (record,) = rewritten([given], rewriters)
    assert record["words"][0] == "They"
    task = TagWords(labels=("x",))
    prediction = {"entities": [{"start": 5, "end": 9, "label": "x", "text": "plan", "score": 1.0}], "tags": ["x"] * 3}
    said = as_given(prediction, given, record, rewriters, task.form, words_apart=task.words_apart)
    assert said["entities"][0]["text"] == "plan"
