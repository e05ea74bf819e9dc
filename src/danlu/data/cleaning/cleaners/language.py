"""Texts in the languages that are asked for: by their script where that decides, else by the model of py3langid.

py3langid (Barbaresi, 2021, after Lui and Baldwin, langid.py, 2012) walks a text byte by byte in Python, at
0.5 MB/s. Here its automaton walks thousands of texts at once, and gives the same answers.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from danlu.data.characters.scripts import HAN, HANGUL, KANA, LATIN, LETTER, UNSPACED, kind_table
from danlu.data.characters.side_by_side import characters, code_points
from danlu.data.cleaning.cleaner import Filter
from danlu.machine.extra import needed

_BLOCK = 2048  # texts that are walked together: their states stay in the cache of a core


_STRONG = 18.0
"""Nats by which a language that is not kept must be likelier: chance exceeds them in 1 English word of 1,000 and in
fewer longer phrases; 5 French words have them in 97 cases of 100, 8 in all (2026-11)."""

_PART = 0.25  # of the letters in a script of the languages that are kept, from which a text counts as mixed

_CHINESE = frozenset({"zh", "wuu", "yue", "cmn", "zho", "hak", "gan", "nan", "lzh"})

_SCRIPTS: dict[str, str] = {
    "CYRILLIC": "ru uk be bg sr mk kk ky mn tg tt ba cv os ce av ab sah udm uz az crh tk cu mo",
    "GREEK": "el grc",
    "ARABIC": "ar fa ur ps ug sd ku ckb sdh arz ary pnb az ks ms ha pa kk ky dv",
    "HEBREW": "he yi hbo lad",
    "ARMENIAN": "hy",
    "GEORGIAN": "ka xmf",
    "DEVANAGARI": "hi mr ne sa gom mai bho sd ks",
    "BENGALI": "bn as",
    "GURMUKHI": "pa",
    "GUJARATI": "gu",
    "ORIYA": "or",
    "TAMIL": "ta",
    "TELUGU": "te",
    "KANNADA": "kn",
    "MALAYALAM": "ml",
    "SINHALA": "si",
    "THAI": "th",
    "LAO": "lo",
    "TIBETAN": "bo dz",
    "MYANMAR": "my",
    "KHMER": "km",
    "ETHIOPIC": "am ti",
    "THAANA": "dv",
    "MONGOLIAN": "mn",
    "HANGUL": "ko",
    "KANA": "ja",
    "HAN": " ".join(("ja", "ko", *sorted(_CHINESE))),
}
"""The languages that are written in each script; all others are written in Latin letters, as are `_LATIN_TOO`."""

_LATIN_TOO = frozenset(("sr", "kk", "uz", "az", "crh", "tk", "tt", "ku", "ms", "ha", "ug", "mo", "lad"))

_NAMES = ("LATIN", *_SCRIPTS, "OTHER")

_OF_ONE = ("HANGUL", "KANA", "HAN")  # whose characters say as much as a word

_LETTER = 0.25  # of an alphabet, beside one of these
_FEW = 0.7  # two Greek letters of a face such as (´･ω･`) are no word, a Chinese character is one
_TITLE = 12  # Chinese characters without kana that may be Japanese


class Language(Filter):
    """Keeps texts in some languages, named by their codes of ISO 639-1. Needs the extra `clean`.

    The script decides first; a text that is short or mixed is dropped on strong evidence alone. Texts without a letter
    stay. `wuu`, `yue` and the like count as `zh`.
    """

    keep: tuple[str, ...] = Field(min_length=1, description="codes such as 'zh' or 'en'")
    sure: float = Field(default=0.8, ge=0, lt=1, description="drop a text that is another's with this probability")
    sample: int = Field(default=300, ge=20, description="characters at the beginning of a text that are looked at")

    @model_validator(mode="after")
    def _keep_codes(self) -> "Language":
        for code in self.keep:
            if not (2 <= len(code) <= 3 and code.isascii() and code.islower()):
                raise PydanticCustomError("language", "'{code}' is no code such as 'zh' or 'en'", {"code": code})
        return self

    def reasons(self, texts: Sequence[str]) -> list[str | None]:
        """The code of a language that is not kept, or None; see `Filter`."""
        texts = [text[: self.sample] for text in texts]
        keep = frozenset(self.keep) | (_CHINESE if _CHINESE & set(self.keep) else frozenset())
        found = by_script(texts, keep)
        for sort, kept, sure, strong in (("", sorted(keep), self.sure, _STRONG), ("?", [], 0.0, 0.0)):
            rows = [row for row, language in enumerate(found) if language == sort]
            told = by_model([_written_in(keep, texts[row]) if kept else texts[row] for row in rows], kept, sure, strong)
            for row, language in zip(rows, told, strict=True):
                found[row] = language or (None if kept else "another script")
        return [None if language in keep else language for language in found]


def by_script(texts: Sequence[str], keep: frozenset[str]) -> list[str | None]:
    """What the scripts say of each text, if `keep` are the languages that stay.

    None for one that stays, the code of a language or `?` for one that goes, and an empty text where its words have to
    be looked at.
    """
    given = characters(texts)
    scripts = _script_table()[given.codes]
    letters_NS = np.stack([given.sums(scripts == number) for number in range(1, len(_NAMES) + 1)], axis=1)
    kept_S = np.array([_is_written_in(name, keep) for name in _NAMES])
    weights_NS = letters_NS * np.array([1.0 if name in _OF_ONE else _LETTER for name in _NAMES])
    total, mine = weights_NS.sum(1), weights_NS[:, kept_S].sum(1)
    han, kana, hangul = (letters_NS[:, _NAMES.index(name)] for name in ("HAN", "KANA", "HANGUL"))
    telling = given.sums((scripts == 1 + _NAMES.index("KANA")) & (given.codes < 0x30A0) & (given.codes != ord("の")))
    japanese = ((telling >= 2) & (5 * kana >= han + kana)) | ((kana >= 4) & (han == 0))
    certain = japanese | ((kana == 0) & (han > _TITLE))
    east = 2 * (han + kana) >= total
    code = np.where(japanese, "ja", np.where(east, "zh", np.where(2 * hangul >= total, "ko", "?")))
    code[~east & (np.argmax(weights_NS, axis=1) != _NAMES.index("HANGUL"))] = "?"
    foreign = (mine < _PART * total) & (total - mine >= _FEW)
    unlike = east & certain & ~np.isin(code, list(keep)) & kept_S[_NAMES.index("HAN")]
    scripts_alone = east | (2 * hangul >= total)
    found = np.full(len(texts), "", dtype=object)
    found[scripts_alone | (total == 0)] = None
    found[foreign | unlike] = code[foreign | unlike]
    found_list: list[str | None] = found.tolist()
    return found_list


def _is_written_in(script: str, keep: frozenset[str]) -> bool:
    """Whether one of the languages is; of a script that is not listed, none is."""
    if script == "LATIN":
        listed = {code for codes in _SCRIPTS.values() for code in codes.split()}
        return bool(keep & _LATIN_TOO or keep - listed)
    return bool(keep & set(_SCRIPTS.get(script, "").split()))


def _written_in(keep: frozenset[str], text: str) -> str:
    """The text without the letters of scripts in which none of the languages is written."""
    scripts = _script_table()[code_points(text)]
    other = ~np.array([True, *(_is_written_in(name, keep) for name in _NAMES)])[scripts]
    return (
        "".join(" " if out else character for character, out in zip(text, other, strict=True)) if other.any() else text
    )


@cache
def _script_table() -> NDArray[np.uint8]:
    """The script of each code point, (0x110000,): 1 for Latin, then as in `_SCRIPTS`, last for others; 0 for none."""
    kinds = kind_table()
    table = np.zeros(len(kinds), np.uint8)
    numbers = {name: number for number, name in enumerate(_SCRIPTS, 2)}
    for code in np.flatnonzero((kinds == LETTER) | (kinds == UNSPACED)).tolist():
        table[code] = numbers.get(unicodedata.name(chr(code), "?").split()[0], len(_NAMES))
    table[kinds == LATIN] = 1
    for kind, name in ((HAN, "HAN"), (KANA, "KANA"), (HANGUL, "HANGUL")):
        table[kinds == kind] = numbers[name]
    return table


@dataclass(frozen=True)
class _Model:
    """py3langid's: an automaton over bytes (S states), features (F), naive Bayes over classes (C).

    - `next_state`: by row * 256 + byte; `row`: (S,), the row of each state times 256.
    - `feature`: (S,), what a state says, or -1.
    - `weights`: (F, C), `prior`: (C,), `names`: (C,).
    """

    next_state: NDArray[np.int64]
    row: NDArray[np.int64]
    feature: NDArray[np.int64]
    weights: NDArray[np.float32]
    prior: NDArray[np.float32]
    names: list[str]


@cache
def _model() -> _Model:
    langid = needed("py3langid.langid", "clean", "the cleaner 'language'")
    found = langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE)
    return _Model(
        np.asarray(found.tk_nextmove, np.int64),
        np.asarray(found.tk_row, np.int64) << 8,
        np.asarray(found.tk_output, np.int64),
        np.asarray(found.nb_ptc, np.float32),
        np.asarray(found.nb_pc, np.float32),
        list(found.nb_classes),
    )


def by_model(
    texts: Sequence[str], keep: Sequence[str] = (), sure: float = 0.0, strong: float = 0.0
) -> list[str | None]:
    """What py3langid says of each text.

    None where it knows no piece of the text, where others than `keep` are together less probable than `sure`, or where
    none of them is likelier than all of `keep` by `strong` nats.
    """
    if not texts:
        return []
    encoded = [
        unicodedata.normalize("NFC", text.lower() if text.isupper() else text).encode("utf-8", "surrogatepass")
        for text in texts
    ]
    order = sorted(range(len(encoded)), key=lambda row: -len(encoded[row]))
    found: list[str | None] = [None] * len(encoded)
    model = _model()
    kept = np.array([name in keep for name in model.names])
    for start in range(0, len(order), _BLOCK):
        rows = order[start : start + _BLOCK]
        scores_NC = _scores([encoded[row] for row in rows], model)
        told = (scores_NC != model.prior).any(1)  # else no piece of the text is known
        if kept.any():
            told &= scores_NC[:, ~kept].max(1) - scores_NC[:, kept].max(1) >= strong
        # py3langid divides by the root of the length, so that its probabilities are neither 0 nor 1
        scores_NC /= np.sqrt([[max(len(encoded[row]), 1)] for row in rows])
        shares_NC = np.exp(scores_NC - scores_NC.max(1, keepdims=True))
        told &= 1 - shares_NC[:, kept].sum(1) / shares_NC.sum(1) >= sure
        for row, number in zip(np.array(rows)[told].tolist(), scores_NC[told].argmax(1).tolist(), strict=True):
            found[row] = model.names[number]
    return found


def _scores(texts: Sequence[bytes], model: _Model) -> NDArray[np.float32]:
    """The logarithm of each class's probability, but for a constant, (N, C); texts come longest first."""
    from scipy.sparse import coo_array

    lengths = np.array([len(text) for text in texts])
    bytes_NL = np.zeros((len(texts), int(lengths.max(initial=0))), np.uint8)
    for row, text in enumerate(texts):
        bytes_NL[row, : len(text)] = np.frombuffer(text, np.uint8)
    bytes_LN = np.ascontiguousarray(bytes_NL.T).astype(np.int64)
    states = np.zeros(len(texts), np.int64)
    seen_rows, seen_features = [], []
    for place in range(bytes_LN.shape[0]):
        count = int(np.searchsorted(-lengths, -place, "left"))  # texts that are longer than this place
        states = model.next_state[model.row[states[:count]] + bytes_LN[place, :count]]
        features = model.feature[states]
        rows = np.flatnonzero(features >= 0)
        seen_rows.append(rows)
        seen_features.append(features[rows])
    shape = (len(texts), len(model.weights))
    rows, features = np.concatenate([*seen_rows, []]).astype(np.int64), np.concatenate([*seen_features, []])
    counts = coo_array((np.ones(len(rows), np.float32), (rows, features.astype(np.int64))), shape).tocsr()
    counts.data = np.log1p(counts.data)
    scores: NDArray[np.float32] = counts @ model.weights + model.prior
    return scores
