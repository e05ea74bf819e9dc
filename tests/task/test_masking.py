"""Which tokens are hidden: shares, fates, whole words, spans and n-grams, counted over many draws."""

from itertools import pairwise

import numpy as np
import pytest

from danlu.data.characters.word_cutting import word_borders
from danlu.machine.seed import generator
from danlu.refusal import Refusal
from danlu.task.masking import USUAL_LONGEST, Masking, _runs, _Units, _words
from danlu.task.tasks.masked_lm import MaskedLm
from danlu.text.segmenting.segmenter import Segmenter
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece

CHINESE = ["今天的天气很好，我们去公园散步。", "北京大学的学生在图书馆读书。", "物流太慢，包装也破了。"]
ENGLISH = ["The underground train leaves at nine in the morning.", "Nobody understands unbelievable stories, does he?"]
TEXTS = [*CHINESE, *ENGLISH] * 12


@pytest.fixture(scope="module")
def tokenizer():
    """Pieces so small that most English words are several tokens."""
    return WordPiece(size=110, min_frequency=1).build(lambda: iter(TEXTS))


def drawn(task, tokenizer, seed=0, texts=TEXTS, limit=64):
    rows = task.encode([{"text": text} for text in texts], tokenizer, limit, labelled=True)
    batch = task.collate(rows, max(map(len, rows)), tokenizer, np.random.default_rng(seed))
    return rows, batch, batch.targets["tokens"].numpy() >= 0


def words_of(text, segmenter):
    """Characters of each word that is not white space, by the segmenter alone."""
    (words,) = segmenter.segment([text])
    ends = np.cumsum([len(word) for word in words])
    return [(end - len(word), end) for word, end in zip(words, ends.tolist(), strict=True) if word.strip()]


@pytest.mark.parametrize(
    ("kind", "runs"), [("rules", {}), ("jieba", {}), ("jieba", {"spans": 0.2}), ("jieba", {"ngrams": [0.5, 0.3, 0.2]})]
)
def test_no_word_is_ever_cut_whatever_the_segmenter(tokenizer, kind, runs):
    task = MaskedLm.model_validate({"units": "words", "segmenter": kind, "share": 0.3, **runs})
    segmenter, several = Segmenter.model_validate(kind), 0
    for seed in range(3):
        _, batch, hidden = drawn(task, tokenizer, seed)
        ordinary = sum(len(tokenizer(text)["input_ids"]) - 2 for text in TEXTS)
        assert abs(batch.counts["tokens"] - 0.3 * ordinary) <= 8
        for row, text in enumerate(TEXTS):
            offsets = tokenizer(text, return_offsets_mapping=True)["offset_mapping"]
            for start, end in words_of(text, segmenter):
                inside = [hidden[row, place] for place, (b, e) in enumerate(offsets) if b < e and start < e and b < end]
                assert len(set(inside)) == 1, text[start:end]
                several += len(inside) > 1 and inside[0]
    assert several > 20


def test_chinese_words_need_a_segmenter_and_english_ones_none(tokenizer):
    task = MaskedLm(units="words")
    rows, _, _ = drawn(task, tokenizer, texts=[CHINESE[0], ENGLISH[1]])
    counts = [len(set(item.targets["words"][item.targets["tokens"] >= 0].tolist())) for item in rows]
    assert counts[0] == len(CHINESE[0])
    assert counts[1] == len(word_borders([ENGLISH[1]])[0]) + 2  # its two marks


def test_a_token_that_two_words_share_joins_them():
    offsets = np.array([[0, 0], [0, 2], [2, 5], [5, 6], [5, 6], [0, 0]], np.int32)  # the fourth character in two bytes
    ordinary = np.array([False, True, True, True, True, False])
    begins = np.array([0, 2, 3, 5, 6])  # words: 0-2, 2-3, 3-5, 5-6
    found = _words(offsets, begins, ordinary)[1:-1]
    assert [a == b for a, b in pairwise(found)] == [False, False, True]


