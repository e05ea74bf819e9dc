"""The writer over HTTP: drafts of a wish, and what there is to write with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi.responses import JSONResponse, Response

from danlu.apps.write.brief import brief
from danlu.apps.write.ranked import WEIGHTS, Draft
from danlu.apps.write.wish import Wish
from danlu.apps.write.writer import TONES, WRITER, Asking, asking, judged, weighed
from danlu.model.written import Written
from danlu.refusal import Refusal
from danlu.serve.body import Body, checked
from danlu.serve.problem import of_refusal
from danlu.serve.routes.writing import tokens_of
from danlu.serve.service import Call, Service
from danlu.serve.shelf import Model
from danlu.serve.site import Site
from danlu.task.task import Prediction

SAMPLES: Mapping[str, Mapping[str, Any]] = {
    "Chinese": {"keywords": ["背包"], "words": ["背包", "防水", "续航"], "tone": "lively", "drafts": 3},
    "English": {"keywords": ["lamp", "soft"], "words": ["lamp", "waterproof"], "tone": "sober", "at_most": 30},
}


class Write(Body, Wish):
    """A wish, as a request."""


@dataclass(frozen=True)
class Routes:
    """What the writer answers.

    - `form`: what its model reads, where it is not that of `brief`; `judges`: whether there is a bundle that judges
      tones.
    """

    form: str | None = None
    judges: bool = False

    def site(self) -> Site:
        """All of it."""
        return Site(
            posts={"/v1/write": (self.write, Write)},
            gets={"/v1/writer": self.told},
            pages=("danlu.serve", "danlu.apps.write"),
            samples=lambda _: {"/v1/write": SAMPLES},
        )

    async def write(self, service: Service, call: Call) -> Response:
        """Drafts in order, each with the reasons for its place."""
        wish = checked(Write, call.value)
        model = service.leased(call, WRITER)
        judge = call.stack.enter_context(service.shelf.lease(TONES)) if self.judges else None
        try:
            tone = judged(wish, judge.predictor.task) if judge is not None else None
            asked = asking(wish, model.predictor, self.form, judged=tone is not None)
            written = await _written(service, call, model, asked)
            tones = await _tones(call, judge, written) if judge is not None and tone is not None else None
        except Refusal as refusal:
            raise of_refusal(refusal) from None
        size = sum(len(text.text) for text in written)
        drafts = await call.asking.done(size * len(written), lambda: weighed(written, tones, wish))
        low, high = wish.bounds
        return JSONResponse(
            {
                "object": "list",
                "drafts": [_plain(draft, wish) for draft in drafts],
                "brief": brief(wish, self.form),
                "language": wish.spoken,
                "unit": wish.unit,
                "at_least": low,
                "at_most": high,
                "usage": {"read": call.read, "written": call.written, "drafts": len(written)},
            }
        )

    async def told(self, service: Service, call: Call) -> Response:
        """What writes here, and which tones are judged."""
        model = service.leased(call, WRITER)
        tones: list[str] = []
        if self.judges:
            with service.shelf.lease(TONES) as judge:
                tones = list(judge.predictor.task.label_names())
        task = model.predictor.task
        told = {"task": task.kind, "max_length": model.predictor.network.limit, "fingerprint": model.fingerprint}
        known = set(tones) if self.judges else None
        samples = [
            {name: value for name, value in each.items() if name != "tone" or known is None or value in known}
            for each in SAMPLES.values()
        ]
        return JSONResponse({**told, "tones": tones, "weights": WEIGHTS, "samples": samples})


async def _written(service: Service, call: Call, model: Model, asked: Asking) -> list[Written]:
    predictor = model.predictor
    encoded = await call.asking.done(
        sum(len(str(record)) for record in asked.records), lambda: predictor.prompts(asked.records, asked.policy)
    )
    read = sum(len(row) for item in encoded for row in item.rows)
    rows = len(encoded) * asked.policy.rows
    service.admitted(call, read, rows, rows * asked.policy.max_new_tokens, asked.policy.rows)
    found = await call.asking.found(predictor.writing(encoded, asked.policy))
    texts = [text for (text,) in found]
    call.written = tokens_of(texts)
    return texts


async def _tones(call: Call, judge: Model, written: list[Written]) -> list[Prediction]:
    predictor = judge.predictor
    records = [{"text": text.text.strip()} for text in written]
    reading = await call.asking.done(sum(len(text.text) for text in written), lambda: predictor.read(records))
    found = await call.asking.found(predictor.ask(reading))
    return predictor.told(reading, found)


def _plain(draft: Draft, wish: Wish) -> dict[str, Any]:
    return {
        "text": draft.text,
        "score": draft.score,
        "reasons": dict(draft.reasons),
        "words": {word: word not in draft.missing for word in wish.words},
        "length": draft.length,
        "off": draft.off,
        "perplexity": draft.perplexity,
    }
