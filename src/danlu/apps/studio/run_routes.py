"""What the studio is asked about runs."""

from collections.abc import Mapping

from fastapi.responses import JSONResponse, Response

from danlu.apps.studio.studio import Studio
from danlu.serve.body import Body
from danlu.serve.service import Call, Service
from danlu.serve.site import Handler


def posts(studio: Studio) -> Mapping[str, tuple[Handler, type[Body]]]:
    """By path who answers, and the body that is taken."""
    return {}


def gets(studio: Studio) -> Mapping[str, Handler]:
    """By path who answers."""

    async def runs(_service: Service, _call: Call) -> Response:
        """The folder, and the runs in it."""
        names = sorted(path.name for path in studio.root.iterdir() if path.is_dir()) if studio.root.is_dir() else []
        return JSONResponse({"folder": str(studio.root), "runs": [{"name": name} for name in names]})

    return {"/v1/runs": runs}
