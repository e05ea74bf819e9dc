"""WordPiece: words in pieces, Chinese characters one by one (Schuster and Nakajima, 2012; Devlin et al., 2018)."""

from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
from pydantic import Field

from danlu.refusal import Refusal
from danlu.text.tokenizing.tokenizer import Tokenizer, TokenizerSource
from danlu.text.tokenizing.word_counts import Cut, count_words, meals

SPECIAL = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}


class WordPiece(TokenizerSource):
    """A BERT tokenizer learnt from the training text.

    Characters come in first, the frequent ones before the rare; the rest of the vocabulary is pieces of words.
    """

    size: int = Field(default=8000, ge=32, description="tokens in the vocabulary, special ones included")
    lowercase: bool = Field(default=True, description="fold capitals and accents")
    min_frequency: int = Field(default=2, ge=1, description="how often a character or piece must occur")

    def build(self, texts: Callable[[], Iterator[str]]) -> Tokenizer:
        """Learn the vocabulary; the text is read once.

        Raises `Refusal` for text without a single character to learn from.
        """
        from tokenizers import Tokenizer as Backend
        from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

        normalizer = normalizers.BertNormalizer(lowercase=self.lowercase, handle_chinese_chars=True)
        splitter = pre_tokenizers.BertPreTokenizer()
        counted = count_words(texts(), Cut.bert())
        characters: Counter[str] = Counter()
        for character, count in counted.characters.items():
            for form in normalizer.normalize_str(character):
                characters[form] += count
        words: Counter[str] = Counter()
        for word, count in zip(counted.words, counted.counts.tolist(), strict=True):
            for part, _ in splitter.pre_tokenize_str(normalizer.normalize_str(word)):
                words[part] += count

        def joins(character: str) -> bool:
            return len(splitter.pre_tokenize_str(normalizer.normalize_str(character * 2))) == 1

        alphabet, inner = self._alphabet(characters, joins)
        trainer = trainers.WordPieceTrainer(
            vocab_size=self.size,
            min_frequency=self.min_frequency,
            special_tokens=[*SPECIAL.values(), *alphabet, *inner],  # left to itself, it numbers these by hash order
            initial_alphabet=alphabet,
            limit_alphabet=len(alphabet),
            continuing_subword_prefix="##",
            show_progress=False,
        )
        learner = Backend(models.WordPiece(unk_token=SPECIAL["unk"]))
        learner.pre_tokenizer = pre_tokenizers.CharDelimiterSplit("\0")
        learner.train_from_iterator(meals([*words], np.array([*words.values()], np.int64)), trainer)
        backend = Backend(models.WordPiece(learner.get_vocab(), unk_token=SPECIAL["unk"]))
        backend.normalizer, backend.pre_tokenizer = normalizer, splitter
        backend.decoder = decoders.WordPiece(prefix="##")
        ends = [(SPECIAL[name], backend.token_to_id(SPECIAL[name])) for name in ("cls", "sep")]
        backend.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ends
        )
        names = {f"{name}_token": token for name, token in SPECIAL.items()}
        return Tokenizer(  # type: ignore[no-untyped-call]
            tokenizer_object=backend, model_input_names=["input_ids", "attention_mask"], **names
        )

    def _alphabet(self, counts: Counter[str], joins: Callable[[str], bool]) -> tuple[list[str], list[str]]:
        """Characters by frequency, as many as fit, and the inner forms (##) of those that join others in a word."""
        room = self.size - len(SPECIAL)
        alphabet: list[str] = []
        inner: list[str] = []
        for character, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
            if character.isspace() or count < self.min_frequency:
                continue
            forms = 2 if joins(character) else 1
            if forms > room:
                break
            room -= forms
            alphabet.append(character)
            inner += [f"##{character}"] * (forms - 1)
        if not alphabet:
            raise Refusal(
                f"no character occurs {self.min_frequency} times in the training text; "
                "give the tokenizer more text, or set its 'min_frequency' to 1"
            )
        return alphabet, inner
