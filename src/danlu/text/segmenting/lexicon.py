"""A list of words, and where they stand in texts, found for all places at once.

N characters, K branches of the tree of words, M matches.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from danlu.data.characters.side_by_side import Codes, Numbers, characters
from danlu.text.segmenting.stored_arrays import ascending, fitting, within

_CODE_BITS = 21  # of a code point
_NO_WORD = -1


@dataclass(frozen=True)
class Matches:
    """Words in texts: where each begins, its length and its number, (M,), by length and then by place."""

    start: Numbers
    length: Numbers
    word: Numbers


@dataclass(frozen=True)
class Lexicon:
    """A tree of words (Fredkin, 1960).

    - `branches`, `nodes`: (K,) a node and the character after it, ascending, and the node that they lead to.
    - `words`: (K + 1,) the number of the word that ends in a node, or -1; node 0 is the root.
    """

    branches: Numbers
    nodes: Numbers
    words: Numbers

    def matches(self, codes: Codes, end_N: Numbers, place: Numbers) -> Matches:
        """All words that begin in a `place` and end by `end_N` of it, the end of its text or piece, exclusive."""
        node = np.zeros(len(place), np.int64)
        wide = codes.astype(np.int64)
        found: list[tuple[Numbers, Numbers, Numbers]] = []
        length = 0
        while len(place) and len(self.branches):
            branch = (node << _CODE_BITS) | wide[place + length]
            row = np.minimum(np.searchsorted(self.branches, branch), len(self.branches) - 1)
            here = self.branches[row] == branch
            place, node = place[here], self.nodes[row[here]]
            length += 1
            word = self.words[node]
            ends = word != _NO_WORD
            found.append((place[ends], np.full(int(ends.sum()), length), word[ends]))
            going = place + length < end_N[place]
            place, node = place[going], node[going]
        columns = zip(*found, strict=True) if found else ([np.zeros(0, np.int64)] for _ in range(3))
        return Matches(*(np.concatenate(column) for column in columns))

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """The tree as arrays by name."""
        return {"lexicon_branches": self.branches, "lexicon_nodes": self.nodes, "lexicon_words": self.words}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> "Lexicon":
        """The inverse of `to_arrays`; other names are left alone. Raises `ValueError` for what is no tree of words."""
        names = ("branches", "nodes", "words")
        given = fitting(arrays, {"lexicon_branches": "i K", "lexicon_nodes": "i K", "lexicon_words": "i W"})
        tree = cls(*(given[f"lexicon_{name}"] for name in names))
        ascending("lexicon_branches", tree.branches)
        within("lexicon_words", tree.words, _NO_WORD, len(tree.words))
        if (
            not np.array_equal(np.sort(tree.nodes), np.arange(1, len(tree.words)))
            or ((tree.branches >> _CODE_BITS) >= tree.nodes).any()
        ):
            raise ValueError("the array 'lexicon_nodes' is no tree")
        return tree


def lexicon(words: Sequence[str]) -> Lexicon:
    """The tree of different words, none of them empty; a word's number is its position."""
    given = characters(words)
    first, lengths = given.first[:-1], np.diff(given.first)
    codes = given.codes.astype(np.int64)
    node = np.zeros(len(words), np.int64)
    branches, nodes = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    ends = [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
    left = np.arange(len(words))
    depth, count = 0, 1
    while len(left):
        different, place = np.unique((node[left] << _CODE_BITS) | codes[first[left] + depth], return_inverse=True)
        node[left] = count + place
        branches.append(different)
        nodes.append(count + np.arange(len(different)))
        count += len(different)
        depth += 1
        done = lengths[left] == depth
        ends.append((node[left[done]], left[done]))
        left = left[~done]
    word = np.full(count, _NO_WORD, np.int64)
    word[np.concatenate([node for node, _ in ends])] = np.concatenate([number for _, number in ends])
    keys = np.concatenate(branches)
    order = np.argsort(keys)
    return Lexicon(keys[order], np.concatenate(nodes)[order], word)
