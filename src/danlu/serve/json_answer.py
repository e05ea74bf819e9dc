"""Answers in JSON with many numbers, which the standard library takes a second to write."""

from typing import Any

import orjson
from fastapi.responses import JSONResponse


class JsonAnswer(JSONResponse):
    """The same values as of a `JSONResponse`, some ten times as fast; what that cannot write is refused as there."""

    def render(self, content: Any) -> bytes:
        """The bytes of a value."""
        try:
            found = orjson.dumps(content, option=orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME)
        except orjson.JSONEncodeError:
            return super().render(content)
        return super().render(content) if b"null" in found else found  # which may have been no number
