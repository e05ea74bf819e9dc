"""The contract of all segmenters, and what each of them must know."""

import json
import subprocess
import sys
from itertools import product
from pathlib import Path

import jieba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.data.characters.side_by_side import characters
from danlu.recipe.part import kinds
from danlu.refusal import Refusal
from danlu.text.segmenting.character_model import CharacterModel
from danlu.text.segmenting.character_path import word_begins
from danlu.text.segmenting.pieces import cut_pieces
from danlu.text.segmenting.segmenter import Learner, Segmenter, open_segmenter, save
from danlu.text.segmenting.segmenters.ngram import Ngram

SENTENCES = [
    ["今天", "天气", "很", "好", "，"],
    ["我们", "今天", "去", "公园", "散步", "。"],
    ["他", "１９９８年", "生", "于", "北京", "，", "今年", "２０", "岁", "。"],
    ["北京", "的", "天气", "好", "，", "公园", "也", "好", "。"],
    ["研究", "生命", "的", "起源", "。"],
    ["研究生", "的", "生命", "。"],
] * 20
DICTIONARY = "研究 30\n研究生 20\n生命 40\n命 1\n起源\n北京\n北京大学\n大学生\n生前\n前来\n"
TRICKY = [
    "",
    " ",
    "\n\n",
    "今天天气很好，我们去北京。",
    "  两头 有空白\t\n",
    "B2B的３．１４和3.14％，1,000.5元，don't！！……",
    "e\u0301te\u0301 \u200d\u200c\u0301",
    "👩‍👩‍👧👍🏽龘𠮷",
    "\ud800末\udfff",
    "\x00\ufeff\u3000",
    "あのイーハトーヴォ 한국어 ภาษาไทย",
    "，，，。。。",
    "天" * 700,
]
TEXTS = st.text(alphabet=st.characters(exclude_categories=()), max_size=40) | st.text(
    alphabet="今天气很好，我们去公园散步。１９年20 a Z的研究生命\n", max_size=40
)


def made(kind: str, **fields: object) -> Segmenter:
    return Segmenter.model_validate({"kind": kind, **fields})


@pytest.fixture(scope="module")
def segmenters(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Segmenter]:
    folder = tmp_path_factory.mktemp("segmenters")
    (folder / "words.txt").write_text(DICTIONARY, encoding="utf-8")
    words = str(folder / "words.txt")
    found = {
        "char": made("char"),
        "rules": made("rules"),
        **{f"rules {way}": made("rules", dictionary=words, direction=way) for way in ("forward", "backward", "both")},
        "jieba": made("jieba"),
        "jieba without hmm": made("jieba", hmm=False, user_dictionary=words),
    }
    settings = {"hmm": {}, "hmm 0": {"context": 0}, "hmm 1": {"context": 1}, "ngram": {}}
    for name, fields in settings.items():
        save(folder / name, made(name.split()[0], **fields), SENTENCES)
        found[name] = open_segmenter(folder / name)
    return found


NAMES = [
    "char", "rules", "rules forward", "rules backward", "rules both", "jieba", "jieba without hmm",
    "hmm", "hmm 0", "hmm 1", "ngram",
]  # fmt: skip


def test_every_kind_is_tested_here_or_with_the_bundles(segmenters: dict[str, Segmenter]) -> None:
    assert list(segmenters) == NAMES
    assert {part.kind for part in segmenters.values()} | {"neural"} == set(kinds(Segmenter))


@pytest.mark.parametrize("name", NAMES)
def test_words_joined_are_the_text(name: str, segmenters: dict[str, Segmenter]) -> None:
    found = segmenters[name].segment(TRICKY)
    assert ["".join(words) for words in found] == TRICKY
    assert all(all(words) for words in found)
    assert segmenters[name].segment([]) == []


@pytest.mark.parametrize("name", NAMES)
@given(texts=st.lists(TEXTS, max_size=4))
def test_any_texts_survive_and_do_not_depend_on_their_neighbours(
    name: str, texts: list[str], segmenters: dict[str, Segmenter]
) -> None:
    found = segmenters[name].segment(texts)
    assert ["".join(words) for words in found] == texts
    assert found == [segmenters[name].segment([text])[0] for text in texts]


