import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from danlu.data.characters.sentences import clauses, sentences


def pieces(text, cut=sentences):
    return [text[start:end] for start, end in cut(text)]


def test_chinese_and_english_end_with_their_marks():
    assert pieces("“好吗？”他问。好！\n走吧……  “是。”完") == ["“好吗？”", "他问。", "好！", "走吧……", "“是。”", "完"]
    assert pieces('He paid 3.50. "Why?" she asked. v1.2 works') == [
        "He paid 3.50.",
        '"Why?"',
        "she asked.",
        "v1.2 works",
    ]
    assert pieces("先来，后到；好：走", clauses) == ["先来，", "后到；", "好：", "走"]


@given(st.text(alphabet="ab 。.!？\n”,，"))
def test_nothing_but_white_space_is_lost(text):
    for cut in (sentences, clauses):
        assert "".join("".join(pieces(text, cut)).split()) == "".join(text.split())
        assert all(piece == piece.strip() for piece in pieces(text, cut))


def test_a_long_run_of_marks_takes_no_time():
    assert len(pieces("." * 200_000 + "a" + '."' * 100_000)) <= 3


def test_a_long_line_without_marks_takes_little_memory():
    text = "a b.c " * 2**19
    tracemalloc.start()
    sentences(text)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 * len(text)
