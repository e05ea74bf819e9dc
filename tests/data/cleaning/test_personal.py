"""Right and wrong forms of what is personal, by kind."""

import pytest

from danlu.data.cleaning.cleaner import Cleaner, Rewriter

MASKED = {
    "phone": [
        "13800138000",
        "１３８００１３８０００",
        "138-0013-8000",
        "138－0013－8000",
        "138—0013—8000",
        "138 0013 8000",
        "138\u30000013\u30008000",
        "1380-013-8000",
        "008613800138000",
        "+8613800138000",
        "＋86 138 0013 8000",
        "（+86）13800138000",
        "(86)13800138000",
        "٠٠٨٦13800138000",
        "0755-26671234",
        "(010)62751234",
        "400-820-6666",
        "+33 1 23 45 67 89",
        "+44 20 7946 0958",
        "+1 (415) 555-2671",
        "+49 30 901820",
        "+81 3-3224-5000",
        "0033 1 23 45 67 89",
        "415-555-2671",
    ],
    "mail": ["abc@qq.com", "abc＠qq.com", "ａｂｃ＠ｑｑ．ｃｏｍ", "li.lei+news@mail.example.com.cn"],
    "identity": [
        "11010519491231002X",
        "11010519491231002x",
        "110105 19491231 002X",
        "110105-19491231-002X",
        "１１０１０５１９４９１２３１００２Ｘ",
    ],
    "bank": ["4111 1111 1111 1111", "4111-1111-1111-1111", "4111111111111111", "４１１１１１１１１１１１１１１１"],
    "ip": ["192.168.0.1", "2001:db8::ff00:42:8329", "fe80::1"],
}

GLUED = [
    ("tel13800138000", "tel<phone>"),
    ("微信wx13800138000", "微信wx<phone>"),
    ("ID11010519491231002X", "ID<identity>"),
    ("card4111111111111111", "card<bank>"),
    ("IP192.168.0.1", "IP<ip>"),
    ("tel010-62751234", "tel<phone>"),
    ("电话：13800138000转8", "电话：<phone>转8"),
    ("+33 1 23 45 67 89 12:30", "<phone> 12:30"),
]

KEPT = [
    "第3.2.1.1节",
    "见 3.2.1.1 节",
    "版本1.2.3.4",
    "Version 1.2.3.4",
    "v1.2.3.4",
    "山西２．３．１．５",
    "攻击+15000000",
    "防御+2000000 生命+12345678",
    "face::bed",
    "std::vector",
    "Foo::bar",
    "add::dead",
    "a::b1",
    "12:30:45",
    "256.1.1.1",
    "订单1442083355",
    "编号138001380001234",
    "0.13800138000",
    "13800138000.55",
    "sha 5f13912345678a",
    "file_7_13800138000_2.jpg",
    "ISBN 978-7-111-12345",
    "2008-6-1 12:23",
    "价格 1,234,567.89 元",
    "11010519491231002Y",
    "110105194912310021",
    "5+33123456789",
    "@someone",
    "a@b",
    "１２３，４５６",
]


def mask(text: str) -> str:
    cleaner = Cleaner.model_validate("personal")
    assert isinstance(cleaner, Rewriter)
    return cleaner.rewrite([text])[0]


@pytest.mark.parametrize(("kind", "form"), [(kind, form) for kind, forms in MASKED.items() for form in forms])
def test_forms_are_masked_by_their_kind(kind: str, form: str) -> None:
    for before, after in (("", ""), ("请联系 ", "。"), ("号码", "，谢谢"), ("(", ")")):
        assert mask(f"{before}{form}{after}") == f"{before}<{kind}>{after}"


@pytest.mark.parametrize(("text", "masked"), GLUED)
def test_what_is_written_onto_a_word_is_masked(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize("text", KEPT)
def test_other_numbers_and_signs_stay(text: str) -> None:
    assert mask(text) == text


def test_what_stands_around_stays_in_its_own_width() -> None:
    assert mask("ＡＢ（１２），电话１３８００１３８０００！") == "ＡＢ（１２），电话<phone>！"


def test_a_mask_with_wide_digits_is_refused() -> None:
    with pytest.raises(ValueError, match="must hold"):
        Cleaner.model_validate({"kind": "personal", "mask": "<{kind}１>"})
