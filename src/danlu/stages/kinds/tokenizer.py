"""Make a tokenizer from the training split of prepared data."""

import json
from collections.abc import Iterator

from pydantic import Field

from danlu.data.cleaning.rewriting import LISTS, TEXTS
from danlu.data.reading.call_lines import with_calls
from danlu.data.record import Record
from danlu.machine.files import folder_in_place, write_text
from danlu.refusal import Refusal
from danlu.stages.sources import Data, resolved, stream_of
from danlu.stages.stage import Place, Stage
from danlu.text.batching.align import joined
from danlu.text.tokenizing.coverage import coverage, in_words
from danlu.text.tokenizing.folder import save_tokenizer
from danlu.text.tokenizing.tokenizer import TokenizerSource


class TokenizerStage(Stage):
    """Text to a folder `tokenizer` that transformers opens, and `tokenizer_report.json` about it."""

    data: Data | list[Data] = Field(description="where the text comes from; of prepared data the training split")
    tokenizer: TokenizerSource

    def run(self, place: Place) -> None:
        """Train and save the tokenizer; see `Stage.run`. It is saved as a whole, so nothing is resumed.

        The text is read as it is needed, and never held.
        """

        def texts() -> Iterator[str]:
            for chunk in stream_of(self.data, "train", place):
                yield from (text for record in chunk for text in texts_of(record))

        if next(texts(), None) is None:
            raise Refusal("the data has no records to learn a tokenizer from; look at the paths in 'data'")
        source = resolved(self.tokenizer, place)
        made = source.build(texts)
        with folder_in_place(place.folder / "tokenizer") as temporary:
            save_tokenizer(made, temporary)
        found = coverage(texts(), made)
        told, base = found.to_plain(), source.extends()
        place.say(f"tokenizer: {len(made):,} tokens")
        if base is not None and base.inputs():  # one that is there, so nothing is learnt twice
            told["tokens_before"] = before = coverage(texts(), base.build(texts)).tokens
            place.say(
                f"the text has {found.tokens:,} tokens, and had {before:,} ({found.tokens / max(1, before) - 1:+.1%})"
            )
        write_text(place.folder / "tokenizer_report.json", json.dumps(told, ensure_ascii=False, indent=1) + "\n")
        for line in in_words(found, place.language):
            place.say(line)


def texts_of(record: Record) -> list[str]:
    """All texts of a record, read or to be written, or what its messages say and call, or what its words make."""
    found = [record[name] for name in (*TEXTS, *LISTS) if record.get(name) is not None]
    found += [with_calls(each.get("content") or "", each.get("tool_calls")) for each in record.get("messages") or ()]
    if tools := record.get("tools"):  # which a chat template writes as JSON
        found.append(tools if isinstance(tools, str) else json.dumps(tools, ensure_ascii=False))
    if not found:
        return [joined(record.get("words") or record.get("tokens") or ())[0]]
    return [str(text) for value in found for text in (value if isinstance(value, list) else [value])]
