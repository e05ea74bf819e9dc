"""Code over HTTP, as plugins of editors ask for it: `POST /v1/completions` with what stands before and behind a place.

It is the route of `danlu serve`, with two more keys that may be left out: the path of the file, and the files that the
editor has open, the last ones first. What is longer than the model takes is cut to the nearest lines.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi.responses import JSONResponse, Response
from pydantic import Field

from danlu.apps.code.completion import MODEL, TOKENS, Place, asked, fills
from danlu.apps.code.context import Parts
from danlu.apps.code.repository import MOST_BYTES, Source
from danlu.data.record import Record
from danlu.recipe.part import Part
from danlu.refusal import Refusal
from danlu.serve.body import FirstMistake, checked
from danlu.serve.problem import Problem
from danlu.serve.routes.completions import IGNORED, Completions, completions
from danlu.serve.routes.operations import models
from danlu.serve.service import Call, Service
from danlu.serve.site import Site

OPEN = 32
"""Files that are read of those that are told to be open; they only help, so more are no mistake."""
SAMPLES = {"in a gap": {"prompt": "def add(a, b):\n", "suffix": "\n\n\ndef subtract(a, b):\n", "max_tokens": 32}}


class OpenFile(Part):
    """A file that an editor has open."""

    path: str = Field(max_length=1000)
    text: str = Field(description="not read where it is longer than files that are learnt")


class Complete(Completions):
    """A place in a file, and how its text goes on."""

    path: str = Field(default="", max_length=1000, description="of the file, from the root of the repository")
    files: Annotated[list[OpenFile], FirstMistake()] = Field(
        default=[], description="that are open, the last ones first; not of OpenAI"
    )


@dataclass(frozen=True)
class Routes:
    """What is answered; `parts` are those of the repository, if one is at hand."""

    parts: Parts | None = None

    def site(self) -> Site:
        """All of it."""
        return Site(
            posts={"/v1/completions": (self.complete, Complete)},
            gets={"/v1/models": models, "/v1/code": self.told},
            pages=("danlu.serve", "danlu.apps.code"),
            samples=lambda _: {"/v1/completions": SAMPLES},
        )

    async def complete(self, service: Service, call: Call) -> Response:
        """Go on with code, or fill a gap in it."""
        body = checked(Complete, call.value, IGNORED)
        value = {name: given for name, given in call.value.items() if name not in ("path", "files")}
        value["model"] = MODEL  # editors send any name, and there is one
        value["max_tokens"] = body.max_tokens or TOKENS
        prompt = body.prompt[0] if isinstance(body.prompt, list) and len(body.prompt) == 1 else body.prompt
        line_end = "\n"
        if isinstance(prompt, str):
            line_end = "\r\n" if "\r\n" in prompt or "\r\n" in (body.suffix or "") else "\n"
            short = [each for each in body.files if len(each.text) <= MOST_BYTES]
            files = [Source(_slashed(each.path), _learnable(each.text)) for each in short[:OPEN]]
            behind = None if body.suffix is None else _learnable(body.suffix)
            if body.stop:
                value["stop"] = _learnable(body.stop) if isinstance(body.stop, str) else [*map(_learnable, body.stop)]
            place = Place(_learnable(prompt), behind, _slashed(body.path))
            record = await self._record(service, call, place, files, value["max_tokens"])
            value = {name: given for name, given in value.items() if name not in ("prompt", "suffix")}
            value |= {{"text": "prompt"}.get(name, name): text for name, text in record.items()}
        call.value = value
        return await completions(service, call, line_end)

    async def told(self, service: Service, call: Call) -> Response:
        """What writes here, and whether it reads what stands behind a place."""
        model = service.leased(call, MODEL)
        return JSONResponse(
            {
                "max_length": model.predictor.network.limit,
                "fills": fills(model.predictor.tokenizer),
                "fingerprint": model.fingerprint,
                "repository": self.parts is not None,
                "samples": list(SAMPLES.values()),
            }
        )

    async def _record(self, service: Service, call: Call, place: Place, files: Sequence[Source], writes: int) -> Record:
        with service.shelf.lease(MODEL) as model:
            tokenizer, limit = model.predictor.tokenizer, model.predictor.network.limit

            def work() -> Record:
                return asked(place, Parts(files) if files else self.parts, tokenizer, limit, writes)

            size = len(place.before) + len(place.behind or "") + sum(len(each.text) for each in files)
            try:
                return await call.asking.done(size, work)
            except Refusal as refusal:
                raise Problem(400, "unsupported_parameter", str(refusal), "suffix") from None


def _learnable(text: str) -> str:
    """A text with the line ends that files are learnt with."""
    return text.replace("\r\n", "\n")


def _slashed(path: str) -> str:
    return path.replace("\\", "/")
