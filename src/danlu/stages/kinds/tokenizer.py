"""Make a tokenizer from the training split of prepared data."""

from collections.abc import Iterator

from pydantic import Field

from danlu.machine.files import folder_in_place
from danlu.refusal import Refusal
from danlu.stages.sources import Data, records_of
from danlu.stages.stage import Place, Stage
from danlu.text.align import joined
from danlu.text.tokenizer import TokenizerSource


class Tokenizer(Stage):
    """Text to a folder `tokenizer` that transformers opens."""

    data: Data | list[Data] = Field(description="where the text comes from; of prepared data the training split")
    tokenizer: TokenizerSource

    def run(self, place: Place) -> None:
        """Train and save the tokenizer; see `Stage.run`. It is saved as a whole, so nothing is resumed."""
        records = records_of(self.data, "train", place)
        if not records:
            raise Refusal("the data has no records to learn a tokenizer from; look at the paths in 'data'")

        def texts() -> Iterator[str]:
            for record in records:
                yield str(record["text"]) if "text" in record else joined(record.get("tokens", ()))[0]

        made = self.tokenizer.build(texts)
        with folder_in_place(place.folder / "tokenizer") as temporary:
            made.save_pretrained(temporary)
        place.say(f"tokenizer: {len(made):,} tokens from {len(records):,} texts")
