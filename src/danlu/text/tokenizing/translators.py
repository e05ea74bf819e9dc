"""Tokenizers of translators that were published without `tokenizer.json`: Marian's (opus-mt) and M2M-100's.

Both have the pieces of SentencePiece in one file, and the number of each in another. Marian has two files of pieces,
for what is read and for what is written (Tiedemann and Thottingal, 2020, OPUS-MT).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import AddedToken

from danlu.machine.door import file_inside, read_json
from danlu.refusal import Refusal
from danlu.text.tokenizing.sentence_pieces import LONGEST, SentencePieces, read_pieces
from danlu.text.tokenizing.special import UNKNOWN
from danlu.text.tokenizing.tokenizer import Tokenizer, write_by

VOCABULARY, ADDED = "vocab.json", "added_tokens.json"

_SIDES = ("source.spm", "target.spm")
_MANY = "sentencepiece.bpe.model"
_REMEDY = "copy the folder again"
_ROLES = {"unk_token": UNKNOWN, "pad_token": "<pad>", "eos_token": "</s>", "bos_token": "<s>"}


def open_translator(folder: Path, settings: dict[str, Any], family: dict[str, Any]) -> Tokenizer | None:
    """The tokenizer of the translator in `folder`; None where its files are not such ones.

    `settings` are those of the tokenizer, `family` what the model says of its kind.

    Raises:
        Refusal: a file is damaged, or the two sides number their pieces each on its own.
    """
    named = settings.get("tokenizer_class", family.get("tokenizer_class", family.get("model_type")))
    if named in ("MarianTokenizer", "marian"):
        lacking = [name for name in (VOCABULARY, *_SIDES) if not (folder / name).is_file()]
        if lacking and not (folder / "tokenizer.json").is_file():
            raise Refusal(f"{folder}: a translator of Marian has a {lacking[0]} as well; {_REMEDY}")
    if not (folder / VOCABULARY).is_file():
        return None
    if all((folder / name).is_file() for name in _SIDES):
        if settings.get("separate_vocabs"):
            raise Refusal(
                f"{folder}: what is read and what is written have a vocabulary each (separate_vocabs), and danlu "
                "takes translators with one; give such a model"
            )
        return _marian(folder, settings)
    if (folder / _MANY).is_file() and named in ("M2M100Tokenizer", "m2m_100"):
        return _of_many_languages(folder, settings)
    return None


def _marian(folder: Path, settings: dict[str, Any]) -> Tokenizer:
    names = _names(folder)
    read, written = (_backend(read_pieces(file_inside(folder, side)), names, folder) for side in _SIDES)
    languages = [name for name in names if name.startswith(">>") and name.endswith("<<")]
    for backend in (read, written):
        backend.add_special_tokens(_special([name for name in (*_ROLES.values(), *languages) if name in names]))
    _add((read, written), folder, settings)
    tokenizer = _wrapped(read, settings, names)
    write_by(tokenizer, written)
    return tokenizer


def _of_many_languages(folder: Path, settings: dict[str, Any]) -> Tokenizer:
    """The tokens of languages have the numbers behind the vocabulary, in an order that transformers knows."""
    try:
        from transformers.models.m2m_100.tokenization_m2m_100 import FAIRSEQ_LANGUAGE_CODES as CODES
    except ImportError:
        raise Refusal(
            f"{folder}: to know the languages of M2M-100, SentencePiece is needed; install it with: "
            "pip install 'danlu[unigram]'"
        ) from None
    names = _names(folder)
    backend = _backend(read_pieces(file_inside(folder, _MANY)), names, folder)
    codes = CODES.get(str(settings.get("language_codes", "m2m100")), [])
    backend.add_special_tokens(_special([name for name in _ROLES.values() if name in names]))
    backend.add_special_tokens(_special([f"__{code}__" for code in codes]))
    _add([backend], folder, settings)
    return _wrapped(backend, settings, names)


def _names(folder: Path) -> list[str]:
    """The tokens in the order of their numbers."""
    path = file_inside(folder, VOCABULARY)
    plain = read_json(path, _REMEDY)
    names = [str(name) for name, _ in sorted(plain.items(), key=lambda item: (str(type(item[1])), item[1]))]
    if [plain[name] for name in names] != [*range(len(names))] or not {UNKNOWN, "</s>"} <= set(names):
        raise Refusal(f"{path}: expected tokens with the numbers from 0 on, '<unk>' and '</s>' among them; {_REMEDY}")
    if long := next((name for name in names if len(name) > LONGEST), None):
        raise Refusal(f"{path}: the token '{long:.20}…' has more than {LONGEST} characters, as none has; {_REMEDY}")
    return names


def _add(backends: Sequence[Any], folder: Path, settings: dict[str, Any]) -> None:
    """Add the tokens that somebody has added to the published ones, with the numbers that they have."""
    plain = read_json(file_inside(folder, ADDED), _REMEDY) if (folder / ADDED).is_file() else {}
    told: dict[int, dict[str, Any]] = {int(number): {"content": name} for name, number in plain.items()}
    told |= {int(number): token for number, token in settings.get("added_tokens_decoder", {}).items()}
    for number, token in sorted(told.items()):
        name, special = token["content"], bool(token.get("special"))
        for backend in backends:
            if backend.token_to_id(name) is None:
                added = AddedToken(name, normalized=False, special=special)
                (backend.add_special_tokens if special else backend.add_tokens)([added])
            if backend.token_to_id(name) != number:
                raise Refusal(f"{folder}: the token '{name:.40}' was added with a number that is taken; {_REMEDY}")


def _backend(pieces: SentencePieces, names: list[str], folder: Path) -> Any:
    """Cut as SentencePiece cuts, with the numbers of `names`; a row ends with the end token."""
    from tokenizers import Tokenizer as Backend
    from tokenizers import models, processors

    unknown = names.index(UNKNOWN)
    if not pieces.scores.keys() & set(names):
        raise Refusal(f"{folder}: {VOCABULARY} has none of the pieces of its SentencePiece model; {_REMEDY}")
    if pieces.joined:
        known = {name: number for number, name in enumerate(names)}
        model: Any = models.BPE(
            known,
            _joins(pieces.scores, known),
            unk_token=UNKNOWN,
            fuse_unk=True,
            byte_fallback=pieces.bytes_spelt,
        )
    else:
        scored = [(name, _score(name, pieces.scores)) for name in names]
        model = models.Unigram(scored, unk_id=unknown, byte_fallback=pieces.bytes_spelt)
    backend = Backend(model)
    pieces.finish(backend)
    backend.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A $B </s>", special_tokens=[("</s>", names.index("</s>"))]
    )
    return backend


def _score(name: str, scores: dict[str, float]) -> float:
    """The log-likelihood of a piece, which json gives back as it was; of one of the other side next to nothing.

    Such a one stands where nothing else can, and the fewer characters are read so, in the fewer pieces, the better.
    SentencePiece looks up what it does not know in the common vocabulary, too.
    """
    return round(scores[name], 6) if name in scores else -1e9 * len(name) - 1e4


def _joins(scores: dict[str, float], known: dict[str, int]) -> list[tuple[str, str]]:
    """Every pair of pieces that makes a piece, the best scored piece first, as SentencePiece joins them."""
    found = [
        (-score, len(name[:cut]), name[:cut], name[cut:])
        for name, score in scores.items()
        if name in known
        for cut in range(1, len(name))
        if name[:cut] in known and name[cut:] in known
    ]
    return [(left, right) for _, _, left, right in sorted(found)]


def _special(names: list[str]) -> list[Any]:
    return [AddedToken(name, normalized=False, special=True) for name in names]


def _wrapped(backend: Any, settings: dict[str, Any], names: list[str]) -> Tokenizer:
    longest = settings.get("model_max_length")
    limit = {"model_max_length": longest} if isinstance(longest, int) and longest > 0 else {}
    return Tokenizer(  # type: ignore[no-untyped-call]
        tokenizer_object=backend,
        clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "attention_mask"],
        **{role: token for role, token in _ROLES.items() if token in names},
        **limit,
    )