def test_words_of_bytes_are_hidden_whole():
    tokenizer = Bpe(size=300).build(lambda: iter(["ab"]))
    tokenizer.add_special_tokens({"mask_token": "<mask>"})
    task = MaskedLm.model_validate({"units": "words", "segmenter": "jieba", "share": 0.4})
    rows, _, hidden = drawn(task, tokenizer, texts=["北京大学的学生"] * 4)
    for row in hidden[:, : len(rows[0])]:
        characters = row[:21].reshape(7, 3)  # three bytes each
        assert (characters.all(1) | ~characters.any(1)).all()
        assert len({bool(each) for each in characters[:4].all(1)}) == 1 or len(rows[0]) != 21


@pytest.mark.parametrize(("ending", "longest"), [(0.2, None), (0.5, 4)])
def test_spans_have_the_lengths_of_spanbert(ending, longest):
    masking = Masking(spans=ending, longest_span=longest)
    most = longest or USUAL_LONGEST
    shares = np.array([ending * (1 - ending) ** n for n in range(most)])
    shares /= shares.sum()
    assert masking.run_lengths == pytest.approx(shares)
    if longest is None:
        assert (shares * np.arange(1, 11)).sum() == pytest.approx(3.8, abs=0.01)  # Joshi et al., section 3.1
    found = lengths_of_runs(masking)
    assert found / found.sum() == pytest.approx(shares, abs=0.02)


def test_ngrams_have_the_shares_of_macbert():
    shares = [0.4, 0.3, 0.2, 0.1]
    found = lengths_of_runs(Masking(ngrams=shares))
    assert found / found.sum() == pytest.approx(shares, abs=0.02)


