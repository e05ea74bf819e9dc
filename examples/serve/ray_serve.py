"""Servers of danlu on a cluster of Ray, more of them while there is more to do.

    pip install 'danlu[serve]' 'ray[serve]>=2.49,<3'
    serve run ray_serve:app bundles=reviews=/models/reviews,shop=/models/shop cores=4 most=8

Each replica is a whole server: its own queue, which batches over all that Ray sends it, streams, limits, and golden
outputs that are replayed before it answers. Every node has the bundles at the same path. To take new ones, run it again
with other paths: Ray puts the new replicas up before it takes the old ones down.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

if TYPE_CHECKING:
    from ray.serve import Application

REPLAY = 600.0
"""Seconds between replays of the golden outputs; what differs stands in the log of the replica."""


def builder(bundles: list[str], cores: int, keys: str | None = None) -> Callable[[], FastAPI]:
    """What makes the server of one replica, there where it is to run."""

    def build() -> FastAPI:
        from danlu.serve.app import app_of
        from danlu.serve.keys import read_keys
        from danlu.serve.limits import Limits
        from danlu.serve.service import Service
        from danlu.serve.shelf import Shelf, place_of

        known = read_keys(Path(keys)) if keys else ()
        shelf = Shelf([replace(place_of(each), threads=cores) for each in bundles])
        shelf.open()
        server = app_of(Service(shelf, Limits(), known), REPLAY)
        # It would reach one replica of many, and asked through Ray everybody comes from the same machine.
        server.router.routes = [each for each in server.routes if getattr(each, "path", "") != "/admin/reload"]
        return server

    return build


def app(arguments: Mapping[str, Any]) -> "Application":
    """What `serve run` starts, with the NAME=VALUE that stand behind it."""
    from ray import serve

    cores = int(arguments.get("cores", 2))
    build = builder(str(arguments["bundles"]).split(","), cores, arguments.get("keys"))
    deployment = serve.deployment(
        serve.ingress(build)(),
        name="danlu",
        # Ray's own 5 would leave nothing to batch; the server refuses by itself what it cannot do in time.
        max_ongoing_requests=256,
        autoscaling_config={
            "min_replicas": int(arguments.get("least", 1)),
            "max_replicas": int(arguments.get("most", 4)),
            "target_ongoing_requests": 16,
        },
        ray_actor_options={"num_cpus": cores},
        graceful_shutdown_timeout_s=45,
    )
    return deployment.bind()
