"""What the studio is asked about bundles: which there are, to open, explain, compress and verify one."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from fastapi.responses import Response
from pydantic import Field

from danlu.apps.studio.answering import changing, reading, told
from danlu.apps.studio.bundles import bundle_at, bundles
from danlu.apps.studio.workbench import Workbench
from danlu.compress.ladder_page import NAME as LADDER_PAGE
from danlu.machine.files import write_text
from danlu.serve.body import Body, checked
from danlu.serve.models import MODELS
from danlu.serve.routes.operations import models, refuse_strangers
from danlu.serve.service import Call, Service
from danlu.serve.site import Handler

Language = Literal["en", "zh"]
ASKED = ("/v1/predict", "/v1/chat/completions", "/v1/completions")
"""Routes of a server of bundles by which its page asks them."""


class OfBundle(Body):
    """A bundle by its address."""

    bundle: str = Field(max_length=5_000)
    language: Language = "en"


class Explained(OfBundle):
    """A record whose answer is explained."""

    record: dict[str, Any]
    method: Literal["integrated_gradients", "gradient_input", "occlusion", "shap", "attention", "rollout"] = (
        "integrated_gradients"
    )


class Compressed(OfBundle):
    """What is tried, on which data, and how far the quality may fall."""

    data: str = Field(max_length=5_000, description="address of a file with the truth, or of prepared data")
    floor: str = Field(max_length=100, pattern=r"^[\w@]+ -?[\d.]+$", description="'accuracy -0.5', or a least value")
    target: Literal["latency", "size", "throughput"] = "throughput"
    rungs: str = Field(default="", max_length=500, pattern=r"^[\w:.,+]*$", description="as in bfloat16,neurons:0.5")
    train_again: bool = Field(default=True, description="train again what was pruned")
    out: str = Field(max_length=64, pattern=r"^\w[\w-]*$", description="folder below compressed/ for what is kept")


def posts(bench: Workbench) -> Mapping[str, tuple[Handler, type[Body]]]:
    """By path who answers, and the body that is taken."""

    def verify(body: OfBundle) -> Any:
        """Replay the golden outputs of a bundle, in the background: `danlu verify`."""
        place = bench.told(bundle_at(bench.served, body.bundle))
        return bench.jobs.start(
            "verify", body.bundle, lambda _: ["danlu", "verify", place], language=body.language
        ).plain()

    def explain(body: Explained) -> Any:
        """Which words an answer goes back to, in the background: `danlu explain`."""
        place = bench.told(bundle_at(bench.served, body.bundle))

        def words(folder: Path) -> list[str]:
            write_text(folder / "record.jsonl", json.dumps(body.record) + "\n")
            page = str(folder / "page.html")
            return ["danlu", "explain", place, str(folder / "record.jsonl"), "--method", body.method, "--html", page]

        return bench.jobs.start("explain", body.bundle, words, language=body.language).plain()

    def compress(body: Compressed) -> Any:
        """Make a bundle smaller or faster, in the background: `danlu compress`; begun anew it goes on."""
        place = bench.told(bundle_at(bench.served, body.bundle))
        data = bench.told(bench.data_at(body.data))
        out = bench.served.inside(f"working:compressed/{body.out}")
        words = ["danlu", "compress", place, data, "--floor", body.floor, "--target", body.target]
        words += ["--out", bench.told(out)] + (["--rungs", body.rungs] if body.rungs else [])
        words += [] if body.train_again else ["--recovery", "none"]
        started = bench.jobs.start(
            "compress", body.bundle, lambda _: words, language=body.language, page=lambda _: out / LADDER_PAGE
        )
        return started.plain()

    return {
        "/v1/verify": changing(verify, OfBundle),
        "/v1/explain": changing(explain, Explained),
        "/v1/compress": changing(compress, Compressed),
        "/v1/open": (_open(bench), OfBundle),
        **{path: (_noticed(bench, MODELS.posts[path][0]), MODELS.posts[path][1]) for path in ASKED},
    }


def gets(bench: Workbench) -> Mapping[str, Handler]:
    """By path who answers."""

    def all_(_asked: Mapping[str, str]) -> Any:
        """The bundles in the folders that are served, and which of them are open."""
        return {"bundles": bundles(bench.served), "open": bench.opened.addresses()}

    return {"/v1/bundles": reading(all_), "/v1/models": models}


def _open(bench: Workbench) -> Handler:
    async def answer(service: Service, call: Call) -> Response:
        """Open a bundle, so that it may be asked by the name that is told; the least used of several is closed."""
        refuse_strangers(service, call)
        address = checked(OfBundle, call.value).bundle
        name = await call.asking.apart(lambda: bench.opened.open(service.shelf, address), service.changing)
        return told({"model": name})

    return answer


def _noticed(bench: Workbench, handler: Handler) -> Handler:
    """A handler of a server of bundles, of which it is noticed what was asked last."""

    async def answer(service: Service, call: Call) -> Response:
        name = call.value.get("model")
        bench.opened.used(name if isinstance(name, str) else None)
        return await handler(service, call)

    answer.__doc__ = handler.__doc__
    return answer
