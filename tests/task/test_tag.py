import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from danlu.refusal import Refusal
from danlu.task.entities import read_marked
from danlu.task.tasks.tag import Tag
from danlu.text.batching.encoded import Encoded, Row
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece

TEXT = "李白生于碎叶城，later he went to Chang an。"


def entity(start, end, label):
    return {"start": start, "end": end, "label": label}


RECORD = {"text": TEXT, "entities": [entity(0, 2, "person"), entity(4, 7, "place"), entity(25, 33, "place")]}
TOKENS = {
    "tokens": ["Ada", "met", "李", "白", "in", "New", "York"],
    "tags": ["B-p", "O", "B-p", "I-p", "O", "B-q", "I-q"],
}


@pytest.fixture(scope="module", params=["wordpiece", "bpe"])
def tokenizer(request):
    source = WordPiece(size=90, min_frequency=1) if request.param == "wordpiece" else Bpe(min_frequency=99)
    return source.build(lambda: iter([TEXT, "Ada met New York"]))


def sure_of(task, rows):
    classes = len(task.config()["id2label"])
    sure = np.where(np.eye(classes, dtype=bool), 0.0, -30.0).astype(np.float32)
    return [sure[np.maximum(row.targets["tags"], 0)] for row in rows]


def test_types_are_learnt_and_classes_follow_bio():
    task = Tag().fitted([RECORD])
    assert task.label_names() == ("person", "place")
    assert list(task.config()["id2label"].values()) == ["O", "B-person", "I-person", "B-place", "I-place"]


def test_every_character_of_an_entity_is_labelled_whatever_the_tokenizer(tokenizer):
    task = Tag(units="tokens").fitted([RECORD])
    [row] = task.encode([RECORD], tokenizer, 128, labelled=True)
    assert row.widened == 0
    for (start, end), value in zip(row.row.offsets, row.targets["tags"], strict=True):
        inside = [e for e in RECORD["entities"] if e["start"] <= start and end <= e["end"]]
        assert value == -100 if start == end else (value > 0) == bool(inside)


@pytest.mark.parametrize("units", ["tokens", "first", "last"])
@pytest.mark.parametrize("limit", [10, 16, 23, 128])
def test_windows_are_merged_into_the_entities_of_the_whole(tokenizer, limit, units):
    task = Tag(units=units).fitted([RECORD])
    rows = task.encode([RECORD], tokenizer, limit, labelled=True)
    assert len(rows) > 1 or limit > 16
    prediction = task.decode(sure_of(task, rows), rows, RECORD)
    assert task.form.value(prediction) == task.gold(RECORD)
    assert [item["text"] for item in prediction["entities"]] == ["李白", "碎叶城", "Chang an"]
    assert sum(row.widened for row in rows) == 0


@pytest.mark.parametrize("units", ["first", "last"])
def test_one_token_of_each_word_is_learnt_and_read_for_the_whole(tokenizer, units):
    record = {"text": "he went to Went Yorktown。", "entities": [entity(11, 24, "place")]}
    task = Tag(units=units).fitted([record])
    [row] = task.encode([record], tokenizer, 128, labelled=True)
    offsets, tags = row.row.offsets, row.targets["tags"]
    of_word = [tag for (start, end), tag in zip(offsets, tags, strict=True) if 16 <= start < end <= 24]
    assert len(of_word) > 1
    speaks = 0 if units == "first" else len(of_word) - 1
    assert [tag != -100 for tag in of_word] == [place == speaks for place in range(len(of_word))]
    outputs = sure_of(task, [row])
    outputs[0][tags == -100] = np.array([-30, 0, -30], np.float32)  # what the others say is not heard
    assert task.form.value(task.decode(outputs, [row], record)) == task.gold(record)
    [unlabelled] = task.unlabelled([record], tokenizer, 128)
    assert np.array_equal(unlabelled.targets["tags"] == -100, tags == -100)


