"""Records of answers that are judged, and a tokenizer for them."""

from functools import cache

from danlu.text.tokenizing.tokenizer import Tokenizer
from danlu.text.tokenizing.tokenizers.bpe import Bpe

WIDE = 96

RECORDS = [
    {"messages": [{"role": "user", "content": "你好"}], "chosen": "你好，请说。", "rejected": "不。"},
    {
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": "two"},
            {"role": "user", "content": "three"},
        ],
        "chosen": "four",
        "rejected": "five, and more than that",
    },
    {"text": "再见", "chosen": "再见！", "rejected": "嗯"},
]


@cache
def judged_tokenizer() -> Tokenizer:
    """Byte-level, with every text of the records in its vocabulary."""
    texts = ["User: Assistant: System: one two three four five", "你好请说再见不嗯一加二"] * 4
    return Bpe(size=320, begin="<s>", end="</s>", pad="<pad>").build(lambda: iter(texts))
