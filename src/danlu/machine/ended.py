"""How processes of one command wait for each other, and how one ends on account of another."""

JOIN_SECONDS = 600.0  # machines of a cluster may need minutes to start

ENDED = 75
"""Exit status of a process that ends because another has; what the other has ended with is what counts."""
