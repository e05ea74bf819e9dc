"""What the studio looks at, and what it may start."""

from dataclasses import dataclass
from pathlib import Path


@dataclass
class Studio:
    """The folders that a page shows.

    - `root`: of all runs, one folder each. `working`: where recipes lie, and where what is started works.
    """

    root: Path
    working: Path
