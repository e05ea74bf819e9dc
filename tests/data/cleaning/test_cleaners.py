"""One contract for every cleaner, and known answers for each."""

import re
import unicodedata
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from in_proportion import BOUND, growth

from danlu.data.characters.alignment import back, forward
from danlu.data.cleaning.cleaner import Cleaner, Rewriter
from danlu.recipe.part import find, kinds

SETTINGS = {
    "chinese": [{"to": "simplified"}, {"to": "traditional"}, {"to": "taiwan"}],
    "language": [{"keep": ["zh"]}],
    "normalise": [{"form": "NFC"}, {"form": "NFKC"}, {"width": False}],
    "personal": [{}, {"kinds": ["url", "mail", "phone", "bank", "identity", "ip"], "mask": "[{kind}]"}],
    "whitespace": [{}, {"lines": "join"}, {"between_chinese": "remove"}],
}


def part(kind: str, **fields: object) -> Cleaner:
    return Cleaner.model_validate({"kind": kind, **fields})


def rewrite(kind: str, text: str, **fields: object) -> str:
    cleaner = part(kind, **fields)
    assert isinstance(cleaner, Rewriter)
    return cleaner.rewrite([text])[0]


ALL = [part(kind, **fields) for kind in kinds(Cleaner) for fields in SETTINGS.get(kind, [{}])]  # type: ignore[type-abstract]
REWRITERS = [cleaner for cleaner in ALL if isinstance(cleaner, Rewriter)]
IDS = [f"{cleaner.kind}-{number}" for number, cleaner in enumerate(REWRITERS)]

PIECES = (
    "好",
    "漢字",
    "后面",
    "，",
    "ＡＢ１",
    "ｶﾞ",
    "e\u0301",
    "\u0301",
    "각",
    "\u1100\u1161",
    " ",
    "\u3000",
    "\r\n",
    "\n",
    "\t",
    "\u200b",
    "\u200d",
    "👩",
    "\ufeff",
    "\x1b[31m",
    "\ufffd",
    "<p>",
    "</b>",
    "<",
    "&",
    "amp;",
    "&lt;",
    "&#60;",
    "b>",
    "<!--",
    "-->",
    "13800138000",
    "+86",
    "a@b.cn",
    "192.168.0.1",
    "::1",
    "4111111111111111",
    "11010519491231002X",
    "0",
    "x",
    "http://a.b/c",
    "Ã©",
    "â€™",
    "ÄãºÃ",
    "浣犲ソ涓栫晫",
    "\x92",
    "\ud83d",
    "\ude00",
    "-----",
    "a long line of text\n",
)
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=12).map("".join)


def test_the_cleaners_are_all_seen() -> None:
    assert len(kinds(Cleaner)) >= 12  # type: ignore[type-abstract]
    assert {find(Cleaner, kind) for kind in kinds(Cleaner)} == {type(cleaner) for cleaner in ALL}  # type: ignore[type-abstract]


@pytest.mark.parametrize("cleaner", REWRITERS, ids=IDS)
@given(text=TEXTS)
def test_rewriting_twice_is_rewriting_once(cleaner: Rewriter, text: str) -> None:
    once = cleaner.rewrite([text])
    assert cleaner.rewrite(once) == once


@pytest.mark.parametrize("cleaner", REWRITERS, ids=IDS)
@given(text=TEXTS, data=st.data())
def test_spans_cover_the_characters_that_survive(cleaner: Rewriter, text: str, data: st.DataObject) -> None:
    """Marked characters that no step replaced are found under the mark, in both directions."""
    text = f"{text}龘靐"  # rare characters that no cleaner changes
    new = cleaner.rewrite([text])[0]
    alignments = cleaner.trace(text)
    start = data.draw(st.integers(0, len(text) - 2))
    span = forward(alignments, start, len(text))
    assert span is not None
    assert span[1] == len(new)
    assert new[slice(*span)].endswith("龘靐")
    mark = forward(alignments, len(text) - 2, len(text))
    assert mark == (len(new) - 2, len(new))
    assert back(alignments, *mark) == (len(text) - 2, len(text))
    for place in range(len(new)):
        origin = back(alignments, place, place + 1)
        assert origin is None or 0 <= origin[0] < origin[1] <= len(text)