def test_words_are_read_as_wholes_where_spans_keep_to_them():
    def units(records, shape="encoder", **fields):
        return Tag(**fields).fitted(records).shaped(shape).units

    assert (units([RECORD]), units([RECORD], "decoder"), units([TOKENS])) == ("first", "last", "first")
    cut = {"text": "Ankarada", "entities": [entity(0, 6, "place")]}
    assert (units([cut]), units([cut], "decoder"), units([cut] + [RECORD] * 50)) == ("tokens", "tokens", "first")
    assert units([{"text": "Ada lived", "words": ["Ada", "lived"]}]) == "tokens"  # where words are what is sought
    assert units([RECORD], units="tokens") == units([RECORD], "decoder", units="tokens") == "tokens"
    assert Tag(labels=("person", "place")).fitted([RECORD]).units == "first"
    of_old = Tag(labels=("x",)).speaking(np.array([[0, 2], [2, 3]]), {"text": "abc"})
    assert of_old.tolist() == [[0, 2], [2, 3]]


def test_given_words_are_read_as_wholes_whatever_stands_in_them(tokenizer):
    record = {"tokens": ["see", "went.to/York", "李白", "."], "tags": ["O", "B-x", "B-y", "O"]}
    task = Tag().fitted([record])
    [row] = task.encode([record], tokenizer, 64, labelled=True)
    assert (task.units, row.widened) == ("first", 0)
    assert [tag for tag in row.targets["tags"].tolist() if tag != -100] == [0, 1, 3, 0]
    prediction = task.decode(sure_of(task, [row]), [row], record)
    assert prediction["tags"] == record["tags"]
    [free] = task.encode([{"text": "see went.to/York", "entities": []}], tokenizer, 64, labelled=True)
    assert (free.targets["tags"] != -100).sum() == len(["see", "went", ".", "to", "/", "York"])


def test_chinese_spans_begin_and_end_inside_what_a_tokenizer_joins():
    text = "他在美国纽约出生，在美国。"
    record = {"text": text, "entities": [entity(2, 4, "place"), entity(4, 6, "place"), entity(10, 12, "place")]}
    joins = Bpe(size=330, min_frequency=2).build(lambda: iter([text.replace("，", "")] * 9))
    inexact = {}
    for cut in ("characters", "tokenizer"):
        task = Tag(cut=cut).fitted([record])
        [row] = task.encode([record], joins, 64, labelled=True)
        inexact[task.cut] = row.widened
        found = task.form.value(task.decode(sure_of(task, [row]), [row], record))
        assert (found == task.gold(record)) == (task.cut == "characters")
    assert inexact["characters"] == 0 < inexact["tokenizer"]


def test_a_span_that_begins_inside_a_word_takes_the_word_and_is_counted(tokenizer):
    record = {"text": "met York", "entities": [entity(5, 8, "x")]}
    task = Tag(labels=("x",), units="first")
    [row] = task.encode([record], tokenizer, 64, labelled=True)
    assert row.widened == 1
    assert [item["text"] for item in task.decode(sure_of(task, [row]), [row], record)["entities"]] == ["York"]


def test_a_token_is_read_where_it_has_the_most_text_around_it():
    tokenizer = WordPiece(size=90, min_frequency=1).build(lambda: iter([TEXT]))
    task = Tag(labels=("x",))
    record = {"text": "李白生于碎叶城", "entities": []}
    rows = task.encode([record], tokenizer, 8, labelled=True)
    assert [row.start for row in rows] == [0, 4]
    outside = np.array([0.0, -30.0, -30.0], np.float32)
    outputs = [np.tile(outside, (len(row), 1)) for row in rows]
    outputs[0][6] = outside[::-1]  # the last token of the first window: the second sees it from inside
    assert task.decode(outputs, rows, record)["entities"] == []


