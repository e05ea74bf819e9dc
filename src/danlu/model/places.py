"""Tables of positions that cannot be asked by place, and are asked all the same.

Legend: B rows, T tokens.
"""

import threading
from typing import Any

from torch import Tensor, nn

_placed = threading.local()
"""The positions that the calling thread's tokens are at, where a family counts them from the beginning of a row."""


def placed(places_BT: Tensor | None) -> None:
    """Let tables of the calling thread look up these places until `let_go`; None for none."""
    _placed.places_BT = places_BT


def let_go() -> None:
    """Let them count by themselves again."""
    _placed.places_BT = None


def place_by_hand(below: nn.Module) -> None:
    """Let the tables of positions in `below` look up what is `placed`."""
    for name, module in below.named_modules():
        named = name.rpartition(".")[2] == "embed_positions" and (isinstance(module, nn.Embedding) or _counts(module))
        if named and _look_up not in module._forward_hooks.values():
            module.register_forward_hook(_look_up)


def _look_up(table: Any, arguments: Any, output: Tensor) -> Tensor:
    places_BT = getattr(_placed, "places_BT", None)
    if places_BT is None:
        return output
    if _counts(table):
        rows_BT = places_BT + table.padding_idx + 1
        if arguments and arguments[0] is not None:
            rows_BT = rows_BT.where(arguments[0] != table.padding_idx, table.padding_idx)
        return nn.functional.embedding(rows_BT, table.weights)
    return nn.functional.embedding(places_BT + getattr(table, "offset", 0), table.weight)


def _counts(table: Any) -> bool:
    """Whether a table counts the tokens of a row that are no padding, from behind its own (fairseq; M2M100, NLLB)."""
    return hasattr(table, "create_position_ids_from_input_ids") and hasattr(table, "weights")