@pytest.mark.parametrize("name", ["char", "rules both", "hmm", "ngram"])
def test_a_text_longer_than_a_block_stays_whole(
    name: str, segmenters: dict[str, Segmenter], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "今天天气很好，我们去公园散步。" * 30
    alone = segmenters[name].segment(["北京", text, "好"])
    monkeypatch.setattr("danlu.text.segmenting.segmenter._BLOCK", 64)
    assert segmenters[name].segment(["北京", text, "好"]) == alone
    endless = "好" * 1000 + " " + "a" * 500
    assert "".join(segmenters[name].segment([endless])[0]) == endless


@given(texts=st.lists(TEXTS, max_size=4), block=st.integers(1, 30))
def test_blocks_of_any_size_give_the_texts_back(texts: list[str], block: int, segmenters: dict[str, Segmenter]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("danlu.text.segmenting.segmenter._BLOCK", block)
        assert ["".join(words) for words in segmenters["ngram"].segment(texts)] == texts
        assert segmenters["char"].segment(["天" * 50]) == [["天"] * 50]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("今天B2B", "今|天|B2B"),
        ("3.14元，1,000.5", "3.14|元|，|1,000.5"),
        ("1. a.b 2.", "1|.| |a|.|b| |2|."),
        ("don't state-of-the-art -x-", "don't| |state-of-the-art| |-|x|-"),
        ("等等……——！！", "等|等|……|——|！！"),
        ("カタカナと漢字 한국어 слово", "カタカナと|漢|字| |한국어| |слово"),
        ("cafe\u0301 x\n\ny", "cafe\u0301| |x|\n\n|y"),
    ],
)
def test_rules_tell_scripts_apart(text: str, expected: str) -> None:
    assert made("rules").segment([text])[0] == expected.split("|")


@pytest.mark.parametrize(
    ("way", "text", "expected"),
    [
        ("forward", "研究生命起源", "研究生|命|起源"),
        ("backward", "研究生命起源", "研究|生命|起源"),
        ("both", "研究生命起源", "研究|生命|起源"),
        ("forward", "北京大学生前来", "北京大学|生前|来"),
        ("backward", "北京大学生前来", "北京|大学生|前来"),
        ("both", "北京大学生前来", "北京|大学生|前来"),
        ("both", "在北京大学abc", "在|北京大学|abc"),
    ],
)
def test_maximum_matching_from_both_ends(way: str, text: str, expected: str, segmenters: dict[str, Segmenter]) -> None:
    assert segmenters[f"rules {way}"].segment(["前", text])[1] == expected.split("|")