def test_tokens_with_tags_come_back_as_tags_and_entities(tokenizer):
    task = Tag().fitted([TOKENS])
    rows = task.encode([TOKENS], tokenizer, 128, labelled=True)
    prediction = task.decode(sure_of(task, rows), rows, {"tokens": TOKENS["tokens"]})
    assert prediction["tags"] == TOKENS["tags"]
    assert [item["text"] for item in prediction["entities"]] == ["Ada", "李白", "New York"]
    assert task.form.value(prediction) == task.gold(TOKENS) == {(0, 3, "p"), (7, 9, "p"), (12, 20, "q")}


def test_broken_tags_are_mended_as_in_the_conll_evaluation():
    record = {"tokens": ["a", "b", "c", "d"], "tags": ["I-x", "I-y", "O", "I-y"]}
    assert Tag().gold(record) == {(0, 1, "x"), (2, 3, "y"), (6, 7, "y")}


def test_a_border_inside_a_token_is_widened_and_counted():
    tokenizer = WordPiece(size=90, min_frequency=1).build(lambda: iter(["Ada met New York"] * 3))
    record = {"text": "met York", "entities": [entity(5, 8, "x")]}
    [row] = Tag(labels=("x",)).encode([record], tokenizer, 64, labelled=True)
    assert row.widened == 1


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ({"text": "李白"}, "there is no column 'entities'"),
        ({"text": "李白", "entities": "李白"}, "must be a list"),
        ({"text": "李白", "entities": [entity(0, 3, "x")]}, "both within the 2 characters"),
        ({"text": "李白", "entities": [entity(1, 1, "x")]}, "'start' before its 'end'"),
        ({"text": "李白", "entities": [{"start": 0, "end": 1}]}, "and a 'label'"),
        ({"text": "李白", "entities": [entity(0, 2, "x"), entity(1, 2, "y")]}, "overlap at character 1"),
        ({"text": "李白", "entities": [entity(0, 2, "z")]}, "the entity type 'z' is not among"),
        ({"tokens": ["a", "b"], "tags": ["O"]}, "one tag for each of the 2 tokens"),
        ({"tokens": ["a"], "tags": ["PER"]}, "'PER' is no BIO tag"),
        ({"tokens": ["a"], "tags": [3]}, "'3' is no BIO tag"),
        ({"tokens": ["a", ""], "tags": ["O", "O"]}, "none of them empty"),
        ({"tokens": ["a"]}, "there is no column 'tags'"),
        ({"words": ["a"], "tags": ["B-x"]}, "has 'words' and 'tags'; write 'columns: {tokens: words}'"),
    ],
)
def test_wrong_marks_are_refused_with_their_record(record, says):
    tokenizer = Bpe(size=264).build(lambda: iter(["abc"]))
    with pytest.raises(Refusal, match=f"record 2: .*{says}"):
        Tag(labels=("x", "y")).encode([{"text": "b", "entities": []}, record], tokenizer, 64, labelled=True)


@given(st.text(" \n\u3000ab猫", min_size=1, max_size=12), st.integers(0, 11), st.integers(1, 12))
def test_a_span_is_what_is_left_of_it_without_the_white_space_around_it(text, start, length):
    end = min(len(text), start + length)
    assume(text[start:end].strip())
    ((begin, stop, _),) = read_marked({"text": text, "entities": [entity(start, end, "x")]}, 0).spans
    assert text[begin:stop] == text[start:end].strip()
    assert start <= begin < stop <= end


def test_of_nested_entities_the_longest_is_kept_where_that_is_wished():
    record = {
        "text": "北京大学东门",
        "entities": [entity(0, 2, "x"), entity(0, 4, "y"), entity(3, 5, "x"), entity(5, 6, "x")],
    }
    assert Tag(nested="longest").gold(record) == {(0, 4, "y"), (5, 6, "x")}


def test_training_data_without_any_entity_is_refused():
    with pytest.raises(Refusal, match="nothing is marked in the training data"):
        Tag().fitted([{"text": "b", "entities": []}])


