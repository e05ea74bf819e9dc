"""What the studio offers over HTTP: runs, and data, recipes and bundles."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from danlu.apps.studio import data_routes, run_routes
from danlu.apps.studio.studio import Studio
from danlu.serve.service import Service
from danlu.serve.site import Site


def site_of(studio: Studio) -> Site:
    """All routes of the studio, and its page."""

    @asynccontextmanager
    async def around(_service: Service) -> AsyncIterator[None]:
        try:
            yield
        finally:
            studio.close()

    return Site(
        posts={**run_routes.posts(studio), **data_routes.posts(studio)},
        gets={**run_routes.gets(studio), **data_routes.gets(studio)},
        quiet=frozenset(run_routes.POLLED),
        around=around,
        pages=("danlu.serve", "danlu.apps.studio"),
    )
