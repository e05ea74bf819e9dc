"""What the studio is asked about data, recipes and bundles."""

from collections.abc import Mapping

from danlu.apps.studio.studio import Studio
from danlu.serve.body import Body
from danlu.serve.site import Handler


def posts(studio: Studio) -> Mapping[str, tuple[Handler, type[Body]]]:
    """By path who answers, and the body that is taken."""
    return {}


def gets(studio: Studio) -> Mapping[str, Handler]:
    """By path who answers."""
    return {}
