"""The task `relate`: entities between markers that nobody can type, never cut, and refused where they are wrong."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from danlu.data.cleaning.cleaner import Cleaner
from danlu.recipe.part import find
from danlu.refusal import Refusal
from danlu.task.pairs import markers_of, pair_in
from danlu.task.rewritten import rewritten
from danlu.task.task import Task
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece

LEARNT = ["李白生于碎叶城。", "The handle of the door broke, and nobody came to mend it."]
PIECES = some.sampled_from([*"李白生于碎叶城， 龘", "door ", "handle ", "[MASK]", "<s>", "<e1>", "\u200b", "😀", "  "])


@cache
def tokenizer_of(kind):
    source = Bpe(size=300) if kind == "bpe" else WordPiece(size=150, min_frequency=1)
    return source.build(lambda: iter(LEARNT))


def relate(**fields):
    return find(Task, "relate")(**fields)


def record_of(text, head, tail, **others):
    spans = {name: {"start": start, "end": end} for name, (start, end) in (("head", head), ("tail", tail))}
    return {"text": text, **spans, **others}


def marked(record, kind="wordpiece", limit=64, **fields):
    (item,) = relate(**fields).encode([record], tokenizer_of(kind), limit, labelled=False)
    return item


def read_back(item, text, tokenizer):
    """What stands between the markers of a row, by their numbers alone."""
    markers, ids = markers_of(tokenizer), item.row.input_ids.tolist()
    found = []
    for marker in markers:
        size = len(marker)
        runs = [at for at in range(len(ids)) if ids[at : at + size] == marker.tolist()]
        if size == 2:
            first, last = runs
        else:
            other = markers[1].tolist()
            doubled = {
                at + place
                for at in range(len(ids))
                if len(other) == 2 and ids[at : at + 2] == other
                for place in (0, 1)
            }
            singles = [at for at in runs if at not in doubled]
            first, last = singles[-2:]  # the begin token may be a marker as well
        inside = item.row.offsets[first + size : last]
        inside = inside[inside[:, 0] < inside[:, 1]]
        found.append(text[inside[0, 0] : inside[-1, 1]])
    return found


@pytest.mark.parametrize("kind", ["wordpiece", "bpe"])
@settings(max_examples=80, deadline=None)
@given(data=some.data(), around=some.lists(PIECES, max_size=40), swapped=some.booleans())
def test_both_entities_stand_whole_between_their_markers_whatever_else_is_cut(kind, data, around, swapped):
    places = sorted(data.draw(some.integers(0, len(around))) for _ in range(2))
    between = around[places[0] : places[1]][:4]
    before, behind = "".join(around[: places[0]]), "".join(around[places[1] :])
    first, second = "door", "李白"
    text = f"{before} {first} {''.join(between)} {second} {behind}"
    start = len(before) + 1
    other = len(text) - len(behind) - 1 - len(second)
    spans = [(start, start + len(first)), (other, other + len(second))]
    record = record_of(text, *(spans[::-1] if swapped else spans))
    tokenizer = tokenizer_of(kind)
    whole, short = marked(record, kind, 10_000), marked(record, kind, 56)
    assert len(short) == min(len(whole), 56)
    assert short.cut == len(whole) - len(short)
    numbers = markers_of(tokenizer)
    special = sum(len(number) * 2 for number in numbers)
    plain = tokenizer(text="a")["input_ids"]
    around_text = len([number for number in plain if number in tokenizer.all_special_ids])
    typed = [number for number in whole.row.input_ids.tolist() if number in tokenizer.all_special_ids]
    unknown = typed.count(tokenizer.unk_token_id)
    assert len(typed) - unknown == special + around_text  # nothing that was typed is a marker
    if not short.widened:
        assert read_back(short, text, tokenizer) == [text[slice(*pair)] for pair in (spans[::-1] if swapped else spans)]


def test_the_direction_is_in_the_row():
    one = marked(record_of("李白生于碎叶城。", (0, 2), (4, 7)))
    other = marked(record_of("李白生于碎叶城。", (4, 7), (0, 2)))
    assert len(one) == len(other)
    assert one.row.input_ids.tolist() != other.row.input_ids.tolist()


@pytest.mark.parametrize("kind", ["wordpiece", "bpe"])
def test_entities_side_by_side_keep_their_markers_apart(kind):
    head, tail = markers_of(tokenizer_of(kind))
    ids = marked(record_of("李白碎叶城", (0, 2), (2, 5)), kind).row.input_ids.tolist()
    text = "".join(chr(number + 0x100) for number in ids)
    closing, opening = ("".join(chr(number + 0x100) for number in marker.tolist()) for marker in (head, tail))
    assert closing + opening in text


def test_tags_in_a_text_mark_its_entities_unless_columns_do():
    tagged = {"text": "The <e1>door</e1> has a <e2>handle</e2>."}
    plain = record_of("The door has a handle.", (4, 8), (15, 21))
    assert marked(tagged).row.input_ids.tolist() == marked(plain).row.input_ids.tolist()
    literal = record_of("<e1>a</e1> <e2>b</e2>", (4, 5), (15, 16))
    assert pair_in(literal, 0).text == "<e1>a</e1> <e2>b</e2>"


def test_marks_move_with_a_text_that_is_rewritten_before_it_is_read():
    rewriters = [find(Cleaner, kind)() for kind in ("html", "whitespace")]
    given_ = record_of("The <b>door</b>   has a handle.", (7, 11), (24, 30), label="x")
    (record,) = rewritten([given_], rewriters)
    pair = pair_in(record, 0)
    assert (pair.text[slice(*pair.head)], pair.text[slice(*pair.tail)]) == ("door", "handle")


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        (
            {"text": "李白生于碎叶城。"},
            "record 2: '李白生于碎叶城。' does not say which two entities are meant; give 'head'",
        ),
        ({"text": "<e1>李白</e1>生于碎叶城。"}, "record 2: .* does not say which two entities are meant"),
        ({"text": "李白", "head": {"start": 0, "end": 1}}, "record 2: column 'tail' is missing; expected {start, end}"),
        (record_of("李白", (0, 1), (1, 5)), "record 2: 'tail' from 1 to 5 is not within the 2 characters of the text"),
        (record_of("李白", (1, 1), (0, 1)), "record 2: 'head' from 1 to 1 is not within"),
        (record_of("李 白", (1, 2), (0, 1)), "record 2: 'head' from 1 to 2 is white space; mark an entity"),
        (record_of("李白生于", (0, 3), (2, 4)), "record 2: head '李白生' and tail '生于' overlap; a relation holds"),
        (
            record_of("李白生于", (0, 2), (0, 2)),
            "record 2: head '李白' and tail '李白' are the same characters; a relation",
        ),
        (
            record_of("李" + "白生" * 40 + "于", (0, 1), (81, 82)),
            r"record 2: head and tail take \d+ tokens with what is between them, and a row has room for \d+; give",
        ),
    ],
)
def test_what_is_no_pair_is_refused_in_a_sentence(record, sentence):
    with pytest.raises(Refusal, match=sentence):
        relate().encode([record_of("李白生于", (0, 2), (2, 4)), record], tokenizer_of("wordpiece"), 64, labelled=False)


def test_an_unknown_relation_and_a_single_one_are_refused():
    records = [record_of("李白生于", (0, 2), (2, 4), label=label) for label in ("a", "b")]
    task = relate().fitted(records)
    with pytest.raises(Refusal, match=r"record 1: the relation 'c' is not among those of the training data \(a, b\)"):
        task.encode([records[0] | {"label": "c"}], tokenizer_of("wordpiece"), 64, labelled=True)
    with pytest.raises(Refusal, match="there is only the relation 'a' in the training data"):
        relate().fitted(records[:1])


def test_a_tokenizer_of_one_special_token_marks_with_it_once_and_twice():
    class One:
        mask_token_id = cls_token_id = sep_token_id = bos_token_id = pad_token_id = unk_token_id = None
        eos_token_id = 7

    head, tail = markers_of(One())
    assert (head.tolist(), tail.tolist()) == ([7], [7, 7])
    One.eos_token_id = None
    with pytest.raises(Refusal, match="the tokenizer has no special token to mark entities with"):
        markers_of(One())
    assert np.array_equal(markers_of(tokenizer_of("wordpiece"))[0], [tokenizer_of("wordpiece").mask_token_id])
