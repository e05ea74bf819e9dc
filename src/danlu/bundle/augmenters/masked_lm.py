"""Words are guessed anew by a masked language model (Kumar, Choudhary and Cho, 2020; Wu et al., 2019)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from transformers import PreTrainedModel

from danlu.bundle.network import open_network
from danlu.data.augmenting.passage import Changes, Passage
from danlu.data.augmenting.word_augmenter import WordAugmenter
from danlu.data.characters.word_cutting import with_spaces
from danlu.model.heads import kept_logits
from danlu.model.positions import longest_row
from danlu.refusal import Refusal
from danlu.task.inputs import model_inputs
from danlu.text.batching.align import touched
from danlu.text.batching.batch import plan
from danlu.text.batching.encoded import Row, Sizes
from danlu.text.tokenizing.tokenized import tokenized
from danlu.text.tokenizing.tokenizer import Tokenizer

BATCH_TOKENS = 4096
LONGEST_WORD = 4  # tokens: what is longer is seldom guessed right


@dataclass
class _Row:
    """One text with the words to be guessed.

    - `ids`, `truth`: (T,), with and without masks.
    - `places`: the positions of the tokens of each hidden word.
    """

    ids: NDArray[np.int32]
    truth: NDArray[np.int32]
    places: dict[int, list[int]]


class MaskedLm(WordAugmenter):
    """Replace words by what a masked language model finds likely in their place, however little that may mean."""

    path: str = Field(description="bundle, '@stage', or Hugging Face folder or name of a masked language model")
    best: int = Field(default=10, ge=1, le=1000, description="tokens that are drawn among: so many of the likeliest")
    temperature: float = Field(default=1.0, gt=0, le=10, description="below 1 the likeliest are drawn more often")

    def changes(self, passages: Sequence[Passage], rng: np.random.Generator) -> list[Changes]:
        """Free words, all of a text hidden together, their tokens guessed from left to right."""
        model, tokenizer = open_network(self.path, "AutoModelForMaskedLM")
        if tokenizer.mask_token_id is None:
            raise Refusal(f"{self.path}: the tokenizer has no mask token; give a masked language model")
        rows = list(self._rows(passages, tokenizer, longest_row(model), rng))
        order = [row for row, item in enumerate(rows) if item.places]
        shapes_V = _shapes(tokenizer)
        for piece in plan(Sizes(np.array([len(rows[row].ids) for row in order])), tokens=BATCH_TOKENS):
            chosen = [rows[order[place]] for place in piece.examples.tolist()]
            for turn in range(LONGEST_WORD):
                self._fill(chosen, turn, piece.width, model, tokenizer, shapes_V, rng)
        return [
            _read(row, passage, tokenizer) if row.places else {} for row, passage in zip(rows, passages, strict=True)
        ]

    def _rows(
        self, passages: Sequence[Passage], tokenizer: Tokenizer, limit: int, rng: np.random.Generator
    ) -> Iterator[_Row]:
        """Choose words within the first `limit` tokens of each text, and hide them."""
        encodings = tokenized([passage.text for passage in passages], tokenizer)
        for passage, encoding in zip(passages, encodings, strict=True):
            ids = np.array(encoding.ids, np.int32)
            if len(ids) > limit:
                ids = np.concatenate([ids[: limit - 1], ids[-1:]])
            offsets = np.array(encoding.offsets, np.int64).reshape(-1, 2)[: len(ids) - 1]
            row = _Row(ids, ids.copy(), {})
            real = np.flatnonzero(offsets[:, 0] < offsets[:, 1])
            order = rng.permutation(passage.free).tolist()
            words = [(*passage.borders[place], place) for place in order]
            for (start, end, place), tokens in zip(words, touched(words, offsets[real]), strict=True):
                inside = real[slice(*tokens)]
                whole = len(inside) and offsets[inside[0], 0] >= start - 1 and offsets[inside[-1], 1] == end
                if whole and len(inside) <= LONGEST_WORD:
                    row.places[place] = inside.tolist()
                if len(row.places) == self.count(passage):
                    break
            for inside_places in row.places.values():
                ids[inside_places] = tokenizer.mask_token_id
            yield row

    @torch.inference_mode()
    def _fill(
        self,
        rows: list[_Row],
        turn: int,
        width: int,
        model: PreTrainedModel,
        tokenizer: Tokenizer,
        shapes_V: NDArray[np.int8],
        rng: np.random.Generator,
    ) -> None:
        """Draw the token number `turn` of every hidden word in place, of the shape of the one that stood there."""
        inside = [
            (row, places[turn]) for row, item in enumerate(rows) for places in item.places.values() if places[turn:]
        ]
        where = sorted(inside)
        if not where:
            return
        inputs = model_inputs([Row(row.ids) for row in rows], width, tokenizer)
        keep_BT = torch.zeros(inputs["input_ids"].shape, dtype=torch.bool)
        keep_BT[tuple(zip(*where, strict=True))] = True
        on_device = {name: tensor.to(model.device) for name, tensor in inputs.items()}
        logits_KV = kept_logits(model, on_device, keep_BT.to(model.device)).float().cpu()
        shapes_K = shapes_V[[rows[row].truth[position] for row, position in where]]
        logits_KV = logits_KV[:, : len(shapes_V)].masked_fill(
            torch.from_numpy(shapes_K[:, None] != shapes_V), -torch.inf
        )
        values_KN, tokens_KN = logits_KV.topk(min(self.best, logits_KV.shape[1]))
        weights_KN = torch.softmax(values_KN / self.temperature, -1).numpy().astype(np.float64)
        passed_K = (weights_KN.cumsum(1) < rng.random((len(where), 1))).sum(1)
        for number, (row, position) in enumerate(where):
            rows[row].ids[position] = int(tokens_KN[number, min(passed_K[number], tokens_KN.shape[1] - 1)])


def _shapes(tokenizer: Tokenizer) -> NDArray[np.int8]:
    """What sort of piece each token is, (V,): 0 no letters, 1 bare, 2 goes on with a word (`##`), 3 after a space."""
    found = np.zeros(len(tokenizer), np.int8)
    special = set(tokenizer.all_special_ids)
    for number, token in enumerate(tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))):
        bare = token.removeprefix("##").lstrip("Ġ▁")
        if number not in special and bare[:1].isalnum():
            found[number] = 2 if token.startswith("##") else 3 if token[0] in "Ġ▁" else 1
    return found


def _read(row: _Row, passage: Passage, tokenizer: Tokenizer) -> Changes:
    """The words that the drawn tokens spell; what is empty or equals the word changes nothing."""
    found: Changes = {}
    for place, inside in row.places.items():
        start, end = passage.borders[place]
        word, _ = with_spaces(str(tokenizer.decode(row.ids[inside].tolist())).split())
        if word and word.casefold() != passage.text[start:end].casefold():
            found[place] = [word]
    return found
