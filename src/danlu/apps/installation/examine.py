"""All that is looked at, in the order in which it is told."""

from collections.abc import Iterator

from danlu.apps.installation.computing import look_at_cores, look_at_memory, look_at_torch
from danlu.apps.installation.finding import Finding
from danlu.apps.installation.packages import look_at_extras, look_at_packages, look_at_python
from danlu.apps.installation.surroundings import (
    look_at_clock,
    look_at_folders,
    look_at_language,
    look_at_network,
    look_at_settings,
)
from danlu.language import translator


def examine(language: str, *, network: bool = False) -> Iterator[Finding]:
    """Everything that was found, one after the other; the network is asked only where `network` says so."""
    _ = translator(language)
    for look in (
        *(look_at_python, look_at_packages, look_at_extras, look_at_torch, look_at_cores, look_at_memory),
        *(look_at_folders, look_at_language, look_at_clock, look_at_settings),
    ):
        yield from look(_)
    if network:
        yield from look_at_network(_)
