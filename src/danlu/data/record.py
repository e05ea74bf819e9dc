"""One example, as a dict of plain values: `{"text": ..., "label": ...}`."""

from typing import Any

Record = dict[str, Any]
"""Plain values only (text, numbers, lists and dicts of them); columns are named as the task names them."""