def lengths_of_runs(masking):
    """How many runs there are of each length, in rows of 128 tokens."""
    counts = np.zeros(len(masking.run_lengths))
    units = _Units.of(np.flatnonzero(np.arange(64 * 130) % 130 < 128), 130, None)
    for seed in range(12):
        rng = np.random.default_rng(seed)
        budget = round(0.15 * 64 * 128)
        lengths = rng.choice(len(counts), budget + 1, p=masking.run_lengths) + 1
        runs = _runs(units, budget, lengths.tolist(), rng.permutation(64 * 128).tolist())
        assert sum(stop - first for first, stop in runs) == budget
        taken = np.concatenate([np.arange(first, stop) for first, stop in runs])
        assert len(set(taken.tolist())) == budget
        assert all(first // 128 == (stop - 1) // 128 for first, stop in runs)
        counts += np.bincount([stop - first - 1 for first, stop in runs], minlength=len(counts))
    return counts


def test_runs_end_with_their_row_and_before_a_special_token():
    words = np.full((2, 6), -100)
    words[0, 1:5], words[1, 1:3], words[1, 4:] = (-2, -2, -3, -4), (-2, -3), (-5, -6)
    places = np.flatnonzero(words.ravel() > -100)
    units = _Units.of(places, 6, words)
    assert units.sizes.tolist() == [2, 1, 1, 1, 1, 1, 1]
    assert units.left.tolist() == [3, 2, 1, 2, 1, 2, 1]


def test_a_run_shares_its_fate_and_words_alone_do_not(tokenizer):
    fates = {}
    for name, fields in {"spans": {"spans": 0.1}, "words": {}}.items():
        task = MaskedLm.model_validate({"units": "words", "share": 0.3, "masked": 0.5, "replaced": 0.0, **fields})
        mixed = 0
        for seed in range(6):
            rows, batch, hidden = drawn(task, tokenizer, seed)
            masked = batch.inputs["input_ids"].numpy() == tokenizer.mask_token_id
            for row, item in enumerate(rows):
                for word in set(item.targets["words"].tolist()):
                    own = (item.targets["words"] == word) & hidden[row, : len(item)]
                    mixed += own.any() and masked[row, : len(item)][own].mean() not in (0, 1)
        fates[name] = mixed
    assert fates["spans"] == 0
    assert fates["words"] > 20


@pytest.mark.parametrize("fields", [{}, {"units": "words"}, {"spans": 0.2}])
def test_eighty_ten_ten_holds_for_all_units(tokenizer, fields):
    fates = np.zeros(3)
    for seed in range(40 if "spans" in fields else 20):
        _, batch, hidden = drawn(MaskedLm(share=0.3, **fields), tokenizer, seed)
        shown, truth = batch.inputs["input_ids"].numpy()[hidden], batch.targets["tokens"].numpy()[hidden]
        masked, same = shown == tokenizer.mask_token_id, shown == truth
        fates += [masked.sum(), same.sum(), (~masked & ~same).sum()]
    assert fates / fates.sum() == pytest.approx([0.8, 0.1, 0.1], abs=0.03)


def test_what_is_not_hidden_stays_and_the_truth_gives_the_text_back(tokenizer):
    rows, batch, hidden = drawn(MaskedLm(units="words", spans=0.3, share=0.5), tokenizer)
    back = np.where(hidden, batch.targets["tokens"], batch.inputs["input_ids"])
    for row, item in enumerate(rows):
        assert (back[row, : len(item)] == item.row.input_ids).all()
        assert item.row.offsets is None


def test_a_word_longer_than_all_that_is_to_be_hidden_is_hidden_whole(tokenizer):
    task = MaskedLm(units="words", share=0.01)
    _, batch, hidden = drawn(task, tokenizer, texts=["unbelievable"])
    assert hidden.sum() == batch.counts["tokens"] == len(tokenizer("unbelievable")["input_ids"]) - 2


def test_texts_without_a_token_hide_nothing(tokenizer):
    for fields in ({}, {"units": "words"}, {"spans": 0.2}):
        _, batch, hidden = drawn(MaskedLm(**fields), tokenizer, texts=["", " "])
        assert batch.counts["tokens"] == hidden.sum() == 0


def test_windows_of_a_long_text_know_their_words(tokenizer):
    task = MaskedLm.model_validate({"units": "words", "segmenter": "rules"})
    rows = task.encode([{"text": " ".join(ENGLISH * 3)}], tokenizer, 24, labelled=True)
    assert len(rows) > 3
    for item in rows:
        pieces = tokenizer.convert_ids_to_tokens(item.row.input_ids.tolist())
        words = item.targets["words"].tolist()
        for place in range(2, len(pieces) - 1):
            assert (words[place] == words[place - 1]) == pieces[place].startswith("##")


def test_a_share_goes_where_it_is_to_end():
    linear, cosine = (MaskedLm(share=0.1, share_end=0.5, share_schedule=how) for how in (None, "cosine"))
    assert [linear.along(done).share for done in (0, 0.25, 1)] == pytest.approx([0.1, 0.2, 0.5])
    assert [cosine.along(done).share for done in (0, 0.25, 0.5, 1)] == pytest.approx([0.1, 0.15858, 0.3, 0.5], abs=1e-5)
    constant = MaskedLm(share=0.2)
    assert constant.along(0.7) is constant


def test_what_is_measured_does_not_depend_on_what_is_hidden_in_training(tokenizer):
    batches = []
    for task in (MaskedLm(), MaskedLm(units="words", spans=0.2, share_end=0.4)):
        rows = task.encode([{"text": text} for text in TEXTS[:5]], tokenizer, 64, labelled=False)
        batches.append(task.collate(rows, 64, tokenizer, generator(0, "x")))
    assert (batches[0].targets["tokens"] == batches[1].targets["tokens"]).all()


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"share_schedule": "cosine"}, "'share_schedule' has an effect with 'share_end' alone"),
        ({"segmenter": "jieba"}, "'segmenter' has an effect with 'units: words' alone"),
        ({"longest_span": 3}, "'longest_span' has an effect with 'spans' alone"),
        ({"spans": 0.2, "ngrams": [1.0]}, "'ngrams' and 'spans' both say how long runs are"),
        ({"ngrams": [0.4, 0.3]}, "must come to 1, and they come to 0.7"),
    ],
)
def test_what_has_no_effect_is_refused(fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        MaskedLm.model_validate(fields)


def test_words_of_flat_files_are_refused(tokenizer):
    with pytest.raises(Refusal, match=r"task.units: flat token files hold no characters"):
        MaskedLm(units="words").rows(None, tokenizer, 64, 0)
