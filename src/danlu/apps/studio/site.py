"""What the studio offers over HTTP: runs, and data, recipes and bundles."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from danlu.apps.studio import data_routes, run_routes
from danlu.apps.studio.studio import Studio
from danlu.apps.studio.workbench import bench_of
from danlu.serve.service import Service
from danlu.serve.site import Site


def site_of(studio: Studio, folders: Sequence[Path] = ()) -> Site:
    """All routes of the studio, and its page; `folders` are others whose data and bundles are shown."""
    bench = bench_of(studio.root, studio.working, folders)

    @asynccontextmanager
    async def around(_service: Service) -> AsyncIterator[None]:
        try:
            yield
        finally:
            bench.close()
            studio.close()

    return Site(
        posts={**run_routes.posts(studio), **data_routes.posts(bench)},
        gets={**run_routes.gets(studio), **data_routes.gets(bench)},
        adds=lambda app, service: data_routes.add_pages(app, service, bench),
        quiet=frozenset({*run_routes.POLLED, *data_routes.POLLED}),
        around=around,
        pages=("danlu.serve", "danlu.apps.studio"),
    )
