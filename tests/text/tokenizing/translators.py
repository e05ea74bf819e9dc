"""Folders of translators as their authors publish them: pieces in one file, their numbers in another."""

import io
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

CHINESE = [
    "我喜欢喝茶。", "他每天走路上班。", "车站在哪里？", "今天的天气很好。", "她在学校教中文。", "我们明天去北京。",
    "这本书很有意思。", "请给我一杯水。", "他们住在上海。", "我不知道他是谁。", "你叫什么名字？", "火车几点开？",
] * 4  # fmt: skip
ENGLISH = [
    "I like drinking tea.", "He walks to work every day.", "Where is the station?", "The weather is fine today.",
    "She teaches Chinese at a school.", "We are going to Beijing tomorrow.", "This book is interesting.",
    "Please give me a glass of water.", "They live in Shanghai.", "I do not know who he is.", "What is your name?",
    "When does the train leave?",
] * 4  # fmt: skip


def marian(folder: Path, languages: Sequence[str] = (), trained: dict[str, Any] | None = None, **settings: Any) -> Path:
    """Chinese to English as opus-mt has it: two models of pieces, one vocabulary, its padding last."""
    folder.mkdir(parents=True, exist_ok=True)
    counts: Counter[str] = Counter()
    for name, texts in (("source.spm", CHINESE), ("target.spm", ENGLISH)):
        pieces = _trained(folder / name, texts, "unigram", 120, **trained or {})
        counts.update(pieces.id_to_piece(number) for number in range(3, pieces.get_piece_size()))
        for text in texts:
            counts.update(pieces.encode(text, out_type=str))
    codes = [f">>{language}<<" for language in languages]
    _write(folder, ["</s>", "<unk>", *(piece for piece, _ in counts.most_common()), *codes, "<pad>"])
    _settings(folder, {"tokenizer_class": "MarianTokenizer", "source_lang": "zho", "target_lang": "eng"} | settings)
    return folder


def of_many_languages(folder: Path) -> Path:
    """As M2M-100 is published: byte pairs, and the tokens of languages in no file."""
    folder.mkdir(parents=True, exist_ok=True)
    pieces = _trained(folder / "sentencepiece.bpe.model", CHINESE + ENGLISH, "bpe", 240)
    learnt = [pieces.id_to_piece(number) for number in range(3, pieces.get_piece_size())]
    _write(folder, ["<s>", "<pad>", "</s>", "<unk>", *learnt])
    _settings(folder, {"tokenizer_class": "M2M100Tokenizer", "language_codes": "m2m100", "num_madeup_words": 8})
    return folder


def size(folder: Path) -> int:
    return len(json.loads((folder / "vocab.json").read_text("utf-8")))


def _trained(path: Path, texts: list[str], sort: str, size: int, **options: Any) -> Any:
    from sentencepiece import SentencePieceProcessor, SentencePieceTrainer

    model = io.BytesIO()
    told = {"vocab_size": size, "model_type": sort, "hard_vocab_limit": False, "character_coverage": 1.0}
    told |= {"minloglevel": 2, "num_threads": 1} | options
    SentencePieceTrainer.train(sentence_iterator=iter(texts), model_writer=model, **told)
    path.write_bytes(model.getvalue())
    return SentencePieceProcessor(model_proto=model.getvalue())


def _write(folder: Path, names: list[str]) -> None:
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    (folder / "vocab.json").write_text(json.dumps(numbers, ensure_ascii=False), "utf-8")


def _settings(folder: Path, plain: dict[str, Any]) -> None:
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 512} | plain), "utf-8")
