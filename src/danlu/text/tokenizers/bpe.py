"""Byte-level BPE: every text has tokens, none is unknown (Sennrich et al., 2016; Radford et al., 2019)."""

from collections.abc import Callable, Iterator

from pydantic import Field

from danlu.refusal import Refusal
from danlu.text.tokenizer import Tokenizer, TokenizerSource


class Bpe(TokenizerSource):
    """A GPT-2 tokenizer learnt from the training text; it adds no special tokens of its own to a text."""

    size: int = Field(default=8000, ge=264, description="tokens in the vocabulary: 256 bytes, special ones, pieces")
    min_frequency: int = Field(default=2, ge=1, description="how often a piece must occur")
    begin: str = Field(default="<|endoftext|>", description="stands before a document")
    end: str = Field(default="<|endoftext|>", description="stands after a document")
    pad: str = Field(default="<|padding|>", description="fills rows")
    mask: str | None = Field(default=None, description="hides a token; needed for 'masked_lm' alone")

    def build(self, texts: Callable[[], Iterator[str]]) -> Tokenizer:
        """Learn the merges. Raises `Refusal` for a training text without a single character."""
        from tokenizers import Tokenizer as Backend
        from tokenizers import decoders, models, pre_tokenizers, processors, trainers

        if not any(text.strip() for text in texts()):
            raise Refusal("the training text is empty; give the tokenizer text to learn from")
        backend = Backend(models.BPE())
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        backend.post_processor = processors.ByteLevel(trim_offsets=True)
        backend.decoder = decoders.ByteLevel()
        special = [self.end, self.begin, self.pad, *([self.mask] if self.mask else [])]
        trainer = trainers.BpeTrainer(
            vocab_size=self.size,
            min_frequency=self.min_frequency,
            special_tokens=list(dict.fromkeys(special)),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        backend.train_from_iterator(texts(), trainer)
        return Tokenizer(  # type: ignore[no-untyped-call]
            tokenizer_object=backend,
            model_input_names=["input_ids", "attention_mask"],
            bos_token=self.begin,
            eos_token=self.end,
            pad_token=self.pad,
            mask_token=self.mask,
            clean_up_tokenization_spaces=False,
        )
