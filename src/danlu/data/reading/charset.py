"""Whether bytes that can be read as GB18030 are meant so: nearly any bytes can, those of German and Korean too.

Two judges: how frequent in Chinese the characters are that come out, and charset-normalizer
(https://github.com/jawah/charset_normalizer) where that leaves a doubt.
Measured on 400 pieces each of real texts: GB18030 of 20 Chinese characters or more is always read;
of cp1252, Big5, Shift-JIS, EUC-JP, EUC-KR and cp1251 nothing of 15 characters or more is.
"""

from collections.abc import Sequence
from functools import lru_cache

_FREQUENT = frozenset(
    "的是不一了有在人我大个年这中为国上车以和就时要好也到动多后还会很来没发本机用可都于出能地下油过看比间说高点开对"
    "行小得家里作成前自日方他生现子价新力公加全经主实部们学月书么其但内面之分电而天外长感性道最同定速你工森店理市觉"
    "去如业当度所进区林格与次房那合问务太体等位样者心重买事路常然建只关平及第西民服两因换些法入水三酒东名系种起较万"
    "文果正特员题美差设意提斯台明空通错四原更音安款政想保海住应无产总被别代配场由装化从手少品真线门给并着北量华置制"
    "十话耗南知调物至此二元已观该改什结盘情再目非期接相利口程向金表色直使强统己将展导任马几选基又气才变世记山达巴教"
    "计吧或单打老级受完各便亚军解社做低回头式喜立科活尔质近数拉风带议报站省视济把且优响队控让收资管件交放费京司欢适"
    "条客热算联球赛处广快版标女港运身候城号星形论德今排驱先反刹信显界克网像求转确节底每早认越片指光共声称包张型决清"
    "院五读持影般干战米据楼推值类取它王啊首香花委见传增烧整需满儿州布饰友容商始难约办望送流卡深试组升足爱际况术连准"
    "钱语备字治箱操航贵修领龙她英超示离边器步江义士白够集环走列评图农技乐象局考效怎施专罗企周具跑神鲁府党货半轮游餐"
    "除精养何造"
)
"""The 500 most frequent characters of four corpora of simplified Chinese: 77 % of running text, 17 % of Korean in
EUC-KR that is read as GB18030, 2 % of Big5."""

_TRADITIONAL = frozenset(
    "個這為國車時動後還會來沒發機於過間說點開對裡現價經實們學書麼內電長覺業當進區與問務體樣買關兩換東種較萬員題設臺"
    "錯應無產總別場裝從線門給並著華話調觀該結盤錶強統將導馬幾選氣變記達計單級亞軍迴頭爾質數風帶議報視濟優響隊讓資費"
    "歡適條熱聯賽處廣標運號論驅剎顯網轉確節認聲稱張決讀幹戰據樓類見傳燒滿兒飾難約辦試組愛際況術連準錢語備貴領龍離邊"
    "義夠環評圖農樂專羅魯黨貨輪遊養"
)
"""Their traditional forms; they count as far as others stand beside them, for single letters of Latin-1 become some."""

_LIKELIER = ("cp1252", "cp1251", "big5", "euc_kr", "shift_jis", "euc_jp")
"""What is named where it gives the same text as the encoding that was guessed."""

SAMPLE = 2**14
"""Bytes that are looked at."""


def perhaps(lines: Sequence[bytes]) -> str | None:
    """What lines of text that seem to be GB18030 are in more likely; "" where that is not known, None for GB18030."""
    sample = _cut(lines)
    letters = _letters(sample, "gb18030")
    likely = _frequent(letters)
    if likely >= 0.4 * (len(letters) + (len(letters) >= 5)) or _spread(letters):  # fewer than 5: chance is let pass
        return None
    guess = likeliest(sample)
    if guess in ("gb18030", "gbk", "gb2312", "hz"):
        return None
    if guess and not _has_its_script(sample, guess):
        return None if likely >= 0.25 * len(letters) else ""
    return guess


def is_short_gb18030(block: bytes) -> bool:
    """Whether a text that can be UTF-8 as well, such as 联通 alone, is GB18030: all of it is frequent Chinese."""
    if block.isascii() or max(block) >= 0xE0:  # a character of three bytes in UTF-8
        return False
    try:
        letters = {sign for sign in block.decode("gb18030") if sign > "\x7f"}
    except UnicodeDecodeError:
        return False
    return len(letters) > 1 and letters <= _FREQUENT


def _cut(lines: Sequence[bytes]) -> bytes:
    found: list[bytes] = []
    size = 0
    for line in lines:
        if not line.isascii():
            found.append(line[:SAMPLE])
            size += len(line)
        if size >= SAMPLE:
            break
    return b"".join(found)


def _letters(sample: bytes, encoding: str) -> str:
    """What is neither ASCII nor a mark."""
    return "".join(sign for sign in sample.decode(encoding, "ignore") if sign > "\x7f" and not _is_mark(sign))


def _frequent(letters: str) -> int:
    """How many letters are frequent in Chinese."""
    simplified = sum(letter in _FREQUENT for letter in letters)
    return simplified + min(simplified, sum(letter in _TRADITIONAL for letter in letters))


def _is_mark(sign: str) -> bool:
    return "\u2010" <= sign <= "\u2bff" or "\u3000" <= sign <= "\u303f" or "\uff00" <= sign <= "\uffef" or sign == "·"


def _spread(letters: str) -> bool:
    """Whether characters that are not frequent, as in poems, fill the 3,755 of the first level of GB 2312 (1980).

    Those are in the order of pinyin. Hangul takes the place of its first 25 rows alone, a Cyrillic letter of KOI8-R
    is never in the columns that are asked for.
    """
    pairs, count = letters.encode("gb18030"), len(letters)
    if len(pairs) != 2 * count or count < 12:
        return False
    rows, columns = pairs[::2], pairs[1::2]
    level = sum(0xB0 <= row <= 0xD7 and column >= 0xA1 for row, column in zip(rows, columns, strict=True))
    late = sum(0xC9 <= row <= 0xD7 for row in rows)
    outside = sum(not 0xC0 <= column <= 0xDF for column in columns)
    return level >= 0.85 * count and late >= 0.2 * count and outside >= 0.3 * count


@lru_cache(8)
def likeliest(sample: bytes) -> str:
    """The encoding that charset-normalizer takes some text for, marks of UTF-16 and UTF-32 aside; "" for none."""
    from charset_normalizer import from_bytes

    wide = ["utf_16", "utf_16_be", "utf_16_le", "utf_32", "utf_32_be", "utf_32_le", "utf_7"]
    found = from_bytes(sample, cp_exclusion=wide).best()
    if found is None:
        return ""
    text = _read_as(sample, found.encoding)
    return next((name for name in _LIKELIER if text is not None and _read_as(sample, name) == text), found.encoding)


def _has_its_script(sample: bytes, encoding: str) -> bool:
    """Whether a text in an encoding for Korean is in Hangul, and one in an encoding for Japanese has kana."""
    letters = _letters(sample, encoding)
    if encoding in ("cp949", "euc_kr", "johab", "iso2022_kr"):
        return sum("\uac00" <= letter <= "\ud7a3" for letter in letters) >= 0.9 * len(letters)
    if encoding.startswith(("euc_ji", "euc_jp", "shift_ji", "cp932", "iso2022_jp")):
        return any("\u3040" <= letter <= "\u30ff" for letter in letters)
    return True


def _read_as(sample: bytes, encoding: str) -> str | None:
    try:
        return sample.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        return None
