"""Byte-level BPE: every text has tokens, none is unknown (Sennrich et al., 2016; Radford et al., 2019)."""

from collections.abc import Callable, Iterator

from pydantic import Field

from danlu.refusal import Refusal
from danlu.text.tokenizing.tokenizer import Tokenizer, TokenizerSource
from danlu.text.tokenizing.word_counts import EXPRESSIONS, Cut, Runs, count_words, meals


class Bpe(TokenizerSource):
    """A GPT-2 tokenizer learnt from the training text; it adds no special tokens of its own to a text.

    Words end where a script ends, and scripts without spaces are learnt from in short runs, so that memory
    stays bounded on Chinese as well.
    """

    size: int = Field(default=8000, ge=264, description="tokens in the vocabulary: 256 bytes, special ones, pieces")
    min_frequency: int = Field(default=2, ge=1, description="how often a piece must occur")
    cut: Runs = Field(
        default="runs",
        description="runs: a piece may hold several characters of Chinese or Japanese; characters: one, which little "
        "data to translate into Chinese need",
    )
    begin: str = Field(default="<|endoftext|>", description="stands before a document")
    end: str = Field(default="<|endoftext|>", description="stands after a document")
    pad: str = Field(default="<|padding|>", description="fills rows")
    mask: str | None = Field(default=None, description="hides a token; needed for 'masked_lm' alone")

    def build(self, texts: Callable[[], Iterator[str]]) -> Tokenizer:
        """Learn the merges; the text is read once. Raises `Refusal` for one without a single character."""
        from tokenizers import Regex, decoders, models, pre_tokenizers, processors, trainers
        from tokenizers import Tokenizer as Backend

        counted = count_words(texts(), Cut.subwords(self.cut))
        if not any(word.strip() for word in counted.words):
            raise Refusal("the training text is empty; give the tokenizer text to learn from")
        special = [self.end, self.begin, self.pad, *([self.mask] if self.mask else [])]
        trainer = trainers.BpeTrainer(
            vocab_size=self.size,
            min_frequency=self.min_frequency,
            special_tokens=list(dict.fromkeys(special)),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        backend = Backend(models.BPE())
        backend.pre_tokenizer = pre_tokenizers.CharDelimiterSplit("\0")
        letters = _letters()
        spelt = [word.encode("utf-8").decode("latin-1").translate(letters) for word in counted.words]
        backend.train_from_iterator(meals(spelt, counted.counts), trainer)
        backend.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(EXPRESSIONS[self.cut]), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        backend.post_processor = processors.ByteLevel(trim_offsets=True)
        backend.decoder = decoders.ByteLevel()
        return Tokenizer(  # type: ignore[no-untyped-call]
            tokenizer_object=backend,
            model_input_names=["input_ids", "attention_mask"],
            bos_token=self.begin,
            eos_token=self.end,
            pad_token=self.pad,
            mask_token=self.mask,
            clean_up_tokenization_spaces=False,
        )


def _letters() -> dict[int, int]:
    """The letter by which GPT-2 writes each byte: itself if it can be seen, else one from 256 on."""
    seen = {*range(33, 127), *range(161, 173), *range(174, 256)}
    hidden = [byte for byte in range(256) if byte not in seen]
    return {byte: byte for byte in seen} | {byte: 256 + number for number, byte in enumerate(hidden)}
