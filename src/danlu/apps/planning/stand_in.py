"""What stands in for data that is not looked at: a tokenizer of the right size, and samples of the right length."""

from typing import Any, get_args

from danlu.data.record import Record
from danlu.refusal import Refusal
from danlu.task.task import Task
from danlu.text.tokenizing.special import Style, finished, specials
from danlu.text.tokenizing.tokenizer import Tokenizer, TokenizerSource


def stand_in(source: TokenizerSource) -> Tokenizer:
    """A tokenizer of characters with as many tokens as `source` may have, in its style.

    Raises:
        Refusal: how many it may have stands nowhere.
    """
    from tokenizers import Tokenizer as Backend
    from tokenizers import models, pre_tokenizers

    if source.inputs():
        return source.build(lambda: iter(()))
    size = getattr(source, "size", None)
    if size is None:
        raise Refusal(
            f"tokenizer of kind '{source.kind}': how many tokens it will have is not known before it has seen the "
            "data; write its 'size', or plan without --tokens"
        )
    style: Any = getattr(source, "style", "encoder" if source.kind == "wordpiece" else "decoder")
    known: Style = style if style in get_args(Style) else "decoder"
    names = specials(known)
    vocabulary = {name: number for number, name in enumerate(names)}
    for number in range(len(names), size):
        vocabulary[chr(0x4E00 + number) if number < 0x5000 else f"·{number}"] = number
    backend = Backend(models.WordLevel(vocabulary, unk_token=names[1]))
    backend.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    return finished(backend, known)


def as_long_as(record: Record, task: Task, characters: int) -> Record:
    """A record whose texts have at least so many characters: repeated, since what marks them stands in front.

    Texts are those columns that the task calls so; others stay.
    """
    columns = {name for name, sort in task.columns.items() if sort.startswith("text")}
    return {
        name: _repeated(value, characters) if name in columns and isinstance(value, str) and value else value
        for name, value in record.items()
    }


def _repeated(text: str, characters: int) -> str:
    apart = "" if ord(text[-1]) > 0x2E80 else " "
    return apart.join([text] * max(1, characters // len(text)))