@pytest.mark.parametrize("cleaner", REWRITERS, ids=IDS)
def test_samples_are_changed_and_ordinary_text_is_given_back_itself(cleaner: Rewriter) -> None:
    assert any(cleaner.rewrite([text]) != [text] for text in cleaner.sample)
    plain = ["A plain sentence, with a comma; no more.", ""]
    assert all(new is old for new, old in zip(cleaner.rewrite(plain), plain, strict=True))
    assert cleaner.rewrite([]) == []


@pytest.mark.parametrize("cleaner", ALL, ids=lambda cleaner: cleaner.kind)
def test_a_cleaner_reads_back_from_plain_data(cleaner: Cleaner) -> None:
    assert Cleaner.model_validate(cleaner.to_plain()) == cleaner


@given(TEXTS)
def test_nfc_without_width_is_unicodes_own(text: str) -> None:
    assert rewrite("normalise", text, width=False) == unicodedata.normalize("NFC", text)


@given(st.text())
def test_nfkc_is_unicodes_own_but_for_chinese_punctuation(text: str) -> None:
    text = re.sub("[，。！？；：（）“”‘’《》、～［］｛｝＂＇…‥—]", "", text)
    assert rewrite("normalise", text, form="NFKC") == unicodedata.normalize("NFKC", text)


def test_chinese_punctuation_stays_and_letters_and_digits_become_half_width() -> None:
    kept = "，。！？；：（）“”‘’《》、……——～"
    for form in ("NFC", "NFKC"):
        assert rewrite("normalise", f"{kept}Ａｚ０９％＋－．￥", form=form) == f"{kept}Az09%+-.¥"
    assert rewrite("normalise", "ﬁ①㎡", form="NFC") == "ﬁ①㎡"
    assert rewrite("normalise", "ﬁ①㎡", form="NFKC") == "fi1m2"
    assert rewrite("normalise", "ﾊﾞｲｸ") == "バイク"


def test_unseen_characters_go_but_not_those_that_join() -> None:
    assert rewrite("control", "\ufeff好\u200b\x00看\ufffd\x1b[1;31m红\x1b[0m") == "好看红"
    family = "👩\u200d👧"
    persian = "می\u200cخواهم"
    assert rewrite("control", family) == family
    assert rewrite("control", persian) == persian
    assert rewrite("control", "好\u200d看\ud800") == "好看"
    assert rewrite("control", "a\tb\r\nc") == "a\tb\r\nc"


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<p>一</p><p>二</p>", "\n一\n\n二\n"),
        ("a<br>b", "a\nb"),
        ("<a href=\"x>y\" class='z'>link</a>", "link"),
        ("<script>if (a < b) { alert('</p>'); }</script>x<style>p{}</style>", "x"),
        ("x<!-- <b>no</b> -->y<!DOCTYPE html>", "xy"),
        ("&lt;b&gt;two&lt;/b&gt; &amp;amp;amp; &#20013;&#x56fd;&nbsp;&copy;", "two & 中国\xa0©"),
        ("a < b && c > d; x<y, List<String>, <think>, <e1>word</e1>, <foo@bar.org>", None),
        ("AT&T &nosuch; &", None),
        ("if a <b and c> d", None),
        ("std::map<a, b> m; x <i or j> y; a <s c=d> b", None),
        ("<b,c> </p and q> <p:x> <custom-tag> <p-x> <br@x>", None),
        ("a <b\nc <i d", None),
        ("<p hidden>x</p >", "\nx\n"),
        ("<input disabled><td nowrap>1</td\n><P ALIGN=left>x", " 1 \nx"),
        ('<span foo="1">a</span><i data-x>b</i><img alt src=a.png/><br/><hr />', "ab\n\n"),
        ("<a title='<b>'>x</a> <a href=x>y</a> <p onclick=go()>z", "x y \nz"),
        ("<title>a &amp; b</title><textarea>c</textarea><script>x", "\na & b\ncx"),
        ("<!-->a<!--->b<!--c--!>d", "abd"),
        ('<a href="x>y', None),
        ("<td>1</td><td>2</td>", " 1  2 "),
        ("<a", None),
        ("<!-- open", None),
    ],
)
def test_html_becomes_what_a_reader_sees(page: str, text: str | None) -> None:
    assert rewrite("html", page) == (page if text is None else text)


def test_hostile_markup_takes_no_more_than_linear_time() -> None:
    for piece in ("<a ", "<!--", "<script>", "&amp;", "<a '", '<a "', "&#", "<<b>b>", "</script>"):
        assert growth(*(partial(rewrite, "html", piece * count) for count in (2_000, 8_000))) < BOUND, piece
    assert rewrite("html", "<" * 30 + "b>" * 30) == rewrite("html", rewrite("html", "<" * 30 + "b>" * 30))