def test_the_words_of_a_segmented_text_are_spans(tokenizer):
    for record in ({"words": ["李白", "生于"]}, {"text": "李白 生于", "words": ["李白", "生于"]}):
        task = Tag().fitted([record])
        assert task.label_names() == ("word",)
        gap = " " in record.get("text", "")
        assert task.gold(record) == {(0, 2, "word"), (2 + gap, 4 + gap, "word")}
        rows = task.encode([record], tokenizer, 128, labelled=True)
        found = task.decode(sure_of(task, rows), rows, record)["entities"]
        assert [item["text"] for item in found] == ["李白", "生于"]
    with pytest.raises(Refusal, match="record 1: the words do not spell the text"):
        Tag().fitted([{"text": "李白", "words": ["杜甫"]}])


def test_the_probability_of_a_beginning_counts_all_types_and_what_lies_between_two_spans() -> None:
    task = Tag(labels=("a", "b"))
    shares = np.array(
        [[0.2, 0.3, 0.1, 0.3, 0.1], [0.1, 0.1, 0.5, 0.2, 0.1], [0.8, 0.05, 0.05, 0.05, 0.05], [1, 0, 0, 0, 0]]
    )
    windows = Encoded(0, (Row(np.arange(6), np.array([[0, 0], [0, 1], [1, 2], [2, 4], [4, 5], [0, 0]])),))
    log = np.log(np.vstack([np.full(5, 0.2), shares, np.full(5, 0.2)]) + 1e-12)
    expected = [0.2 + 0.6, 0.3 + 0.1 * (1 - 0.2), 0.1 + 0.8 * (1 - 0.1), 0, 1 - 0.8]
    assert task.beginnings([log], [windows], {"text": "abcde"}) == pytest.approx(expected)
    first = task.model_copy(update={"units": "first"}).beginnings([log], [windows], {"text": "abcde"})
    assert (first[0] > 0, first[1:].tolist()) == (True, [0, 0, 0, 0])  # of one word its first token alone is heard
    empty = Encoded(0, (Row(np.zeros(0, np.int32), np.zeros((0, 2), np.int32)),))
    assert task.beginnings([log[:0]], [empty], {"text": "ab"}).tolist() == [0, 0]


def test_the_loss_of_a_crf_counts_rows_apart_and_pieces_of_a_text_may_begin_within_an_entity(tokenizer):
    task = Tag(decoding="crf").fitted([RECORD])
    rows = task.encode([RECORD, {"text": "李白", "entities": []}], tokenizer, 12, labelled=True)
    width, rng = max(map(len, rows)), np.random.default_rng(0)
    logits = torch.randn(len(rows), width, 5, generator=torch.manual_seed(0))
    own = {"own.transitions": torch.randn(6, 5, generator=torch.manual_seed(1)) / 100}

    def loss(chosen, wide):
        batch = task.collate([rows[row] for row in chosen], wide, tokenizer, rng)
        return task.losses({"logits": logits[list(chosen), :wide], **own}, batch)["tags"]

    apart = sum(loss([number], len(row)) for number, row in enumerate(rows))
    torch.testing.assert_close(loss(range(len(rows)), width), apart)
    assert apart < 1e3, "no row takes a step that is not allowed"


def test_a_token_by_itself_may_go_on_with_nothing_where_that_is_asked(tokenizer):
    task = Tag(labels=("x",), decoding="argmax")
    rows = task.encode([{"text": "李白", "entities": []}], tokenizer, 64, labelled=True)
    goes_on = np.tile(np.array([-9.0, -9.0, 0.0], np.float32), (len(rows[0]), 1))
    assert [item["text"] for item in task.decode([goes_on], rows, {"text": "李白"})["entities"]] == ["李白"]


def test_transitions_without_a_crf_or_of_another_size_are_refused():
    with pytest.raises(ValueError, match="belong to 'decoding: crf', and it is constrained"):
        Tag(transitions=((0.0,), (0.0,)))
    with pytest.raises(ValueError, match="must have 4 rows of 3"):
        Tag(labels=("x",), decoding="crf", transitions=((0.0,), (0.0,)))