@given(
    words=st.sets(st.text("甲乙丙", min_size=1, max_size=4), min_size=1, max_size=8),
    text=st.text("甲乙丙", max_size=20),
)
def test_maximum_matching_is_that_of_a_plain_loop(
    words: set[str], text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("dictionary") / "words.txt"
    path.write_text("\n".join(sorted(words)), encoding="utf-8")
    forward, place = [], 0
    while place < len(text):
        size = next((size for size in (4, 3, 2) if text[place : place + size] in words), 1)
        forward.append(text[place : place + size])
        place += len(forward[-1])
    backward, place = [], len(text)
    while place > 0:
        size = next((size for size in (4, 3, 2) if size <= place and text[place - size : place] in words), 1)
        backward.insert(0, text[place - size : place])
        place -= size
    assert made("rules", dictionary=str(path), direction="forward").segment([text])[0] == forward
    assert made("rules", dictionary=str(path), direction="backward").segment([text])[0] == backward
    better = made("rules", dictionary=str(path)).segment([text])[0]
    assert len(better) <= min(len(forward), len(backward))


def test_jieba_is_jieba(segmenters: dict[str, Segmenter]) -> None:
    texts = ["李小福是创新办主任也是云计算方面的专家", "我来到北京清华大学", "a b  c", "他来到了网易杭研大厦"]
    jieba.setLogLevel(60)
    assert segmenters["jieba"].segment(texts) == [jieba.lcut(text) for text in texts]
    plain = made("jieba", hmm=False)
    assert plain.segment(texts) == [jieba.lcut(text, HMM=False) for text in texts]
    assert "杭研" in segmenters["jieba"].segment(texts)[3]
    assert "杭研" not in plain.segment(texts)[3]


def test_the_words_of_a_user_are_known_to_jieba(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("创新办 3\n\n云计算\n", encoding="utf-8")
    words = made("jieba", user_dictionary=str(path)).segment(["李小福是创新办主任也是云计算方面的专家"])[0]
    assert {"创新办", "云计算"} <= set(words)
    assert made("jieba", user_dictionary=str(path)).inputs() == [str(path)]
    path.write_text("创新办 nz\n云计算 5 n\n", encoding="utf-8")  # as in jieba's own lists of words
    assert "创新办" in made("jieba", user_dictionary=str(path)).segment(["李小福是创新办主任"])[0]
    path.write_text("创新办 名词\n", encoding="utf-8")
    with pytest.raises(Refusal, match=r"words\.txt, line 1: expected a word and its count"):
        made("jieba", user_dictionary=str(path)).segment(["创新办"])


def test_without_jieba_its_extra_is_named() -> None:
    script = (
        "import sys; sys.modules['jieba'] = None\n"
        "from danlu.text.segmenting.segmenter import Segmenter\n"
        "Segmenter.model_validate('jieba').segment(['好'])"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "pip install 'danlu[jieba]'" in ran.stderr


@pytest.mark.parametrize("name", ["hmm", "ngram"])
def test_what_was_learnt_is_found_again(name: str, segmenters: dict[str, Segmenter]) -> None:
    truth = SENTENCES[:5]
    assert segmenters[name].segment(["".join(words) for words in truth]) == truth


def test_figures_and_letters_are_alike_whatever_they_are_and_stay_together(segmenters: dict[str, Segmenter]) -> None:
    for name in ("hmm", "ngram"):
        assert "2024年" in segmenters[name].segment(["他2024年生于北京"])[0]
        assert "unseen" in segmenters[name].segment(["他去 unseen"])[0]


@pytest.mark.parametrize("name", ["hmm 0", "hmm 1", "hmm"])
@given(text=st.text("今天气很好我们去龘", min_size=1, max_size=6))
def test_the_path_is_the_best_of_all_paths(name: str, text: str, segmenters: dict[str, Segmenter]) -> None:
    part = segmenters[name]
    assert isinstance(part, Learner)
    model = CharacterModel.from_arrays(part.known)
    given_texts = characters([text])
    pieces = cut_pieces(given_texts, model.alone_table)
    scores = model.scores(given_texts.codes, pieces.fresh)
    step = {(2, 0): 0, (2, 3): 1, (3, 0): 2, (3, 3): 3, (0, 1): 4, (0, 2): 5, (1, 1): 6, (1, 2): 7}
    best, best_score = (), -np.inf
    for path in product(range(4), repeat=len(text)):
        steps = list(zip((3, *path), path, strict=False))
        if path[-1] in (2, 3) and all(each in step for each in steps):
            score = sum(scores[place, step[each]] for place, each in enumerate(steps))
            if score > best_score + 1e-4:
                best, best_score = path, score
    assert [bool(b) for b in word_begins(scores, pieces)] == [state in (0, 3) for state in best]


def test_probabilities_of_characters_sum_to_one(segmenters: dict[str, Segmenter]) -> None:
    part = segmenters["hmm 1"]
    assert isinstance(part, Learner)
    model = CharacterModel.from_arrays(part.known)
    size = len(model.one)
    for before in (0, 16, 20, 5):
        rows = model.one + model.one_left[before][[2, 2, 3, 3, 0, 0, 1, 1]]
        mine = model.pairs // size == before
        rows[model.pairs[mine] % size] = model.two[mine]
        sums = np.exp(rows.astype(np.float64)).sum(0)
        seen = [sums[a] + sums[b] for a, b in ((0, 1), (2, 3), (4, 5), (6, 7))]
        assert np.allclose(seen, 1, atol=1e-3)


def test_one_that_learns_must_have_learnt(tmp_path: Path) -> None:
    for kind in ("hmm", "ngram"):
        with pytest.raises(Refusal, match=f"segmenter '{kind}' has learnt nothing yet"):
            made(kind).segment(["好"])
        with pytest.raises(Refusal, match="no words to learn from"):
            save(tmp_path / "none", made(kind), [])
        assert not (tmp_path / "none").exists()
        with pytest.raises(Refusal, match=r"holds no segmenter\.json"):
            made(kind, path=str(tmp_path)).segment(["好"])


def test_a_trained_folder_is_refused_where_it_does_not_fit(tmp_path: Path) -> None:
    folder = tmp_path / "hmm"
    save(folder, made("hmm", context=1), SENTENCES[:6])
    assert made("hmm", path=str(folder), context=1).segment(["今天"])
    assert open_segmenter(folder).inputs() == [str(folder)]
    with pytest.raises(Refusal, match="of kind 'hmm', not 'ngram'"):
        made("ngram", path=str(folder)).segment(["今天"])
    with pytest.raises(Refusal, match="was trained with 'context: 1', not 2"):
        made("hmm", path=str(folder), context=2).segment(["今天"])
    save(tmp_path / "ngram", made("ngram", spelling=0.3), SENTENCES[:6])
    part = made("ngram", path=str(tmp_path / "ngram"))
    assert isinstance(part, Ngram)
    assert part.trained.spelling == 0.3
    with pytest.raises(Refusal, match="trained already"):
        save(tmp_path / "again", made("hmm", path=str(folder)), SENTENCES)
    model = folder / "model.safetensors"
    model.write_bytes(model.read_bytes()[:-1] + b"\x01")
    with pytest.raises(Refusal, match="missing or was changed"):
        open_segmenter(folder).segment(["今天"])
    (folder / "segmenter.json").write_text(json.dumps({"segmenter": {"kind": "from the future"}}))
    with pytest.raises(Refusal, match="upgrade danlu"):
        open_segmenter(folder)
    (folder / "segmenter.json").write_text("{}")
    with pytest.raises(Refusal, match="is no segmenter's description"):
        open_segmenter(folder)


def test_the_same_text_teaches_the_same_bytes(tmp_path: Path) -> None:
    for kind in ("hmm", "ngram"):
        for name in ("one", "two"):
            save(tmp_path / kind / name, made(kind), SENTENCES)
        one, two = ((tmp_path / kind / name / "model.safetensors").read_bytes() for name in ("one", "two"))
        assert one == two


def test_white_space_between_words_is_not_learnt(tmp_path: Path) -> None:
    spaced = [[word for part in zip(words, " " * len(words), strict=False) for word in part] for words in SENTENCES]
    save(tmp_path / "hmm", made("hmm"), spaced)
    alone = open_segmenter(tmp_path / "hmm")
    assert alone.segment(["今天 天气 好"])[0] == ["今天", " ", "天气", " ", "好"]
