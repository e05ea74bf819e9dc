"""Pieces by their likelihood (Kudo, 2018), learnt by SentencePiece (Kudo and Richardson, 2018)."""

import io
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from pydantic import Field

from danlu.refusal import Refusal
from danlu.text.tokenizing.special import UNKNOWN, Style, finished, specials
from danlu.text.tokenizing.tokenizer import Tokenizer, TokenizerSource
from danlu.text.tokenizing.word_counts import EXPRESSIONS, Cut, Runs, WordCounts, count_words, reduced

SPACE = "▁"
THREADS = 4  # sums of likelihoods depend on it in the last digits, so it is the same on every machine

FED = 12_000_000  # characters: SentencePiece writes each word out as often as it is counted, 40 bytes a character

Scored = list[tuple[str, float]]


class Unigram(TokenizerSource):
    """A text becomes its likeliest pieces; what is not in the vocabulary is spelt in bytes, so nothing is unknown."""

    size: int = Field(default=8000, ge=300, description="tokens in the vocabulary: 256 bytes, special ones, pieces")
    min_frequency: int = Field(default=2, ge=1, description="how often a character must occur")
    cut: Runs = Field(
        default="runs",
        description="runs: a piece may hold several characters of Chinese or Japanese; characters: one, which little "
        "data to translate into Chinese need",
    )
    style: Style = Field(
        default="encoder", description="encoder: <cls> text <sep>; decoder: <s> and </s> for documents"
    )

    def build(self, texts: Callable[[], Iterator[str]]) -> Tokenizer:
        """Learn the pieces; the text is read once.

        Raises `Refusal` for text without a character that occurs often enough, and where SentencePiece is absent.
        """
        from tokenizers import Regex, decoders, models, pre_tokenizers
        from tokenizers import Tokenizer as Backend

        special = specials(self.style)
        room = self.size - len(special) - 256
        pieces = _learnt(self._words(count_words(texts(), Cut.subwords(self.cut)), room // 2), room)
        pieces = [(piece, score) for piece, score in pieces if piece not in special]
        least = min(score for _, score in pieces)
        spelling = [(f"<0x{byte:02X}>", least) for byte in range(256)]
        vocabulary = [*((token, 0.0) for token in special), *spelling, *pieces]
        backend = Backend(models.Unigram(vocabulary, unk_id=special.index(UNKNOWN), byte_fallback=True))
        backend.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(EXPRESSIONS[self.cut]), "isolated"),
                pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="never", split=False),
            ]
        )
        backend.decoder = decoders.Sequence([decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()])
        return finished(backend, self.style)

    def _words(self, counted: WordCounts, most: int) -> dict[str, int]:
        """The words, cut where a character is too rare to be a piece; at most `most` characters are pieces."""
        ranked = sorted(counted.characters.items(), key=lambda item: (-item[1], item[0]))
        enough = [character for character, count in ranked if count >= self.min_frequency and not character.isspace()]
        kept = {*enough[: max(1, most)], " "}
        rare = {ord(character): "\0" for character in counted.characters if character not in kept}
        words: Counter[str] = Counter()
        for word, count in zip(counted.words, counted.counts.tolist(), strict=True):
            for part in word.translate(rare).split("\0"):
                words[part] += count
        found = {word: count for word, count in words.items() if word.strip()}
        if not found:
            raise Refusal(
                f"no character occurs {self.min_frequency} times in the training text; "
                "give the tokenizer more text, or set its 'min_frequency' to 1"
            )
        times = reduced([*found], np.array([*found.values()], np.int64), FED)
        return dict(zip(found, times.tolist(), strict=True))


def _learnt(words: dict[str, int], most: int) -> Scored:
    """At most `most` pieces of these words with their log-likelihoods, the likeliest first."""
    try:
        from sentencepiece import SentencePieceProcessor, SentencePieceTrainer
    except ImportError:
        raise Refusal(
            "the tokenizer 'unigram' needs SentencePiece; install it with: pip install 'danlu[unigram]'"
        ) from None
    model = io.BytesIO()
    with tempfile.TemporaryDirectory(prefix="danlu-") as folder:
        table = Path(folder) / "words.tsv"
        with table.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(f"{word}\t{count}\n" for word, count in words.items())
        SentencePieceTrainer.train(
            input=str(table),
            input_format="tsv",
            model_writer=model,
            model_type="unigram",
            vocab_size=most + 1,
            hard_vocab_limit=False,
            character_coverage=1.0,
            normalization_rule_name="identity",
            add_dummy_prefix=False,
            remove_extra_whitespaces=False,
            split_by_unicode_script=False,
            split_by_number=False,
            bos_id=-1,
            eos_id=-1,
            num_threads=THREADS,
            minloglevel=2,
        )
    learnt = SentencePieceProcessor(model_proto=model.getvalue())
    pieces = [(learnt.id_to_piece(number), learnt.get_score(number)) for number in range(1, learnt.get_piece_size())]
    return sorted(pieces, key=lambda item: (-item[1], item[0]))[:most]
