"""What holds for the words of every segmenter, whatever it is."""

from itertools import accumulate
from pathlib import Path

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from danlu.recipe.part import kinds
from danlu.refusal import Refusal
from danlu.text.segmenting.segmenter import Learner, Segmenter, open_segmenter, save

KINDS = [kind for kind in kinds(Segmenter) if kind != "neural"]  # that one is tested with the bundles
SENTENCES = [["今天", "天气", "很", "好", "，"], ["我们", "去", "公园", "散步", "。"], ["北京", "的", "天气"]] * 20
CLUSTERS = [
    "天", "气", "A", "e\u0301", "\u0301", "👩\u200d👩\u200d👧", "👍🏽", "🇨🇳", "か\u3099", "天\U000e0100", "क्ष", "\r\n",
    " ", "각", "1\ufe0f\u20e3",
]  # fmt: skip


@pytest.fixture(scope="module")
def segmenters(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Segmenter]:
    found = {}
    for kind in KINDS:
        found[kind] = Segmenter.model_validate(kind)
        if isinstance(found[kind], Learner):
            save(folder := tmp_path_factory.mktemp(kind) / "learnt", found[kind], SENTENCES)
            found[kind] = open_segmenter(folder)
    return found


def test_all_kinds_are_seen() -> None:
    assert len(KINDS) >= 5


@pytest.mark.parametrize("kind", KINDS)
@given(parts=st.lists(st.sampled_from(CLUSTERS), max_size=12), block=st.sampled_from([9, 2**18]))
def test_no_word_ends_within_what_a_reader_takes_for_one_character(
    kind: str, parts: list[str], block: int, segmenters: dict[str, Segmenter]
) -> None:
    text = "".join(parts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("danlu.text.segmenting.segmenter._BLOCK", block)
        found = segmenters[kind].segment([text])[0]
    assert "".join(found) == text
    assert {*accumulate(map(len, found))} <= {*accumulate(map(len, regex.findall(r"\X", text)))}


def test_an_empty_dictionary_is_refused(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("\n")
    with pytest.raises(Refusal, match="holds 0 words"):
        Segmenter.model_validate({"kind": "rules", "dictionary": str(tmp_path / "words.txt")}).segment(["好"])
