"""The one error that is meant for people."""


class Refusal(ValueError):
    """What the user gave cannot be used: one sentence with the place, what was expected and what to do.

    The command line prints it and exits with 2; anything else that is raised is a mistake of ours.
    """