def test_white_space_has_one_form() -> None:
    assert rewrite("whitespace", "\u3000\u3000第一段  有\xa0空格\t\r\n\r\n\r\n第二段 \n 第三行\n") == (
        "第一段 有 空格\n\n第二段\n第三行"
    )
    assert rewrite("whitespace", "a\n\nb", lines="join") == "a b"
    assert rewrite("whitespace", "今 天 是 a b 好", between_chinese="remove") == "今天是 a b 好"
    assert rewrite("whitespace", " \n\t ") == ""


def test_mojibake_is_repaired_in_both_directions() -> None:
    assert rewrite("mojibake", "sÃ³ la naÃ¯vetÃ©") == "só la naïveté"
    assert rewrite("mojibake", "itâ€™s") == "it’s"
    for text in ("你好世界", "电脑没有声音"):
        assert rewrite("mojibake", text.encode().decode("gbk")) == text
        assert rewrite("mojibake", text.encode("gb2312").decode("latin-1")) == text
    for text in ("联通", "“好”……——·克林顿·", "über Äpfel", "ÄÖÜ", "naïve café", "1°–2°"):
        assert rewrite("mojibake", text) == text


def test_chinese_is_converted_by_phrases() -> None:
    assert rewrite("chinese", "乾坤與乾燥，皇后在後面") == "乾坤与干燥，皇后在后面"
    assert rewrite("chinese", "理发后发展，面包在里面", to="traditional") == "理髮後發展，麪包在裏面"
    assert rewrite("chinese", "里面的软件", to="taiwan") == "裡面的軟件"


def identity(first: str) -> str:
    """An identity number with the check digit of ISO 7064, MOD 11-2, by its definition: a sum that is 1 modulo 11."""
    for digit in "0123456789X":
        value = 0
        for character in first + digit:
            value = value * 2 + (10 if character == "X" else int(character))
        if value % 11 == 1:
            return first + digit
    raise AssertionError


def test_identity_numbers_are_told_by_their_check_digit() -> None:
    number = identity("11010519900307123")
    assert rewrite("personal", f"证号{number}，") == "证号<identity>，"
    wrong = number[:-1] + ("1" if number[-1] != "1" else "2")
    assert rewrite("personal", f"证号{wrong}", kinds=["identity"]) == f"证号{wrong}"
    assert rewrite("personal", identity("11010519901307123"), kinds=["identity"]) != "<identity>"  # month 13


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("我的电话13800138000请打", "我的电话<phone>请打"),
        ("138-0013-8000、+86 138 0013 8000", "<phone>、<phone>"),
        ("(010)62751234 或 0755-2667 1234-801，400-820-6666", "<phone> 或 <phone>，<phone>"),
        ("call +1 (415) 555-2671 or 415-555-2671.", "call <phone> or <phone>."),
        ("Visa 4111-1111-1111-1111, 6222 0200 0000 0000 123", "Visa <bank>, 6222 0200 0000 0000 123"),
        ("写信到 li.lei@mail.example.com.cn。", "写信到 <mail>。"),
        ("from 10.0.0.255:80 and 2001:db8::ff00:42:8329!", "from <ip>:80 and <ip>!"),
        ("订单1442083355，2008-6-1 12:23，12345678901234567890，版本1.2.3，256.1.1.1，std::vector", None),
        ("价格 1,234,567.89 元；共 20000000 人", None),
    ],
)
def test_personal_data_is_masked_and_other_numbers_stay(text: str, masked: str | None) -> None:
    assert rewrite("personal", text) == (text if masked is None else masked)


def test_addresses_of_pages_are_masked_on_request() -> None:
    text = "见 https://example.org/a?b=c。或 (http://x.cn/y)."
    assert rewrite("personal", text) == text
    assert rewrite("personal", text, kinds=["url"]) == "见 <url>。或 (<url>)."


def test_a_mask_that_could_be_masked_is_refused() -> None:
    for mask in ("<1{kind}>", "gone", "{kind}@"):
        with pytest.raises(ValueError, match="must hold"):
            part("personal", mask=mask)


def test_lines_that_say_nothing_go() -> None:
    page = "Home | About\n正文第一段。\n=====\n好\n好\n\nHome | About\n正文第二段。\nHome | About"
    assert rewrite("lines", page) == "Home | About\n正文第一段。\n好\n好\n\n正文第二段。\n"
