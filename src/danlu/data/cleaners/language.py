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

from danlu.data.characters import characters
from danlu.data.cleaner import Filter
from danlu.data.extra import needed
from danlu.data.scripts import HAN, HANGUL, KANA, LATIN, LETTER, UNSPACED, kinds_of

_BLOCK = 2048  # texts that are walked together: their states stay in the cache of a core


class Language(Filter):
    """Keeps texts in some languages, named by their codes of ISO 639-1. Needs the extra `clean`.

    Chinese, Japanese and Korean are told by their scripts alone. Texts without a letter stay.
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
        found = by_script(texts)
        rest = [row for row, language in enumerate(found) if language == ""]
        for row, language in zip(rest, by_model([texts[row] for row in rest], self.keep, self.sure), strict=True):
            found[row] = language
        return [None if language in self.keep else language for language in found]


def by_script(texts: Sequence[str]) -> list[str | None]:
    """`zh`, `ja` or `ko` where at least half of the letters are theirs, None without letters, else an empty text."""
    given = characters(texts)
    kinds = kinds_of(given.codes)
    han, kana, hangul = (given.sums(kinds == kind) for kind in (HAN, KANA, HANGUL))
    letters = han + kana + hangul + given.sums(np.isin(kinds, (LATIN, UNSPACED, LETTER)))
    found = np.full(len(texts), "", dtype=object)
    found[2 * han >= letters] = "zh"  # a Chinese character says as much as a word
    found[(2 * (han + kana) >= letters) & (20 * kana > han)] = "ja"
    found[2 * hangul >= letters] = "ko"
    found[letters == 0] = None
    found_list: list[str | None] = found.tolist()
    return found_list


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


def by_model(texts: Sequence[str], keep: Sequence[str] = (), sure: float = 0.0) -> list[str | None]:
    """What py3langid says of each text.

    None where it knows no piece of the text, or where others than `keep` are together less probable than `sure`.
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
